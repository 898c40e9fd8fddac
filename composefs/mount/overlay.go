package mount

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// abilities are what a test takes from the kernel, to run the code for older
// ones.
type abilities struct {
	noFsopen     bool // before Linux 5.2
	noFiles      bool // EROFS in a file: before 6.12
	noDetached   bool // layers that are attached nowhere, given as descriptors: before 6.15
	noDataLayers bool // layers that have no names of their own: before 6.5
	noOverlayFds bool // overlayfs configured by other than strings: before 6.5
}

// mountOverlay mounts the overlay over the EROFS mount lower and returns the
// mount's descriptor. It tries ever older ways to name the layers.
func (o *Options) mountOverlay(lower int) (int, error) {
	fd, err := o.overlayDetached(lower)
	if !isOutdated(err) {
		return fd, err
	}
	return o.overlayByPath(lower, err)
}

// isOutdated reports whether err may come from a kernel that does not know a
// way yet.
func isOutdated(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EBADF) || errors.Is(err, unix.EOPNOTSUPP)
}

// overlayDetached gives the layers as descriptors.
func (o *Options) overlayDetached(lower int) (int, error) {
	c := o.open("overlay")
	defer c.close()
	o.configure(c)
	switch {
	case o.pretend.noOverlayFds:
		c.do("lowerdir+", func(int) error { return unix.EOPNOTSUPP })
	case o.pretend.noDetached:
		c.do("lowerdir+", func(int) error { return unix.EINVAL })
	}
	c.setFd("lowerdir+", lower)
	c.setFd("datadir+", int(o.Objects.Fd()))
	if o.Upper != nil {
		c.setFd("upperdir", int(o.Upper.Fd()))
		c.setFd("workdir", int(o.Work.Fd()))
	}
	return c.mount(o.readOnly())
}

// configure sets what all ways have in common.
func (o *Options) configure(c *context) {
	c.set("source", o.source())
	c.set("metacopy", "on")
	c.set("redirect_dir", "on")
	if o.RequireVerity {
		before := c.fail
		c.set("verity", "require")
		if before == nil && errors.Is(c.fail, unix.EINVAL) {
			c.fail = errNoVerity
		}
	}
}

// overlayByPath gives the layers as paths. Layers must be attached for that, so
// lower is, for a moment. The error why is that of the better way.
func (o *Options) overlayByPath(lower int, why error) (int, error) {
	if errors.Is(why, ErrUnsupported) {
		return -1, why
	}
	place, err := o.temporary()
	if err != nil {
		return -1, err
	}
	defer place.remove()
	if err := o.attach(lower, place.path); err != nil {
		return -1, err
	}
	defer place.detach()
	fd, err := o.overlayLayers(lower, true)
	if isOutdated(err) && !o.RequireVerity {
		if fd, old := o.overlayLayers(lower, false); old == nil {
			return fd, nil
		}
	}
	return fd, err
}

func (o *Options) overlayLayers(lower int, dataLayers bool) (int, error) {
	if o.pretend.noDataLayers && dataLayers {
		return -1, unix.EINVAL
	}
	c := o.open("overlay")
	defer c.close()
	o.configure(c)
	c.set("lowerdir", o.layers(lower, dataLayers))
	if o.Upper != nil {
		c.set("upperdir", procFd(int(o.Upper.Fd())))
		c.set("workdir", procFd(int(o.Work.Fd())))
	}
	return c.mount(o.readOnly())
}

// layers names the lower layers. The object directory is one whose names are
// not in the merged tree; where the kernel has none such, the whiteouts that
// every image has for the 256 object directories hide them.
func (o *Options) layers(lower int, dataLayers bool) string {
	separator := ":"
	if dataLayers {
		separator = "::"
	}
	return procFd(lower) + separator + procFd(int(o.Objects.Fd()))
}

// A place is a directory of our own to mount at.
type place struct{ path string }

// temporary makes a directory that nobody else can enter.
func (o *Options) temporary() (*place, error) {
	parents := []string{"/run", "/tmp"}
	if o.TempDir != "" {
		parents = []string{o.TempDir}
	}
	var first error
	for _, parent := range parents {
		path, err := os.MkdirTemp(parent, ".composefs-")
		if err == nil {
			return &place{path}, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, note("no place for a temporary mount point", first)
}

// detach unmounts what is mounted here; who uses it keeps it.
func (p *place) detach() { _ = unix.Unmount(p.path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) }

func (p *place) remove() { _ = os.Remove(p.path) }
