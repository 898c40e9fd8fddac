package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/composefs/erofs"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/tree/scan"
	"github.com/bootc-go/bootc/composefs/verity"
)

// mkcomposefsCommand takes the options of mkcomposefs(1) and writes the same
// images.
func (e *env) mkcomposefsCommand() *cli.Command {
	return &cli.Command{
		Name: "mkcomposefs", Usage: "write the composefs image of a directory or a dump", ArgsUsage: "SOURCE [IMAGE]",
		Description: "SOURCE is a directory, or with --from-file a file in the format of composefs-dump(5); - is the standard input. IMAGE - is the standard output.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "from-file", Usage: "the source is a dump, not a directory"},
			&cli.StringFlag{Name: "digest-store", Usage: "copy the contents of files into the directory `PATH`, by digest"},
			&cli.BoolFlag{Name: "print-digest", Usage: "print the fs-verity digest of the image"},
			&cli.BoolFlag{Name: "print-digest-only", Usage: "print the digest and write no image"},
			newChoice("digest", "hash `ALGORITHM` of all digests:", "sha256", "sha256", "sha512").also(ids()...),
			&cli.IntFlag{Name: "min-version", Usage: "lowest version `N` of the image format, 0 or 1"},
			&cli.IntFlag{Name: "max-version", Usage: "highest version `N`, taken if the tree has whiteouts", DefaultText: "1, but --min-version if that is given"},
			&cli.BoolFlag{Name: "use-epoch", Usage: "make all modification times 0"},
			&cli.BoolFlag{Name: "skip-devices", Usage: "leave out device nodes"},
			&cli.BoolFlag{Name: "skip-xattrs", Usage: "leave out extended attributes"},
			&cli.BoolFlag{Name: "user-xattrs", Usage: "of the extended attributes, take only user.*"},
			&cli.IntFlag{Name: "threads", Usage: "read `N` files at once", DefaultText: "as many as there are processors"},
		},
		Action: e.mkcomposefs,
	}
}

func (e *env) mkcomposefs(c *cli.Context) error {
	m, err := e.parseMkcomposefs(c)
	if err != nil {
		return err
	}
	root, err := m.readTree(c)
	if err != nil {
		return err
	}
	if err := m.checkDigests(root); err != nil && !c.IsSet("digest") {
		return err
	}
	return m.writeImage(root)
}

// mkcomposefs is one run of the command.
type mkcomposefs struct {
	*env
	source, image string // image is "" if only the digest is wanted
	printDigest   bool
	options       erofs.Options
}

func (e *env) parseMkcomposefs(c *cli.Context) (*mkcomposefs, error) {
	args, err := operands(c)
	if err != nil {
		return nil, err
	}
	only := c.Bool("print-digest-only")
	m := &mkcomposefs{env: e, source: args[0], image: args[1], printDigest: only || c.Bool("print-digest")}
	switch {
	case only && m.image != "":
		return nil, usageError(c, "--print-digest-only writes no image, but %q is given", m.image)
	case !only && m.image == "":
		return nil, usageError(c, "missing operand IMAGE")
	case c.IsSet("threads") && c.Int("threads") <= 0:
		return nil, usageError(c, "--threads: %d is no number of threads", c.Int("threads"))
	case c.Bool("skip-xattrs") && c.Bool("user-xattrs"):
		return nil, usageError(c, "--skip-xattrs and --user-xattrs exclude each other")
	case m.image == "-" && isTerminal(e.stdout):
		return nil, usageError(c, "an image is nothing for a terminal")
	}
	alg, err := verity.ParseAlgorithm(c.String("digest"))
	if err != nil {
		return nil, usageError(c, "--digest: %w", err)
	}
	m.options, err = versionFlags(c)
	m.options.Algorithm = alg
	return m, err
}

// versionFlags reads --min-version and --max-version as mkcomposefs does: what
// is not given is 0 as soon as the other one is.
func versionFlags(c *cli.Context) (erofs.Options, error) {
	if !c.IsSet("min-version") && !c.IsSet("max-version") {
		return erofs.Options{Version: erofs.V0, MaxVersion: erofs.V1}, nil
	}
	for _, name := range []string{"min-version", "max-version"} {
		if v := c.Int(name); v < 0 || v > int(erofs.V1) {
			return erofs.Options{}, usageError(c, "--%s: there is no version %d", name, v)
		}
	}
	return erofs.Options{Version: erofs.Version(c.Int("min-version")), MaxVersion: erofs.Version(c.Int("max-version"))}, nil
}

// checkDigests refuses a dump made for another algorithm than the usual one:
// mkcomposefs knows only that, and would take the digests for something else.
func (m *mkcomposefs) checkDigests(root *tree.Node) error {
	want := m.options.Algorithm
	return tree.Walk(root, func(path string, n *tree.Node) error {
		if n.File == nil || n.File.Digest.IsZero() || n.File.Digest.Algorithm() == want {
			return nil
		}
		got := n.File.Digest.Algorithm()
		return fmt.Errorf("cannot make an image for %s of %s: the digest of %q is for %s (use --digest=%s)", want, m.source, path, got, got)
	})
}

// readTree reads the source. Options about files have no effect on a dump.
func (m *mkcomposefs) readTree(c *cli.Context) (*tree.Node, error) {
	if c.Bool("from-file") {
		return m.readDump()
	}
	o := scan.Options{
		Algorithm: m.options.Algorithm, UseEpoch: c.Bool("use-epoch"), SkipDevices: c.Bool("skip-devices"),
		SkipXattrs: c.Bool("skip-xattrs"), UserXattrs: c.Bool("user-xattrs"), Threads: c.Int("threads"),
	}
	path := c.String("digest-store")
	if path == "" {
		return scan.Scan(c.Context, m.source, o)
	}
	store, err := scan.OpenDigestStore(path)
	if err != nil {
		return nil, err
	}
	o.Store = store.Put
	root, err := scan.Scan(c.Context, m.source, o)
	return root, errors.Join(err, store.Close())
}

func (m *mkcomposefs) readDump() (*tree.Node, error) {
	if m.source == "-" {
		return tree.ReadDump(m.stdin)
	}
	f, err := os.Open(m.source)
	if err != nil {
		return nil, fmt.Errorf("cannot read dump: %w", err)
	}
	defer f.Close()
	root, err := tree.ReadDump(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.source, err)
	}
	return root, nil
}

// writeImage writes what is wanted: image, digest, or both.
func (m *mkcomposefs) writeImage(root *tree.Node) error {
	d, err := m.write(root)
	if err == nil && m.printDigest {
		_, err = fmt.Fprintln(m.stdout, d)
	}
	return err
}

func (m *mkcomposefs) write(root *tree.Node) (verity.Digest, error) {
	switch m.image {
	case "":
		return erofs.Digest(root, m.options)
	case "-":
		return m.writeTo(m.stdout, root)
	}
	// As with shell redirection, the file may be a pipe or a device, so it is
	// written in place.
	f, err := os.OpenFile(m.image, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return verity.Digest{}, fmt.Errorf("cannot write image: %w", err)
	}
	d, err := m.writeTo(f, root)
	if err = errors.Join(err, f.Close()); err != nil {
		return verity.Digest{}, fmt.Errorf("%s: %w", m.image, err)
	}
	return d, nil
}

// writeTo writes the image and hashes it on the way if its digest is wanted.
func (m *mkcomposefs) writeTo(w io.Writer, root *tree.Node) (verity.Digest, error) {
	out := bufio.NewWriterSize(w, 1<<20)
	if !m.printDigest {
		return verity.Digest{}, errors.Join(erofs.Write(out, root, m.options), out.Flush())
	}
	h := verity.NewHasher(m.options.Algorithm)
	if err := errors.Join(erofs.Write(io.MultiWriter(out, h), root, m.options), out.Flush()); err != nil {
		return verity.Digest{}, err
	}
	return h.Sum(), nil
}
