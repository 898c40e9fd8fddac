package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPlanIsLikeAnOperatingSystem checks the image that the figures are about
// against the facts of a real one.
func TestPlanIsLikeAnOperatingSystem(t *testing.T) {
	s, err := newSuite("full")
	if err != nil {
		t.Fatal(err)
	}
	pl := newPlan(s.os)
	var files, small, changedFiles int
	var bytes int64
	contents := map[[3]uint64]bool{}
	for i, layer := range pl.layers {
		for _, f := range layer {
			if f.symlink != "" || f.link != "" {
				continue
			}
			files++
			bytes += f.size
			contents[[3]uint64{f.seed, uint64(f.size), uint64(f.kind)}] = true
			if f.size < 4<<10 {
				small++
			}
			if i == pl.changed {
				changedFiles++
			}
		}
	}
	between := func(what string, got, low, high float64) {
		t.Helper()
		if got < low || got > high {
			t.Errorf("%s: %.4g, want %.4g to %.4g", what, got, low, high)
		}
	}
	between("files", float64(files), 85_059, 85_070)
	between("share below 4 KiB", float64(small)/float64(files), 0.68, 0.70)
	between("mean size", float64(bytes)/float64(files), 25_000, 26_000)
	between("different contents", float64(len(contents))/float64(files), 0.89, 0.94)
	between("files of the changed layer", float64(changedFiles), 5_300, 5_600)
	n, _ := pl.newFiles()
	between("share of changed files", float64(n)/float64(files), 0.024, 0.028)
	if len(pl.layers) != 64 || pl.changed != 24 {
		t.Errorf("%d layers, number %d changes; want 64 and 24", len(pl.layers), pl.changed)
	}
}

// TestPlanIsStable pins the plan: who compares two reports must compare the same
// image.
func TestPlanIsStable(t *testing.T) {
	p := params{Name: "x", Files: 40, Layers: 8, Shrink: 1, Update: true, Seed: 3}
	a, b := newPlan(p), newPlan(p)
	if d := cmp.Diff(a.layers, b.layers, cmp.AllowUnexported(file{})); d != "" {
		t.Errorf("two plans differ: %s", d)
	}
	got := a.layers[0][0]
	want := file{path: "usr/share/pkg-00-0/d0/q8a6jooi57v-0.dat", size: 215, seed: 14014567961665697197, mode: 0o644}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(file{})); d != "" {
		t.Errorf("the first file (-want +got):\n%s", d)
	}
}

func TestPathsAreUnique(t *testing.T) {
	pl := newPlan(params{Files: 3000, Layers: 16, Shrink: 1, Update: true, Seed: 5})
	seen := map[string]bool{}
	for _, layer := range pl.layers {
		for _, f := range layer {
			if seen[f.path] {
				t.Errorf("%s stands in the image twice", f.path)
			}
			seen[f.path] = true
		}
	}
	for i, f := range pl.update {
		if was := pl.layers[pl.changed][i]; f.path != was.path || f.size != was.size {
			t.Errorf("the update has %s, %d bytes, where %s, %d bytes was", f.path, f.size, was.path, was.size)
		}
	}
}
