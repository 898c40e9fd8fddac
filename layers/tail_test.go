package layers

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/composefs/repo"
)

// noise does not compress.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}

// TestLongTailsAreObjects: what follows an archive is kept, but not in memory,
// and in the same pieces however it arrives.
func TestLongTailsAreObjects(t *testing.T) {
	t.Parallel()
	archive := osTar(t, 1, 20, 0)
	plain, err := importMem(newMemStore(), bytes.NewReader(archive), ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for n, objects := range map[int]int{
		0: 0, 9 << 10: 0, longTail - 1: 0, longTail: 1, maxWhole: 1, maxWhole + 1: 1, 3*maxWhole + longTail: 4,
	} {
		data := append(bytes.Clone(archive), noise(n)...)
		store := newMemStore()
		l, err := importMem(store, bytes.NewReader(data), ImportOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(l.stream.bytes(store), data) {
			t.Errorf("%d bytes: the tar does not come back", n)
		}
		if got := externals(l.stream) - externals(plain.stream); got != objects {
			t.Errorf("%d bytes: %d objects, want %d", n, got, objects)
		}
		again, err := importMem(store, iotest.HalfReader(bytes.NewReader(data)), ImportOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(l.stream.chunks, again.stream.chunks, cmp.Comparer(func(a, b repo.Chunk) bool {
			return a.External == b.External && bytes.Equal(a.Inline, b.Inline)
		})); diff != "" {
			t.Errorf("%d bytes: other reads, another splitstream:\n%s", n, diff)
		}
		if _, err := mergeMem([]*memLayer{l}, 1000); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func externals(s *memStream) (n int) {
	for _, c := range s.chunks {
		if !c.External.IsZero() {
			n++
		}
	}
	return n
}
