package verity

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"io"
)

// Hasher computes the fs-verity digest of what is written to it. It holds one
// block a level, however long the file, and allocates nothing once it has seen
// a file of the size of the next one: keep one per goroutine and Reset it.
type Hasher struct {
	alg    Algorithm
	sum    blockHasher
	size   uint64
	levels []*level // levels[0] collects data, levels[i] the hashes of level i-1
	depth  int      // how many levels are in use
}

// level is the block that a level of the Merkle tree is filling. A full block
// stays until more comes, for it may be the last one.
type level struct {
	n   int
	buf [BlockSize]byte
}

var _ io.Writer = (*Hasher)(nil)

// NewHasher returns a hasher that has seen nothing.
func NewHasher(alg Algorithm) *Hasher {
	h := &Hasher{alg: alg, sum: blocksOf(alg)}
	h.Reset()
	return h
}

// Reset makes h as new, but for the memory that it keeps.
func (h *Hasher) Reset() {
	h.size, h.depth = 0, 0
	h.level(0)
}

// level returns level i, which is at most one above the highest in use.
func (h *Hasher) level(i int) *level {
	if i == len(h.levels) {
		h.levels = append(h.levels, new(level))
	}
	if i == h.depth {
		h.levels[i].n = 0
		h.depth++
	}
	return h.levels[i]
}

// Size is the number of bytes written.
func (h *Hasher) Size() uint64 { return h.size }

// Write adds p; it never fails.
func (h *Hasher) Write(p []byte) (int, error) {
	n := len(p)
	if n == 0 {
		return 0, nil
	}
	h.size += uint64(n)
	l := h.levels[0]
	if l.n > 0 {
		c := copy(l.buf[l.n:], p)
		l.n += c
		if p = p[c:]; len(p) == 0 {
			return n, nil
		}
		h.flush(0)
	}
	// Whole blocks are hashed where they lie, except the last: it may be the
	// file's last, too.
	whole := (len(p) - 1) / BlockSize * BlockSize
	h.hash(1, p[:whole])
	l.n = copy(l.buf[:], p[whole:])
	return n, nil
}

// hash adds the hashes of whole blocks to level i, as many at a time as its
// block has room for.
func (h *Hasher) hash(i int, blocks []byte) {
	for len(blocks) > 0 {
		l := h.room(i)
		k := min(len(blocks), (BlockSize-l.n)/h.alg.Size()*BlockSize)
		h.sum(l.buf[l.n:l.n], blocks[:k])
		l.n += k / BlockSize * h.alg.Size()
		blocks = blocks[k:]
	}
}

// push adds hashes that are computed already to level i.
func (h *Hasher) push(i int, hashes []byte) {
	for len(hashes) > 0 {
		l := h.room(i)
		c := copy(l.buf[l.n:], hashes)
		l.n += c
		hashes = hashes[c:]
	}
}

// room returns level i once its block is not full.
func (h *Hasher) room(i int) *level {
	l := h.level(i)
	if l.n == BlockSize {
		h.flush(i)
	}
	return l
}

// flush hashes level i's block, zero-padded, into the level above.
func (h *Hasher) flush(i int) {
	l := h.levels[i]
	clear(l.buf[l.n:])
	l.n = 0
	h.hash(i+1, l.buf[:])
}

// Sum ends the file and returns its digest; the hasher must be Reset before
// it is used again.
func (h *Hasher) Sum() Digest {
	return descriptor(h.alg, h.size, h.root())
}

// root is the hash of the one block at the top of the tree, none for an empty
// file.
func (h *Hasher) root() []byte {
	if h.size == 0 {
		return nil
	}
	for i := 0; ; i++ {
		l := h.levels[i]
		if i > 0 && i == h.depth-1 && l.n == h.alg.Size() {
			return l.buf[:l.n]
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
	d := Digest{alg: alg}
	if alg == SHA256 {
		s := sha256.Sum256(desc[:])
		copy(d.sum[:], s[:])
		return d
	}
	d.sum = sha512.Sum512(desc[:])
	return d
}

// Sum returns the digest of data. Who hashes many files keeps a [Hasher].
func Sum(alg Algorithm, data []byte) Digest {
	h := NewHasher(alg)
	h.Write(data) //nolint:errcheck // a Hasher does not fail
	return h.Sum()
}
