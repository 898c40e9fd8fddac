package repo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/bootc-go/bootc/composefs/verity"
)

// The splitstream, version 0 (docs/reference/formats/splitstream.md). All
// integers are little-endian.

const (
	streamMagic    = "SplitStream" // 11 bytes
	streamVersion  = 0
	streamLgBlock  = 12 // 4096-byte blocks of fs-verity
	streamHeader   = 32 // bytes
	streamInfo     = 80 // bytes; more are allowed and ignored
	chunkPrefixLen = 8
)

// Offsets in the header. The old order is that of composefs-rs before its
// struct had a fixed layout, which bootc up to 1.15 wrote.
type headerLayout struct{ magic, version, flags, algorithm, lgBlock, info int }

var (
	newHeader = headerLayout{magic: 0, version: 11, flags: 12, algorithm: 14, lgBlock: 15, info: 16}
	oldHeader = headerLayout{magic: 18, version: 29, flags: 16, algorithm: 30, lgBlock: 31, info: 0}
)

// section is a range of bytes of the file, [start, end).
type section struct{ start, end uint64 }

func (s section) len() uint64 { return s.end - s.start }

// streamLayout is what header and info section say.
type streamLayout struct {
	info                                      section
	streamRefs, objectRefs, stream, namedRefs section
	contentType, size                         uint64
}

// encode returns header and info section.
func (l streamLayout) encode(alg verity.Algorithm) []byte {
	b := make([]byte, 0, streamHeader+streamInfo)
	b = append(b, streamMagic...)
	b = append(b, streamVersion, 0, 0, byte(alg), streamLgBlock)
	for _, s := range []section{l.info, l.streamRefs, l.objectRefs, l.stream, l.namedRefs} {
		b = binary.LittleEndian.AppendUint64(b, s.start)
		b = binary.LittleEndian.AppendUint64(b, s.end)
	}
	b = binary.LittleEndian.AppendUint64(b, l.contentType)
	return binary.LittleEndian.AppendUint64(b, l.size)
}

// decodeHeader returns the place of the info section.
func decodeHeader(b []byte, alg verity.Algorithm) (section, error) {
	h := newHeader
	if !hasMagic(b, h) {
		h = oldHeader
	}
	switch {
	case !hasMagic(b, h):
		return section{}, errors.New("not a splitstream")
	case b[h.version] != streamVersion:
		return section{}, fmt.Errorf("unknown version %d of splitstreams", b[h.version])
	case b[h.algorithm] != byte(alg):
		return section{}, fmt.Errorf("its references are %s digests", verity.Algorithm(b[h.algorithm]))
	case b[h.lgBlock] != streamLgBlock:
		return section{}, fmt.Errorf("unknown fs-verity block size 2^%d", b[h.lgBlock])
	}
	return decodeSection(b[h.info:]), nil
}

func hasMagic(b []byte, h headerLayout) bool {
	return len(b) >= streamHeader && bytes.Equal(b[h.magic:h.magic+len(streamMagic)], []byte(streamMagic))
}

func decodeSection(b []byte) section {
	return section{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}
}

// decodeInfo reads the info section, which is at least streamInfo bytes.
func decodeInfo(info section, b []byte) streamLayout {
	return streamLayout{
		info:        info,
		streamRefs:  decodeSection(b),
		objectRefs:  decodeSection(b[16:]),
		stream:      decodeSection(b[32:]),
		namedRefs:   decodeSection(b[48:]),
		contentType: binary.LittleEndian.Uint64(b[64:]),
		size:        binary.LittleEndian.Uint64(b[72:]),
	}
}
