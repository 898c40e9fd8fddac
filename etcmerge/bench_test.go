package etcmerge

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// large is an /etc of 100,000 files in 1,000 directories, all of them local.
func large(b *testing.B) dirs {
	b.Helper()
	x := newTriple()
	for i := range 1000 {
		dir := func(mtime int64, files int) *tree.Node {
			d := spec("{}").parse(mtime)
			for j := range files {
				f := spec("A").parse(mtime)
				f.File.Inline = fmt.Appendf(nil, "%04d%04d%02000d", i, j, 0)
				f.File.Size = uint64(len(f.File.Inline))
				d.SetChild(fmt.Sprintf("file%d", j), f)
			}
			return d
		}
		x.set(fmt.Sprintf("dir%d", i), dir(pristineTime, 1), dir(currentTime, 100), dir(newTime, 1), nil)
	}
	return onDisk(b, x)
}

func BenchmarkScan(b *testing.B) {
	d := large(b)
	for b.Loop() {
		_, err := Scan(context.Background(), d.current, verity.SHA512)
		must(b, err)
	}
}

func BenchmarkPlan(b *testing.B) {
	d := large(b)
	var trees [3]*tree.Node
	for i, path := range []string{d.pristine, d.current, d.new} {
		n, err := Scan(context.Background(), path, verity.SHA512)
		must(b, err)
		trees[i] = n
	}
	b.ReportAllocs()
	for b.Loop() {
		_, err := NewPlan(trees[0], trees[1], trees[2])
		must(b, err)
	}
}

// BenchmarkApply copies 99,000 files.
func BenchmarkApply(b *testing.B) {
	d := large(b)
	plan := planOf(b, d)
	current, err := os.Open(d.current)
	must(b, err)
	defer current.Close()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		fresh := filepath.Join(b.TempDir(), fmt.Sprint(i))
		must(b, os.Mkdir(fresh, 0o755))
		for j := range 1000 {
			must(b, os.Mkdir(filepath.Join(fresh, fmt.Sprintf("dir%d", j)), 0o755))
		}
		target, err := os.Open(fresh)
		must(b, err)
		b.StartTimer()
		must(b, plan.Apply(context.Background(), current, target))
		target.Close()
	}
}
