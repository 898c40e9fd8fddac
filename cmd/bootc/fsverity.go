package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
)

// fsverityCommand does what the verbs of fsverity(1) do that composefs needs,
// and prints the same.
func (e *env) fsverityCommand() *cli.Command {
	hashAlg := newChoice("hash-alg", "hash `ALGORITHM`:", "sha256", "sha256", "sha512").also(ids()...)
	return &cli.Command{
		Name: "fsverity", Usage: "compute, ask for and enable fs-verity digests",
		Subcommands: []*cli.Command{
			{
				Name: "digest", Usage: "compute the digests that files have or would have", ArgsUsage: "FILE...",
				Flags:  []cli.Flag{hashAlg, &cli.BoolFlag{Name: "compact", Usage: "print only the digest, in hexadecimal"}},
				Action: e.eachFile(e.fsverityDigest),
			},
			{
				Name: "measure", Usage: "print the digests of files that have fs-verity", ArgsUsage: "FILE...",
				Action: e.eachFile(e.fsverityMeasure),
			},
			{
				Name: "enable", Usage: "enable fs-verity on files, which then cannot be changed", ArgsUsage: "FILE...",
				Flags:  []cli.Flag{hashAlg},
				Action: e.eachFile(e.fsverityEnable),
			},
		},
	}
}

// eachFile calls fn for each operand and goes on after an error.
func (e *env) eachFile(fn func(*cli.Context, *os.File, verity.Algorithm) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		args, err := operands(c)
		if err != nil {
			return err
		}
		alg := verity.SHA256
		if c.IsSet("hash-alg") {
			if alg, err = verity.ParseAlgorithm(c.String("hash-alg")); err != nil {
				return usageError(c, "--hash-alg: %w", err)
			}
		}
		var errs []error
		for _, name := range args {
			errs = append(errs, withFile(name, func(f *os.File) error { return fn(c, f, alg) }))
		}
		return errors.Join(errs...)
	}
}

func withFile(name string, fn func(*os.File) error) error {
	// O_NONBLOCK: a FIFO would wait for a writer, and other files do not care.
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("cannot use %s: not a regular file", name)
	}
	return fn(f)
}

func (e *env) fsverityDigest(c *cli.Context, f *os.File, alg verity.Algorithm) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	d, err := verity.SumReaderAt(c.Context, alg, f, st.Size(), runtime.GOMAXPROCS(0))
	if err != nil {
		return fmt.Errorf("cannot hash %s: %w", f.Name(), err)
	}
	if c.Bool("compact") {
		_, err = fmt.Fprintln(e.stdout, d)
		return err
	}
	return e.printFileDigest(d, f)
}

func (e *env) fsverityMeasure(_ *cli.Context, f *os.File, _ verity.Algorithm) error {
	d, err := verity.Measure(f)
	if err != nil {
		return err
	}
	return e.printFileDigest(d, f)
}

func (e *env) printFileDigest(d verity.Digest, f *os.File) error {
	_, err := fmt.Fprintf(e.stdout, "%s:%s %s\n", d.Algorithm(), d, f.Name())
	return err
}

func (e *env) fsverityEnable(_ *cli.Context, f *os.File, alg verity.Algorithm) error {
	return verity.Enable(f, alg)
}
