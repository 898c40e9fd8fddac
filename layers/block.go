package layers

import (
	"bytes"
	"encoding/binary"
)

// blockSize is the unit of a tar: a header is one block, and content is padded
// to whole ones.
const blockSize = 512

// The fields of a header block (POSIX.1-1988 ustar, tar(5)). All formats share
// those up to the link name; the rest depends on the magic.
type field struct{ off, end int }

func (f field) of(b []byte) []byte { return b[f.off:f.end] }

var (
	fieldName     = field{0, 100}
	fieldMode     = field{100, 108}
	fieldUID      = field{108, 116}
	fieldGID      = field{116, 124}
	fieldSize     = field{124, 136}
	fieldMtime    = field{136, 148}
	fieldChecksum = field{148, 156}
	fieldLinkname = field{157, 257}
	fieldMagic    = field{257, 263}
	fieldVersion  = field{263, 265}
	fieldDevmajor = field{329, 337}
	fieldDevminor = field{337, 345}

	fieldPrefix     = field{345, 500} // ustar
	fieldStarPrefix = field{345, 476} // star
	fieldStarMark   = field{508, 512} // "tar\0" in star
	fieldGNUAtime   = field{345, 357} // old GNU, where ustar has the prefix
	fieldGNUCtime   = field{357, 369}
)

const typeflagAt = 156

// format is what the magic of a header says about the fields behind it.
type format uint8

const (
	formatV7 format = iota
	formatUstar
	formatStar
	formatGNU
)

// formatOf looks at the magic as archive/tar does: "ustar\0" is ustar whatever
// the version says.
func formatOf(b []byte) format {
	switch magic := fieldMagic.of(b); {
	case string(magic) == "ustar\x00" && string(fieldStarMark.of(b)) == "tar\x00":
		return formatStar
	case string(magic) == "ustar\x00":
		return formatUstar
	case string(magic) == "ustar " && string(fieldVersion.of(b)) == " \x00":
		return formatGNU
	}
	return formatV7
}

var zeroBlock [blockSize]byte

func isZero(b []byte) bool { return bytes.Equal(b, zeroBlock[:]) }

// checksumOK reports whether a header's checksum is right: the sum of its bytes
// with the checksum taken as spaces. Some old tars summed signed bytes.
func checksumOK(b []byte) bool {
	want, ok := parseOctal(fieldChecksum.of(b))
	if !ok {
		return false
	}
	const spaces = 8 * ' '
	sum := sumBytes(b) - sumBytes(fieldChecksum.of(b)) + spaces
	return want == sum || want == sum-256*(countHigh(b)-countHigh(fieldChecksum.of(b)))
}

// sumBytes adds up a multiple of eight bytes, eight at a time: even and odd
// bytes in four 16-bit lanes each, which 512 bytes cannot overflow.
func sumBytes(b []byte) int64 {
	const lanes = 0x00ff00ff00ff00ff
	var even, odd uint64
	for ; len(b) >= 8; b = b[8:] {
		w := binary.LittleEndian.Uint64(b)
		even += w & lanes
		odd += w >> 8 & lanes
	}
	return sumLanes(even) + sumLanes(odd)
}

func sumLanes(w uint64) int64 {
	return int64(w&0xffff + w>>16&0xffff + w>>32&0xffff + w>>48)
}

// countHigh counts the bytes that are negative when they are signed.
func countHigh(b []byte) (n int64) {
	for _, c := range b {
		n += int64(c >> 7)
	}
	return n
}

// cString is b up to its first NUL.
func cString(b []byte) []byte {
	s, _, _ := bytes.Cut(b, zeroBlock[:1])
	return s
}

// parseNumeric reads a number of a header: octal digits or, if the first bit is
// set, GNU's base 256, a big-endian two's complement number in what remains.
func parseNumeric(b []byte) (int64, bool) {
	if b[0]&0x80 == 0 {
		return parseOctal(b)
	}
	var invert byte // of a negative number, whose complement is read
	if b[0]&0x40 != 0 {
		invert = 0xff
	}
	var x uint64
	for i, c := range b {
		c ^= invert
		if i == 0 {
			c &= 0x7f
		}
		if x>>56 != 0 {
			return 0, false
		}
		x = x<<8 | uint64(c)
	}
	if x>>63 != 0 {
		return 0, false
	}
	if invert != 0 {
		return ^int64(x), true
	}
	return int64(x), true
}

// parseOctal reads octal digits among spaces and NULs; nothing at all is 0.
func parseOctal(b []byte) (int64, bool) {
	for len(b) > 0 && (b[0] == ' ' || b[0] == 0) {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == 0) {
		b = b[:len(b)-1]
	}
	var x uint64
	for _, c := range b {
		if c == 0 {
			break
		}
		if c < '0' || c > '7' || x>>60 != 0 {
			return 0, false
		}
		x = x<<3 | uint64(c-'0')
	}
	return int64(x), true
}
