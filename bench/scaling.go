package main

import (
	"context"
	"fmt"
	"path/filepath"
)

// point is a cold pull of one size.
type point struct {
	Files   int
	Layers  int
	Entries int
	Sample  sample
}

// scaling pulls images of growing numbers of files and layers.
func (b *bench) scaling(ctx context.Context, r *results) (err error) {
	if b.bootc == "" {
		return nil
	}
	if r.ByFiles, err = b.points(ctx, "files", b.suite.byFiles); err != nil {
		return err
	}
	r.ByLayers, err = b.points(ctx, "layers", b.suite.byLayers)
	return err
}

func (b *bench) points(ctx context.Context, series string, images []params) ([]point, error) {
	var points []point
	for _, p := range images {
		var f facts
		if err := readJSON(filepath.Join(b.images(), p.repository(), "facts.json"), &f); err != nil {
			return nil, err
		}
		pt := point{Files: p.Files, Layers: p.Layers, Entries: f.Entries}
		rounds := b.rounds
		if p.Files > 100_000 { // large images average by themselves, and fill the disk
			rounds = 1
		}
		for round := range rounds {
			s, err := b.coldPull(ctx, fmt.Sprintf("%s-%s-%d", series, p.Name, round), p, "")
			if err != nil {
				return nil, err
			}
			if round == 0 || s.CPU < pt.Sample.CPU {
				pt.Sample = s
			}
		}
		b.say("%d files in %d layers: %.2f s, %.2f CPU s", p.Files, p.Layers, pt.Sample.Wall.Seconds(), pt.Sample.CPU.Seconds())
		points = append(points, pt)
	}
	return points, nil
}

// coldPull lets bootc pull an image into a new repository, with a profile if a
// file for it is given.
func (b *bench) coldPull(ctx context.Context, name string, p params, profile string) (sample, error) {
	s, err := b.scene(name, p)
	if err != nil {
		return sample{}, err
	}
	s.profile = profile
	c := ours()
	if err := b.prepare(ctx, c, s); err != nil {
		return sample{}, err
	}
	return b.meter.run(ctx, s.dir, c.phases[cold][0].commands(s))
}

// fit is the straight line through points, by least squares, and how well it
// explains them: 1 is perfectly.
type fit struct {
	intercept, slope, r2 float64
}

func fitLine(xs, ys []float64) fit {
	n := float64(len(xs))
	var sx, sy, sxx, sxy, syy float64
	for i, x := range xs {
		sx, sy = sx+x, sy+ys[i]
		sxx, sxy, syy = sxx+x*x, sxy+x*ys[i], syy+ys[i]*ys[i]
	}
	vx, vy, cov := sxx-sx*sx/n, syy-sy*sy/n, sxy-sx*sy/n
	if vx == 0 || vy == 0 {
		return fit{intercept: sy / max(n, 1), r2: 1}
	}
	slope := cov / vx
	return fit{(sy - slope*sx) / n, slope, cov * cov / (vx * vy)}
}
