package layers

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestReadAhead(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	tests := map[string]struct {
		wrap func(io.Reader) io.Reader
		err  error
	}{
		"whole":                {wrap: func(r io.Reader) io.Reader { return r }},
		"byte by byte":         {wrap: iotest.OneByteReader},
		"end with the data":    {wrap: iotest.DataErrReader},
		"nothing now and then": {wrap: func(r io.Reader) io.Reader { return &hesitant{r: r} }},
		"broken":               {wrap: func(r io.Reader) io.Reader { return io.MultiReader(r, iotest.ErrReader(boom)) }, err: boom},
		"stuck":                {wrap: func(r io.Reader) io.Reader { return io.MultiReader(r, stuck{}) }, err: io.ErrNoProgress},
	}
	for name, test := range tests {
		for _, size := range []int{0, 1, aheadSize, 7*aheadSize + 3} {
			data := bytes.Repeat([]byte("abcdefg"), size/7+1)[:size]
			a := readAhead(test.wrap(bytes.NewReader(data)), sha256.New())
			got, err := io.ReadAll(a)
			if !bytes.Equal(got, data) || !errors.Is(err, test.err) {
				t.Errorf("%s: %d bytes of %d, and %v", name, len(got), size, err)
			}
			if want := sha256.Sum256(data); !bytes.Equal(a.sum.Sum(nil), want[:]) {
				t.Errorf("%s: another digest of %d bytes", name, size)
			}
			a.close()
		}
	}
}

// hesitant reads nothing every other time.
type hesitant struct {
	r   io.Reader
	now bool
}

func (h *hesitant) Read(b []byte) (int, error) {
	if h.now = !h.now; h.now {
		return 0, nil
	}
	return h.r.Read(b)
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// TestReadAheadIsClosed closes one that has more to give than it may hold, and
// takes for granted that nobody reads then.
func TestReadAheadIsClosed(t *testing.T) {
	t.Parallel()
	for _, taken := range []int64{0, 1, 3 * aheadSize} {
		read := 0 // guarded by nothing
		a := readAhead(readerFunc(func(b []byte) (int, error) { read += len(b); return len(b), nil }), sha256.New())
		if _, err := io.CopyN(io.Discard, a, taken); err != nil {
			t.Fatal(err)
		}
		a.close()
		if read > int(taken)+aheadCount*aheadSize {
			t.Errorf("%d bytes were read when %d were taken", read, taken)
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
