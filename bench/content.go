package main

import (
	"encoding/binary"
	"math/rand/v2"
)

// kind is what a file's bytes look like to a compressor. The ratios are those
// of gzip -6.
type kind uint8

const (
	text   kind = iota // words by Zipf's law, about 3.4:1
	code               // machine code: frequent instructions, random operands, about 2.6:1
	tables             // records that count up, about 7:1
	noise              // already compressed: 1:1
	kinds
)

// poolSize is how much there is of each kind. A file is cut out of it at random
// places; a compressor's window is far smaller, so it does not notice.
const poolSize = 32 << 20

// piece is how much of a large file comes from one place.
const piece = 256 << 10

// pools hold the material of all files. They are the same for the same seed.
type pools [kinds][]byte

func newPools(seed uint64) *pools {
	var p pools
	makers := [kinds]func(*rand.Rand) []byte{text: textPool, code: codePool, tables: tablePool, noise: noisePool}
	for k, fill := range makers {
		p[k] = fill(rand.New(rand.NewPCG(seed, uint64(k)+1)))
	}
	return &p
}

// content yields the pieces of a file of that kind, size and seed.
func (p *pools) content(k kind, size int64, seed uint64, yield func([]byte) error) error {
	rng := rand.New(rand.NewPCG(seed, uint64(size)))
	for size > 0 {
		n := min(size, piece)
		at := rng.Int64N(int64(len(p[k])) - n)
		if err := yield(p[k][at : at+n]); err != nil {
			return err
		}
		size -= n
	}
	return nil
}

// vocabulary returns n words of 2 to 13 letters.
func vocabulary(rng *rand.Rand, n int) [][]byte {
	const onsets, vowels = "bcdfghklmnprstvwz", "aeiou"
	words := make([][]byte, n)
	for i := range words {
		for range 1 + rng.IntN(4) {
			words[i] = append(words[i], onsets[rng.IntN(len(onsets))], vowels[rng.IntN(len(vowels))])
			if rng.IntN(3) == 0 {
				words[i] = append(words[i], onsets[rng.IntN(len(onsets))])
			}
		}
	}
	return words
}

// textPool repeats phrases more often than single words, as sources and
// documentation do.
func textPool(rng *rand.Rand) []byte {
	words := vocabulary(rng, 20000)
	word := rand.NewZipf(rng, 1.25, 4, uint64(len(words)-1))
	const marks = "        ,.;()=\n\n_\""
	run := func(out []byte, n int) []byte {
		for range n {
			out = append(out, words[word.Uint64()]...)
			out = append(out, marks[rng.IntN(len(marks))])
		}
		return out
	}
	phrases := make([][]byte, 3000)
	for i := range phrases {
		phrases[i] = run(nil, 3+rng.IntN(6))
	}
	phrase := rand.NewZipf(rng, 1.2, 10, uint64(len(phrases)-1))
	out := make([]byte, 0, poolSize+4096)
	for len(out) < poolSize {
		out = append(out, phrases[phrase.Uint64()]...)
		out = run(out, rng.IntN(4))
	}
	return out[:poolSize]
}

// codePool alternates idioms of several instructions, single instructions, and
// operands of which the small ones are frequent.
func codePool(rng *rand.Rand) []byte {
	instructions := make([][]byte, 1500)
	for i := range instructions {
		instructions[i] = make([]byte, 2+rng.IntN(6))
		fillRandom(rng, instructions[i])
	}
	one := rand.NewZipf(rng, 1.3, 6, uint64(len(instructions)-1))
	idioms := make([][]byte, 2000)
	for i := range idioms {
		for range 2 + rng.IntN(5) {
			idioms[i] = append(idioms[i], instructions[one.Uint64()]...)
		}
	}
	idiom := rand.NewZipf(rng, 1.2, 10, uint64(len(idioms)-1))
	out := make([]byte, 0, poolSize+64)
	for len(out) < poolSize {
		out = append(out, idioms[idiom.Uint64()]...)
		out = append(out, instructions[one.Uint64()]...)
		switch rng.IntN(4) {
		case 0: // a small operand
			out = append(out, byte(rng.Uint32()&0xff>>rng.IntN(8)), 0, 0)
		case 1: // an address
			out = binary.LittleEndian.AppendUint32(out, rng.Uint32()&0x3ffff)
		}
	}
	return out[:poolSize]
}

// tablePool counts up in records, as indexes and symbol tables do.
func tablePool(rng *rand.Rand) []byte {
	out := make([]byte, 0, poolSize+64)
	var n uint32
	for len(out) < poolSize {
		n += 8 * (1 + rng.Uint32N(3))
		out = binary.LittleEndian.AppendUint64(out, uint64(n))
		out = binary.LittleEndian.AppendUint32(out, 64)
		out = append(out, byte(rng.IntN(3)), 1, 0, 0)
		out = append(out, make([]byte, 8)...)
	}
	return out[:poolSize]
}

func noisePool(rng *rand.Rand) []byte {
	out := make([]byte, poolSize)
	fillRandom(rng, out)
	return out
}

func fillRandom(rng *rand.Rand, p []byte) {
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, rng.Uint64())
		p = p[8:]
	}
	for i := range p {
		p[i] = byte(rng.Uint32())
	}
}
