package main

import (
	"fmt"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/setuproot"
	"github.com/bootc-go/bootc/sysroot"
)

func (e *env) usrOverlayCommand() *cli.Command {
	return &cli.Command{
		Name: "usr-overlay", Aliases: []string{"usroverlay"}, Usage: "make /usr writable until the next reboot",
		Description: "Mounts an overlay over /usr whose changes are in memory and gone with the next reboot: to try a package, or a tool " +
			"that the image has not. What is installed that way may write to /etc and /var as well, which stays.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "read-only", Usage: "mount it read-only: 'unshare -m' and 'mount -o remount,rw /usr' make it writable for one program only"},
		},
		Action: e.usrOverlay,
	}
}

func (e *env) usrOverlay(c *cli.Context) error {
	if _, err := operands(c); err != nil {
		return err
	}
	h, err := sysroot.Open(sysroot.Options{Root: e.root, Container: e.getenv("container")})
	if err != nil {
		return err
	}
	defer h.Close()
	if _, there := h.UsrOverlay(); there {
		fmt.Fprintln(e.stdout, "An overlayfs is already mounted on /usr")
		return nil
	}
	err = setuproot.OverlayUsr(setuproot.UsrOptions{
		Sysroot: filepath.Join(e.root, "sysroot"), Usr: filepath.Join(e.root, "usr"), Run: filepath.Join(e.root, "run"),
		Root: h.Booted, ReadOnly: c.Bool("read-only"),
	})
	if err != nil {
		return fmt.Errorf("cannot make /usr writable: %w", err)
	}
	mode := "read/write"
	if c.Bool("read-only") {
		mode = "read-only"
	}
	fmt.Fprintf(e.stdout, "A %s overlayfs is now mounted on /usr\nAll changes there will be discarded on reboot.\n", mode)
	return nil
}

// usrOverlayOf is what lies over /usr, as the status document has it.
func usrOverlayOf(h *sysroot.Host) *host.FilesystemOverlay {
	readOnly, there := h.UsrOverlay()
	if !there {
		return nil
	}
	o := &host.FilesystemOverlay{AccessMode: host.AccessReadWrite, Persistence: host.Transient}
	if readOnly {
		o.AccessMode = host.AccessReadOnly
	}
	return o
}
