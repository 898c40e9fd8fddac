// Command testrun runs "go test -json" and prints what matters of it: a line
// per package, the output of what failed, and a closing line that counts.
//
//	go run ./internal/testrun [-noskip] [go test flags] PACKAGE...
//
// With -noskip a skipped test fails the run: a check that did not run has not
// passed.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
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

// run tests what args say and reports whether all is well.
func run(ctx context.Context, stdout, stderr io.Writer, args []string) (bool, error) {
	noskip := slices.Contains(args, "-noskip")
	args = slices.DeleteFunc(slices.Clone(args), func(a string) bool { return a == "-noskip" })
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return false, err
	}
	if err := cmd.Start(); err != nil {
		return false, err
	}
	s := newSummary(stdout)
	readErr := s.read(events)
	waitErr := cmd.Wait()
	if readErr != nil {
		return false, readErr
	}
	s.close()
	if waitErr != nil && s.failed == 0 {
		return false, fmt.Errorf("go test: %w", waitErr)
	}
	return waitErr == nil && s.failed == 0 && (!noskip || s.skipped == 0), nil
}
