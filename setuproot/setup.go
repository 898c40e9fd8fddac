package setuproot

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/kargs"
)

// Options say what is to be mounted, and where.
type Options struct {
	Sysroot string // where the root file system of the disk is mounted
	Target  string // where the deployment is to be mounted; if it is Sysroot, in the place of the disk
	Config  string // setup-root-conf.toml, which need not exist
	Run     string // "/run"
	Cmdline kargs.Line
	Warn    func(text string)
}

// Setup mounts the deployment that the command line names. Until the last step it
// works aside, so that after an error all is as it was and whoever gets a shell finds
// the disk where it belongs. Hint has advice about an error.
func Setup(o Options) (err error) {
	root, err := kargs.FindRoot(o.Cmdline)
	if err != nil {
		return advise(err, hintCmdline)
	}
	conf, err := readConfig(o.Config, o.Cmdline, o.Warn)
	if err != nil {
		return advise(err, hintConfig)
	}
	if o.Target == o.Sysroot {
		if err := markRootDevice("/dev", o.Run+"/systemd"); err != nil {
			return err
		}
	}
	a, err := newAssembly(o.Sysroot, o.Run)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	if conf.Etc.writesState() || conf.Var.writesState() {
		if err := a.makeWritable(); err != nil {
			o.Warn(fmt.Sprintf("%s stays read-only: %v", o.Sysroot, err))
		}
	}
	if err := a.build(root, conf, o); err != nil {
		return err
	}
	if err := a.checkInit(o.Cmdline); err != nil {
		return err
	}
	if o.Target == o.Sysroot {
		if err := markBooted(o.Run); err != nil {
			return err
		}
	}
	return a.install(o)
}

// build puts the whole tree together.
func (a *assembly) build(root kargs.Root, c config, o Options) error {
	if err := a.mountImage(root, c.TransientRoot); err != nil {
		return err
	}
	err := a.mountPhysical()
	if errors.Is(err, unix.ENOENT) {
		o.Warn("the image has no directory /sysroot: bootc will not find its repository in the running system")
		err = nil
	}
	if err != nil {
		return err
	}
	if err := a.mountState(root.ID, "etc", c.Etc); err != nil {
		return err
	}
	return a.mountState(root.ID, "var", a.varMode(c.Var, o.Cmdline, o.Warn))
}

// install puts the tree in its place. Detached, sysroot is out of sight but in use by
// the new tree.
func (a *assembly) install(o Options) error {
	tree, err := clone(a.root, unix.AT_RECURSIVE)
	if err != nil {
		return err
	}
	defer tree.Close()
	if o.Target == o.Sysroot {
		if err := unix.Unmount(o.Sysroot, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount %s: %w", o.Sysroot, err)
		}
	}
	if err := unix.MoveMount(int(tree.Fd()), "", unix.AT_FDCWD, o.Target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("mount at %s: %w", o.Target, err)
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

// markBooted makes the file ostree-booted, which tools of all kinds, and units, take
// for the sign of a host whose /usr is an image. It is made here, so that no unit looks
// too soon, and nowhere else: a container of the same image is no such host.
func markBooted(run string) error {
	f, err := os.OpenFile(run+"/ostree-booted", os.O_WRONLY|os.O_CREATE|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
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
