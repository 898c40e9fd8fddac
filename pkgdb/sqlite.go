package pkgdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
)

// The parts of SQLite's file format that rpm's database has: one table in a b-tree
// whose keys are row numbers, with records that overflow their pages. The numbers of
// sections are those of https://sqlite.org/fileformat2.html.
const (
	sqliteMagic  = "SQLite format 3\x00"
	headerSize   = 100 // of the file, on page 1
	interiorPage = 5
	leafPage     = 13
	maxDepth     = 20 // of a b-tree; the largest database has 5 levels
)

// readRPMSqlite reads a database that SQLite wrote, with what is in its log.
func readRPMSqlite(fsys fs.FS, name string) ([]Package, error) {
	r, size, close, err := openRandom(fsys, name)
	if err != nil {
		return nil, err
	}
	defer close() //nolint:errcheck // nothing was written
	db, err := openSqlite(r, size)
	if err != nil {
		return nil, err
	}
	log, logSize, closeLog, err := openRandom(fsys, name+"-wal")
	switch {
	case err == nil:
		defer closeLog() //nolint:errcheck // nothing was written
		err = db.addLog(log, logSize)
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err != nil {
		return nil, err
	}
	return db.packages()
}

// sqlite is an open database.
type sqlite struct {
	r      io.ReaderAt
	size   int64 // of a page
	usable int   // of that
	pages  uint32
	log    io.ReaderAt
	logged map[uint32]int64 // where in the log a page is
	seen   map[uint32]bool  // pages of b-trees: each belongs to one place
}

// openSqlite reads the header (1.3).
func openSqlite(r io.ReaderAt, size int64) (*sqlite, error) {
	var head [headerSize]byte
	if err := readAt(r, head[:], 0); err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(head[:], []byte(sqliteMagic)) {
		return nil, damaged("it begins with %q", head[:16])
	}
	page := int64(binary.BigEndian.Uint16(head[16:]))
	if page == 1 {
		page = 1 << 16
	}
	db := &sqlite{r: r, size: page, usable: int(page) - int(head[20]), pages: uint32(size / max(page, 1)), seen: map[uint32]bool{}}
	if page < 512 || page&(page-1) != 0 || db.usable < 480 {
		return nil, damaged("pages of %d bytes", page)
	}
	if e := binary.BigEndian.Uint32(head[56:]); e != 1 {
		return nil, damaged("text encoding %d", e)
	}
	return db, nil
}

// page reads a page, from the log if it is there.
func (db *sqlite) page(n uint32) ([]byte, error) {
	if n == 0 || n > db.pages {
		return nil, damaged("page %d of %d", n, db.pages)
	}
	r, at := db.r, int64(n-1)*db.size
	if off, ok := db.logged[n]; ok {
		r, at = db.log, off
	}
	p := make([]byte, db.size)
	return p, readAt(r, p, at)
}

// packages reads the table of packages: its rows are a number and a header.
func (db *sqlite) packages() ([]Package, error) {
	root, err := db.table("Packages")
	if err != nil {
		return nil, err
	}
	l := &list{manager: RPM}
	err = db.rows(root, 0, func(record []byte) error {
		fields, err := parseRecord(record)
		if err != nil {
			return err
		}
		if len(fields) != 2 {
			return damaged("a package has %d columns", len(fields))
		}
		return l.addRPM(fields[1])
	})
	return l.all, err
}

// table finds the root page of a table in the schema (2.6).
func (db *sqlite) table(name string) (root uint32, err error) {
	err = db.rows(1, 0, func(record []byte) error {
		f, err := parseRecord(record)
		if err != nil || len(f) < 4 || string(f[0]) != "table" || string(f[1]) != name {
			return err
		}
		if len(f[3]) > 4 {
			return damaged("table %s has a root of %d bytes", name, len(f[3]))
		}
		for _, b := range f[3] {
			root = root<<8 | uint32(b)
		}
		return nil
	})
	if err == nil && root == 0 {
		err = damaged("there is no table %s", name)
	}
	return root, err
}

// rows calls fn with the records of a table's b-tree (1.6).
func (db *sqlite) rows(n uint32, depth int, fn func([]byte) error) error {
	if db.seen[n] || depth > maxDepth {
		return damaged("page %d is where it was before", n)
	}
	db.seen[n] = true
	page, err := db.page(n)
	if err != nil {
		return err
	}
	head := page
	if n == 1 {
		head = page[headerSize:]
	}
	kind, count := head[0], int(binary.BigEndian.Uint16(head[3:]))
	pointers := head[8:]
	if kind == interiorPage {
		pointers = head[12:]
	}
	if kind != interiorPage && kind != leafPage || 2*count > len(pointers) {
		return damaged("page %d is of kind %d with %d cells", n, kind, count)
	}
	for i := range count {
		at := int(binary.BigEndian.Uint16(pointers[2*i:]))
		if at+4 > db.usable {
			return damaged("page %d: cell %d at %d", n, i, at)
		}
		if err := db.cell(page[at:db.usable], kind, depth, fn); err != nil {
			return err
		}
	}
	if kind == interiorPage {
		return db.rows(binary.BigEndian.Uint32(head[8:]), depth+1, fn)
	}
	return nil
}

func (db *sqlite) cell(cell []byte, kind byte, depth int, fn func([]byte) error) error {
	if kind == interiorPage {
		return db.rows(binary.BigEndian.Uint32(cell), depth+1, fn)
	}
	record, err := db.record(cell)
	if err != nil {
		return err
	}
	return fn(record)
}

// record puts the payload of a leaf's cell together (1.6, "U", "P", "M", "K").
func (db *sqlite) record(cell []byte) ([]byte, error) {
	size, n := varint(cell)
	_, m := varint(cell[n:])
	if n == 0 || m == 0 || size > maxHeader || int64(size) > int64(db.pages)*db.size {
		return nil, damaged("a record of %d bytes", size)
	}
	cell = cell[n+m:]
	local, total := db.local(int(size)), int(size)
	if local == total {
		if total > len(cell) {
			return nil, damaged("a record of %d bytes in %d", total, len(cell))
		}
		return cell[:total], nil
	}
	if local+4 > len(cell) {
		return nil, damaged("a record with %d of %d bytes in its page", local, total)
	}
	record := append(make([]byte, 0, total), cell[:local]...)
	next := binary.BigEndian.Uint32(cell[local:])
	for len(record) < total {
		page, err := db.page(next)
		if err != nil {
			return nil, err
		}
		next = binary.BigEndian.Uint32(page)
		record = append(record, page[4:min(db.usable, 4+total-len(record))]...)
	}
	return record, nil
}

// local is how much of a record stands in its page.
func (db *sqlite) local(size int) int {
	if size <= db.usable-35 {
		return size
	}
	least := (db.usable-12)*32/255 - 23
	if k := least + (size-least)%(db.usable-4); k <= db.usable-35 {
		return k
	}
	return least
}

// parseRecord splits a record into its fields, as they are stored (2.1).
func parseRecord(b []byte) ([][]byte, error) {
	size, n := varint(b)
	if n == 0 || size < uint64(n) || size > uint64(len(b)) {
		return nil, damaged("a record's header has %d of %d bytes", size, len(b))
	}
	types, data := b[n:size], b[size:]
	var fields [][]byte
	for len(types) > 0 {
		t, n := varint(types)
		width := fieldSize(t)
		if n == 0 || width > uint64(len(data)) || len(fields) == 32 {
			return nil, damaged("a field of type %d where %d bytes are left", t, len(data))
		}
		types, fields, data = types[n:], append(fields, data[:width]), data[width:]
	}
	return fields, nil
}

func fieldSize(t uint64) uint64 {
	switch {
	case t >= 12:
		return (t - 12) / 2
	case t <= 4:
		return t
	case t == 5:
		return 6
	case t <= 7:
		return 8
	}
	return 0
}

// varint reads a number of one to nine bytes (1.6); n is 0 if b is too short.
func varint(b []byte) (v uint64, n int) {
	for n < min(len(b), 8) {
		v = v<<7 | uint64(b[n]&0x7f)
		n++
		if b[n-1] < 0x80 {
			return v, n
		}
	}
	if len(b) < 9 {
		return 0, 0
	}
	return v<<8 | uint64(b[8]), 9
}
