package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/bootc-go/bootc/internal/testshare"
)

// event is one line of "go test -json" (see "go doc test2json").
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64 // seconds
}

// slow is how many seconds a test takes at least whose end is told at once.
const slow = 20

// summary counts tests and prints what a reader needs to see. Every test and
// subtest counts once.
type summary struct {
	out     io.Writer
	output  map[string][]string // of each test that has not ended yet
	broken  map[string]bool     // packages with a failed test
	skips   []string
	repeats []event // what failed, without the parents of what failed
	costs   costs
	passed  int
	failed  int
	skipped int
	notDue  int
	events  atomic.Int64 // so far; for those who wait for progress
}

func newSummary(out io.Writer) *summary {
	return &summary{out: out, output: map[string][]string{}, broken: map[string]bool{}, costs: costs{}}
}

// read takes events until EOF.
func (s *summary) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			s.line(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot read the output of go test: %w", err)
		}
	}
}

// line takes one event. What is not JSON comes from the go command itself and
// is shown as it is.
func (s *summary) line(line []byte) {
	s.events.Add(1)
	var e event
	if json.Unmarshal(line, &e) != nil {
		fmt.Fprintf(s.out, "%s", line)
		return
	}
	switch {
	case e.Action == "build-output":
		fmt.Fprint(s.out, e.Output)
	case e.Test == "":
		s.packageEvent(e)
	default:
		s.testEvent(e)
	}
}

func (s *summary) packageEvent(e event) {
	switch e.Action {
	case "output":
		s.keep(e)
	case "fail":
		s.unended(e.Package)
		s.dumpPackage(e.Package)
		fmt.Fprintf(s.out, "FAIL %s %.1fs\n", e.Package, e.Elapsed)
		if !s.broken[e.Package] {
			s.failed++ // no test did: the build, TestMain, a panic or the time limit
		}
	case "pass":
		delete(s.output, key(e))
		fmt.Fprintf(s.out, "ok   %s %.1fs\n", e.Package, e.Elapsed)
	case "skip": // the package has no tests
		delete(s.output, key(e))
	}
}

func (s *summary) testEvent(e event) {
	switch e.Action {
	case "output":
		s.keep(e)
		s.costs.add(e)
		return
	case "pass":
		s.passed++
		if e.Elapsed >= slow {
			fmt.Fprintf(s.out, "  ok %s %s %.0fs\n", path.Base(e.Package), e.Test, e.Elapsed)
		}
	case "fail":
		s.failed++
		s.broken[e.Package] = true
		s.repeat(e)
		s.dump(key(e))
	case "skip":
		s.skip(e)
	default:
		return
	}
	delete(s.output, key(e))
}

// notDue matches what a test says at last whose turn has not come, behind the file and line
// where it says so.
var notDue = regexp.MustCompile(`^[\w.]+\.go:\d+: ` + testshare.NotDue + `[^:]*$`)

// skip counts a test that did not run: its turn has not come, or it lacks something.
func (s *summary) skip(e event) {
	reason := s.reason(e)
	if notDue.MatchString(reason) {
		s.notDue++
		return
	}
	s.skipped++
	s.skips = append(s.skips, e.Package+" "+e.Test+": "+reason)
}

// repeat notes a test that failed, unless it failed because a test in it did.
func (s *summary) repeat(e event) {
	within := func(o event) bool { return o.Package == e.Package && strings.HasPrefix(o.Test, e.Test+"/") }
	if !slices.ContainsFunc(s.repeats, within) {
		s.repeats = append(s.repeats, e)
	}
}

// repeatCommand runs the test alone, whatever the share. To make, two dollars are one.
func repeatCommand(e event) string {
	levels := strings.Split(e.Test, "/")
	for i, l := range levels {
		levels[i] = "^" + regexp.QuoteMeta(l) + "$$"
	}
	return fmt.Sprintf("make test PKG=%s TESTARGS='-run \"%s\"'", e.Package, strings.Join(levels, "/"))
}

func key(e event) string { return e.Package + " " + e.Test }

func (s *summary) keep(e event) { s.output[key(e)] = append(s.output[key(e)], e.Output) }

// dump prints what the test or package of that key said.
func (s *summary) dump(key string) {
	for _, text := range s.output[key] {
		fmt.Fprint(s.out, text)
	}
	delete(s.output, key)
}

// unended notes the tests of a package that were running when it ended.
func (s *summary) unended(pkg string) {
	for _, key := range slices.Sorted(maps.Keys(s.output)) {
		if test, of := strings.CutPrefix(key, pkg+" "); of && test != "" {
			s.repeats = append(s.repeats, event{Package: pkg, Test: test})
		}
	}
}

// dumpPackage prints what a failed package said, and what those of its tests
// said that never ended.
func (s *summary) dumpPackage(pkg string) {
	for _, key := range slices.Sorted(maps.Keys(s.output)) {
		if strings.HasPrefix(key, pkg+" ") {
			s.dump(key)
		}
	}
}

// reason is what a skipped test said, on one line.
func (s *summary) reason(e event) string {
	var words []string
	for _, text := range s.output[key(e)] {
		if !strings.HasPrefix(text, "=== ") && !strings.HasPrefix(strings.TrimSpace(text), "--- ") {
			words = append(words, strings.TrimSpace(text))
		}
	}
	return strings.Join(words, " ")
}

// close prints what the machines of tests cost, the skipped tests, how to repeat what
// failed, and the count.
func (s *summary) close() {
	s.costs.print(s.out)
	for _, skip := range s.skips {
		fmt.Fprintln(s.out, "SKIP", skip)
	}
	for _, e := range s.repeats {
		fmt.Fprintln(s.out, "repeat it with:", repeatCommand(e))
	}
	fmt.Fprintf(s.out, "%d passed, %d failed, %d skipped", s.passed, s.failed, s.skipped)
	if s.notDue > 0 {
		fmt.Fprintf(s.out, "; %d belong to other shares", s.notDue)
	}
	fmt.Fprintln(s.out)
}
