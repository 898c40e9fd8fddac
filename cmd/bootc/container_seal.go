package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/internal/atomicfile"
	"github.com/bootc-go/bootc/seal"
)

// containerSealCommands make a unified kernel image, step by step.
func (e *env) containerSealCommands() []*cli.Command {
	dumpfile := &cli.StringFlag{Name: "write-dumpfile-to", Usage: "write what the id is of, as a composefs dump, to `FILE`"}
	exactTimes := &cli.BoolFlag{Name: "exact-times", Usage: "heed fractions of seconds, for images whose layers record them"}
	return []*cli.Command{
		{
			Name: "split-kernel-and-rootfs", Usage: "move the kernel and the initramfs out of an image",
			Description: "They go to DIR/VERSION/vmlinuz and DIR/VERSION/initramfs.img. What is left of the image is what a unified kernel image can vouch for, see bootc-container-ukify(8).",
			Flags:       []cli.Flag{rootfsFlag(), &cli.StringFlag{Name: "output", Usage: "move them below `DIR`"}},
			Action:      e.containerSplit,
		},
		{
			Name: "ukify", Usage: "make a unified kernel image that boots an image and no other", ArgsUsage: "[ARGS...]",
			Description: "It runs ukify(1) with the kernel, the initramfs, the kernel arguments of the image and the id of its deployment. " +
				"ARGS, behind --, are passed to ukify: --output=FILE at least. The result belongs at /boot/EFI/Linux/NAME.efi, which does not change the id.",
			Flags: []cli.Flag{
				rootfsFlag(),
				&cli.StringFlag{Name: "kernel-dir", Usage: "take vmlinuz and initramfs.img from `DIR`, whose name is the kernel's version"},
				&cli.BoolFlag{Name: "allow-missing-verity", Usage: "let it boot from file systems without fs-verity, too"},
				dumpfile, exactTimes,
				&cli.StringSliceFlag{Name: "karg", Usage: "add the kernel argument `KARG`", Hidden: true},
			},
			Action: e.containerUkify,
		},
		{
			Name: "compute-composefs-digest", Usage: "print the id that the deployment of an image has", ArgsUsage: "[PATH]", Hidden: true,
			Description: "PATH is the root directory of the image, /target if it is left out.",
			Flags:       []cli.Flag{dumpfile, exactTimes},
			Action:      e.containerDigest,
		},
		e.storageDigestCommand(dumpfile),
		{
			Name: "export", Usage: "print the root directory of an image as a tar archive", ArgsUsage: "TARGET", Hidden: true,
			Description: "Files get the SELinux labels that the policy in the image gives them. What is in /tmp and /var/tmp is left out, and what is mounted below TARGET.",
			Flags: []cli.Flag{
				newChoice("format", "as `FORMAT`:", "tar", "tar"),
				&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write it to `FILE`, not to standard output"},
				&cli.BoolFlag{Name: "kernel-in-boot", Usage: "add the kernel and the initramfs to /boot"},
				&cli.BoolFlag{Name: "disable-selinux", Usage: "give no labels"},
			},
			Action: e.containerExport,
		},
	}
}

func (e *env) containerSplit(c *cli.Context) error {
	if _, err := operands(c); err != nil {
		return err
	}
	if c.String("output") == "" {
		return usageError(c, "--output is missing: where the kernel is moved to")
	}
	return seal.Split(e.rootfs(c), c.String("output"))
}

// errActiveRoot means that a directory changes while it is read.
var errActiveRoot = errors.New("Cannot operate on active root filesystem; mount separate target instead") //nolint:staticcheck // upstream's words

// computeID is the id of the root directory dir. Its dump goes where --write-dumpfile-to
// says.
func computeID(c *cli.Context, dir string) (verity.Digest, error) {
	if filepath.Clean(dir) == "/" {
		return verity.Digest{}, errActiveRoot
	}
	root, err := seal.Tree(c.Context, dir, seal.Options{ExactTimes: c.Bool("exact-times")})
	if err != nil {
		return verity.Digest{}, err
	}
	id, err := seal.ID(root)
	dump := c.String("write-dumpfile-to")
	if err != nil || dump == "" {
		return id, err
	}
	return id, writeOutput(dump, func(w io.Writer) error { return tree.WriteDump(w, root) })
}

// writeOutput makes the file called name, which is there only when it is whole. What is
// no regular file, such as /dev/stdout, is written to.
func writeOutput(name string, fill func(io.Writer) error) error {
	if st, err := os.Stat(name); err == nil && !st.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(fill(f), f.Close())
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	return atomicfile.Write(dir, filepath.Base(name), 0o644, fill)
}

func (e *env) containerDigest(c *cli.Context) error {
	args, err := operands(c)
	if err != nil {
		return err
	}
	dir := args[0]
	if dir == "" {
		dir = "/target"
	}
	id, err := computeID(c, dir)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.stdout, id)
	return err
}

func (e *env) containerUkify(c *cli.Context) error {
	more := c.Args().Slice()
	ukify, err := exec.LookPath("ukify")
	if err != nil {
		return errors.New("cannot find the program ukify in $PATH: install systemd-ukify")
	}
	u := seal.UKI{
		Root: c.String("rootfs"), KernelDir: c.String("kernel-dir"), Arch: runtime.GOARCH,
		AllowMissing: c.Bool("allow-missing-verity"), Kargs: c.StringSlice("karg"),
	}
	if filepath.Clean(u.Root) == "/" {
		return errActiveRoot
	}
	if u.KernelDir == "" {
		fmt.Fprintln(e.stderr, "bootc: warning: the kernel is in the image, and the id of one that has no other kernel than the unified one is another: "+
			"move it out with 'bootc container split-kernel-and-rootfs', and use --kernel-dir")
	}
	// What is wrong with the kernel shows before all files are read.
	if _, err := u.Args(); err != nil {
		return err
	}
	if u.ID, err = computeID(c, u.Root); err != nil {
		return err
	}
	args, err := u.Args()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(c.Context, ukify, append(args, more...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = u.Root, e.stdout, e.stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("cannot make a unified kernel image: ukify %s: %w", strings.Join(more, " "), err)
	}
	return nil
}

func (e *env) containerExport(c *cli.Context) error {
	args, err := operands(c)
	if err != nil {
		return err
	}
	o := seal.ExportOptions{KernelInBoot: c.Bool("kernel-in-boot"), NoSELinux: c.Bool("disable-selinux")}
	var failed error
	fill := func(w io.Writer) error {
		failed = seal.Export(c.Context, w, e.below(args[0]), o)
		return failed
	}
	switch name := c.String("output"); {
	case name != "":
		if err := writeOutput(name, fill); failed == nil {
			return err
		}
		return failed
	case isTerminal(e.stdout):
		return usageError(c, "an archive is not written to a terminal: use --output")
	}
	return fill(e.stdout)
}
