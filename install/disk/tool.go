package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// packages are the Debian packages of the programs.
var packages = map[string]string{
	"blkid": "util-linux", "wipefs": "util-linux", "sfdisk": "fdisk",
	"mkfs.ext4": "e2fsprogs", "mkfs.xfs": "xfsprogs", "mkfs.btrfs": "btrfs-progs",
}

// Tool starts a program with input as its standard input, waits for it, and
// returns what it wrote to its standard output. The error has what it wrote to the
// other. ErrMissingTool names the Debian package, if it is known.
func Tool(ctx context.Context, input, name string, args ...string) ([]byte, error) {
	path, err := findTool(name)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if text := strings.TrimSpace(stderr.String()); text != "" {
			return nil, fmt.Errorf("%s: %w: %s", name, err, text)
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return stdout.Bytes(), nil
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
