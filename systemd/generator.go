// Package systemd is what bootc adds to the boot of a host, beside the units that lie
// in this directory: the generator, which enables those that a host needs, and what
// the generated units run.
package systemd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/bootc-go/bootc/internal/atomicfile"
	"github.com/bootc-go/bootc/internal/mounts"
)

const (
	unitDir     = "/usr/lib/systemd/system"
	cleanupMark = "sysroot/etc/bootc-destructive-cleanup"
	fstabName   = "etc/fstab"

	fstabUnit   = "bootc-fstab-edit.service"
	relabelUnit = "bootc-early-overlay-relabel.service"
)

// Texts of the generated units, which are there only on hosts that need them.
const (
	fstabText = `# Made by bootc-systemd-generator.
[Unit]
Description=Make /etc/fstab fit a read-only root
Documentation=man:bootc-internals-fixup-etc-fstab(8)
DefaultDependencies=no
ConditionPathIsReadWrite=/etc
Before=systemd-remount-fs.service local-fs-pre.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/bootc internals fixup-etc-fstab
`
	relabelText = `# Made by bootc-systemd-generator.
[Unit]
Description=Give the mount points of transient overlays their SELinux labels
Documentation=man:bootc-internals-relabel-overlay-mountpoints(8)
DefaultDependencies=no
ConditionSecurity=selinux
Before=systemd-sysusers.service systemd-tmpfiles-setup-dev-early.service local-fs-pre.target sysinit.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/bootc internals relabel-overlay-mountpoints
`
)

// Generate is systemd's generator, systemd.generator(7): it makes units, and links that
// enable units, in the directory dir. root is where the host's file system is seen.
// Where the root file system is no bootc deployment it does nothing.
func Generate(root, dir string) error {
	if err := generate(root, dir); err != nil {
		return fmt.Errorf("cannot generate units: %w", err)
	}
	return nil
}

func generate(root, dir string) error {
	table, err := mounts.Read(filepath.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return err
	}
	top, _ := table.At("/")
	if !isDeployment(top) {
		return nil
	}
	g := generator{root: root, dir: dir}
	g.want("multi-user.target", "bootc-status-updated.path", "bootc-status-updated-onboot.target")
	g.want("sysinit.target", "bootc-sysusers-shadow-sync.service")
	if g.exists(cleanupMark) {
		g.want("multi-user.target", "bootc-destructive-cleanup.service")
	}
	if !isTransient(top) {
		g.editFstab()
	}
	if etc, _ := table.At("/etc"); isTransient(top) || isTransient(etc) {
		g.unit(relabelUnit, relabelText, "sysinit.target")
	}
	return errors.Join(g.errs...)
}

// isDeployment tells by the source that the initramfs gives the mount of the root.
func isDeployment(m mounts.Mount) bool {
	return strings.HasPrefix(m.Source, "composefs:") || strings.HasPrefix(m.Source, "transient:composefs=")
}

// isTransient says whether what is written there is gone after a reboot.
func isTransient(m mounts.Mount) bool {
	return m.FSType == "overlay" && strings.HasPrefix(m.Source, "transient")
}

// generator collects errors: one unit that cannot be made is no reason to leave out
// the others.
type generator struct {
	root, dir string
	errs      []error
}

func (g *generator) exists(name string) bool {
	_, err := os.Lstat(filepath.Join(g.root, name))
	return err == nil
}

// want has the target start units that lie where units lie.
func (g *generator) want(target string, units ...string) {
	for _, u := range units {
		g.link(target, u, unitDir+"/"+u)
	}
}

func (g *generator) link(target, unit, to string) {
	wants := filepath.Join(g.dir, target+".wants")
	err := os.Mkdir(wants, 0o755)
	if err == nil || errors.Is(err, fs.ErrExist) {
		err = os.Symlink(to, filepath.Join(wants, unit))
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		g.errs = append(g.errs, err)
	}
}

// unit makes a unit that the target starts.
func (g *generator) unit(name, text, target string) {
	dir, err := os.Open(g.dir)
	if err == nil {
		err = atomicfile.WriteFile(dir, name, []byte(text), 0o644)
		dir.Close()
	}
	if err != nil {
		g.errs = append(g.errs, err)
		return
	}
	g.link(target, name, "../"+name)
}

// editFstab has /etc/fstab edited if it needs that.
func (g *generator) editFstab() {
	text, err := os.ReadFile(filepath.Join(g.root, fstabName))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		g.errs = append(g.errs, err)
		return
	}
	if _, changed := fixFstab(string(text)); changed {
		g.unit(fstabUnit, fstabText, "local-fs-pre.target")
	}
}
