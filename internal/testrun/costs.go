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

var accounted = regexp.MustCompile(`testvm: (\d+) boots, ([\d.]+) s, ([\d.]+) s of processor time`)

// output takes a line that a test printed.
func (c costs) output(e event) {
	m := accounted.FindStringSubmatch(e.Output)
	if m == nil {
		return
	}
	sum := c[key(e)]
	for i, to := range []func(float64){
		func(v float64) { sum.boots += int(v) },
		func(v float64) { sum.seconds += v },
		func(v float64) { sum.processor += v },
	} {
		if v, err := strconv.ParseFloat(m[i+1], 64); err == nil {
			to(v)
		}
	}
	c[key(e)] = sum
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
