package main

import (
	"fmt"
	"math"
	"strings"
)

// chart is one panel of a plot: points and the straight line through them.
type chart struct {
	title, x, y string // of the panel and its axes
	series      []series
}

type series struct {
	name   string
	colour string
	xs, ys []float64
}

// The size of a panel and the room around its axes, in pixels.
const (
	panelWidth, panelHeight = 460, 340
	left, right, top, below = 64, 20, 46, 52
)

// svg draws the panels side by side. Equal charts make equal bytes.
func svg(charts []chart) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n",
		panelWidth*len(charts), panelHeight)
	b.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	for i, c := range charts {
		fmt.Fprintf(&b, `<g transform="translate(%d,0)">`+"\n", i*panelWidth)
		c.draw(&b)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// axis maps values from 0 to a round maximum to pixels.
type axis struct {
	max, step float64
	from, to  float64 // pixels
}

func newAxis(highest, from, to float64) axis {
	step := math.Pow(10, math.Floor(math.Log10(max(highest, 1e-9))))
	for _, f := range []float64{0.2, 0.5, 1, 2} {
		if highest/(step*f) <= 6 {
			step *= f
			break
		}
	}
	return axis{max: step * math.Ceil(highest/step), step: step, from: from, to: to}
}

func (a axis) at(v float64) float64 { return a.from + (a.to-a.from)*v/a.max }

func (c chart) draw(b *strings.Builder) {
	var maxX, maxY float64
	for _, s := range c.series {
		for i := range s.xs {
			maxX, maxY = max(maxX, s.xs[i]), max(maxY, s.ys[i])
		}
	}
	x, y := newAxis(maxX, left, panelWidth-right), newAxis(maxY, panelHeight-below, top)
	text := func(px, py float64, anchor, attributes, s string) {
		fmt.Fprintf(b, `<text x="%.0f" y="%.0f" text-anchor="%s"%s>%s</text>`+"\n", px, py, anchor, attributes, s)
	}
	text(panelWidth/2, 18, "middle", ` font-weight="bold"`, c.title)
	for v := 0.0; v <= x.max*1.001; v += x.step {
		fmt.Fprintf(b, `<path d="M%.1f %.1fV%.1f" stroke="#ddd"/>`+"\n", x.at(v), y.from, y.to)
		text(x.at(v), y.from+16, "middle", "", short(v))
	}
	for v := 0.0; v <= y.max*1.001; v += y.step {
		fmt.Fprintf(b, `<path d="M%.1f %.1fH%.1f" stroke="#ddd"/>`+"\n", x.from, y.at(v), x.to)
		text(x.from-6, y.at(v)+4, "end", "", short(v))
	}
	text((x.from+x.to)/2, panelHeight-14, "middle", "", c.x)
	fmt.Fprintf(b, `<text transform="translate(16,%.0f) rotate(-90)" text-anchor="middle">%s</text>`+"\n", (y.from+y.to)/2, c.y)
	for i, s := range c.series {
		s.draw(b, x, y)
		text(x.from+float64(i)*150, y.to-6, "start", fmt.Sprintf(` fill="%s"`, s.colour), s.label())
	}
}

// draw draws the points, and the fitted line over the whole width.
func (s series) draw(b *strings.Builder, x, y axis) {
	f := fitLine(s.xs, s.ys)
	fmt.Fprintf(b, `<path d="M%.1f %.1fL%.1f %.1f" stroke="%s" stroke-dasharray="4 3"/>`+"\n",
		x.at(0), y.at(max(0, f.intercept)), x.at(x.max), y.at(min(y.max, f.intercept+f.slope*x.max)), s.colour)
	for i := range s.xs {
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>`+"\n", x.at(s.xs[i]), y.at(s.ys[i]), s.colour)
	}
}

func (s series) label() string { return fmt.Sprintf("%s (R² %.3f)", s.name, fitLine(s.xs, s.ys).r2) }

// short prints a tick: 400k rather than 400000.
func short(v float64) string {
	if v >= 10_000 {
		return fmt.Sprintf("%gk", math.Round(v)/1000)
	}
	return fmt.Sprintf("%g", math.Round(v*1000)/1000)
}
