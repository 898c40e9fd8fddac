package disk

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// xfsFeatures are features of XFS that newer mkfs.xfs turn on and GRUB 2.12 cannot
// read, by the option that they belong to.
var xfsFeatures = [...][2]string{
	{"-i", "nrext64"}, {"-i", "exchange"}, {"-n", "parent"}, {"-m", "metadir"},
}

// MakeFilesystem makes an empty file system of the type ext4, xfs or btrfs with a
// random UUID, which it returns. ext4 gets what fs-verity needs; GRUB can read all
// three.
func (p *Partition) MakeFilesystem(ctx context.Context, fstype, label string) (uuid string, err error) {
	uuid, err = newUUID(), nil
	var args []string
	switch fstype {
	case "ext4":
		args = []string{"-q", "-F", "-b", "4096", "-O", "verity", "-L", label, "-U", uuid}
	case "xfs":
		args, err = xfsOptions(ctx)
		args = append(args, "-q", "-f", "-L", label, "-m", "uuid="+uuid)
	case "btrfs":
		args = []string{"-q", "-f", "-L", label, "-U", uuid}
	default:
		err = fmt.Errorf("internal error: file system %q", fstype)
	}
	if err == nil {
		_, err = Tool(ctx, "", "mkfs."+fstype, append(args, p.Name())...)
	}
	if err != nil {
		return "", fmt.Errorf("cannot make a file system on %s: %w", p.Name(), err)
	}
	return uuid, nil
}

// xfsOptions turns off those features that the installed mkfs.xfs knows. It lists
// its options when it is called without any.
func xfsOptions(ctx context.Context) ([]string, error) {
	path, err := findTool("mkfs.xfs")
	if err != nil {
		return nil, err
	}
	usage, err := exec.CommandContext(ctx, path).CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	var args []string
	for _, f := range xfsFeatures {
		if strings.Contains(string(usage), f[1]+"=0|1") {
			args = append(args, f[0], f[1]+"=0")
		}
	}
	return args, nil
}

// newUUID is a random UUID of version 4.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0F|0x40, b[8]&0x3F|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
