package layers

import (
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/verity"
)

// chunkSource is a splitstream.
type chunkSource interface {
	Next() (repo.Chunk, error)
}

// chunks reads a layer's splitstream as a tar whose files are objects.
type chunks struct {
	src    chunkSource
	inline []byte // what is left of the current chunk
	joined [blockSize]byte
}

var _ blocks = (*chunks)(nil)

// block implements blocks.
func (c *chunks) block() ([]byte, error) {
	if len(c.inline) >= blockSize {
		b := c.inline[:blockSize]
		c.inline = c.inline[blockSize:]
		return b, nil
	}
	n := 0
	for n < blockSize {
		if err := c.more(); err != nil {
			if n > 0 {
				err = noEOF(err)
			}
			return nil, err
		}
		k := copy(c.joined[n:], c.inline)
		c.inline = c.inline[k:]
		n += k
	}
	return c.joined[:], nil
}

// more makes sure that there are inline bytes.
func (c *chunks) more() error {
	for len(c.inline) == 0 {
		next, err := c.src.Next()
		if err != nil {
			return err
		}
		if !next.External.IsZero() {
			return malformed("its splitstream has an object where the tar has none")
		}
		c.inline = next.Inline
	}
	return nil
}

// external returns the object that must come next.
func (c *chunks) external() (verity.Digest, error) {
	for len(c.inline) == 0 {
		next, err := c.src.Next()
		if err != nil {
			return verity.Digest{}, noEOF(err)
		}
		if !next.External.IsZero() {
			return next.External, nil
		}
		c.inline = next.Inline
	}
	return verity.Digest{}, malformed("its splitstream has a file of more than %d bytes inline", maxInline)
}

// skip passes over n inline bytes.
func (c *chunks) skip(n int) error {
	for n > 0 {
		if err := c.more(); err != nil {
			return noEOF(err)
		}
		k := min(n, len(c.inline))
		c.inline = c.inline[k:]
		n -= k
	}
	return nil
}
