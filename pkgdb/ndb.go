package pkgdb

import (
	"encoding/binary"
	"io"
	"io/fs"
)

// The format of Packages.db, all numbers little-endian: a header of 32 bytes with
// the number of pages of slots, which it is the beginning of; slots that say in
// which block a package begins; and packages, each behind a header of its own.
const (
	ndbMagic  = 0x506d7052 // "RpmP"
	slotMagic = 0x746f6c53 // "Slot"
	blobMagic = 0x53626c42 // "BlbS"

	ndbPage  = 4096
	ndbUnit  = 16 // bytes of a slot, of a blob's header, and of a block
	ndbFirst = 2  // the first slot behind the header

	ndbMaxPages = 4096 // a million slots
)

// readRPMNdb reads a database in rpm's own format.
func readRPMNdb(fsys fs.FS, name string) ([]Package, error) {
	r, size, close, err := openRandom(fsys, name)
	if err != nil {
		return nil, err
	}
	defer close() //nolint:errcheck // nothing was written
	var head [32]byte
	if err := readAt(r, head[:], 0); err != nil {
		return nil, err
	}
	if m := binary.LittleEndian.Uint32(head[:]); m != ndbMagic {
		return nil, damaged("it begins with %#x", m)
	}
	pages := int64(binary.LittleEndian.Uint32(head[12:]))
	if pages == 0 || pages > ndbMaxPages || pages*ndbPage > size {
		return nil, damaged("%d pages of slots in %d bytes", pages, size)
	}
	l := &list{manager: RPM}
	page := make([]byte, ndbPage)
	for i := range pages {
		if err := readAt(r, page, i*ndbPage); err != nil {
			return nil, err
		}
		slots := page
		if i == 0 {
			slots = page[ndbFirst*ndbUnit:]
		}
		if err := l.addSlots(r, size, slots); err != nil {
			return nil, err
		}
	}
	return l.all, nil
}

func (l *list) addSlots(r io.ReaderAt, size int64, slots []byte) error {
	for ; len(slots) > 0; slots = slots[ndbUnit:] {
		if m := binary.LittleEndian.Uint32(slots); m != slotMagic {
			return damaged("a slot begins with %#x", m)
		}
		block := int64(binary.LittleEndian.Uint32(slots[8:]))
		if block == 0 {
			continue // free
		}
		blob, err := ndbBlob(r, size, block*ndbUnit, binary.LittleEndian.Uint32(slots[4:]))
		if err == nil {
			err = l.addRPM(blob)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func ndbBlob(r io.ReaderAt, size, at int64, index uint32) ([]byte, error) {
	var head [ndbUnit]byte
	if err := readAt(r, head[:], at); err != nil {
		return nil, err
	}
	m, i := binary.LittleEndian.Uint32(head[:]), binary.LittleEndian.Uint32(head[4:])
	n := int64(binary.LittleEndian.Uint32(head[12:]))
	if m != blobMagic || i != index || n > maxHeader || n > size-at {
		return nil, damaged("package %d: header %#x of package %d with %d bytes", index, m, i, n)
	}
	blob := make([]byte, n)
	return blob, readAt(r, blob, at+ndbUnit)
}

// readAt fills p from what is at off.
func readAt(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == io.EOF:
		return damaged("it ends at %d, before %d", off+int64(n), off+int64(len(p)))
	}
	return err
}
