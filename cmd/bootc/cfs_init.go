package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/composefs/erofs"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/verity"
)

func (e *env) cfsInitCommand() *cli.Command {
	return &cli.Command{
		Name:      "init",
		Usage:     "make a repository",
		ArgsUsage: "[DIR]",
		Flags: []cli.Flag{
			newChoice("algorithm", "fs-verity `ALGORITHM`:", verity.SHA512.ID(), ids()...).also("sha256", "sha512"),
			&cli.BoolFlag{Name: "insecure", Usage: "do not require fs-verity"},
			newChoice("erofs-version", "`VERSION` of the images:", "1", "0", "1").also("2"),
		},
		Action: e.cfsInit,
	}
}

func (e *env) cfsInit(c *cli.Context) error {
	args, err := operands(c)
	if err != nil {
		return err
	}
	path := args[0]
	if path == "" {
		if path, err = e.repoPath(c); err != nil {
			return err
		}
	}
	cfg, err := initConfig(c)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("cannot make the repository %s: %w", path, err)
	}
	r, created, err := repo.Init(c.Context, path, cfg)
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // only releases the lock
	if !created {
		_, err = fmt.Fprintf(e.stdout, "Repository already initialized at %s\n", path)
		return err
	}
	required := "required"
	if r.Insecure() {
		required = "not required (insecure)"
	}
	_, err = fmt.Fprintf(e.stdout, "Initialized composefs repository at %s\n  algorithm: %s\n  verity:    %s\n", path, r.Algorithm().ID(), required)
	return err
}

func initConfig(c *cli.Context) (repo.Config, error) {
	alg, err := verity.ParseAlgorithm(c.String("algorithm"))
	if err != nil {
		return repo.Config{}, usageError(c, "--algorithm: %w", err)
	}
	if !c.IsSet("algorithm") {
		if alg, err = hashFlag(c, alg); err != nil {
			return repo.Config{}, err
		}
	}
	v, err := erofsFlag(c, 1)
	return repo.Config{Algorithm: alg, Insecure: c.Bool("insecure"), ErofsV0: v == erofs.V0}, err
}
