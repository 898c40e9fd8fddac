package pkgdb

import (
	"encoding/binary"
	"io"
	"maps"
)

// The write-ahead log (4.1 of the file format): what a program has committed that
// did not write it back.
const (
	walMagic    = 0x377f0682 // and one more if checksums read big-endian
	walHeader   = 32
	frameHeader = 24
)

// addLog makes the pages of a log count. A log that ends in the middle of something
// counts as far as it was committed, as for SQLite; one that does not fit, not at all.
func (db *sqlite) addLog(r io.ReaderAt, size int64) error {
	if size < walHeader {
		return nil
	}
	w := &walReader{r: r, frame: make([]byte, frameHeader+db.size)}
	ok, err := w.begin(db.size)
	if !ok || err != nil {
		return err
	}
	db.log, db.logged = r, map[uint32]int64{}
	pending := map[uint32]int64{}
	for at := int64(walHeader); at+int64(len(w.frame)) <= size; at += int64(len(w.frame)) {
		page, pages, ok, err := w.next(at)
		if !ok || err != nil {
			return err
		}
		pending[page] = at + frameHeader
		if pages == 0 {
			continue
		}
		maps.Copy(db.logged, pending)
		clear(pending)
		db.pages = pages
	}
	return nil
}

// walReader reads a log from its beginning.
type walReader struct {
	r      io.ReaderAt
	frame  []byte
	order  binary.ByteOrder
	salt   [8]byte
	s0, s1 uint32
}

// begin reads the header and says whether the log is one for pages of this size.
func (w *walReader) begin(pageSize int64) (bool, error) {
	head := w.frame[:walHeader]
	if err := readAt(w.r, head, 0); err != nil {
		return false, err
	}
	switch binary.BigEndian.Uint32(head) {
	case walMagic:
		w.order = binary.LittleEndian
	case walMagic + 1:
		w.order = binary.BigEndian
	default:
		return false, nil
	}
	copy(w.salt[:], head[16:24])
	w.sum(head[:24])
	return int64(binary.BigEndian.Uint32(head[8:])) == pageSize && w.matches(head[24:]), nil
}

// next reads a frame: which page it has, and how many the database has if the frame
// ends a transaction. It is not ok if the log ended before it.
func (w *walReader) next(at int64) (page, pages uint32, ok bool, err error) {
	if err := readAt(w.r, w.frame, at); err != nil {
		return 0, 0, false, err
	}
	w.sum(w.frame[:8])
	w.sum(w.frame[frameHeader:])
	ok = [8]byte(w.frame[8:16]) == w.salt && w.matches(w.frame[16:24])
	return binary.BigEndian.Uint32(w.frame), binary.BigEndian.Uint32(w.frame[4:]), ok, nil
}

func (w *walReader) sum(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		w.s0 += w.order.Uint32(b) + w.s1
		w.s1 += w.order.Uint32(b[4:]) + w.s0
	}
}

func (w *walReader) matches(b []byte) bool {
	return binary.BigEndian.Uint32(b) == w.s0 && binary.BigEndian.Uint32(b[4:]) == w.s1
}
