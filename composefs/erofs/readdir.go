package erofs

import (
	"bytes"
	"errors"
	"fmt"
)

// dirReader is a directory whose entries are being read.
type dirReader struct {
	*reader
	openDir
	last      string // name
	dots      int    // . and .. that were there
	subdirs   uint32
	whiteouts bool
}

// readDir reads the entries of a directory, and those inodes among them that
// are new.
func (rd *reader) readDir(dir *openDir) error {
	d := &dirReader{reader: rd, openDir: *dir}
	for off := uint64(0); off < dir.data.blockLen; off += blockSize {
		if err := d.readPart(dir.data.blocks+off, min(blockSize, dir.data.blockLen-off)); err != nil {
			return err
		}
	}
	if dir.data.tailLen > 0 {
		if err := d.readPart(dir.data.tail, dir.data.tailLen); err != nil {
			return err
		}
	}
	if d.dots != 2 {
		return errors.New("entries . and .. are not there")
	}
	if d.node.Nlink != 2+d.subdirs {
		return fmt.Errorf("%d links, but %d subdirectories", d.node.Nlink, d.subdirs)
	}
	if d.whiteouts {
		rd.undoWhiteouts(d.node)
	}
	return checkNode(d.node)
}

// readPart reads the entries in one block.
func (d *dirReader) readPart(pos, length uint64) error {
	var part [blockSize]byte
	b := part[:length]
	if err := d.src.read(b, pos); err != nil {
		return err
	}
	if len(b) < direntSize {
		return fmt.Errorf("%d bytes of entries", len(b))
	}
	first := int(parseDirent(b).nameOff)
	if first < direntSize || first%direntSize != 0 || first > len(b) {
		return fmt.Errorf("first name at %d", first)
	}
	for i := 0; i < first; i += direntSize {
		e := parseDirent(b[i:])
		end := len(b)
		if i+direntSize < first {
			end = int(parseDirent(b[i+direntSize:]).nameOff)
		}
		name, err := entryName(b, int(e.nameOff), end, i+direntSize == first)
		if err != nil {
			return err
		}
		if err := d.add(name, e); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
	}
	return nil
}

// entryName cuts out the name from start to end, or to the padding behind the
// last one.
func entryName(b []byte, start, end int, last bool) (string, error) {
	if start > end || end > len(b) || start < direntSize {
		return "", fmt.Errorf("name from %d to %d", start, end)
	}
	name := b[start:end]
	if last {
		name = bytes.TrimRight(name, "\x00")
	}
	return string(name), nil
}

// add makes an entry of the directory.
func (d *dirReader) add(name string, e dirent) error {
	if d.last != "" && name <= d.last {
		return fmt.Errorf("after %q: not sorted, or twice", d.last)
	}
	d.last = name
	if name == "." || name == ".." {
		return d.addDot(name, e)
	}
	if err := checkName(name); err != nil {
		return err
	}
	child, err := d.child(e.nid)
	if err != nil {
		return err
	}
	if child.ftype != e.ftype {
		return fmt.Errorf("file type %d where the inode is of type %d", e.ftype, child.ftype)
	}
	if d.isStub(name, child) {
		return nil
	}
	d.whiteouts = d.whiteouts || child.IsWhiteout()
	d.node.SetChild(name, child.Node)
	return nil
}

func (d *dirReader) addDot(name string, e dirent) error {
	want := d.nid
	if name == ".." {
		want = d.parent
	}
	if e.nid != want || e.ftype != ftDirectory {
		return fmt.Errorf("nid %d, file type %d", e.nid, e.ftype)
	}
	d.dots++
	return nil
}

// isStub tells the stubs from the whiteouts that the tree had, which are
// regular files in the image.
func (d *dirReader) isStub(name string, child readNode) bool {
	return d.depth == 0 && d.head.version != oldVersion && child.ftype == ftChar &&
		child.IsWhiteout() && isStubName(name)
}

// child returns the inode at nid. One that is no directory may have been read
// before.
func (d *dirReader) child(nid uint64) (readNode, error) {
	if n, ok := d.nodes[nid]; ok {
		if n.IsDir() {
			return n, errors.New("directory under two names")
		}
		return n, nil
	}
	n, data, err := d.readInode(nid)
	if err != nil || !n.IsDir() {
		return d.nodes[nid], err
	}
	if d.depth+1 >= maxDepth {
		return readNode{}, fmt.Errorf("more than %d directories deep", maxDepth)
	}
	d.subdirs++
	d.queue = append(d.queue, openDir{n, nid, d.nid, d.depth + 1, data})
	return d.nodes[nid], nil
}
