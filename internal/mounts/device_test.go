package mounts

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/testdisk"
)

func touch(dir *os.File, name string) error {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err == nil {
		err = unix.Close(fd)
	}
	return err
}

func TestOpenDevice(t *testing.T) {
	t.Parallel()
	loop := testdisk.Ext4(t)
	options := []string{"errors=remount-ro"}
	rw, err := OpenDevice(loop, "ext4", options, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := touch(rw.Root, "x"); err != nil {
		t.Error(err)
	}
	var st unix.Statfs_t
	const want = unix.ST_NOSUID | unix.ST_NOEXEC | unix.ST_NODEV
	if err := unix.Fstatfs(int(rw.Root.Fd()), &st); err != nil || st.Flags&want != want {
		t.Errorf("%v, flags %#x", err, st.Flags)
	}
	// A reader comes while somebody writes.
	ro, err := OpenDevice(loop, "ext4", options, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := touch(ro.Root, "y"); !errors.Is(err, unix.EROFS) {
		t.Error(err)
	}
	ro.Close()
	rw.Close()
	if _, err := OpenDevice("/dev/null", "ext4", options, false); err == nil || !strings.HasPrefix(err.Error(), "mount /dev/null: ext4 file system: block device required") {
		t.Error(err)
	}
}

// A writer comes while somebody reads, who does not end and cannot write then either.
func TestWriterBesideReader(t *testing.T) {
	t.Parallel()
	loop := testdisk.Ext4(t)
	ro, err := OpenDevice(loop, "ext4", nil, false)
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close()
	rw, err := OpenDevice(loop, "ext4", nil, true)
	if err != nil {
		t.Fatal(err)
	}
	defer rw.Close()
	if err := touch(rw.Root, "x"); err != nil {
		t.Error(err)
	}
	if err := touch(ro.Root, "y"); !errors.Is(err, unix.EROFS) {
		t.Error(err)
	}
}
