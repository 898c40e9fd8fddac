// Package fat writes a FAT32 file system with all its files in one go. It serves
// installations on machines whose kernel has no vfat, and needs none of its tools
// (docs/adr/0012-own-fat-writer.md).
package fat

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// ErrNoRoom means that the files do not fit.
var ErrNoRoom = errors.New("no room")

// Options say what file system to write.
type Options struct {
	Size       int64 // of the file system, in bytes; at least 257 MiB
	SectorSize int64 // in bytes: 512 or 4096
	Start      int64 // where on the disk the file system begins, in bytes
	Label      string
	ID         uint32
	Time       time.Time // of all files
}

// Write makes w, whose content is lost, a file system with the directories and
// regular files of tree. The same tree and the same options make the same bytes.
//
// Nothing is written if the files do not fit (ErrNoRoom) or have names that FAT
// has not. After a failure in the middle w holds no file system: the first sector
// is written last. The caller syncs.
func Write(ctx context.Context, w io.WriterAt, tree fs.FS, o Options) error {
	if err := write(ctx, w, tree, o); err != nil {
		return fmt.Errorf("cannot write a FAT file system: %w", err)
	}
	return nil
}

func write(ctx context.Context, w io.WriterAt, tree fs.FS, o Options) error {
	if err := o.check(); err != nil {
		return err
	}
	g := newGeometry(o.Size, o.SectorSize)
	if g.clusters < minClusters || g.clusters > maxClusters {
		return fmt.Errorf("%d bytes are no size for FAT32", o.Size)
	}
	root := &node{path: ".", dir: true}
	if err := readTree(tree, root, 0); err != nil {
		return err
	}
	used := root.place(rootCluster, true) - firstCluster
	if used > g.clusters {
		return fmt.Errorf("%w: the files need %d bytes, there are %d", ErrNoRoom, used*clusterSize, g.clusters*clusterSize)
	}
	wr := &writer{w: w, g: g, o: o, tree: tree, buf: make([]byte, 1<<20)}
	return wr.all(ctx, root, uint32(used))
}

// writer writes a file system that is laid out.
type writer struct {
	w    io.WriterAt
	g    geometry
	o    Options
	tree fs.FS
	buf  []byte
}

func (w *writer) all(ctx context.Context, root *node, used uint32) error {
	// What stood here before must not be found in the reserved sectors.
	if err := w.at(make([]byte, w.g.fatOffset(0)), 0); err != nil {
		return err
	}
	err := root.walk(nil, func(n, parent *node) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if n.dir {
			return w.dir(n, parent)
		}
		return w.file(n)
	})
	if err != nil {
		return err
	}
	table := w.table(root)
	for i := range int64(numFATs) {
		if err := w.at(table, w.g.fatOffset(i)); err != nil {
			return err
		}
	}
	boot := append(w.g.bootSector(w.o), w.g.info(used)...)
	if err := w.at(boot, backupStart*w.g.sector); err != nil {
		return err
	}
	return w.at(boot, 0)
}

func (w *writer) at(b []byte, offset int64) error {
	_, err := w.w.WriteAt(b, offset)
	return err
}

func (w *writer) dir(n, parent *node) error {
	up := uint32(0) // what ".." of a directory in the root says
	if parent != nil && parent.cluster != rootCluster {
		up = parent.cluster
	}
	return w.at(n.encode(up, w.o), w.g.clusterOffset(n.cluster))
}

// file copies a file, which must have the size that it was laid out for.
func (w *writer) file(n *node) error {
	if n.size == 0 {
		return nil
	}
	f, err := w.tree.Open(n.path)
	if err != nil {
		return err
	}
	defer f.Close()
	dst := io.NewOffsetWriter(w.w, w.g.clusterOffset(n.cluster))
	copied, err := io.CopyBuffer(struct{ io.Writer }{dst}, io.LimitReader(f, n.size+1), w.buf)
	if err == nil && copied != n.size {
		err = fmt.Errorf("%s: changed while it was read", n.path)
	}
	if err != nil {
		return err
	}
	slack := int64(n.clusters)*clusterSize - n.size
	_, err = dst.Write(make([]byte, slack))
	return err
}

// table is the file allocation table: for each cluster the one that follows.
func (w *writer) table(root *node) []byte {
	b := bytes.NewBuffer(make([]byte, 0, w.g.fat*w.g.sector))
	put := func(v uint32) { b.Write(binary.LittleEndian.AppendUint32(nil, v)) }
	put(0x0FFFFF00 | mediaFixed)
	put(endOfChain)
	root.walk(nil, func(n, _ *node) error { //nolint:errcheck // this function returns none
		for i := range n.clusters {
			if i+1 < n.clusters {
				put(n.cluster + i + 1)
			} else {
				put(endOfChain)
			}
		}
		return nil
	})
	return b.Bytes()[:w.g.fat*w.g.sector]
}
