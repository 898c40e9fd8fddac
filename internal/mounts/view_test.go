package mounts

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNew(t *testing.T) {
	t.Parallel()
	v, err := New("tmpfs", "test", "size=1048576", "ro")
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(v.Root.Fd()), &st); err != nil || st.Type != unix.TMPFS_MAGIC || int64(st.Blocks)*st.Bsize != 1<<20 || st.Flags&unix.ST_RDONLY == 0 {
		t.Errorf("%+v, %v", st, err)
	}
	v.Close()
	for _, tt := range []struct {
		fstype, source, option, want string
		is                           error
	}{
		{"ext4", "/dev/null", "errors=remount-ro", "ext4 file system: block device required", unix.ENOTBLK},
		{"nosuchfs", "x", "ro", "this kernel has no nosuchfs (modprobe nosuchfs)", unix.ENODEV},
		{"tmpfs", "x", "no=such", "tmpfs file system: invalid argument: tmpfs: Unknown parameter 'no'", unix.EINVAL},
		{"tmpfs", "x", "nosuch", "tmpfs file system: invalid argument: tmpfs: Unknown parameter 'nosuch'", unix.EINVAL},
	} {
		if _, err := New(tt.fstype, tt.source, tt.option); !errors.Is(err, tt.is) || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s, %s: %v", tt.fstype, tt.option, err)
		}
	}
}

// Open owns what it was given even if it fails.
func TestOpenFile(t *testing.T) {
	t.Parallel()
	fd, err := unix.Open("/dev/null", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(fd, "name"); !errors.Is(err, unix.ENOTDIR) {
		t.Error(err)
	}
}
