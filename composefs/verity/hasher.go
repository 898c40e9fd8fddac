package verity

import (
	"encoding/binary"
	"hash"
	"io"
)

// Hasher computes the fs-verity digest of what is written to it. It holds one
// block a level, however long the file.
type Hasher struct {
	alg    Algorithm
	h      hash.Hash
	size   uint64
	levels []level // levels[0] collects data, levels[i] the hashes of level i-1
}

type level struct {
	n   int
	buf [BlockSize]byte
}

var _ io.Writer = (*Hasher)(nil)

// NewHasher returns a hasher that has seen nothing.
func NewHasher(alg Algorithm) *Hasher {
	return &Hasher{alg: alg, h: alg.New(), levels: make([]level, 1, 4)}
}

// Reset makes h as new.
func (h *Hasher) Reset() {
	h.size, h.levels = 0, h.levels[:1]
	h.levels[0].n = 0
}

// Size is the number of bytes written.
func (h *Hasher) Size() uint64 { return h.size }

// Write adds p; it never fails.
func (h *Hasher) Write(p []byte) (int, error) {
	n := len(p)
	h.size += uint64(n)
	for len(p) > 0 {
		l := &h.levels[0]
		if l.n == BlockSize {
			h.flush(0)
			l = &h.levels[0]
		}
		if l.n == 0 && len(p) > BlockSize { // a whole block that is not the last: no copy
			h.push(1, h.block(p[:BlockSize]))
			p = p[BlockSize:]
			continue
		}
		c := copy(l.buf[l.n:], p)
		l.n += c
		p = p[c:]
	}
	return n, nil
}

// block hashes one full block.
func (h *Hasher) block(b []byte) []byte {
	var sum [64]byte
	h.h.Reset()
	h.h.Write(b)
	return h.h.Sum(sum[:0])
}

// flush hashes level i's block, zero-padded, into the level above.
func (h *Hasher) flush(i int) {
	l := &h.levels[i]
	clear(l.buf[l.n:])
	sum := h.block(l.buf[:])
	l.n = 0
	h.push(i+1, sum)
}

func (h *Hasher) push(i int, sum []byte) {
	if i == len(h.levels) {
		h.levels = append(h.levels, level{})
		h.levels[i].n = 0
	}
	if h.levels[i].n == BlockSize {
		h.flush(i)
	}
	l := &h.levels[i]
	l.n += copy(l.buf[l.n:], sum)
}

// Sum ends the file and returns its digest; the hasher must be Reset before
// it is used again.
func (h *Hasher) Sum() Digest {
	return descriptor(h.alg, h.size, h.root())
}

// root is the hash of the one block at the top of the tree, all zero for an
// empty file.
func (h *Hasher) root() []byte {
	if h.size == 0 {
		return nil
	}
	for i := 0; ; i++ {
		top := i == len(h.levels)-1
		if top && i > 0 && h.levels[i].n == h.alg.Size() {
			return h.levels[i].buf[:h.alg.Size()]
		}
		h.flush(i)
	}
}

// descriptor hashes the fsverity_descriptor (fsverity.rst, "File digest
// computation").
func descriptor(alg Algorithm, size uint64, root []byte) Digest {
	var desc [256]byte
	desc[0] = 1 // version
	desc[1] = uint8(alg)
	desc[2] = 12 // log2 of the block size
	binary.LittleEndian.PutUint64(desc[8:], size)
	copy(desc[16:80], root)
	hash := alg.New()
	hash.Write(desc[:])
	d := Digest{alg: alg}
	hash.Sum(d.sum[:0])
	return d
}

// Sum returns the digest of data.
func Sum(alg Algorithm, data []byte) Digest {
	h := NewHasher(alg)
	h.Write(data) //nolint:errcheck // a Hasher does not fail
	return h.Sum()
}
