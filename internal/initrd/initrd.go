// Package initrd looks into an initramfs.
package initrd

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// ErrUnknownFormat means that an initramfs is compressed in a way that is not known.
var ErrUnknownFormat = errors.New("unknown compression")

// Limits of what is read of an initramfs. The kernel unpacks it into memory.
const (
	maxUnpacked   = 8 << 30
	maxCPIOName   = 4096 // PATH_MAX
	cpioHeaderLen = 110
)

// Has says whether the initramfs has a file, or a link, that is not empty and whose name
// is accepted. Names have no slash before them. All are offered until one is accepted.
//
// An initramfs is a sequence of cpio archives, each of which may be compressed, with zero
// bytes between them (Documentation/driver-api/early-userspace/buffer-format.rst of the
// kernel): the first has the microcode, the last the system.
func Has(r io.Reader, accept func(name string) bool) (bool, error) {
	return partHas(r, accept, decompress)
}

// partHas reads archives; unpack makes one of data that is none.
func partHas(r io.Reader, accept func(string) bool, unpack func(io.Reader, []byte) (io.Reader, error)) (bool, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	for {
		if err := skipZeros(in); err != nil {
			return false, ignoreEOF(err)
		}
		magic, err := in.Peek(6)
		if err != nil {
			return false, fmt.Errorf("it ends within an archive: %w", err)
		}
		if isCPIO(magic) {
			has, err := cpioHas(in, accept)
			if has || err != nil {
				return has, err
			}
			continue
		}
		out, err := unpack(in, magic)
		if err != nil {
			return false, err
		}
		return partHas(io.LimitReader(out, maxUnpacked), accept, notTwice)
	}
}

// notTwice refuses what is compressed within something compressed.
func notTwice(io.Reader, []byte) (io.Reader, error) { return nil, ErrUnknownFormat }

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func skipZeros(in *bufio.Reader) error {
	for {
		b, err := in.ReadByte()
		if err != nil {
			return err
		}
		if b != 0 {
			return in.UnreadByte()
		}
	}
}

func isCPIO(magic []byte) bool {
	return bytes.Equal(magic, []byte("070701")) || bytes.Equal(magic, []byte("070702"))
}

// decompress reads in, which begins with magic. Files of initramfs-tools may have
// several streams; what is looked for is in the first one or it is not there.
func decompress(in io.Reader, magic []byte) (io.Reader, error) {
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return gzip.NewReader(in)
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(1<<28))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	case bytes.HasPrefix(magic, []byte("\xfd7zXZ")):
		return xz.NewReader(in)
	}
	return nil, ErrUnknownFormat
}

// cpioHas reads one archive in the format newc, to its trailer.
func cpioHas(in *bufio.Reader, accept func(string) bool) (bool, error) {
	for {
		size, entry, err := cpioEntry(in)
		if err != nil {
			return false, fmt.Errorf("cpio archive: %w", err)
		}
		switch {
		case entry == "TRAILER!!!":
			return false, nil
		case size > 0 && accept(path.Clean("/" + entry)[1:]):
			return true, nil
		}
		if _, err := io.CopyN(io.Discard, in, (size+3)&^3); err != nil {
			return false, fmt.Errorf("cpio archive: %q: %w", entry, unexpected(err))
		}
	}
}

// cpioEntry reads the header of an entry and its name, up to its content.
func cpioEntry(in io.Reader) (size int64, name string, err error) {
	var header [cpioHeaderLen]byte
	if _, err := io.ReadFull(in, header[:]); err != nil {
		return 0, "", unexpected(err)
	}
	if !isCPIO(header[:6]) {
		return 0, "", errors.New("an entry does not begin where it should")
	}
	fileSize, err1 := strconv.ParseUint(string(header[54:62]), 16, 32)
	nameSize, err2 := strconv.ParseUint(string(header[94:102]), 16, 32)
	if err := errors.Join(err1, err2); err != nil {
		return 0, "", err
	}
	if nameSize == 0 || nameSize > maxCPIOName {
		return 0, "", fmt.Errorf("a name has %d bytes", nameSize)
	}
	buf := make([]byte, nameSize+(4-(cpioHeaderLen+nameSize)%4)%4)
	if _, err := io.ReadFull(in, buf); err != nil {
		return 0, "", unexpected(err)
	}
	return int64(fileSize), string(bytes.TrimRight(buf[:nameSize], "\x00")), nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
