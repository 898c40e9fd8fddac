package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// printTable draws rows below a header, in the frame that cfsctl draws.
func printTable(w io.Writer, rows ...[]string) error {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	rule(&b, width, "┌", "─", "┬", "┐")
	for i, row := range rows {
		switch i {
		case 0:
		case 1:
			rule(&b, width, "╞", "═", "╪", "╡")
		default:
			rule(&b, width, "├", "╌", "┼", "┤")
		}
		for j, cell := range row {
			edge := "┆"
			if j == 0 {
				edge = "│"
			}
			fmt.Fprintf(&b, "%s %-*s ", edge, width[j], cell)
		}
		b.WriteString("│\n")
	}
	rule(&b, width, "└", "─", "┴", "┘")
	_, err := io.WriteString(w, b.String())
	return err
}

func rule(b *strings.Builder, width []int, left, line, cross, right string) {
	for i, n := range width {
		if i == 0 {
			b.WriteString(left)
		} else {
			b.WriteString(cross)
		}
		b.WriteString(strings.Repeat(line, n+2))
	}
	b.WriteString(right + "\n")
}
