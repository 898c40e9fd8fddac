package accounts

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/atomicfile"
)

// DropOrphans removes the lines of /etc/shadow and /etc/gshadow whose names are in
// neither passwd or group of etc nor those of usrlib, and those that repeat an earlier
// one: systemd-sysusers gives up at them. usrlib is where nss-altfiles has its files; it
// may be nil. All else stays byte for byte, and a file without such lines is not
// written. Nothing is dropped where the file with the names is missing or empty.
//
// It holds the lock of lckpwdf(3). What was dropped is returned as "shadow: name".
func DropOrphans(etc, usrlib *os.File) (dropped []string, err error) {
	lock, err := lockAccounts(etc)
	if err == nil {
		dropped, err = dropOrphans(etc, usrlib)
		lock.Close()
	}
	if err != nil {
		err = fmt.Errorf("cannot drop orphans from the shadow files: %w", err)
	}
	return dropped, err
}

// lockAccounts takes the lock that all programs take which change account files.
func lockAccounts(etc *os.File) (*os.File, error) {
	fd, err := unix.Openat(int(etc.Fd()), ".pwd.lock", unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open .pwd.lock: %w", err)
	}
	lock := os.NewFile(uintptr(fd), ".pwd.lock")
	for {
		err = unix.FcntlFlock(lock.Fd(), unix.F_SETLKW, &unix.Flock_t{Type: unix.F_WRLCK})
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			lock.Close()
			return nil, fmt.Errorf("lock .pwd.lock: %w", err)
		}
		return lock, nil
	}
}

func dropOrphans(etc, usrlib *os.File) (dropped []string, err error) {
	var errs []error
	for _, pair := range [][2]string{{"passwd", "shadow"}, {"group", "gshadow"}} {
		names, err := namesIn(pair[0], etc, usrlib)
		if err == nil && len(names) > 0 {
			var gone []string
			gone, err = filter(etc, pair[1], names)
			dropped = append(dropped, gone...)
		}
		errs = append(errs, err)
	}
	return dropped, errors.Join(errs...)
}

// namesIn are the names in the file of that name in the directories. Without any in
// the first one there are none.
func namesIn(name string, dirs ...*os.File) (set, error) {
	names := set{}
	for i, dir := range dirs {
		if dir == nil {
			continue
		}
		f, text, err := readAccounts(dir, name)
		if errors.Is(err, fs.ErrNotExist) && i > 0 {
			continue
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		f.Close()
		for line := range strings.Lines(text) {
			if key, _, ok := strings.Cut(line, ":"); ok {
				names[key] = true
			}
		}
		if i == 0 && len(names) == 0 {
			return nil, nil
		}
	}
	return names, nil
}

// filter drops the lines of a file that have none of the names, or one that was there
// before.
func filter(dir *os.File, name string, names set) (dropped []string, err error) {
	f, text, err := readAccounts(dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var kept strings.Builder
	seen := set{}
	for line := range strings.Lines(text) {
		key, _, ok := strings.Cut(line, ":")
		if ok && isName(key) && (!names[key] || seen[key]) {
			dropped = append(dropped, name+": "+key)
			continue
		}
		seen[key] = true
		kept.WriteString(line)
	}
	if len(dropped) == 0 {
		return nil, nil
	}
	return dropped, atomicfile.WriteLike(dir, name, f, []byte(kept.String()))
}

const maxAccounts = 64 << 20 // bytes; a million users have less

// readAccounts opens a file and reads it. A link is not followed: it would be replaced.
func readAccounts(dir *os.File, name string) (*os.File, string, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, "", &os.PathError{Op: "open", Path: name, Err: err}
	}
	f := os.NewFile(uintptr(fd), name)
	data, err := io.ReadAll(io.LimitReader(f, maxAccounts+1))
	if err == nil && len(data) > maxAccounts {
		err = fmt.Errorf("%s is larger than %d bytes", name, maxAccounts)
	}
	if err != nil {
		f.Close()
		return nil, "", err
	}
	return f, string(data), nil
}

// isName says whether a key is a name, and not a comment or a rule for NIS.
func isName(key string) bool { return key != "" && strings.IndexByte("#+-", key[0]) < 0 }
