// Package lint checks the root directory of an OS image for what makes hosts break
// that boot it, when the image is built (docs/reference/lint.md).
//
// It only reads. Names and contents of files are taken to be hostile: links are
// resolved below the root, what is mounted is not entered, sizes have limits, and what
// is printed cannot control a terminal.
package lint

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/bootc-go/bootc/internal/rootdir"
	"github.com/bootc-go/bootc/osimage"
)

// Severity says what a finding means.
type Severity string

// The severities.
const (
	Fatal   Severity = "fatal"   // the image does not install, boot or upgrade
	Warning Severity = "warning" // it does, and there will be trouble
)

// RootType is what the root directory is that is looked at.
type RootType string

// The root types.
const (
	Running     RootType = "Running"     // the root of this process, as in a RUN of a build
	Alternative RootType = "Alternative" // another directory
)

// Rule is one thing that is looked at.
type Rule struct {
	Name        string
	Type        Severity
	Description string   // for humans, in lines
	RootType    RootType // it says something only of such a root; of any if empty

	check func(*root) error
}

// Rules lists all rules by name.
func Rules() []Rule {
	rules := slices.Concat(baseRules(), kernelRules(), varRules(), machineRules(), hostRules())
	slices.SortFunc(rules, func(a, b Rule) int { return strings.Compare(a.Name, b.Name) })
	return rules
}

// Options say what Run looks at.
type Options struct {
	RootType   RootType
	Arch       string   // the GOARCH of the image
	Skip       []string // names of rules to leave out
	NoTruncate bool     // name all files of a finding, not only the first few
}

// Result is what Run found.
type Result struct {
	Findings []Finding // in the order of the names of their rules
	Passed   int       // rules that found nothing
	Skipped  int       // rules that did not look
}

// Finding is what a rule does not like.
type Finding struct {
	Rule    Rule
	Message string // one line, or several of which the last is empty
}

// Run looks at the root directory called dir. An error is one of reading it, not one
// of the image.
func Run(dir string, o Options) (*Result, error) {
	d, err := rootdir.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot lint %s: %w", dir, err)
	}
	defer d.Close()
	r := &root{Dir: d, o: o}
	var result Result
	var broken []error
	for _, rule := range Rules() {
		if slices.Contains(o.Skip, rule.Name) || rule.RootType != "" && rule.RootType != o.RootType {
			result.Skipped++
			continue
		}
		err := rule.check(r)
		var found *finding
		switch {
		case err == nil:
			result.Passed++
		case errors.As(err, &found):
			result.Findings = append(result.Findings, Finding{rule, found.message})
		default:
			broken = append(broken, fmt.Errorf("rule %s: %w", rule.Name, err))
		}
	}
	if err := errors.Join(broken...); err != nil {
		return &result, fmt.Errorf("cannot lint %s: %w", dir, err)
	}
	return &result, nil
}

// root is the root directory that the rules look at.
type root struct {
	*rootdir.Dir
	o Options

	once     sync.Once
	found    osimage.Kernel
	notFound error
}

// finding is what a check returns about the image, other than an error of reading.
type finding struct{ message string }

func (f *finding) Error() string { return f.message }

func found(format string, args ...any) error {
	return &finding{fmt.Sprintf(format, args...)}
}
