// Command testrun runs "go test -json" and prints what matters of it: a line
// per package, the output of what failed, what virtual machines cost, and a closing line
// that counts.
//
//	go run ./internal/testrun [-noskip] [-share SHARE] [go test flags] PACKAGE...
//
// With -noskip a skipped test fails the run: a check that did not run has not
// passed. SHARE is which of the cases that take turns run, see internal/testshare: a number,
// "all", or "commit", that of the commit. Without it all run.
//
// Tests may take any time. testrun ends them when they make no progress for half an hour.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/testshare"
)

func main() {
	ok, err := run(context.Background(), os.Stdout, os.Stderr, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "testrun:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// options are testrun's own arguments, which come first.
type options struct {
	noskip bool
	share  string
}

// parse takes testrun's own arguments off.
func parse(args []string) (options, []string, error) {
	var o options
	for len(args) > 0 {
		switch args[0] {
		case "-noskip":
			o.noskip, args = true, args[1:]
		case "-share":
			if len(args) < 2 {
				return o, nil, errors.New("-share wants a share")
			}
			o.share, args = args[1], args[2:]
		default:
			return o, args, nil
		}
	}
	return o, args, nil
}

// run tests what args say and reports whether all is well.
func run(ctx context.Context, stdout, stderr io.Writer, args []string) (bool, error) {
	o, args, err := parse(args)
	if err != nil {
		return false, err
	}
	share, err := shareOf(ctx, o.share)
	if err != nil {
		return false, err
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json", "-timeout=0"}, args...)...)
	cmd.Env = append(os.Environ(), testshare.EnvVar+"="+share)
	cmd.Stderr = stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return false, err
	}
	if err := cmd.Start(); err != nil {
		return false, err
	}
	s := newSummary(stdout)
	readErr := s.readWatched(ctx, events, stderr)
	waitErr := cmd.Wait()
	if readErr != nil {
		return false, readErr
	}
	s.close()
	if share != "all" {
		fmt.Fprintf(stdout, "of the cases that take turns, share %s ran, of 0 to %d (make test SHARE=%s repeats it, make test-all runs all)\n", share, testshare.Shares-1, share)
	}
	if waitErr != nil && s.failed == 0 {
		return false, fmt.Errorf("go test: %w", waitErr)
	}
	if s.passed+s.failed+s.skipped+s.notDue == 0 {
		return false, errors.New("no test ran")
	}
	return waitErr == nil && s.failed == 0 && (!o.noskip || s.skipped == 0), nil
}

// readWatched takes events until their end, and ends tests that hang.
func (s *summary) readWatched(ctx context.Context, events io.Reader, stderr io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { watch(ctx, &s.events, unix.Getpgrp(), stderr) })
	defer watching.Wait()
	defer cancel()
	return s.read(events)
}

// shareOf is the share in the form of testshare.EnvVar.
func shareOf(ctx context.Context, text string) (string, error) {
	switch text {
	case "", "all":
		return "all", nil
	case "commit":
		share, err := shareOfCommit(ctx)
		return fmt.Sprint(share), err
	default:
		share, err := testshare.Parse(text)
		return fmt.Sprint(share), err
	}
}

// shareOfCommit asks git.
func shareOfCommit(ctx context.Context) (int, error) {
	var answers []string
	for _, args := range [][]string{{"rev-list", "--count", "HEAD"}, {"rev-parse", "HEAD"}, {"rev-parse", "--is-shallow-repository"}} {
		out, err := exec.CommandContext(ctx, "git", args...).Output()
		if err != nil {
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
			}
			return 0, fmt.Errorf("cannot tell the share, give one as SHARE=all or SHARE=0: git %s: %w", strings.Join(args, " "), err)
		}
		answers = append(answers, strings.TrimSpace(string(out)))
	}
	return testshare.OfCommit(answers[0], answers[1], answers[2] == "true")
}
