package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"sigs.k8s.io/yaml"

	"github.com/bootc-go/bootc/internal/rootdir"
	"github.com/bootc-go/bootc/kargs/kargsd"
	"github.com/bootc-go/bootc/lint"
	"github.com/bootc-go/bootc/osimage"
)

// containerCommand holds what is done while an image is built.
func (e *env) containerCommand() *cli.Command {
	return &cli.Command{
		Name: "container", Usage: "check and finish an image while it is built",
		Subcommands: append([]*cli.Command{
			e.containerInspectCommand(),
			e.containerLintCommand(),
		}, e.containerSealCommands()...),
	}
}

func rootfsFlag() cli.Flag {
	return &cli.StringFlag{Name: "rootfs", Usage: "the root directory of the image is `DIR`", Value: "/"}
}

// rootfs is the directory that --rootfs names.
func (e *env) rootfs(c *cli.Context) string { return e.below(c.String("rootfs")) }

// below is the directory called dir, where "/" is the root that bootc was started for.
func (e *env) below(dir string) string {
	if filepath.Clean(dir) == "/" {
		return e.root
	}
	return dir
}

func (e *env) containerLintCommand() *cli.Command {
	return &cli.Command{
		Name: "lint", Usage: "check an image for what makes hosts break",
		Description: "This is for the end of a Containerfile: RUN bootc container lint. What is found is printed to standard output, " +
			"a line or a few for each rule; --list prints the rules. If a rule of type fatal finds something, the command fails.",
		Flags: []cli.Flag{
			rootfsFlag(),
			&cli.BoolFlag{Name: "fatal-warnings", Usage: "fail on warnings, too"},
			&cli.BoolFlag{Name: "list", Usage: "check nothing, print the rules as YAML"},
			&cli.StringSliceFlag{Name: "skip", Usage: "leave out the rule `NAME`"},
			&cli.BoolFlag{Name: "no-truncate", Usage: "print all files of a finding, not only the first five"},
		},
		Action: e.containerLint,
	}
}

func (e *env) containerLint(c *cli.Context) error {
	if _, err := operands(c); err != nil {
		return err
	}
	if c.Bool("list") {
		return lint.WriteList(e.stdout, lint.Rules())
	}
	for _, name := range c.StringSlice("skip") {
		if !slices.ContainsFunc(lint.Rules(), func(r lint.Rule) bool { return r.Name == name }) {
			fmt.Fprintf(e.stderr, "bootc: warning: --skip: there is no rule %s\n", printable(name))
		}
	}
	o := lint.Options{
		RootType: lint.Alternative, Arch: runtime.GOARCH,
		Skip: c.StringSlice("skip"), NoTruncate: c.Bool("no-truncate"),
	}
	if filepath.Clean(c.String("rootfs")) == "/" {
		o.RootType = lint.Running
	}
	result, err := lint.Run(e.rootfs(c), o)
	if result != nil {
		err = errors.Join(result.Write(e.stdout), err)
	}
	if err != nil {
		return err
	}
	if n := result.Failed(c.Bool("fatal-warnings")); n > 0 {
		return fmt.Errorf("Checks failed: %d", n) //nolint:staticcheck // upstream's words
	}
	return nil
}

func (e *env) containerInspectCommand() *cli.Command {
	return &cli.Command{
		Name: "inspect", Usage: "print the kernel of an image and its kernel arguments",
		Flags: []cli.Flag{
			rootfsFlag(),
			&cli.BoolFlag{Name: "json", Usage: "the same as --format=json"},
			newChoice("format", "print it as `FORMAT`:", "", "humanreadable", "yaml", "json"),
		},
		Action: e.containerInspect,
	}
}

// inspection is what container inspect prints.
type inspection struct {
	Kargs  []string         `json:"kargs"`
	Kernel *inspectedKernel `json:"kernel"`
}

type inspectedKernel struct {
	Version string `json:"version"`
	Unified bool   `json:"unified"`
}

func (e *env) containerInspect(c *cli.Context) error {
	if _, err := operands(c); err != nil {
		return err
	}
	if c.Bool("json") && c.IsSet("format") {
		return usageError(c, "only one of --json and --format can be used")
	}
	format := c.String("format")
	if c.Bool("json") {
		format = "json"
	}
	i, err := inspectRoot(e.rootfs(c))
	if err != nil {
		return err
	}
	var text []byte
	switch format {
	case "json":
		text, err = json.MarshalIndent(i, "", "  ")
		text = append(text, '\n')
	case "yaml":
		text, err = yaml.Marshal(i)
	default:
		text = []byte(i.human())
	}
	if err != nil {
		return fmt.Errorf("cannot print the image: %w", err)
	}
	_, err = e.stdout.Write(text)
	return err
}

func inspectRoot(dir string) (*inspection, error) {
	root, err := rootdir.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot inspect the image: %w", err)
	}
	defer root.Close()
	i := &inspection{Kargs: []string{}}
	line, err := kargsd.Load(root, runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	for _, arg := range line {
		i.Kargs = append(i.Kargs, string(arg))
	}
	switch k, err := osimage.Locate(root); {
	case errors.Is(err, osimage.ErrNoKernel):
	case err != nil:
		return nil, err
	default:
		i.Kernel = &inspectedKernel{k.Version, k.Type == osimage.UKI}
	}
	return i, nil
}

func (i *inspection) human() string {
	args := printable(strings.Join(i.Kargs, " "))
	if args == "" {
		args = "<none>"
	}
	if i.Kernel == nil {
		return fmt.Sprintf("Kernel: <none>\n Kargs: %s\n", args)
	}
	kind := "vmlinuz"
	if i.Kernel.Unified {
		kind = "UKI"
	}
	return fmt.Sprintf("Kernel: %s\n  Type: %s\n Kargs: %s\n", printable(i.Kernel.Version), kind, args)
}
