package lint

import (
	"fmt"
	"io"
	"strings"
)

// Write prints what was found, in upstream's words.
func (r *Result) Write(w io.Writer) error {
	var b strings.Builder
	warnings := 0
	for _, f := range r.Findings {
		title := "Failed lint"
		if f.Rule.Type == Warning {
			title = "Lint warning"
			warnings++
		}
		fmt.Fprintf(&b, "%s: %s: %s\n", title, f.Rule.Name, f.Message)
	}
	fmt.Fprintf(&b, "Checks passed: %d\n", r.Passed)
	if r.Skipped > 0 {
		fmt.Fprintf(&b, "Checks skipped: %d\n", r.Skipped)
	}
	if warnings > 0 {
		fmt.Fprintf(&b, "Warnings: %d\n", warnings)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Failed counts the findings that are fatal, and the others if fatalWarnings is set.
func (r *Result) Failed(fatalWarnings bool) int {
	n := 0
	for _, f := range r.Findings {
		if f.Rule.Type == Fatal || fatalWarnings {
			n++
		}
	}
	return n
}

// WriteList prints rules as YAML.
func WriteList(w io.Writer, rules []Rule) error {
	var b strings.Builder
	for _, r := range rules {
		fmt.Fprintf(&b, "- name: %s\n  type: %s\n  description: |-\n", r.Name, r.Type)
		for line := range strings.Lines(r.Description) {
			fmt.Fprintf(&b, "    %s\n", strings.TrimSuffix(line, "\n"))
		}
		if r.RootType != "" {
			fmt.Fprintf(&b, "  root-type: %s\n", r.RootType)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
