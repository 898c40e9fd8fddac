package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/composefs/erofs"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/verity"
)

// cfsCommand works on a composefs repository, with the verbs and the output of
// cfsctl 0.9.
func (e *env) cfsCommand() *cli.Command {
	var stop func() error
	return &cli.Command{
		Name:  "cfs",
		Usage: "work on a composefs repository, as cfsctl does",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "repo", Usage: "the repository at `DIR`"},
			&cli.BoolFlag{Name: "system", Usage: "the system's repository, /sysroot/composefs (default for root)"},
			&cli.BoolFlag{Name: "user", Usage: "the user's repository, ~/.var/lib/composefs (default for others)"},
			newChoice("hash", "`ALGORITHM` of the repository, sha256 or sha512 (default: what it records)", "", "sha256", "sha512").also(ids()...),
			newChoice("erofs-version", "`VERSION` of new images, 0 or 1 (default: what the repository records)", "", "0", "1").also("2"),
			&cli.BoolFlag{Name: "require-verity", Usage: "fail if the repository does not require fs-verity"},
			&cli.BoolFlag{Name: "no-upgrade", Usage: "fail on a repository without meta.json instead of writing one"},
			&cli.BoolFlag{Name: "no-repo", Usage: "open no repository, for compute-id and create-dumpfile"},
			&cli.StringFlag{Name: "cpuprofile", Hidden: true, Usage: "write a CPU profile to `FILE`"},
		},
		Before: func(c *cli.Context) (err error) {
			stop, err = profile(c.String("cpuprofile"))
			return err
		},
		After: func(*cli.Context) error {
			if stop == nil {
				return nil
			}
			return stop()
		},
		Subcommands: append([]*cli.Command{
			e.cfsInitCommand(),
			e.cfsOCICommand(),
			e.cfsGCCommand(),
			e.cfsFsckCommand(),
		}, e.cfsImageCommands()...),
	}
}

// profile writes a CPU profile to the file called name until stop is called.
func profile(name string) (stop func() error, err error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}

// repoPath is where the flags say that the repository is.
func (e *env) repoPath(c *cli.Context) (string, error) {
	set := 0
	for _, f := range []string{"repo", "system", "user"} {
		if c.IsSet(f) {
			set++
		}
	}
	switch {
	case set > 1:
		return "", usageError(c, "only one of --repo, --system and --user can be used")
	case c.IsSet("repo") && c.String("repo") == "":
		return "", usageError(c, "--repo needs the name of a directory")
	case c.IsSet("repo"):
		return c.String("repo"), nil
	case c.Bool("user") || !c.Bool("system") && os.Getuid() != 0:
		home := e.getenv("HOME")
		if home == "" {
			return "", fmt.Errorf("cannot find the user's repository: $HOME is not set")
		}
		return filepath.Join(home, ".var/lib/composefs"), nil
	}
	return filepath.Join(e.root, "sysroot/composefs"), nil
}

// openRepo opens the repository that the flags name.
func (e *env) openRepo(c *cli.Context, o repo.OpenOptions) (*repo.Repo, error) {
	if c.Bool("no-repo") {
		return nil, usageError(c, "--no-repo goes only with compute-id and create-dumpfile")
	}
	path, err := e.repoPath(c)
	if err != nil {
		return nil, err
	}
	if _, err := erofsFlag(c, 1); err != nil {
		return nil, err
	}
	o.RequireVerity, o.NoUpgrade, o.Wait = c.Bool("require-verity"), c.Bool("no-upgrade"), e.waiting
	r, err := repo.Open(c.Context, path, o)
	if err != nil {
		return nil, err
	}
	if want, err := hashFlag(c, r.Algorithm()); err != nil || want != r.Algorithm() {
		r.Close() //nolint:errcheck // nothing was written
		if err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("cannot use %s: it is a repository for %s, but --hash says %s", path, r.Algorithm(), want)
	}
	return r, nil
}

// withRepo opens the repository for the time of fn.
func (e *env) withRepo(c *cli.Context, o repo.OpenOptions, fn func(*repo.Repo) error) error {
	r, err := e.openRepo(c, o)
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // only releases the lock
	return fn(r)
}

// hashFlag is the algorithm that --hash names, or def.
func hashFlag(c *cli.Context, def verity.Algorithm) (verity.Algorithm, error) {
	if !c.IsSet("hash") {
		return def, nil
	}
	alg, err := verity.ParseAlgorithm(c.String("hash"))
	if err != nil {
		return 0, usageError(c, "--hash: %w", err)
	}
	return alg, nil
}

// ids are the long names of the algorithms, as repositories record them.
func ids() []string { return []string{verity.SHA512.ID(), verity.SHA256.ID()} }

// erofsFlag is the version that --erofs-version names, or def.
func erofsFlag(c *cli.Context, def int) (erofs.Version, error) {
	v := fmt.Sprint(def)
	if c.IsSet("erofs-version") {
		v = c.String("erofs-version")
	}
	switch v {
	case "0":
		return erofs.V0, nil
	case "1":
		return erofs.V1, nil
	case "2":
		return 0, fmt.Errorf("cannot write images of EROFS version 2, the legacy format of composefs-rs: use a repository of version 1")
	}
	return 0, usageError(c, "--erofs-version: unknown version %q (want 0 or 1)", v)
}
