// Package verity computes, names and enables fs-verity digests.
//
// A digest is what the kernel's fs-verity would measure for the same bytes
// (Documentation/filesystems/fsverity.rst), with 4096-byte blocks and no salt,
// the only parameters that composefs uses.
package verity

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
)

// BlockSize is the size of data and hash blocks in bytes.
const BlockSize = 4096

// Algorithm is a hash algorithm, by the number that the kernel gives it
// (FS_VERITY_HASH_ALG_*).
type Algorithm uint8

// The algorithms that fs-verity and composefs know.
const (
	SHA256 Algorithm = 1
	SHA512 Algorithm = 2
)

// ParseAlgorithm reads "sha256" or "sha512", or the form of a repository's
// meta.json, "fsverity-sha512-12".
func ParseAlgorithm(s string) (Algorithm, error) {
	switch strings.TrimSuffix(strings.TrimPrefix(s, "fsverity-"), "-12") {
	case "sha256":
		return SHA256, nil
	case "sha512":
		return SHA512, nil
	}
	return 0, fmt.Errorf("unknown fs-verity algorithm %q (want sha256 or sha512)", s)
}

// String is the algorithm's name as fsverity(1) prints it: "sha256".
func (a Algorithm) String() string {
	switch a {
	case SHA256:
		return "sha256"
	case SHA512:
		return "sha512"
	}
	return fmt.Sprintf("algorithm-%d", uint8(a))
}

// ID is the name that a composefs repository records: "fsverity-sha512-12".
func (a Algorithm) ID() string { return "fsverity-" + a.String() + "-12" }

// Size is the length of a digest in bytes, 0 for an unknown algorithm.
func (a Algorithm) Size() int {
	switch a {
	case SHA256:
		return sha256.Size
	case SHA512:
		return sha512.Size
	}
	return 0
}

// New returns a new hash of the algorithm.
func (a Algorithm) New() hash.Hash {
	if a == SHA256 {
		return sha256.New()
	}
	return sha512.New()
}

// Digest is the fs-verity digest of a file. It is comparable, so it can be the
// key of a map. The zero Digest is no digest.
type Digest struct {
	alg Algorithm
	sum [sha512.Size]byte
}

var (
	_ encoding.TextMarshaler   = Digest{}
	_ encoding.TextAppender    = Digest{}
	_ encoding.TextUnmarshaler = (*Digest)(nil)
)

// FromBytes makes a digest of raw bytes, whose number must fit the algorithm.
func FromBytes(alg Algorithm, sum []byte) (Digest, error) {
	d := Digest{alg: alg}
	if alg.Size() == 0 || len(sum) != alg.Size() {
		return Digest{}, fmt.Errorf("%s digest of %d bytes", alg, len(sum))
	}
	copy(d.sum[:], sum)
	return d, nil
}

// ParseHex reads a digest of 64 (SHA-256) or 128 (SHA-512) lower-case
// hexadecimal digits.
func ParseHex(s string) (Digest, error) {
	var d Digest
	if s == "" {
		return d, errors.New("empty fs-verity digest")
	}
	err := d.UnmarshalText([]byte(s))
	return d, err
}

// UnmarshalText reads what MarshalText writes: a digest as ParseHex does, or
// nothing for the zero Digest.
func (d *Digest) UnmarshalText(text []byte) error {
	*d = Digest{}
	var alg Algorithm
	switch len(text) {
	case 0:
		return nil
	case 2 * sha256.Size:
		alg = SHA256
	case 2 * sha512.Size:
		alg = SHA512
	default:
		return fmt.Errorf("%q is no fs-verity digest: want 64 or 128 hexadecimal digits, got %d characters", shorten(string(text)), len(text))
	}
	if bytes.ContainsAny(text, "ABCDEF") {
		return fmt.Errorf("%q is no fs-verity digest: upper-case digits", text)
	}
	if _, err := hex.Decode(d.sum[:], text); err != nil {
		*d = Digest{}
		return fmt.Errorf("%q is no fs-verity digest: %w", text, err)
	}
	d.alg = alg
	return nil
}

// MarshalText is the digest as String prints it.
func (d Digest) MarshalText() ([]byte, error) { return d.AppendText(nil) }

// AppendText appends what MarshalText returns; it never fails.
func (d Digest) AppendText(b []byte) ([]byte, error) {
	return hex.AppendEncode(b, d.sum[:d.alg.Size()]), nil
}

func shorten(s string) string {
	if len(s) > 140 {
		return s[:140] + "…"
	}
	return s
}

// Algorithm is the digest's algorithm, 0 for the zero Digest.
func (d Digest) Algorithm() Algorithm { return d.alg }

// IsZero reports whether d is no digest.
func (d Digest) IsZero() bool { return d.alg == 0 }

// Bytes returns a copy of the raw digest.
func (d Digest) Bytes() []byte { return append([]byte(nil), d.sum[:d.alg.Size()]...) }

// AppendTo appends the raw digest to b.
func (d Digest) AppendTo(b []byte) []byte { return append(b, d.sum[:d.alg.Size()]...) }

// String is the digest in lower-case hexadecimal, "" for the zero Digest.
func (d Digest) String() string { return hex.EncodeToString(d.sum[:d.alg.Size()]) }

// ObjectPath is the digest's place below the objects directory of a
// repository: "ab/cdef…".
func (d Digest) ObjectPath() string {
	if d.IsZero() {
		return ""
	}
	s := d.String()
	return s[:2] + "/" + s[2:]
}
