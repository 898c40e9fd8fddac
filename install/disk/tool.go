package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// packages are the Debian packages of the programs.
var packages = map[string]string{
	"blkid": "util-linux", "lsblk": "util-linux", "wipefs": "util-linux", "sfdisk": "fdisk",
	"cryptsetup": "cryptsetup-bin", "systemd-cryptenroll": "systemd-cryptsetup",
	"grub-mkimage": "grub-common", "mkfs.ext4": "e2fsprogs", "mkfs.xfs": "xfsprogs", "mkfs.btrfs": "btrfs-progs",
}

// Tool starts a program with input as its standard input, waits for it, and
// returns what it wrote to its standard output. The error has what it wrote to the
// other. ErrMissingTool names the Debian package, if it is known.
func Tool(ctx context.Context, input, name string, args ...string) ([]byte, error) {
	return start(ctx, input, nil, name, args...)
}

func start(ctx context.Context, input string, d *Disk, name string, args ...string) ([]byte, error) {
	path, err := findTool(name)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	names := strings.NewReplacer()
	if d != nil {
		const inherited = "/proc/self/fd/3" // the first of ExtraFiles
		cmd.Args, cmd.ExtraFiles = append(cmd.Args, inherited), []*os.File{d.file}
		names = strings.NewReplacer(inherited, d.name)
	}
	cmd.Stdin = strings.NewReader(input)
	// Whoever interrupts this program leaves it to it what becomes of the others.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// Device mapper does not wait for udev, which containers do not see answer.
	cmd.Env = append(cmd.Environ(), "DM_DISABLE_UDEV=1")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if text := names.Replace(strings.TrimSpace(stderr.String())); text != "" {
			return nil, fmt.Errorf("%s: %w: %s", name, err, text)
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return stdout.Bytes(), nil
}

// tool starts a program on the disk, as its last argument. It gets the disk itself, not
// its name, which may lead to another one by now: links in /dev/disk change when a
// drive is plugged in.
func (d *Disk) tool(ctx context.Context, input, name string, args ...string) ([]byte, error) {
	return start(ctx, input, d, name, args...)
}

// NeedTools returns an ErrMissingTool for the first of the programs that is not
// installed.
func NeedTools(names ...string) error {
	for _, name := range names {
		if _, err := findTool(name); err != nil {
			return err
		}
	}
	return nil
}

func findTool(name string) (string, error) {
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) {
		if p := packages[name]; p != "" {
			return "", fmt.Errorf("%w: %s (Debian package %s)", ErrMissingTool, name, p)
		}
		return "", fmt.Errorf("%w: %s", ErrMissingTool, name)
	}
	return path, err
}
