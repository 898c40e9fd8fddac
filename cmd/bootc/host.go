package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/deploy"
	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/internal/progress"
	"github.com/bootc-go/bootc/setuproot"
	"github.com/bootc-go/bootc/sysroot"
)

// access is how a command opens the host.
type access struct {
	write bool // or only look
	quiet bool // show no progress, only warnings
	local bool // take bound images from podman's storage, not from registries
	wire  *wire
}

// opened is the host and its deployments.
type opened struct {
	*deploy.Sysroot
	host   *sysroot.Host
	report progress.Func
}

// withSysroot opens the host and its deployments for the time of fn. Unless it is
// quiet progress is drawn meanwhile, so fn prints nothing.
func (e *env) withSysroot(ctx context.Context, a access, fn func(opened) error) (err error) {
	h, err := sysroot.Open(sysroot.Options{Root: e.root, Write: a.write, Container: e.getenv("container")})
	if err != nil {
		return err
	}
	defer h.Close()
	defer func() { err = h.Explain(err) }()
	loader, err := bootloader.New(h.Kind, h.Files)
	if err != nil {
		return err
	}
	report, done := e.warnings(), func() {}
	if !a.quiet {
		report, done = e.reporter(false)
	}
	defer done()
	if a.wire != nil {
		shown := report
		report = func(ev progress.Event) { shown.Report(ev); a.wire.report(ev) }
	}
	open := deploy.OpenReadOnly
	if a.write {
		open = deploy.Open
	}
	images := image.Options{Root: e.root, UserAgent: userAgent(), Progress: report}
	s, err := open(ctx, deploy.System{
		Bound: image.Store{Mount: h.MountRoot, Dir: deploy.BoundDir, Options: images, Local: a.local},
		Root:  h.Root, Run: h.Run, Etc: h.Etc, Booted: h.Booted,
		Loader: loader, Tries: e.tries(a),
		Image: images,
		Arch:  runtime.GOARCH, Progress: report, SoftReboot: h.HasSoftReboot(), VarMoves: e.varMoves(h),
		Systemctl: func(ctx context.Context, args ...string) error { return e.command(ctx, "systemctl", args...) },
		Mounted:   h.MountedFrom,
		Wait:      e.waiting,
		Log:       e.journal,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	o := opened{s, h, report}
	err = fn(o)
	if a.write {
		err = errors.Join(err, e.dropStaleRoot(o))
	}
	return err
}

// varMoves tells whether /etc/fstab has a file system for /var that is not what is there: the
// line is new, or what the host booted with did not heed it.
func (e *env) varMoves(h *sysroot.Host) bool {
	fstab, err := os.ReadFile(filepath.Join(e.root, "/etc/fstab"))
	return err == nil && h.HasStateVar() && setuproot.MountsVar(nil, string(fstab))
}

// tries is how often a fresh deployment may try to boot. Who only looks stages none.
func (e *env) tries(a access) uint {
	if !a.write {
		return 0
	}
	return e.bootConfig().Tries
}

// waiting tells why nothing happens for a while.
func (e *env) waiting() { fmt.Fprintln(e.stderr, "bootc: waiting for another bootc …") }

// status is the document of the host.
func (e *env) status(ctx context.Context) (doc *host.Host, err error) {
	err = e.withSysroot(ctx, access{quiet: true}, func(s opened) error {
		if doc, err = s.Status(ctx); err == nil {
			doc.Status.ReadOnly, doc.Status.UsrOverlay = s.host.ReadOnly, usrOverlayOf(s.host)
		}
		return err
	})
	return doc, err
}

// command runs a program of the host. What it prints is no answer of ours.
func (e *env) command(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = e.stderr, e.stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", cmd, err)
	}
	return nil
}

// reboot asks systemd for it, as a unit of its own that does not end with us.
// Nobody may hold the lock any more: shutting down takes it.
func (e *env) reboot(ctx context.Context) error {
	if err := e.command(ctx, "systemd-run", "--quiet", "--", "systemctl", "reboot", "--message=Initiated by bootc"); err != nil {
		return fmt.Errorf("cannot reboot: %w", err)
	}
	return nil
}
