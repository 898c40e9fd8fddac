package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/osimage"
)

// Check is what one of the checks of [Sysroot.Fsck] found.
type Check struct {
	Name     string
	Problems []string // none if all is well
}

// Fsck checks that what deployments need is here and whole: boot entries and their
// kernels, state directories, images, and, in the end, every object of the repository.
// It changes nothing. The error is for checks that could not be done.
func (s *Sysroot) Fsck(ctx context.Context) ([]Check, error) {
	c := &checker{s: s, found: map[string][]string{}}
	if err := c.run(ctx); err != nil {
		return nil, fmt.Errorf("cannot check the host: %w", err)
	}
	var out []Check
	for _, name := range []string{checkEntries, checkDeployments, checkImages, checkVerity} {
		out = append(out, Check{name, c.found[name]})
	}
	return out, nil
}

// The checks. The last has the name of upstream's, which looks at objects as well.
const (
	checkEntries     = "boot-entries"
	checkDeployments = "deployments"
	checkImages      = "images"
	checkVerity      = "fsverity"
)

type checker struct {
	s     *Sysroot
	found map[string][]string
}

func (c *checker) problem(check, format string, args ...any) {
	c.found[check] = append(c.found[check], fmt.Sprintf(format, args...))
}

func (c *checker) run(ctx context.Context) error {
	m, err := c.s.menus()
	if err != nil {
		c.problem(checkEntries, "%v", err)
	}
	if err := c.s.sees(m); err != nil {
		c.problem(checkEntries, "%v", err)
	}
	r, err := repo.Open(ctx, fdPath(c.s.sys.Root)+"/"+repoDir, repo.OpenOptions{ReadOnly: true, NoLock: c.s.readOnly, Damaged: true, Wait: c.s.sys.Wait})
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // only read
	for _, e := range m.all() {
		if err := ctx.Err(); err != nil {
			return err
		}
		_, live := byID(m.live, e.ID)
		o := c.deployment(e, live)
		c.kernel(e, o)
		c.image(r, e.ID, o)
	}
	report, err := r.Fsck(ctx, repo.FsckOptions{})
	if err != nil {
		return err
	}
	if !report.OK() {
		for line := range strings.Lines(report.String()) {
			c.problem(checkVerity, "%s", strings.TrimSpace(line))
		}
	}
	return nil
}

// deployment checks the state directory of a deployment.
func (c *checker) deployment(e bootloader.Entry, live bool) origin {
	o, err := c.s.origin(e.ID)
	if err != nil {
		c.problem(checkDeployments, "%v", err)
	}
	if c.s.state == nil {
		return o
	}
	if root, err := c.s.staterootIn(deployed(e.ID)); err != nil {
		c.problem(checkDeployments, "%v", err)
	} else if st, err := c.s.state.Lstat(stateroot(root) + "/" + varName); err != nil || !st.IsDir() {
		c.problem(checkDeployments, "%s leads to %q, which is no directory", etcPath(e.ID, varName), linkTo(root))
	}
	names := []string{etcName}
	if !live {
		names = append(names, etcStaged)
	}
	for _, name := range names {
		if st, err := c.s.states.Lstat(etcPath(e.ID, name)); err == nil && st.IsDir() {
			return o
		}
	}
	c.problem(checkDeployments, "%s is no directory", etcPath(e.ID, etcName))
	return o
}

// kernel checks that the boot loader has the kernel that the deployment was made with.
func (c *checker) kernel(e bootloader.Entry, o origin) {
	whole, err := c.s.sys.Loader.HasKernel(e.Kernel)
	switch {
	case err != nil:
		c.problem(checkEntries, "%v", err)
		return
	case !whole:
		c.problem(checkEntries, "the kernel %s of deployment %s is not there, or not whole", e.Kernel, e.ID)
		return
	}
	got, err := c.s.kernelDigest(e)
	switch {
	case err != nil:
		c.problem(checkEntries, "the kernel %s: %v", e.Kernel, err)
	case o.bootDigest != "" && got != o.bootDigest:
		c.problem(checkEntries, "the kernel %s of deployment %s is not the one that was installed: its digest is %s, not %s", e.Kernel, e.ID, got, o.bootDigest)
	}
}

// kernelDigest is the SHA-256 of kernel and initramfs, as an origin records it.
func (s *Sysroot) kernelDigest(e bootloader.Entry) (string, error) {
	k, err := s.sys.Loader.OpenKernel(e.Kernel)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	if e.UKI {
		err = addSections(sum, k.UKI)
	} else {
		err = errors.Join(add(sum, k.Linux), add(sum, k.Initrd))
	}
	return hex.EncodeToString(sum.Sum(nil)), err
}

func add(w io.Writer, open bootloader.Opener) error {
	f, err := open()
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

func addSections(w io.Writer, open bootloader.Opener) error {
	f, err := open()
	if err != nil {
		return err
	}
	defer f.Close()
	r, ok := f.(io.ReaderAt)
	if !ok {
		return errors.New("internal error: cannot be read at an offset")
	}
	for _, name := range []string{".linux", ".initrd"} {
		section, err := osimage.UKISection(r, name)
		if err == nil {
			_, err = io.Copy(w, section)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// image checks that the image of a deployment is here under its names, so that garbage
// collection keeps it. The objects in it are looked at with all others.
func (c *checker) image(r *repo.Repo, id verity.Digest, o origin) {
	if _, err := bootTree(r, id); err != nil {
		c.problem(checkImages, "the file system of deployment %s: %v", id, err)
	}
	if o.manifest == "" {
		return
	}
	img, err := oci.OpenTag(r, tagOf(o.manifest))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, oci.ErrNotFound) {
		c.problem(checkImages, "the image %s of deployment %s has no name in the repository", o.manifest, id)
		return
	}
	if err != nil {
		c.problem(checkImages, "the image %s of deployment %s: %v", o.manifest, id, err)
		return
	}
	for _, l := range img.Layers {
		layer, err := oci.OpenLayer(r, l.ID)
		if err != nil {
			c.problem(checkImages, "the image %s of deployment %s: layer %s: %v", o.manifest, id, l.ID, err)
			continue
		}
		layer.Close() //nolint:errcheck // only read
	}
}
