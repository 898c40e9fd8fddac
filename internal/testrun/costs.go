package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
)

// cost is what the machines of a test took, see testvm.
type cost struct {
	boots              int
	seconds, processor float64
}

// costs are those of all tests, by package and name.
type costs map[string]cost

var costLine = regexp.MustCompile(`testvm: (\d+) boots, ([\d.]+) s, ([\d.]+) s of processor time`)

// add takes a line that a test printed.
func (c costs) add(e event) {
	m := costLine.FindStringSubmatch(e.Output)
	if m == nil {
		return
	}
	sum := c[key(e)]
	sum.boots += int(number(m[1]))
	sum.seconds += number(m[2])
	sum.processor += number(m[3])
	c[key(e)] = sum
}

// number reads what costLine matched.
func number(text string) float64 {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return v
}

// print prints a table, the dearest test first.
func (c costs) print(w io.Writer) {
	if len(c) == 0 {
		return
	}
	names := slices.Collect(maps.Keys(c))
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(c[b].processor, c[a].processor) })
	const row = "%6d %8.0f %10.0f  %s\n"
	fmt.Fprintf(w, "%6s %8s %10s  %s\n", "boots", "seconds", "processor", "machines of")
	var sum cost
	for _, name := range names {
		t := c[name]
		fmt.Fprintf(w, row, t.boots, t.seconds, t.processor, name)
		sum = cost{sum.boots + t.boots, sum.seconds + t.seconds, sum.processor + t.processor}
	}
	fmt.Fprintf(w, row, sum.boots, sum.seconds, sum.processor, "all")
}
