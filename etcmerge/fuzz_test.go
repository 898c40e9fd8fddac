package etcmerge

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// decisions is a source of random numbers that the fuzzer controls, a byte each.
type decisions struct{ rest []byte }

func (d *decisions) Uint64() uint64 {
	var b byte
	if len(d.rest) > 0 {
		b, d.rest = d.rest[0], d.rest[1:]
	}
	return uint64(b)<<56 | 1<<47 // the low bits keep the package rand from asking again
}

// FuzzPlan merges triples whose making the fuzzer decides about. Whatever they
// are, a merge ends, and its laws hold.
func FuzzPlan(f *testing.F) {
	for seed := range uint64(30) {
		var data [200]byte
		r := rand.New(rand.NewPCG(seed, 5))
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		f.Add(data[:])
	}
	f.Add(bytes.Repeat([]byte{0x55}, 300))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, c, n := tripleOf(rand.New(&decisions{data}))
		checkLaws(t, p, c, n)
	})
}
