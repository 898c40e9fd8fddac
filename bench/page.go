package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// pageWriter writes Markdown.
type pageWriter struct{ strings.Builder }

func (p *pageWriter) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

func (p *pageWriter) write(s string) { p.WriteString(s) }

// table writes rows under a header, in columns that line up in the source too.
func (p *pageWriter) table(header []string, rows [][]string) {
	widths := make([]int, len(header))
	for _, row := range append([][]string{header}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell), 3)
		}
	}
	write := func(row []string) {
		for i, w := range widths {
			p.WriteString("| " + row[i] + strings.Repeat(" ", w-utf8.RuneCountInString(row[i])+1))
		}
		p.WriteString("|\n")
	}
	write(header)
	for i, w := range widths {
		rule := strings.Repeat("-", w)
		if i > 0 && header[i] != "" && len(header) > 2 {
			rule = rule[:w-1] + ":" // numbers to the right
		}
		p.WriteString("| " + rule + " ")
	}
	p.WriteString("|\n")
	for _, row := range rows {
		write(row)
	}
}

// sampleHeader names what cells returns.
var sampleHeader = []string{"wall s", "CPU s", "peak memory", "disk", "transferred", "requests", "server CPU s"}

func (s sample) cells() []string {
	return []string{
		seconds(s.Wall), seconds(s.CPU), megabytes(s.MaxRSS), megabytes(s.Disk),
		megabytes(s.Served.Bytes), thousands(int(s.Served.Requests)), seconds(s.Served.CPU),
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) }

// megabytes prints a size in units of a million bytes.
func megabytes(n int64) string {
	if n < 10e6 {
		return fmt.Sprintf("%.2f MB", float64(n)/1e6)
	}
	return thousands(int(float64(n)/1e6+0.5)) + " MB"
}

// thousands prints n with separators.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
