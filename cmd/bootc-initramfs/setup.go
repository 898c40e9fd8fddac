package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/kargs"
)

// setupRoot mounts the deployment that the command line names. Until the last step it
// works aside, so that after an error all is as it was and whoever gets a shell finds
// the disk where it belongs.
func setupRoot(o options, warn func(string)) (err error) {
	line := kargs.Parse(o.cmdline)
	root, err := kargs.FindRoot(line)
	if err != nil {
		return advise(err, hintCmdline)
	}
	conf, err := readConfig(o.config, line, warn)
	if err != nil {
		return advise(err, hintConfig)
	}
	if o.target == o.sysroot {
		if err := markRootDevice("/dev", "/run/systemd"); err != nil {
			return err
		}
	}
	a, err := newAssembly(o.sysroot)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	if conf.Etc.writesState() || conf.Var.writesState() {
		if err := a.makeWritable(); err != nil {
			warn(fmt.Sprintf("%s stays read-only: %v", o.sysroot, err))
		}
	}
	if err := a.build(root, conf, warn); err != nil {
		return err
	}
	if err := a.checkInit(line); err != nil {
		return err
	}
	return a.install(o)
}

// build puts the whole tree together.
func (a *assembly) build(root kargs.Root, c config, warn func(string)) error {
	if err := a.mountImage(root, c.TransientRoot); err != nil {
		return err
	}
	err := a.mountPhysical()
	if errors.Is(err, unix.ENOENT) {
		warn("the image has no directory /sysroot: bootc will not find its repository in the running system")
		err = nil
	}
	if err != nil {
		return err
	}
	if err := a.mountState(root.ID, "etc", c.Etc); err != nil {
		return err
	}
	return a.mountState(root.ID, "var", c.Var)
}

// install puts the tree in its place. Detached, sysroot is out of sight but in use by
// the new tree.
func (a *assembly) install(o options) error {
	tree, err := clone(a.root, unix.AT_RECURSIVE)
	if err != nil {
		return err
	}
	defer tree.Close()
	if o.target == o.sysroot {
		if err := unix.Unmount(o.sysroot, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount %s: %w", o.sysroot, err)
		}
	}
	if err := unix.MoveMount(int(tree.Fd()), "", unix.AT_FDCWD, o.target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("mount at %s: %w", o.target, err)
	}
	return nil
}

// checkInit reads the first byte of the program that runs next. Its object is as good
// as any to find out that the repository has lost its objects, and this is the last
// place with a clear answer.
func (a *assembly) checkInit(line kargs.Line) error {
	name, ok := line.Last("init")
	if !ok {
		name = "/sbin/init"
	}
	fd, err := openIn(a.root, name, unix.O_PATH)
	if err != nil {
		return fmt.Errorf("%s in the image: %w", name, err)
	}
	fd.Close()
	f, err := openIn(a.root, name, unix.O_RDONLY)
	if err == nil {
		defer f.Close()
		_, err = f.Read(make([]byte, 1))
	}
	if err != nil {
		return advise(fmt.Errorf("%s is in the image but cannot be read, its object in composefs/objects is missing or damaged: %w", name, err), hintRepair)
	}
	return nil
}

// markRootDevice tells systemd's gpt-auto generator, which would look at an overlay,
// what the root device is (systemd issue 35017).
func markRootDevice(dev, run string) error {
	var st unix.Stat_t
	err := unix.Stat(dev+"/gpt-auto-root", &st)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "stat", Path: dev + "/gpt-auto-root", Err: err}
	}
	device := fmt.Sprintf("/dev/block/%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
	if err := os.Symlink(device, run+"/volatile-root"); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}
