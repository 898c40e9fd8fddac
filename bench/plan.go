package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// params say what an image is like. The same params make the same image, byte
// for byte.
type params struct {
	Name   string
	Files  int  // regular files, hard links apart
	Layers int  //
	Shrink int  // sizes are divided by this; 1 is an operating system's
	Update bool // also make a second version with one layer changed
	Seed   uint64
}

// file is an entry of a layer that is no directory.
type file struct {
	path    string
	size    int64
	seed    uint64 // of the content; equal seed, kind and size is equal content
	kind    kind
	symlink string // the target, if it is a symbolic link
	link    string // the other name, if it is a hard link
	mode    int64
	cap     bool // has file capabilities
}

// plan is an image before its bytes: the entries of each layer, in order.
type plan struct {
	layers  [][]file
	changed int // the layer that the update replaces
	update  []file
}

// sizeClasses are the sizes of files in an operating system image: 69 % are
// below 4 KiB, and the mean is 25.5 KB. Within a class sizes are log-uniform.
var sizeClasses = []struct {
	share    float64
	from, to float64
}{
	{0.25, 16, 512},
	{0.13, 512, 1 << 10},
	{0.31, 1 << 10, 4 << 10},
	{0.19, 4 << 10, 16 << 10},
	{0.08, 16 << 10, 64 << 10},
	{0.027, 64 << 10, 256 << 10},
	{0.0101, 256 << 10, 1 << 20},
	{0.0024, 1 << 20, 4 << 20},
	{0.0005, 4 << 20, 16 << 20},
}

// What an image has besides its files, as shares of their number, and what the
// update changes.
const (
	symlinkShare   = 0.08
	hardlinkShare  = 0.01
	duplicateShare = 0.09  // files whose content another file has too
	changedShare   = 0.065 // files of the layer that the update replaces
	newShare       = 0.39  // files of that layer with new content
	changedMax     = 24 << 10
	filesPerDir    = 8
)

// sizes returns n sizes in random order. They are quantiles, not samples: the
// sum hardly depends on the seed.
func sizes(rng *rand.Rand, n, shrink int) []int64 {
	out := make([]int64, n)
	for i := range out {
		q := (float64(i) + 0.5) / float64(n)
		c := 0
		for c < len(sizeClasses)-1 && q > sizeClasses[c].share {
			q -= sizeClasses[c].share
			c++
		}
		class := sizeClasses[c]
		out[i] = int64(class.from*math.Pow(class.to/class.from, min(q/class.share, 1))) / int64(shrink)
	}
	rng.Shuffle(n, func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// newPlan lays the image out.
func newPlan(p params) *plan {
	rng := rand.New(rand.NewPCG(p.Seed, 0x626f6f7463))
	pl := &plan{layers: make([][]file, p.Layers), changed: p.Layers * 3 / 8}
	all := sizes(rng, p.Files, p.Shrink)
	small, rest := splitSizes(all, int(changedShare*float64(p.Files)))
	pl.layers[pl.changed] = pl.fill(rng, pl.changed, small)
	counts := layerCounts(rng, p.Layers, pl.changed, len(rest))
	for i, n := range counts {
		if i != pl.changed {
			pl.layers[i], rest = pl.fill(rng, i, rest[:n]), rest[n:]
		}
	}
	pl.layers[0] = append(pl.layers[0], bootFiles(p)...)
	duplicate(rng, pl.layers, pl.changed)
	if p.Update {
		pl.update = changedFiles(rng, pl.layers[pl.changed])
	}
	return pl
}

// splitSizes takes the first n small sizes out of all.
func splitSizes(all []int64, n int) (small, rest []int64) {
	for _, s := range all {
		if len(small) < n && s < changedMax {
			small = append(small, s)
		} else {
			rest = append(rest, s)
		}
	}
	return small, rest
}

// layerCounts deals n files to the layers but one; the first, the base, gets
// most.
func layerCounts(rng *rand.Rand, layers, except, n int) []int {
	weights := make([]float64, layers)
	var sum float64
	for i := range weights {
		weights[i] = 0.3 + 1.4*rng.Float64()
		if i == 0 {
			weights[i] = 4
		}
		if i == except {
			weights[i] = 0
		}
		sum += weights[i]
	}
	counts, left := make([]int, layers), n
	last := 0
	for i, w := range weights {
		counts[i] = int(w / sum * float64(n))
		left -= counts[i]
		if i != except {
			last = i
		}
	}
	counts[last] += left
	return counts
}

// fill makes the entries of a layer: files of those sizes, and the links that
// belong to so many.
func (pl *plan) fill(rng *rand.Rand, layer int, sizes []int64) []file {
	tops := []string{"usr/share", "usr/lib", "usr/libexec", "usr/share/doc", "usr/lib/x86_64-linux-gnu"}
	var files []file
	for i, size := range sizes {
		group := i / filesPerDir
		dir := fmt.Sprintf("%s/pkg-%02d-%d/d%d", tops[group/4%len(tops)], layer, group/4, group%4)
		f := file{path: fmt.Sprintf("%s/%s-%d.dat", dir, nameOf(rng), i), size: size, seed: rng.Uint64(), kind: kindOf(rng, size), mode: 0o644}
		if rng.IntN(12) == 0 {
			f.mode = 0o755
		}
		f.cap = rng.IntN(5000) == 0
		files = append(files, f)
		if rng.Float64() < symlinkShare {
			files = append(files, file{path: fmt.Sprintf("%s/link-%d", dir, i), symlink: "../d0/" + nameOf(rng), mode: 0o777})
		}
		if rng.Float64() < hardlinkShare {
			files = append(files, file{path: fmt.Sprintf("%s/hard-%d", dir, i), link: f.path, mode: f.mode})
		}
	}
	return files
}

// nameOf returns a word of 4 to 19 letters.
func nameOf(rng *rand.Rand) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789_"
	name := make([]byte, 4+rng.IntN(16))
	for i := range name {
		name[i] = letters[rng.IntN(len(letters))]
	}
	return string(name)
}

// kindOf picks what a file looks like: small ones are mostly text.
func kindOf(rng *rand.Rand, size int64) kind {
	shares := [kinds]int{text: 21, code: 61, tables: 12, noise: 6}
	if size < 8<<10 {
		shares = [kinds]int{text: 75, code: 11, tables: 10, noise: 4}
	}
	n := rng.IntN(100)
	for k, share := range shares {
		if n < share {
			return kind(k)
		}
		n -= share
	}
	return noise
}

// bootFiles are what makes an image bootable.
func bootFiles(p params) []file {
	modules := "usr/lib/modules/6.12.0-bench"
	return []file{
		{path: "usr/lib/os-release", size: 300, seed: 1, kind: text, mode: 0o644},
		{path: modules + "/vmlinuz", size: 12 << 20 / int64(p.Shrink), seed: 2, kind: noise, mode: 0o644},
		{path: modules + "/initramfs.img", size: 30 << 20 / int64(p.Shrink), seed: 3, kind: noise, mode: 0o600},
	}
}

// duplicate gives some files the content of another, in whatever layer but the
// changed one: copies of licences and the like.
func duplicate(rng *rand.Rand, layers [][]file, except int) {
	var seen []*file
	for i := range layers {
		if i == except {
			continue
		}
		for j := range layers[i] {
			f := &layers[i][j]
			if f.size == 0 || f.size > 64<<10 {
				continue
			}
			if len(seen) > 0 && rng.Float64() < duplicateShare {
				from := seen[rng.IntN(len(seen))]
				f.size, f.seed, f.kind = from.size, from.seed, from.kind
				continue
			}
			seen = append(seen, f)
		}
	}
}

// changedFiles is the layer with new content in some of its files.
func changedFiles(rng *rand.Rand, layer []file) []file {
	out := slices.Clone(layer)
	for i := range out {
		if out[i].size > 0 && rng.Float64() < newShare {
			out[i].seed = rng.Uint64()
		}
	}
	return out
}
