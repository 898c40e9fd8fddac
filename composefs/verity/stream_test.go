package verity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

func randomBytes(seed uint64, n int) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed)}).Read(data)
	return data
}

// inPieces hashes data in writes of the sizes that next yields.
func inPieces(h *Hasher, data []byte, next func() int) Digest {
	h.Reset()
	for len(data) > 0 {
		n := min(max(next(), 0), len(data))
		h.Write(data[:n])
		data = data[n:]
	}
	return h.Sum()
}

func TestStreamingInAnyPieces(t *testing.T) {
	for _, alg := range []Algorithm{SHA256, SHA512} {
		h := NewHasher(alg) // kept, so that Reset is tested too
		for _, size := range sizes(alg)[:15] {
			data := randomBytes(1, size)
			want := Sum(alg, data)
			for _, piece := range []int{13, 63, 4095, 4096, 4097, 8192, 12_289, 1 << 20} {
				if got := inPieces(h, data, func() int { return piece }); got != want {
					t.Errorf("%s of %d bytes in pieces of %d: %v, want %v", alg, size, piece, got, want)
				}
			}
			if h.Size() != uint64(size) {
				t.Errorf("Size = %d after %d bytes", h.Size(), size)
			}
		}
	}
}

func TestStreamingInRandomPieces(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	h := NewHasher(SHA512)
	for range 200 {
		data := randomBytes(2, rnd.IntN(600_000))
		if got, want := inPieces(h, data, func() int { return rnd.IntN(9000) }), Sum(SHA512, data); got != want {
			t.Fatalf("%d bytes: %v, want %v", len(data), got, want)
		}
	}
}

func TestParallelEqualsSerial(t *testing.T) {
	for _, alg := range []Algorithm{SHA256, SHA512} {
		for _, size := range []int{0, 1, 4096, chunkSize - 1, chunkSize, chunkSize + 1, 2 * chunkSize, 3*chunkSize - 4095, 4*chunkSize + 4096, 17*chunkSize + 5} {
			data := randomBytes(3, size)
			want := Sum(alg, data)
			for _, workers := range []int{-1, 1, 2, 3, 16} {
				t.Run(fmt.Sprint(alg, "-", size, "-", workers), func(t *testing.T) {
					got, err := SumReaderAt(t.Context(), alg, bytes.NewReader(data), int64(size), workers)
					if err != nil || got != want {
						t.Errorf("SumReaderAt = %v, %v; want %v", got, err, want)
					}
				})
			}
		}
	}
}

// zeros is a sparse file of any size.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }

func TestParallelManyLevels(t *testing.T) {
	const size = 64<<20 + 17 // more than fills a level-2 block of either algorithm
	for _, alg := range []Algorithm{SHA256, SHA512} {
		h := NewHasher(alg)
		if _, err := io.Copy(h, io.NewSectionReader(zeros{}, 0, size)); err != nil {
			t.Fatal(err)
		}
		got, err := SumReaderAt(t.Context(), alg, zeros{}, size, 2)
		if want := h.Sum(); err != nil || got != want {
			t.Errorf("%s: SumReaderAt = %v, %v; want %v", alg, got, err, want)
		}
	}
}

func TestSumReaderAtOfShortFile(t *testing.T) {
	for _, missing := range []int64{1, 5 * chunkSize} {
		data := randomBytes(4, 3*chunkSize+100)
		_, err := SumReaderAt(t.Context(), SHA256, bytes.NewReader(data), int64(len(data))+missing, 2)
		if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), fmt.Sprintf("of %d bytes", int64(len(data))+missing)) {
			t.Errorf("%d bytes missing: %v", missing, err)
		}
	}
}

func TestSumReaderAtIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, size := range []int64{100, 1 << 60} {
		if _, err := SumReaderAt(ctx, SHA512, zeros{}, size, 2); !errors.Is(err, context.Canceled) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestHasherDoesNotAllocate(t *testing.T) {
	data := randomBytes(5, 300_000)
	for _, alg := range []Algorithm{SHA256, SHA512} {
		h := NewHasher(alg)
		if n := testing.AllocsPerRun(10, func() { h.Reset(); h.Write(data); h.Sum() }); n != 0 {
			t.Errorf("%s: %v allocations a file", alg, n)
		}
	}
}

func FuzzStreaming(f *testing.F) {
	f.Add(uint64(1), 0, 1, 1)
	f.Add(uint64(2), 4096, 4096, 1)
	f.Add(uint64(3), 262_145, 5000, 3)
	f.Fuzz(func(t *testing.T, seed uint64, size, a, b int) {
		if size < 0 || size > 1<<20 || a <= 0 || b <= 0 || size/min(a, b) > 10_000 {
			return
		}
		data := randomBytes(seed, size)
		for _, alg := range []Algorithm{SHA256, SHA512} {
			i := 0
			got := inPieces(NewHasher(alg), data, func() int { i++; return []int{a, b}[i%2] })
			if want := Sum(alg, data); got != want {
				t.Errorf("%s: %v in pieces of %d and %d, else %v", alg, got, a, b, want)
			}
		}
	})
}
