package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// suite is what is measured: images, sizes and how often.
type suite struct {
	mode       string
	rounds     int
	os         params   // the image that all contenders pull
	byFiles    []params // how cost grows with files
	byLayers   []params // and with layers
	dumpInodes int
	need       int64 // bytes of disk
	touch      int64 // bytes of memory to touch first, at most
	rest       bool  // let ext4 recover from deletions first
}

// scalingShrink makes the scaling images a quarter of the size, so that 400,000
// files fit on a disk and in a coffee break.
const scalingShrink = 4

func newSuite(mode string) (suite, error) {
	scale := func(files, layers int) params {
		return params{Name: fmt.Sprintf("scale-%d-%d", files, layers), Files: files, Layers: layers, Shrink: scalingShrink, Seed: 7}
	}
	switch mode {
	case "full":
		return suite{
			mode: mode, rounds: 2, dumpInodes: 200_000, need: 44 << 30, touch: 12 << 30, rest: true,
			os:       params{Name: "os", Files: 85_059, Layers: 64, Shrink: 1, Update: true, Seed: 1},
			byFiles:  []params{scale(10_000, 64), scale(100_000, 64), scale(200_000, 64), scale(400_000, 64)},
			byLayers: []params{scale(100_000, 10), scale(100_000, 64), scale(100_000, 128)},
		}, nil
	case "quick":
		return suite{
			mode: mode, rounds: 1, dumpInodes: 5_000, need: 1 << 30, touch: 64 << 20,
			os:       params{Name: "small", Files: 2_000, Layers: 8, Shrink: 4, Update: true, Seed: 1},
			byFiles:  []params{scale(500, 8), scale(1_000, 8), scale(2_000, 8)},
			byLayers: []params{scale(1_000, 4), scale(1_000, 8), scale(1_000, 16)},
		}, nil
	}
	return suite{}, fmt.Errorf("there is no mode %q; it is full or quick", mode)
}

// generate makes all images below dir, as far as they are not there.
func (s suite) generate(ctx context.Context, dir string) error {
	g := &generator{dir: dir}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, p := range append(append([]params{s.os}, s.byFiles...), s.byLayers...) {
		if _, err := g.image(p); err != nil {
			return err
		}
	}
	if _, err := g.dump(s.dumpInodes); err != nil {
		return err
	}
	return ostreeRepository(ctx, filepath.Join(dir, s.os.repository()))
}
