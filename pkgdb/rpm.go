package pkgdb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"strconv"
)

// The tags of a header that matter, and their types.
const (
	tagName    = 1000
	tagVersion = 1001
	tagRelease = 1002
	tagEpoch   = 1003
	tagArch    = 1022

	typeInt32  = 4
	typeString = 6

	entrySize = 16
)

// rpmHeader is a package as rpm's databases have it: two numbers, so many index
// entries of 16 bytes, so many bytes of data. All numbers are big-endian.
type rpmHeader struct {
	index, data []byte
}

func parseRPMHeader(b []byte) (rpmHeader, error) {
	if len(b) < 8 {
		return rpmHeader{}, damaged("a header of %d bytes", len(b))
	}
	entries, size := uint64(binary.BigEndian.Uint32(b)), uint64(binary.BigEndian.Uint32(b[4:]))
	b = b[8:]
	if need := entries*entrySize + size; uint64(len(b)) < need {
		return rpmHeader{}, damaged("a header of %d bytes that should have %d", len(b), need)
	}
	return rpmHeader{b[:entries*entrySize], b[entries*entrySize:][:size]}, nil
}

// find returns the data of a tag, from where it begins; nil if there is none.
func (h rpmHeader) find(tag, kind uint32) ([]byte, error) {
	for e := h.index; len(e) > 0; e = e[entrySize:] {
		if binary.BigEndian.Uint32(e) != tag {
			continue
		}
		at := binary.BigEndian.Uint32(e[8:])
		if got := binary.BigEndian.Uint32(e[4:]); got != kind || uint64(at) >= uint64(len(h.data)) {
			return nil, damaged("tag %d has type %d at %d of %d", tag, got, at, len(h.data))
		}
		return h.data[at:], nil
	}
	return nil, nil
}

func (h rpmHeader) text(tag uint32) (string, error) {
	data, err := h.find(tag, typeString)
	if data == nil || err != nil {
		return "", err
	}
	text, _, ok := bytes.Cut(data, []byte{0})
	if !ok {
		return "", damaged("tag %d has no end", tag)
	}
	return string(text), nil
}

// epoch is the epoch with a colon, or nothing.
func (h rpmHeader) epoch() (string, error) {
	data, err := h.find(tagEpoch, typeInt32)
	if data == nil || err != nil {
		return "", err
	}
	if len(data) < 4 {
		return "", damaged("epoch of %d bytes", len(data))
	}
	return strconv.FormatUint(uint64(binary.BigEndian.Uint32(data)), 10) + ":", nil
}

// addRPM adds the package of a header. Keys of signers stand among the packages and
// are none.
func (l *list) addRPM(b []byte) error {
	h, err := parseRPMHeader(b)
	if err != nil {
		return err
	}
	var s [4]string
	for i, tag := range []uint32{tagName, tagVersion, tagRelease, tagArch} {
		if s[i], err = h.text(tag); err != nil {
			return err
		}
	}
	epoch, err := h.epoch()
	if err != nil || s[0] == "gpg-pubkey" {
		return err
	}
	if s[2] != "" {
		s[1] += "-" + s[2]
	}
	return l.add(s[0], epoch+s[1], s[3])
}

// readRPMBdb refuses Berkeley DB, in which rpm kept its packages until version 4.15.
func readRPMBdb(fs.FS, string) ([]Package, error) {
	return nil, fmt.Errorf("%w: Berkeley DB; 'rpmdb --rebuilddb' makes one of today's formats", ErrUnsupported)
}
