// Command bench measures bootc against its peers, all in one run on one machine:
// pulling an operating system image cold, again and as an update, writing an
// EROFS image, and how cost grows with files and layers. It generates the images
// itself, the same on every machine, and serves them from the loopback interface.
//
//	bench [-mode full|quick] [-bootc FILE] [-dir DIR] [-docs DIR] [-rounds N]
//
// The answer goes to docs/reference/performance.md and, with every sample, to
// DIR/results.json. In quick mode all is small and nothing goes to docs: it shows
// that the bench works.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		os.Exit(1)
	}
}

// run does what args say. The subcommands are the harness's own: work that must
// not count as its memory, for a new process is charged with the memory of the
// one that started it.
func run(ctx context.Context, args []string) error {
	if len(args) == 2 {
		switch args[0] {
		case "serve":
			return serve(args[1], os.Stdin, os.Stdout)
		case "pretouch":
			n, err := strconv.ParseInt(args[1], 10, 64)
			pretouch(n)
			return err
		}
	}
	if len(args) == 3 && args[0] == "generate" {
		s, err := newSuite(args[1])
		if err != nil {
			return err
		}
		return s.generate(ctx, args[2])
	}
	if len(args) == 4 && args[0] == "floor" {
		return floorParts(args[1], args[2], args[3], os.Stdout)
	}
	b, err := parseFlags(args, os.Stderr)
	if err != nil {
		return err
	}
	return b.run(ctx)
}

// parseFlags makes a bench from the command line.
func parseFlags(args []string, stderr io.Writer) (*bench, error) {
	b := &bench{stderr: stderr}
	var mode string
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&mode, "mode", "full", "full, or quick: a smoke test of less than a minute")
	fs.StringVar(&b.bootc, "bootc", "bin/bootc", "the bootc to measure; empty measures only the peers")
	fs.StringVar(&b.mkcomposefs, "mkcomposefs", "build/tools/bin/mkcomposefs", "the mkcomposefs to compare with")
	fs.StringVar(&b.dir, "dir", "build/bench", "where images are cached and runs take place")
	fs.StringVar(&b.docs, "docs", "docs/reference", "where the report of a full run goes")
	fs.IntVar(&b.rounds, "rounds", 0, "rounds of all contenders (0: 2, or 1 if quick)")
	fs.BoolVar(&b.keep, "keep", false, "leave what the runs made, for a look at it")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	s, err := newSuite(mode)
	b.suite = s
	if b.rounds == 0 {
		b.rounds = s.rounds
	}
	return b, err
}
