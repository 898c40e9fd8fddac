package main

import (
	"fmt"
	"time"
)

// verdict compares one figure of ours with its limit.
type verdict struct {
	claim    string
	measured string
	limit    string
	ok       bool
}

// The limits that the project set itself.
const (
	coldShare    = 0.40 // of the best peer's time
	coldMemory   = 250e6
	updateShare  = 0.04 // of podman's time
	diskExcess   = 0.05
	againTime    = 300 * time.Millisecond
	writerShare  = 0.50 // of mkcomposefs's time
	linearEnough = 0.98 // R² of the fitted line
)

// verdicts writes the table of claims, if bootc took part.
func (r *results) verdicts(p *pageWriter) {
	all := append(append(r.coldVerdicts(), r.updateVerdicts()...), r.otherVerdicts()...)
	if len(all) == 0 {
		return
	}
	p.line("\n## What was set out to be reached\n")
	var rows [][]string
	for _, v := range all {
		word := "yes"
		if !v.ok {
			word = "**no**"
		}
		rows = append(rows, []string{v.claim, v.measured, v.limit, word})
	}
	p.table([]string{"", "measured", "limit", "reached"}, rows)
}

// share is a verdict on a against b.
func share(claim string, a, b time.Duration, limit float64) verdict {
	ratio := a.Seconds() / b.Seconds()
	return verdict{claim, fmt.Sprintf("%.3f", ratio), fmt.Sprintf("%.2f", limit), ratio <= limit}
}

func (r *results) coldVerdicts() []verdict {
	o := r.phase(cold)
	us, ok := o.total("bootc")
	if !ok {
		return nil
	}
	var wall, cpu time.Duration
	for _, name := range o.names() {
		if s, _ := o.total(name); name != "bootc" {
			if wall == 0 || s.Wall < wall {
				wall = s.Wall
			}
			if cpu == 0 || s.CPU < cpu {
				cpu = s.CPU
			}
		}
	}
	return []verdict{
		share("cold pull: wall time, of the best peer's", us.Wall, wall, coldShare),
		share("cold pull: CPU time, of the best peer's", us.CPU, cpu, coldShare),
		{"cold pull: peak memory", megabytes(us.MaxRSS), megabytes(coldMemory), us.MaxRSS <= coldMemory},
	}
}

func (r *results) updateVerdicts() []verdict {
	us, ok := r.phase(update).total("bootc")
	peer, peerOK := r.phase(update).total("podman")
	if !ok || !peerOK {
		return nil
	}
	// A manifest may be asked for twice, by tag and by digest.
	limit := r.Image.Changed.Size + r.Image.ConfigSize + 2*r.Image.ManifestLen
	excess := float64(us.Disk)/float64(r.NewObjects) - 1
	return []verdict{
		share("update: wall time, of podman's", us.Wall, peer.Wall, updateShare),
		{"update: transferred (the new layer, config and manifest)", thousands(int(us.Served.Bytes)) + " bytes", thousands(int(limit)) + " bytes", us.Served.Bytes <= limit},
		{"update: disk beyond the new objects", fmt.Sprintf("%.1f %%", 100*excess), fmt.Sprintf("%.0f %%", 100*diskExcess), excess <= diskExcess},
	}
}

func (r *results) otherVerdicts() []verdict {
	var all []verdict
	if us, ok := r.phase(again).total("bootc"); ok {
		all = append(all, verdict{"pull of what is here: wall time", seconds(us.Wall) + " s", seconds(againTime) + " s", us.Wall <= againTime})
	}
	names := r.Writers.names()
	if len(names) == 2 {
		peer, _ := r.Writers.total(names[0])
		us, _ := r.Writers.total(names[1])
		all = append(all,
			share("image from a dump: wall time, of mkcomposefs's", us.Wall, peer.Wall, writerShare),
			share("image from a dump: CPU time, of mkcomposefs's", us.CPU, peer.CPU, writerShare),
			verdict{"image from a dump: peak memory", megabytes(us.MaxRSS), megabytes(peer.MaxRSS), us.MaxRSS <= peer.MaxRSS})
	}
	for _, s := range []struct {
		name   string
		points []point
		x      func(point) float64
	}{
		{"files", r.ByFiles, func(p point) float64 { return float64(p.Files) }},
		{"layers", r.ByLayers, func(p point) float64 { return float64(p.Layers) }},
	} {
		if len(s.points) > 0 {
			all = append(all, linear(s.name, s.points, s.x))
		}
	}
	return all
}

// linear is a verdict on how cost grows with x: along a straight line, or
// hardly at all.
func linear(name string, points []point, x func(point) float64) verdict {
	var xs, ys []float64
	for _, pt := range points {
		xs, ys = append(xs, x(pt)), append(ys, pt.Sample.CPU.Seconds())
	}
	f := fitLine(xs, ys)
	first, last := xs[0], xs[len(xs)-1]
	growth := ys[len(ys)-1] / ys[0]
	return verdict{
		claim:    fmt.Sprintf("CPU time grows linearly with %s", name),
		measured: fmt.Sprintf("R² %.3f; x %.0f costs x %.2f", f.r2, last/first, growth),
		limit:    fmt.Sprintf("R² %.2f, or flat", linearEnough),
		ok:       f.r2 >= linearEnough || (growth > 0.8 && growth < 1.25),
	}
}
