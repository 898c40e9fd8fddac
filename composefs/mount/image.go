package mount

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// The parts of an image that mounting looks at: docs/reference/formats/erofs.md.
const (
	headerMagic     = "\x9a\x62\x78\xd0" // at 0
	flagsOffset     = 8
	flagACL         = 1                  // some inode has an access control list
	superblockMagic = "\xe2\xe1\xf5\xe0" // at superblockOffset

	superblockOffset = 1024
)

// readHeader checks that f is a composefs image and returns whether it has
// access control lists.
func readHeader(f *os.File) (acl bool, err error) {
	var head [superblockOffset + len(superblockMagic)]byte
	n, err := f.ReadAt(head[:], 0)
	switch {
	case n < len(head) && !errors.Is(err, io.EOF):
		return false, err
	case string(head[superblockOffset:]) != superblockMagic:
		return false, note("no EROFS superblock", ErrNotImage)
	case string(head[:len(headerMagic)]) != headerMagic:
		return false, note("no composefs header", ErrNotImage)
	}
	return head[flagsOffset]&flagACL != 0, nil
}

// mountImage mounts the EROFS image, attached nowhere, and returns the mount's
// descriptor.
func (o *Options) mountImage() (int, error) {
	acl, err := readHeader(o.Image)
	if err != nil {
		return -1, err
	}
	fd, err := o.mountErofs(int(o.Image.Fd()), acl)
	if !errors.Is(err, unix.ENOTBLK) {
		return fd, err
	}
	loop, err := o.attachLoop()
	if err != nil {
		return -1, err
	}
	// The loop device is freed with the last user: the mount, or this
	// descriptor if there is no mount.
	defer closeAll(loop)
	return o.mountErofs(loop, acl)
}

// mountErofs mounts a file or a block device. Linux before 6.12 takes no files:
// ENOTBLK.
func (o *Options) mountErofs(device int, acl bool) (int, error) {
	c := o.open("erofs")
	defer c.close()
	c.setFlag("ro")
	if !acl {
		c.setFlag("noacl")
	}
	c.set("source", procFd(device))
	if o.pretend.noFiles && device == int(o.Image.Fd()) {
		c.do("create", func(int) error { return unix.ENOTBLK })
	}
	fd, err := c.mount(true)
	if errors.Is(err, unix.ENOENT) {
		err = note("/proc must be mounted", err)
	}
	return fd, err
}
