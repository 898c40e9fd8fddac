package layers

import "github.com/bootc-go/bootc/composefs/tree"

// The type flags of tar(5) that have a meaning here.
const (
	typeOldRegular = 0
	typeRegular    = '0'
	typeLink       = '1'
	typeSymlink    = '2'
	typeChar       = '3'
	typeBlock      = '4'
	typeDir        = '5'
	typeFifo       = '6'
	typeContiguous = '7'

	typePAX       = 'x'
	typePAXGlobal = 'g'
	typeLongName  = 'L'
	typeLongLink  = 'K'
	typeSparse    = 'S'
)

// rawXattr is an extended attribute as an extended header has it.
type rawXattr struct{ name, value []byte }

// header is an entry as the blocks in front of its content describe it, with
// long names and extended headers applied. Its slices are valid until the next
// block is read.
type header struct {
	name, link         []byte
	typeflag           byte
	mode, uid, gid     int64
	size               int64 // of the content that follows; 0 for what has none
	mtime              tree.Time
	devmajor, devminor int64
	xattrs             []rawXattr // in the order of the tar, perhaps repeated
	sparse             bool
	paxName, paxLink   bool // name and link are from an extended header
}

// padding is the number of bytes between the content's end and the next block.
func (h *header) padding() int { return int(-h.size & (blockSize - 1)) }

// headerOnly reports whether the type has no content, whatever its size says.
func (h *header) headerOnly() bool {
	switch h.typeflag {
	case typeLink, typeSymlink, typeChar, typeBlock, typeDir, typeFifo:
		return true
	}
	return false
}

// parse reads the fields of a header block. It appends to joined[:0] if it has
// to put the name together, and returns it to be used again.
func (h *header) parse(b, joined []byte) ([]byte, error) {
	h.name, h.link = cString(fieldName.of(b)), cString(fieldLinkname.of(b))
	ok := true
	number := func(f field) int64 {
		n, valid := parseNumeric(f.of(b))
		ok = ok && valid
		return n
	}
	h.mode, h.uid, h.gid = number(fieldMode), number(fieldUID), number(fieldGID)
	h.size, h.mtime.Sec = number(fieldSize), number(fieldMtime)
	f := formatOf(b)
	if f != formatV7 {
		h.devmajor, h.devminor = number(fieldDevmajor), number(fieldDevminor)
	}
	if !ok {
		return joined, malformed("a number in its tar header is malformed")
	}
	if h.size < 0 && !h.headerOnly() {
		return joined, malformed("its size is negative")
	}
	if prefix := prefixOf(b, f); len(prefix) > 0 {
		joined = append(append(append(joined[:0], prefix...), '/'), h.name...)
		h.name = joined
	}
	return joined, nil
}

// prefixOf returns what stands before the name. The old GNU format has no
// prefix, but Go before 1.8 wrote one over the times that GNU keeps there: if
// those are no numbers, an ASCII string is taken for a prefix.
func prefixOf(b []byte, f format) []byte {
	switch f {
	case formatUstar:
		return cString(fieldPrefix.of(b))
	case formatStar:
		return cString(fieldStarPrefix.of(b))
	case formatGNU:
		if gnuTimeOK(fieldGNUAtime.of(b)) && gnuTimeOK(fieldGNUCtime.of(b)) {
			return nil
		}
		if p := cString(fieldPrefix.of(b)); isASCII(p) {
			return p
		}
	case formatV7:
	}
	return nil
}

func gnuTimeOK(b []byte) bool {
	if b[0] == 0 {
		return true
	}
	_, ok := parseNumeric(b)
	return ok
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// applyLongNames puts GNU's long names in place of those of the header block.
// Readers disagree on which wins if an extended header gives another name, so
// that is refused.
func (h *header) applyLongNames(name, link []byte) error {
	if len(name) > 0 {
		if h.paxName && string(name) != string(h.name) {
			return malformed("GNU's long name for it is another, %q", shorten(name))
		}
		h.name = name
	}
	if len(link) > 0 {
		if h.paxLink && string(link) != string(h.link) {
			return malformed("GNU's long link target for it is another, %q", shorten(link))
		}
		h.link = link
	}
	return nil
}

// settle decides what all the fields together mean.
func (h *header) settle() error {
	if h.typeflag == typeOldRegular {
		h.typeflag = typeRegular
		if n := len(h.name); n > 0 && h.name[n-1] == '/' { // how v7 marks a directory
			h.typeflag = typeDir
		}
	}
	if h.headerOnly() {
		h.size = 0
	}
	if h.size < 0 {
		return malformed("its size is negative")
	}
	return nil
}
