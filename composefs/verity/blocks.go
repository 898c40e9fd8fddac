package verity

import (
	"crypto/sha256"
	"crypto/sha512"
)

// blockHasher appends to dst the hash of each of the blocks, which are whole.
// It gets as many at once as there are, so that an implementation can hash
// several in parallel lanes: blocks do not depend on each other.
type blockHasher func(dst, blocks []byte) []byte

// blocksOf returns the fastest block hasher there is for the algorithm.
func blocksOf(alg Algorithm) blockHasher {
	if alg == SHA256 {
		return sha256Blocks
	}
	return sha512Blocks
}

func sha256Blocks(dst, blocks []byte) []byte {
	for ; len(blocks) > 0; blocks = blocks[BlockSize:] {
		s := sha256.Sum256(blocks[:BlockSize])
		dst = append(dst, s[:]...)
	}
	return dst
}

func sha512Blocks(dst, blocks []byte) []byte {
	for ; len(blocks) > 0; blocks = blocks[BlockSize:] {
		s := sha512.Sum512(blocks[:BlockSize])
		dst = append(dst, s[:]...)
	}
	return dst
}
