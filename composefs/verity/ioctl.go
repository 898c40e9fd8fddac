package verity

import (
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What callers branch on.
var (
	// ErrNotSupported means that the kernel or the file system lacks fs-verity.
	ErrNotSupported = errors.New("fs-verity is not supported here")
	// ErrNotEnabled means that the file could have fs-verity but has not.
	ErrNotEnabled = errors.New("fs-verity is not enabled")
	// ErrBusy means that somebody holds the file open for writing.
	ErrBusy = errors.New("file is open for writing")
)

// Enable makes the kernel hash f, which is open for reading only, and refuse
// all writing to its content from then on. It succeeds if f has fs-verity
// already, with whatever algorithm: [Measure] tells.
//
// The kernel refuses while any descriptor in any process can write to the
// file, and says ETXTBSY. Callers that made the file close the descriptor they
// wrote through and open the file anew for reading. A child that this process
// forked meanwhile holds a copy of the closed descriptor until its exec is
// nearly over; taking syscall.ForkLock afterwards does not wait for that, for
// the parent of a vfork runs again before the child's descriptors are closed.
// So Enable tries again, first after 1 ms, and gives up with ErrBusy after half
// a second. Callers that want no retry hold syscall.ForkLock.RLock from opening
// the file for writing until they have closed that descriptor, and no longer,
// for it stops all forks.
func Enable(f *os.File, alg Algorithm) error {
	if err := systemIoctls.enable(f, alg); err != nil {
		return fmt.Errorf("cannot enable fs-verity on %s: %w", f.Name(), err)
	}
	return nil
}

// Measure asks the kernel for the digest of f. It is no proof of what reading f
// gives on a kernel that the caller does not trust.
func Measure(f *os.File) (Digest, error) {
	d, err := systemIoctls.measure(f)
	if err != nil {
		return Digest{}, fmt.Errorf("cannot measure %s: %w", f.Name(), err)
	}
	return d, nil
}

// ioctls is the kernel as far as fs-verity goes.
type ioctls struct {
	call  func(fd, request uintptr, arg unsafe.Pointer) error
	sleep func(time.Duration)
}

var systemIoctls = &ioctls{call: ioctl, sleep: time.Sleep}

func ioctl(fd, request uintptr, arg unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, request, uintptr(arg))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
			continue
		}
		return errno
	}
}

// enableTries and firstPause give 1+2+4+...+256 ms.
const (
	enableTries = 10
	firstPause  = time.Millisecond
)

func (k *ioctls) enable(f *os.File, alg Algorithm) error {
	arg := unix.FsverityEnableArg{Version: 1, Hash_algorithm: uint32(alg), Block_size: BlockSize}
	pause := firstPause
	for try := 1; ; try++ {
		err := k.on(f, unix.FS_IOC_ENABLE_VERITY, unsafe.Pointer(&arg))
		switch {
		case err == nil, errors.Is(err, unix.EEXIST):
			return nil
		case !errors.Is(err, unix.ETXTBSY):
			return classify(err)
		case try == enableTries:
			return fmt.Errorf("%w: %w", ErrBusy, err)
		}
		k.sleep(pause)
		pause *= 2
	}
}

// measurement is struct fsverity_digest with room for the longest digest.
type measurement struct {
	unix.FsverityDigest
	sum [64]byte
}

func (k *ioctls) measure(f *os.File) (Digest, error) {
	m := measurement{FsverityDigest: unix.FsverityDigest{Size: 64}}
	if err := k.on(f, unix.FS_IOC_MEASURE_VERITY, unsafe.Pointer(&m)); err != nil {
		return Digest{}, classify(err)
	}
	if int(m.Size) > len(m.sum) || m.Algorithm > 255 {
		return Digest{}, fmt.Errorf("the kernel answers with algorithm %d and %d bytes", m.Algorithm, m.Size)
	}
	return FromBytes(Algorithm(m.Algorithm), m.sum[:m.Size])
}

// on calls the ioctl on f while nobody can close it.
func (k *ioctls) on(f *os.File, request uintptr, arg unsafe.Pointer) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var callErr error
	err = conn.Control(func(fd uintptr) { callErr = k.call(fd, request, arg) })
	return errors.Join(err, callErr)
}

// classify adds the sentinel that fits the error of a fs-verity ioctl.
func classify(err error) error {
	switch {
	case errors.Is(err, unix.ENOTTY), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("%w: %w", ErrNotSupported, err)
	case errors.Is(err, unix.ENODATA):
		return fmt.Errorf("%w: %w", ErrNotEnabled, err)
	}
	return err
}
