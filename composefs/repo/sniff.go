package repo

import (
	"encoding/binary"
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
)

// content is what an object holds, as far as the repository cares.
type content uint8

const (
	plain       content = iota
	splitstream         // by its magic
	image               // by the magic of the composefs header
)

const imageMagic = 0xd078629a

// sniff tells what an object holds. References in splitstreams do not say
// whether they lead to a splitstream or to an image, and the link that could
// tell may have been replaced since.
func (r *Repo) sniff(d verity.Digest) (content, error) {
	f, err := r.openFile(objectPath(d))
	if errors.Is(err, unix.ENOENT) {
		return plain, ErrNotFound
	}
	if err != nil {
		return plain, err
	}
	defer f.Close()
	head := make([]byte, streamHeader)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return plain, err
	}
	head = head[:n]
	switch {
	case hasMagic(head, newHeader) || hasMagic(head, oldHeader):
		return splitstream, nil
	case n >= 4 && binary.LittleEndian.Uint32(head) == imageMagic:
		return image, nil
	}
	return plain, nil
}
