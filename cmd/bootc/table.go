package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable is s with everything escaped that a terminal might obey instead of
// show: names, messages and tags come from registries.
func printable(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) {
			q := strconv.Quote(s[:n])
			b.WriteString(q[1 : len(q)-1])
		} else {
			b.WriteRune(r)
		}
		s = s[n:]
	}
	return b.String()
}

// printTable draws rows below a header, in the frame that cfsctl draws.
func printTable(w io.Writer, rows ...[]string) error {
	for _, row := range rows {
		for i := range row {
			row[i] = printable(row[i])
		}
	}
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
