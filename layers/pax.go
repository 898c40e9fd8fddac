package layers

import (
	"bytes"
	"math"
	"strconv"

	"github.com/bootc-go/bootc/composefs/tree"
)

// schilyXattr begins the key of an extended attribute, whose name and value
// follow as they are.
const schilyXattr = "SCHILY.xattr."

// gnuSparse begins the keys by which GNU tar describes a sparse file.
const gnuSparse = "GNU.sparse."

// applyPAX puts the records of an extended header (POSIX.1-2001 pax) into h. The
// last record of a key counts; if it has no value, what the header block says
// stands, except that an extended attribute may be empty.
func (h *header) applyPAX(records []byte) error {
	if len(records) == 0 {
		return nil
	}
	block := *h
	for len(records) > 0 {
		key, value, rest, ok := cutRecord(records)
		if !ok {
			return malformed("bad record in its extended header")
		}
		records = rest
		if err := h.applyRecord(&block, key, value); err != nil {
			return err
		}
	}
	return nil
}

func (h *header) applyRecord(block *header, key, value []byte) error {
	if name, ok := bytes.CutPrefix(key, []byte(schilyXattr)); ok {
		h.xattrs = append(h.xattrs, rawXattr{name, value})
		return nil
	}
	if bytes.HasPrefix(key, []byte(gnuSparse)) {
		h.sparse = true
	}
	if len(value) == 0 {
		h.undo(block, key)
		return nil
	}
	ok := true
	switch string(key) {
	case "path":
		h.name, h.paxName = value, true
	case "linkpath":
		h.link, h.paxLink = value, true
	case "size":
		h.size, ok = parseDecimal(value)
	case "uid":
		h.uid, ok = parseDecimal(value)
	case "gid":
		h.gid, ok = parseDecimal(value)
	case "mtime":
		h.mtime, ok = parsePAXTime(value)
	case "atime", "ctime": // not kept, but a bad one is a bad tar
		_, ok = parsePAXTime(value)
	}
	if !ok {
		return malformed("bad %s %q in its extended header", key, shorten(value))
	}
	return nil
}

// undo takes back what an earlier record said.
func (h *header) undo(block *header, key []byte) {
	switch string(key) {
	case "path":
		h.name, h.paxName = block.name, false
	case "linkpath":
		h.link, h.paxLink = block.link, false
	case "size":
		h.size = block.size
	case "uid":
		h.uid = block.uid
	case "gid":
		h.gid = block.gid
	case "mtime":
		h.mtime = block.mtime
	}
}

// cutRecord splits off the first record, "LENGTH KEY=VALUE\n", where LENGTH
// counts the whole record.
func cutRecord(b []byte) (key, value, rest []byte, ok bool) {
	digits, _, ok := bytes.Cut(b, []byte{' '})
	if !ok {
		return nil, nil, nil, false
	}
	n, ok := parseDecimal(digits)
	if !ok || n < int64(len("5 a=\n")) || n > int64(len(b)) || n <= int64(len(digits))+1 {
		return nil, nil, nil, false
	}
	record := b[len(digits)+1 : n]
	if record[len(record)-1] != '\n' {
		return nil, nil, nil, false
	}
	key, value, ok = bytes.Cut(record[:len(record)-1], []byte{'='})
	if !ok || !validRecord(key, value) {
		return nil, nil, nil, false
	}
	return key, value, b[n:], true
}

// validRecord wants a key, and no NUL where a C string would end.
func validRecord(key, value []byte) bool {
	switch string(key) {
	case "":
		return false
	case "path", "linkpath", "uname", "gname":
		return bytes.IndexByte(value, 0) < 0
	}
	return bytes.IndexByte(key, 0) < 0
}

// parseDecimal reads a decimal number with an optional sign.
func parseDecimal(b []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(b), 10, 64)
	return n, err == nil
}

// parsePAXTime reads seconds with an optional fraction, of which nanoseconds
// are kept. The sign is that of the whole: -1.5 is half a second before -1.
func parsePAXTime(b []byte) (tree.Time, bool) {
	whole, fraction, _ := bytes.Cut(b, []byte{'.'})
	sec, ok := parseDecimal(whole)
	if !ok {
		return tree.Time{}, false
	}
	var nsec uint32
	scale := uint32(1e8)
	for _, c := range fraction {
		if c < '0' || c > '9' {
			return tree.Time{}, false
		}
		nsec += uint32(c-'0') * scale
		scale /= 10
	}
	if whole[0] == '-' && nsec > 0 {
		if sec == math.MinInt64 {
			return tree.Time{}, false
		}
		return tree.Time{Sec: sec - 1, Nsec: 1e9 - nsec}, true
	}
	return tree.Time{Sec: sec, Nsec: nsec}, true
}
