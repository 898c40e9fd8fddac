package main

import (
	"bufio"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
)

//go:embed dump.go
var dumpSource []byte

// dump returns a file with the composefs dump of a labelled tree of that many
// inodes, which it makes if it is not there yet.
func (g *generator) dump(inodes int) (string, error) {
	key := sha256.Sum256(dumpSource)
	path := filepath.Join(g.dir, fmt.Sprintf("dump-%d-%x.txt", inodes, key[:6]))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	f, err := os.Create(path + ".new")
	if err != nil {
		return "", err
	}
	defer f.Close()
	d := dumper{w: bufio.NewWriterSize(f, 1<<20), rng: rand.New(rand.NewPCG(1, 200))}
	d.tree(inodes)
	if err := d.w.Flush(); err != nil {
		return "", err
	}
	return path, os.Rename(f.Name(), path)
}

// dumper writes lines of a dump. Errors stay in w.
type dumper struct {
	w   *bufio.Writer
	rng *rand.Rand
	n   int
}

// tree writes a root with two levels of directories, 20 by 40 in each.
func (d *dumper) tree(inodes int) {
	const width = 40
	d.line("/", "4096 40755 22", "- - -")
	for d.n < inodes {
		top := fmt.Sprintf("/usr-%d", d.n)
		d.line(top, fmt.Sprintf("4096 40755 %d", width+2), "- - -")
		for i := 0; i < width && d.n < inodes; i++ {
			dir := fmt.Sprintf("%s/%s", top, nameOf(d.rng))
			d.line(dir, "4096 40755 2", "- - -")
			for j := 0; j < 20 && d.n < inodes; j++ {
				d.leaf(fmt.Sprintf("%s/%s-%d", dir, nameOf(d.rng), j))
			}
		}
	}
}

// leaf writes a link, a small file with its content, or a large one.
func (d *dumper) leaf(path string) {
	switch n := d.rng.IntN(100); {
	case n < 8:
		target := "../" + nameOf(d.rng)
		d.line(path, fmt.Sprintf("%d 120777 1", len(target)), target+" - -")
	case n < 20:
		content := nameOf(d.rng)
		d.line(path, fmt.Sprintf("%d 100644 1", len(content)), "- "+content+" -")
	default:
		var digest [32]byte
		fillRandom(d.rng, digest[:])
		d.line(path, fmt.Sprintf("%d 100644 1", 65+d.rng.IntN(60000)), fmt.Sprintf("%x/%x - %x", digest[:1], digest[1:], digest))
	}
}

// line writes one inode with its SELinux label, as every file of a labelled
// system has.
func (d *dumper) line(path, sizeModeLinks, payloadContentDigest string) {
	d.n++
	label := fmt.Sprintf("system_u:object_r:type%d_t:s0\\x00", d.rng.IntN(60))
	fmt.Fprintf(d.w, "%s %s 0 0 0 %d.0 %s security.selinux=%s\n", path, sizeModeLinks, epoch.Unix()+int64(d.n%9000), payloadContentDigest, label)
}
