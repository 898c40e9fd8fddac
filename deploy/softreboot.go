package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/kargs"
)

var errNoTarget = fmt.Errorf("%w: systemd has no soft-reboot.target", ErrNoSoftReboot)

// Next is what boots next: what is staged, unless it is locked, else the first of the
// live menu.
func (s *Sysroot) Next() (verity.Digest, error) {
	m, err := s.menus()
	switch {
	case err != nil:
		return verity.Digest{}, fmt.Errorf("cannot find out what boots next: %w", err)
	case len(m.staged) > 0 && !m.locked:
		return m.staged[0].ID, nil
	case len(m.live) > 0:
		return m.live[0].ID, nil
	}
	return verity.Digest{}, ErrNotFound
}

// Settled reports whether the deployment boots next as it is now: it is the first of
// the live menu, and nothing is staged that a shutdown would apply.
func (s *Sysroot) Settled(id verity.Digest) bool {
	m, err := s.menus()
	return err == nil && (len(m.staged) == 0 || m.locked) && len(m.live) > 0 && m.live[0].ID == id
}

// SoftRebootable returns nil if a soft reboot can start the deployment, which leaves the
// kernel running and replaces all else; otherwise ErrNoSoftReboot, and why. What was
// booted must be identical but for the image: the kernel, its initramfs, its arguments,
// and the SELinux policy, which is loaded once only.
func (s *Sysroot) SoftRebootable(id verity.Digest) error {
	m, err := s.menus()
	if err != nil {
		return err
	}
	e, isStaged, err := m.find(id)
	if err != nil {
		return err
	}
	return s.softRebootable(m, e, isStaged)
}

// find is the entry with which a deployment boots next, and whether it is staged.
func (m menus) find(id verity.Digest) (e bootloader.Entry, isStaged bool, err error) {
	if len(m.staged) > 0 && m.staged[0].ID == id {
		return m.staged[0], true, nil
	}
	if e, ok := byID(m.live, id); ok {
		return e, false, nil
	}
	return e, false, ErrNotFound
}

func (s *Sysroot) softRebootable(m menus, e bootloader.Entry, isStaged bool) error {
	switch {
	case !s.sys.SoftReboot:
		return errNoTarget
	case isStaged && m.reset != "":
		return fmt.Errorf("%w: it is a factory reset, beside which nothing of the old system may go on", ErrNoSoftReboot)
	case s.displaced():
		return fmt.Errorf("%w: %w", ErrNoSoftReboot, ErrDisplaced)
	case e.ID == s.sys.Booted.ID && s.hasBefore(e.ID):
		return fmt.Errorf("%w: only a reboot brings back what was before the factory reset", ErrNoSoftReboot)
	}
	will, _ := s.origin(e.ID) // what is not known differs
	return s.sameRun(m, e, will, func() (string, error) { return s.policyOf(e.ID, isStaged) })
}

// sameRun compares what stays in memory with what the entry e of a deployment would
// start, whose origin is will and whose SELinux policy has the digest that policy tells.
func (s *Sysroot) sameRun(m menus, e bootloader.Entry, will origin, policy func() (string, error)) error {
	booted, err := s.bootedEntry(m)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoSoftReboot, err)
	}
	was, _ := s.origin(booted.ID)
	if was.bootDigest == "" || was.bootDigest != will.bootDigest {
		return fmt.Errorf("%w: it has another kernel or initramfs", ErrNoSoftReboot)
	}
	if err := sameArguments(cmdlineOf(booted, was), cmdlineOf(e, will)); err != nil {
		return fmt.Errorf("%w: %w", ErrNoSoftReboot, err)
	}
	same, err := s.samePolicy(policy)
	if err != nil {
		return fmt.Errorf("%w: SELinux policy: %w", ErrNoSoftReboot, err)
	}
	if !same {
		return fmt.Errorf("%w: it has another SELinux policy", ErrNoSoftReboot)
	}
	return nil
}

// cmdlineOf is the kernel's command line; that of a unified kernel image is in the
// origin. It is empty where it is not known.
func cmdlineOf(e bootloader.Entry, o origin) kargs.Line {
	if e.UKI {
		return o.cmdline
	}
	return e.Options
}

// sameArguments compares command lines, but for what names the deployment.
func sameArguments(was, will kargs.Line) error {
	if len(was) == 0 || len(will) == 0 {
		return errors.New("its kernel arguments are not known")
	}
	any := kargs.Root{ID: verity.Sum(verity.SHA512, nil)}
	was, will = was.WithRoot(any), will.WithRoot(any)
	if slices.Equal(was, will) {
		return nil
	}
	var diff []string
	for _, a := range was.Without(will...) {
		diff = append(diff, "without "+string(a))
	}
	for _, a := range will.Without(was...) {
		diff = append(diff, "with "+string(a))
	}
	if diff == nil {
		diff = []string{"in another order"}
	}
	return fmt.Errorf("it has other kernel arguments: %s", strings.Join(diff, ", "))
}

// samePolicy compares an SELinux policy with the one that the kernel got from the live
// /etc.
func (s *Sysroot) samePolicy(policy func() (string, error)) (bool, error) {
	if s.sys.Etc == nil || s.states == nil {
		return false, ErrNotBooted
	}
	live, err := os.OpenRoot(fdPath(s.sys.Etc))
	if err != nil {
		return false, err
	}
	defer live.Close()
	was, err := policyDigest(live.FS())
	if err != nil {
		return false, err
	}
	will, err := policy()
	return was == will, err
}

// policyOf is the digest of the policy in the /etc of a deployment.
func (s *Sysroot) policyOf(id verity.Digest, isStaged bool) (string, error) {
	name := etcName
	if isStaged {
		if ok, err := exists(s.states, etcPath(id, etcStaged)); err != nil {
			return "", err
		} else if ok {
			name = etcStaged
		}
	}
	etc, err := s.states.OpenRoot(etcPath(id, name))
	if err != nil {
		return "", err
	}
	defer etc.Close()
	return policyDigest(etc.FS())
}

// policyDigest is a digest of the binary policy in an /etc; "" if it has none.
func policyDigest(etc fs.FS) (string, error) {
	config, err := readConfig(etc, "selinux/config")
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	kind := ""
	for line := range strings.Lines(string(config)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "SELINUXTYPE="); ok {
			kind = strings.TrimSpace(value)
		}
	}
	files, err := fs.Glob(etc, path.Join("selinux", kind, "policy/policy.*"))
	if err != nil || len(files) == 0 {
		return "", err
	}
	h := sha256.New()
	for _, name := range files {
		fmt.Fprintf(h, "%s\x00", path.Base(name))
		if err := copyFile(h, etc, name); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// readConfig reads a small regular file.
func readConfig(fsys fs.FS, name string) ([]byte, error) {
	st, err := fs.Stat(fsys, name)
	switch {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular() || st.Size() > maxOrigin:
		return nil, fmt.Errorf("%s: no regular file of at most %d bytes", name, maxOrigin)
	}
	return fs.ReadFile(fsys, name)
}

func copyFile(w io.Writer, fsys fs.FS, name string) error {
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// PrepareSoftReboot makes the deployment the one that boots next, for good: what is
// staged is finalized now, with /etc as it is now. It returns what the root of the soft
// reboot is to be mounted from. Whether the soft reboot comes or the power fails, the
// same deployment runs then. The error is ErrNoSoftReboot if it cannot be started so.
func (s *Sysroot) PrepareSoftReboot(ctx context.Context, id verity.Digest) (kargs.Root, error) {
	root, err := s.prepareSoftReboot(ctx, id)
	if err != nil {
		return kargs.Root{}, fmt.Errorf("cannot prepare a soft reboot into %s: %w", id, err)
	}
	return root, nil
}

func (s *Sysroot) prepareSoftReboot(ctx context.Context, id verity.Digest) (kargs.Root, error) {
	m, err := s.menus()
	if err != nil {
		return kargs.Root{}, err
	}
	e, isStaged, err := m.find(id)
	if err == nil {
		err = s.softRebootable(m, e, isStaged)
	}
	if err != nil {
		return kargs.Root{}, err
	}
	o, err := s.origin(id)
	if err != nil {
		return kargs.Root{}, err
	}
	root, err := o.rootOf(e)
	if err != nil {
		return kargs.Root{}, err
	}
	switch {
	case isStaged && m.locked:
		return kargs.Root{}, ErrLocked
	case isStaged:
		return root, s.Finalize(ctx)
	case m.live[0].ID == id && len(m.staged) == 0:
		return root, nil
	}
	live := append([]bootloader.Entry{e}, without(m.live, id)...)
	if err := s.setMenus(ctx, live, nil, marker{}); err != nil {
		return kargs.Root{}, err
	}
	s.done(EventRollback, "rolled back to", id)
	s.collectOrWarn(ctx)
	return root, nil
}
