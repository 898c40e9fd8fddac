package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/deploy"
	"github.com/bootc-go/bootc/internal/atomicfile"
	"github.com/bootc-go/bootc/sysroot"
)

// enableVerityCommand is what bootc-enable-verity.service runs.
func (e *env) enableVerityCommand() *cli.Command {
	return &cli.Command{
		Name: "enable-verity", Usage: "give every object of the host fs-verity, and require it from then on",
		Description: "A host that was installed where fs-verity is missing is made as tight as one that was\n" +
			"installed where it is there. It may be interrupted, and run while the host is upgraded.",
		Flags: []cli.Flag{&cli.StringFlag{Name: "once", Usage: "write `FILE` when there is nothing left to do; do not fail where fs-verity is not supported, or an update is staged"}},
		Action: func(c *cli.Context) error {
			if _, err := operands(c); err != nil {
				return err
			}
			return e.enableVerity(c.Context, c.String("once"))
		},
	}
}

func (e *env) enableVerity(ctx context.Context, once string) error {
	stats, err := e.enableObjects(ctx)
	if once != "" && errors.Is(err, verity.ErrNotSupported) {
		fmt.Fprintln(e.stderr, "bootc: the kernel or the root file system has no fs-verity: what runs is not checked")
		return nil
	}
	if err != nil {
		return err
	}
	// The objects first: an entry that requires fs-verity must find it.
	err = e.withSysroot(ctx, access{write: true, quiet: true}, func(s opened) error {
		return s.RequireVerity(ctx)
	})
	if once != "" && errors.Is(err, deploy.ErrStaged) {
		fmt.Fprintln(e.stderr, "bootc: an update is staged: fs-verity will be required when it runs")
		return nil
	}
	if err != nil {
		return err
	}
	if stats.Enabled > 0 {
		fmt.Fprintf(e.stderr, "bootc: fs-verity enabled on %d objects, and required from the next boot on\n", stats.Enabled)
	}
	if once == "" {
		return nil
	}
	dir, err := os.Open(filepath.Join(e.root, filepath.Dir(once)))
	if err != nil {
		return err
	}
	defer dir.Close()
	return atomicfile.WriteFile(dir, filepath.Base(once), []byte("enabled\n"), 0o644)
}

// enableObjects does the long part, without the lock that keeps other commands out.
func (e *env) enableObjects(ctx context.Context) (stats repo.VerityStats, err error) {
	h, err := sysroot.Open(sysroot.Options{Root: e.root, Write: true, Container: e.getenv("container")})
	if err != nil {
		return stats, err
	}
	defer h.Close()
	r, err := repo.Open(ctx, fmt.Sprintf("/proc/self/fd/%d/composefs", h.Root.Fd()), repo.OpenOptions{})
	if err != nil {
		return stats, err
	}
	defer r.Close() //nolint:errcheck // only releases the lock
	report, done := e.reporter(false)
	defer done()
	return r.EnableVerity(ctx, repo.VerityOptions{Progress: report})
}
