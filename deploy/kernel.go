package deploy

import (
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/kargs"
	"github.com/bootc-go/bootc/osimage"
)

// candidate is an image on its way to being a deployment.
type candidate struct {
	id   verity.Digest
	os   *osimage.Image
	fsys fs.FS
	root kargs.Root
}

// rootOf is how a deployment is booted: with fs-verity required of all its files, if
// the repository has it and the image's kernel can.
func (s *Sysroot) rootOf(r *repo.Repo, id verity.Digest, os *osimage.Image) kargs.Root {
	root := kargs.Root{ID: id, Optional: r.Insecure()}
	if !root.Optional && !canRequireVerity(os.Kernel.Version) {
		root.Optional = true
		s.warn("%s", tooOldToRequire(os.Kernel.Version))
	}
	return root
}

// canRequireVerity reports whether a kernel's overlayfs knows verity=require, which
// Linux 6.6 brought. A kernel that does not would not boot with it. A version that is
// not understood is taken for a new one.
func canRequireVerity(version string) bool {
	var major, minor int
	if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n < 2 {
		return true
	}
	return major > 6 || major == 6 && minor >= 6
}

func tooOldToRequire(version string) string {
	return fmt.Sprintf("Linux %s cannot require fs-verity of files (6.6 and newer can): what runs with it is not checked", version)
}

// checkFit refuses an image that cannot do what the kernel's command line asks of it: to
// open an encrypted root, to mount a /var of its own. The installation refused it, too.
func (c *candidate) checkFit(line kargs.Line) error {
	for _, a := range line {
		value, _ := a.Value()
		switch key := strings.TrimPrefix(a.Key(), "rd."); {
		case key == osimage.MountExtra && isVarMount(value):
			if err := osimage.CheckMountExtra(c.fsys, "/var", "a line for /var in /etc/fstab does without the argument"); err != nil {
				return err
			}
		case key == "luks.options" && strings.Contains(value, "tpm2-device=") && c.os.Kernel.Type != osimage.UKI:
			if err := osimage.CheckTPM(c.fsys, c.os.Kernel); err != nil {
				return err
			}
		}
	}
	return nil
}

// isVarMount tells of the value of an argument whether the file system is that of /var.
func isVarMount(value string) bool {
	f := strings.Split(value, ":")
	return len(f) > 1 && path.Clean(f[1]) == "/var"
}

// entry is the candidate's boot entry, with its own kernel. options is the kernel's
// command line, but for what names the deployment.
func (c *candidate) entry(options kargs.Line) (bootloader.Entry, error) {
	os := c.os.OS
	e := bootloader.Entry{
		ID:      c.id,
		Root:    c.root,
		Title:   cmp.Or(os.PrettyName, os.ID, "Linux"),
		Version: cmp.Or(os.ImageVersion, os.VersionID, os.Version, os.BuildID),
		OSID:    cmp.Or(os.ID, "linux"),
		Kernel:  bootloader.KernelName(c.id),
		Options: options.WithRoot(c.root),
	}
	if c.os.Kernel.Type == osimage.UKI {
		e.UKI, e.Options, e.Kernel = true, nil, bootloader.UKIName(c.id)
		e.Root = kargs.Root{ID: c.id}
		return e, c.checkUKI()
	}
	return e, nil
}

// checkUKI makes sure that the unified kernel image boots this very image, and does
// not ask for more integrity than there is.
func (c *candidate) checkUKI() error {
	line, err := ukiCmdline(c.fsys, c.os.Kernel.UKI)
	if err != nil {
		return err
	}
	root, err := kargs.FindRoot(line)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %s: %w", ErrUKI, c.os.Kernel.UKI, err)
	case root.ID != c.id:
		return fmt.Errorf("%w: %s boots %s, and the image is %s", ErrUKI, c.os.Kernel.UKI, root.ID, c.id)
	case !root.Optional && !canRequireVerity(c.os.Kernel.Version):
		return fmt.Errorf("%w: %s: %s", ErrUKI, c.os.Kernel.UKI, tooOldToRequire(c.os.Kernel.Version))
	case c.root.Optional && !root.Optional:
		return fmt.Errorf("%w: %s needs fs-verity, which this file system has not", ErrUKI, c.os.Kernel.UKI)
	}
	return nil
}

func ukiCmdline(fsys fs.FS, name string) (kargs.Line, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, ok := f.(io.ReaderAt)
	if !ok {
		return nil, fmt.Errorf("internal error: %s cannot be read at random", name)
	}
	return osimage.UKICmdline(r)
}

func (c *candidate) cmdline() kargs.Line { return Cmdline(c.fsys, c.os) }

// Cmdline is the command line of the unified kernel image of an OS image whose files are
// fsys, with what its addons add; nil for any other kernel, and if it cannot be read.
func Cmdline(fsys fs.FS, os *osimage.Image) kargs.Line {
	if os.Kernel.Type != osimage.UKI {
		return nil
	}
	var line kargs.Line
	for _, name := range append([]string{os.Kernel.UKI}, os.Kernel.Addons...) {
		more, err := ukiCmdline(fsys, name)
		if err != nil {
			return nil
		}
		line = line.With(more...)
	}
	return line
}

// kernel is what the boot loader is given under a name.
func (c *candidate) kernel(name string) bootloader.Kernel {
	k := c.os.Kernel
	open := func(name string) bootloader.Opener {
		return func() (io.ReadCloser, error) { return c.fsys.Open(name) }
	}
	if k.Type == osimage.BLS {
		return bootloader.Kernel{Name: name, Linux: open(k.Linux), Initrd: open(k.Initrd), Size: k.Size}
	}
	addons := make(map[string]bootloader.Opener, len(k.Addons))
	for _, a := range k.Addons {
		addons[path.Base(a)] = open(a)
	}
	return bootloader.Kernel{Name: name, UKI: open(k.UKI), Addons: addons, Size: k.Size}
}

// sharedKernel is the name of a kernel that is here, whole, and identical to that of
// the candidate: that of a deployment with the same digest. Unified kernel images
// are never identical, for they name their deployments.
func (s *Sysroot) sharedKernel(c *candidate, among []bootloader.Entry) (string, error) {
	for _, e := range among {
		o, _ := s.origin(e.ID) // an unknown kernel is another one
		if e.UKI != (c.os.Kernel.Type == osimage.UKI) || o.bootDigest != c.os.Kernel.Digest {
			continue
		}
		if e.UKI && e.ID != c.id {
			continue
		}
		whole, err := s.sys.Loader.HasKernel(e.Kernel)
		if whole || err != nil {
			return e.Kernel, err
		}
	}
	return "", nil
}
