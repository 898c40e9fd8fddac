package erofs

import (
	"bytes"
	"errors"
	"fmt"
)

// rawXattr is an xattr as it is in the image.
type rawXattr struct {
	name   string
	value  []byte
	shared bool // and value is to stay; else it is gone with the next read
}

// readBody reads the xattrs of an inode, whose body is at pos. They are valid
// until the next call.
func (rd *reader) readBody(pos, length uint64) ([]rawXattr, error) {
	rd.raw = rd.raw[:0]
	if length == 0 {
		return nil, nil
	}
	if err := rd.src.read(grow(&rd.body, length), pos); err != nil {
		return nil, err
	}
	ids, shared := rd.body[xbodySize:], int(rd.body[4])
	if 4*shared > len(ids) {
		return nil, fmt.Errorf("%d shared xattrs in a body of %d bytes", shared, length)
	}
	for ; shared > 0; shared, ids = shared-1, ids[4:] {
		x, err := rd.sharedXattr(le.Uint32(ids))
		if err != nil {
			return nil, fmt.Errorf("shared xattr %d: %w", le.Uint32(ids), err)
		}
		rd.raw = append(rd.raw, x)
	}
	if err := rd.parseXattrs(ids); err != nil {
		return nil, err
	}
	return rd.raw, nil
}

// grow makes n bytes of *b, which are not cleared. Callers see to it that n is
// small.
func grow(b *[]byte, n uint64) []byte {
	if uint64(cap(*b)) < n {
		*b = make([]byte, alignTo(n, blockSize))
	}
	*b = (*b)[:n]
	return *b
}

// parseXattrs parses entries up to the end of b.
func (rd *reader) parseXattrs(b []byte) error {
	for len(b) > 0 {
		if len(b) < xentrySize {
			return fmt.Errorf("%d bytes after the last xattr", len(b))
		}
		length := entryLen(b)
		if length > len(b) {
			return fmt.Errorf("xattr of %d bytes where %d are left", length, len(b))
		}
		x, err := rd.parseXattr(b[:length])
		if err != nil {
			return err
		}
		rd.raw, b = append(rd.raw, x), b[length:]
	}
	return nil
}

// entryLen is the length of the entry that begins with b.
func entryLen(b []byte) int {
	return align(xentrySize+int(b[0])+int(le.Uint16(b[2:])), 4)
}

func (rd *reader) parseXattr(b []byte) (rawXattr, error) {
	index, nameEnd := int(b[1]), xentrySize+int(b[0])
	if index >= len(xattrPrefixes) {
		return rawXattr{}, fmt.Errorf("xattr with unknown name index %d", index)
	}
	var full [maxName + 32]byte
	name := append(append(full[:0], xattrPrefixes[index]...), b[xentrySize:nameEnd]...)
	known, ok := rd.names[string(name)]
	if !ok {
		known = string(name)
		rd.names[known] = known
	}
	return rawXattr{name: known, value: b[nameEnd : nameEnd+int(le.Uint16(b[2:]))]}, nil
}

// sharedXattr returns an entry of the table. As the entries do not overlap,
// all of them together are not larger than the image.
func (rd *reader) sharedXattr(number uint32) (rawXattr, error) {
	if x, ok := rd.shared[number]; ok {
		return x, nil
	}
	pos := uint64(rd.super.xattrBlock)*blockSize + 4*uint64(number)
	b := grow(&rd.buf, xentrySize)
	if err := rd.src.read(b, pos); err != nil {
		return rawXattr{}, err
	}
	length := uint64(entryLen(b))
	if rd.sharing += length; rd.sharing > rd.src.size {
		return rawXattr{}, errors.New("overlaps another one")
	}
	b = grow(&rd.buf, length)
	if err := rd.src.read(b, pos); err != nil {
		return rawXattr{}, err
	}
	x, err := rd.parseXattr(b)
	x.value, x.shared = bytes.Clone(x.value), true
	rd.shared[number] = x
	return x, err
}
