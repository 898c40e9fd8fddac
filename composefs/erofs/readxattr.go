package erofs

import (
	"bytes"
	"errors"
	"fmt"
)

// rawXattr is an xattr as it is in the image.
type rawXattr struct {
	name  string
	value []byte
}

// readBody reads the xattrs of an inode, whose body is at pos.
func (rd *reader) readBody(pos, length uint64) ([]rawXattr, error) {
	if length == 0 {
		return nil, nil
	}
	body, err := rd.scratch(pos, length)
	if err != nil {
		return nil, err
	}
	shared, local := int(body[4]), body[xbodySize:]
	if 4*shared > len(local) {
		return nil, fmt.Errorf("%d shared xattrs in a body of %d bytes", shared, length)
	}
	ids := local[:4*shared]
	xs, err := rd.parseXattrs(local[4*shared:], make([]rawXattr, 0, shared+4))
	if err != nil {
		return nil, err
	}
	numbers := make([]uint32, 0, shared) // ids does not outlive the next read
	for ; len(ids) > 0; ids = ids[4:] {
		numbers = append(numbers, le.Uint32(ids))
	}
	for _, number := range numbers {
		x, err := rd.sharedXattr(number)
		if err != nil {
			return nil, fmt.Errorf("shared xattr %d: %w", number, err)
		}
		xs = append(xs, x)
	}
	return xs, nil
}

// parseXattrs parses entries up to the end of b.
func (rd *reader) parseXattrs(b []byte, xs []rawXattr) ([]rawXattr, error) {
	for len(b) > 0 {
		if len(b) < xentrySize {
			return nil, fmt.Errorf("%d bytes after the last xattr", len(b))
		}
		length := entryLen(b)
		if length > len(b) {
			return nil, fmt.Errorf("xattr of %d bytes where %d are left", length, len(b))
		}
		x, err := rd.parseXattr(b[:length])
		if err != nil {
			return nil, err
		}
		xs, b = append(xs, x), b[length:]
	}
	return xs, nil
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
	return rawXattr{known, bytes.Clone(b[nameEnd : nameEnd+int(le.Uint16(b[2:]))])}, nil
}

// sharedXattr returns an entry of the table. As the entries do not overlap,
// all of them together are not larger than the image.
func (rd *reader) sharedXattr(number uint32) (rawXattr, error) {
	if x, ok := rd.shared[number]; ok {
		return x, nil
	}
	pos := uint64(rd.super.xattrBlock)*blockSize + 4*uint64(number)
	b, err := rd.scratch(pos, xentrySize)
	if err != nil {
		return rawXattr{}, err
	}
	length := uint64(entryLen(b))
	if rd.sharing += length; rd.sharing > rd.src.size {
		return rawXattr{}, errors.New("overlaps another one")
	}
	if b, err = rd.scratch(pos, length); err != nil {
		return rawXattr{}, err
	}
	x, err := rd.parseXattr(b)
	rd.shared[number] = x
	return x, err
}
