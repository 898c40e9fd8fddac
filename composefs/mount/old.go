package mount

import (
	"errors"

	"golang.org/x/sys/unix"
)

// mountOld mounts at target through mount(2).
func (o *Options) mountOld(target string) error {
	acl, err := readHeader(o.Image)
	if err != nil {
		return err
	}
	place, err := o.temporary()
	if err != nil {
		return err
	}
	defer place.remove()
	if err := o.mountImageOld(place.path, acl); err != nil {
		return err
	}
	defer place.detach()
	lower, err := unix.Open(place.path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return note(place.path, err)
	}
	defer closeAll(lower)
	err = o.mountOverlayOld(target, lower, true)
	if errors.Is(err, unix.EINVAL) && !o.RequireVerity {
		if o.mountOverlayOld(target, lower, false) == nil {
			return nil
		}
	}
	return err
}

// mountImageOld mounts the EROFS image at path.
func (o *Options) mountImageOld(path string, acl bool) error {
	err := o.mountErofsOld(int(o.Image.Fd()), path, acl)
	if !errors.Is(err, unix.ENOTBLK) {
		return err
	}
	loop, err := o.attachLoop()
	if err != nil {
		return err
	}
	defer closeAll(loop)
	return o.mountErofsOld(loop, path, acl)
}

func (o *Options) mountErofsOld(device int, path string, acl bool) error {
	options := "noacl"
	if acl {
		options = ""
	}
	return o.mount2("erofs", procFd(device), path, unix.MS_RDONLY, options, func() error {
		if o.pretend.noFiles && device == int(o.Image.Fd()) {
			return unix.ENOTBLK
		}
		return nil
	})
}

func (o *Options) mountOverlayOld(target string, lower int, dataLayers bool) error {
	options := "metacopy=on,redirect_dir=on,lowerdir=" + o.layers(lower, dataLayers)
	if o.RequireVerity {
		options += ",verity=require"
	}
	if o.Upper != nil {
		options += ",upperdir=" + procFd(int(o.Upper.Fd())) + ",workdir=" + procFd(int(o.Work.Fd()))
	}
	flags := uintptr(0)
	if o.readOnly() {
		flags = unix.MS_RDONLY
	}
	err := o.mount2("overlay", o.source(), target, flags, options, func() error {
		if o.pretend.noDataLayers && dataLayers {
			return unix.EINVAL
		}
		return nil
	})
	if o.RequireVerity && errors.Is(err, unix.EINVAL) {
		return errNoVerity
	}
	return err
}

// mount2 is mount(2), unless pretend has an error for it.
func (o *Options) mount2(fs, source, target string, flags uintptr, options string, pretend func() error) error {
	err := o.step("mount "+fs, func() error {
		if err := pretend(); err != nil {
			return err
		}
		return unix.Mount(source, target, fs, flags, options)
	})
	return explain(fs, err)
}
