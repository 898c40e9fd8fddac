package verity

import (
	"bytes"
	"fmt"
	"testing"
)

// BenchmarkSum hashes files of the mean size in an operating system image, and
// big ones, with a hasher that is kept.
func BenchmarkSum(b *testing.B) {
	for _, alg := range []Algorithm{SHA256, SHA512} {
		for _, size := range []int{100, 25_000, 16 << 20} {
			b.Run(fmt.Sprint(alg, "/", size), func(b *testing.B) {
				data := bytes.Repeat([]byte{7}, size)
				h := NewHasher(alg)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					h.Reset()
					h.Write(data)
					h.Sum()
				}
			})
		}
	}
}

// BenchmarkBareHash is the bound of BenchmarkSum: the hash function alone over
// the same data.
func BenchmarkBareHash(b *testing.B) {
	for _, alg := range []Algorithm{SHA256, SHA512} {
		b.Run(alg.String(), func(b *testing.B) {
			data := bytes.Repeat([]byte{7}, 16<<20)
			h := alg.New()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				h.Reset()
				h.Write(data)
			}
		})
	}
}

func BenchmarkSumReaderAt(b *testing.B) {
	data := bytes.Repeat([]byte{7}, 64<<20)
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprint("workers-", workers), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := SumReaderAt(b.Context(), SHA512, bytes.NewReader(data), int64(len(data)), workers); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
