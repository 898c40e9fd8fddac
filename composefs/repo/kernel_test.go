package repo

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
)

// verityXattr is where fakeVerity keeps the digest of a file: with the inode,
// as the kernel does.
const verityXattr = "user.test.verity"

// fakeVerity is a kernel that has fs-verity, as far as a repository can tell.
// Like the real one it refuses a file that somebody can write to, and measures
// what the file held when it was enabled. It does not notice changes.
func fakeVerity(t testing.TB) kernel {
	k := realKernel()
	k.enable = func(f *os.File, alg verity.Algorithm) error {
		if n := writers(t, f); n > 0 {
			t.Errorf("fs-verity enabled while %d descriptors can write to the file", n)
			return verity.ErrBusy
		}
		if _, err := k.measure(f); err == nil {
			return nil
		}
		h := verity.NewHasher(alg)
		if _, err := io.Copy(h, io.NewSectionReader(f, 0, 1<<40)); err != nil {
			return err
		}
		return unix.Fsetxattr(int(f.Fd()), verityXattr, []byte(h.Sum().String()), 0)
	}
	k.measure = func(f *os.File) (verity.Digest, error) {
		buf := make([]byte, 128)
		n, err := unix.Fgetxattr(int(f.Fd()), verityXattr, buf)
		if errors.Is(err, unix.ENODATA) {
			return verity.Digest{}, verity.ErrNotEnabled
		}
		if err != nil {
			return verity.Digest{}, err
		}
		return verity.ParseHex(string(buf[:n]))
	}
	return k
}

// writers counts the descriptors of this process that can write to f.
func writers(t testing.TB, f *os.File) int {
	var want unix.Stat_t
	mustNil(t, unix.Fstat(int(f.Fd()), &want))
	fds, err := os.ReadDir("/proc/self/fd")
	mustNil(t, err)
	n := 0
	for _, fd := range fds {
		var number int
		fmt.Sscan(fd.Name(), &number)
		var st unix.Stat_t
		if unix.Fstat(number, &st) != nil || st.Ino != want.Ino || st.Dev != want.Dev {
			continue
		}
		flags, err := unix.FcntlInt(uintptr(number), unix.F_GETFL, 0)
		if err == nil && flags&unix.O_ACCMODE != unix.O_RDONLY {
			n++
		}
	}
	return n
}

// withoutTmpfile is a kernel whose file system lacks O_TMPFILE.
func withoutTmpfile() kernel {
	k := realKernel()
	k.openTemp = func(int, string) (int, error) { return -1, unix.EOPNOTSUPP }
	return k
}

// kernels are what objects must be stored alike on.
func kernels(t testing.TB) map[string]struct {
	kernel
	Config
} {
	type variant = struct {
		kernel
		Config
	}
	return map[string]variant{
		"insecure":        {realKernel(), Config{Insecure: true}},
		"sha256":          {realKernel(), Config{Insecure: true, Algorithm: verity.SHA256}},
		"without tmpfile": {withoutTmpfile(), Config{Insecure: true}},
		"verity":          {fakeVerity(t), Config{}},
	}
}

// everywhere runs the test in a repository on each of the kernels.
func everywhere(t *testing.T, test func(t *testing.T, r *Repo)) {
	for name, v := range kernels(t) {
		t.Run(name, func(t *testing.T) {
			test(t, initRepo(t, filepath.Join(t.TempDir(), "repo"), v.Config, v.kernel))
		})
	}
}

// TestVerityIsNotSupportedHere pins what Init says without fs-verity. Where
// the kernel has it, the repository must come to be.
func TestVerityIsNotSupportedHere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "repo")
	r, created, err := Init(t.Context(), path, Config{})
	if err == nil {
		defer r.Close()
		if !created || r.Insecure() {
			t.Errorf("created %v, insecure %v", created, r.Insecure())
		}
		put(t, r.NewImporter(), []byte("data"))
		check(t, r)
		return
	}
	wantError(t, err, verity.ErrNotSupported)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory stays behind: %v", err)
	}
}
