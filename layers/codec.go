package layers

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Compression is how a layer is compressed.
type Compression uint8

// The compressions that are read.
const (
	Uncompressed Compression = iota
	Gzip
	Zstd
)

// String is the compression's name: "gzip".
func (c Compression) String() string {
	switch c {
	case Uncompressed:
		return "uncompressed"
	case Gzip:
		return "gzip"
	case Zstd:
		return "zstd"
	}
	return fmt.Sprintf("compression-%d", uint8(c))
}

// inputSize is the size in bytes of the buffer between a blob and its decoder.
const inputSize = 1 << 16

// magics are the beginnings of what is recognised. Those with a name are
// recognised in order to be refused by it.
var magics = []struct {
	at          int
	prefix      string
	compression Compression
	name        string
}{
	{0, "\x1f\x8b\x08", Gzip, ""},
	{0, "\x28\xb5\x2f\xfd", Zstd, ""},
	{1, "\x2a\x4d\x18", Zstd, ""}, // a skippable frame, 184D2A5x
	{0, "BZh", 0, "bzip2"},
	{0, "\xfd7zXZ\x00", 0, "xz"},
	{0, "\x04\x22\x4d\x18", 0, "lz4"},
	{0, "LZIP", 0, "lzip"},
	{0, "\x1f\x9d", 0, "compress"},
	{0, "\x5d\x00\x00", 0, "lzma"},
	{0, "7z\xbc\xaf\x27\x1c", 0, "7-zip"},
	{0, "PK\x03\x04", 0, "zip"},
	{0, "hsqs", 0, "squashfs"},
}

// Decompress returns the data of r uncompressed, and what it was compressed
// with, which the first bytes say. Reading the result to io.EOF reads r to
// io.EOF. The caller closes the result; r stays open.
func Decompress(r io.Reader) (io.ReadCloser, Compression, error) {
	br := bufio.NewReaderSize(r, inputSize)
	c, err := detect(br)
	if err != nil {
		return nil, c, err
	}
	rc, err := newDecoder(br, c)
	return rc, c, err
}

func newDecoder(br *bufio.Reader, c Compression) (io.ReadCloser, error) {
	switch c {
	case Gzip:
		return newGzipReader(br)
	case Zstd:
		return newZstdReader(br)
	default:
		return io.NopCloser(br), nil
	}
}

// detect looks at the first bytes. A tar has no magic at its beginning, but its
// first block has a checksum, or is zero in an empty one.
func detect(br *bufio.Reader) (Compression, error) {
	head, err := br.Peek(blockSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if len(head) == 0 || len(head) == blockSize && (isZero(head) || checksumOK(head)) {
		return Uncompressed, nil
	}
	for _, m := range magics {
		if len(head) < m.at || !bytes.HasPrefix(head[m.at:], []byte(m.prefix)) {
			continue
		}
		if m.name != "" {
			return 0, unsupported("%s is not supported", m.name)
		}
		return m.compression, nil
	}
	return 0, malformed("neither gzip nor zstd nor a tar: it begins with % x", head[:min(len(head), 8)])
}
