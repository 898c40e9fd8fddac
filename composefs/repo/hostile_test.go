package repo

import (
	"bytes"
	"errors"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/bootc-go/bootc/composefs/verity"
)

// rawStream is a splitstream taken apart, to be put together wrongly.
type rawStream struct {
	header        []byte    // before the info range
	ranges        [10]int64 // info, stream refs, object refs, stream, named refs
	contentType   int64
	size          int64
	refs          []byte // stream and object references
	named, stream []byte // not yet compressed
}

// sound is a splitstream without damage: "head", an object of 9 bytes, and a
// named reference.
func sound() *rawStream {
	d := verity.Sum(verity.SHA256, []byte("object"))
	return &rawStream{
		header: []byte("SplitStream\x00\x00\x00\x01\x0c"),
		size:   13,
		refs:   append(d.Bytes(), d.Bytes()...),
		named:  []byte("0:name\x00"),
		stream: slices.Concat(le64(-4), []byte("head"), le64(0)),
	}
}

func compress(data []byte) []byte {
	w, _ := zstd.NewWriter(nil, zstd.WithZeroFrames(true))
	defer w.Close()
	return w.EncodeAll(data, []byte{})
}

// encode puts it together; edit may spoil the ranges.
func (s *rawStream) encode(edit func(ranges *[10]int64)) []byte {
	named, stream := compress(s.named), compress(s.stream)
	half := int64(len(s.refs) / 2)
	end := int64(112)
	place := func(n int64) (from, to int64) { end += n; return end - n, end }
	r := &s.ranges
	r[0], r[1] = 32, 112
	r[2], r[3] = place(half)
	r[4], r[5] = place(half)
	r[8], r[9] = place(int64(len(named)))
	r[6], r[7] = place(int64(len(stream)))
	if edit != nil {
		edit(r)
	}
	return slices.Concat(s.header, le64(r[:]...), le64(s.contentType, s.size), s.refs, named, stream)
}

// oldOrder gives the header the order that it had before composefs-rs fixed
// it.
func oldOrder(b []byte) []byte {
	return slices.Concat(b[16:32], b[12:14], b[:12], b[14:16], b[32:])
}

// readAll opens the splitstream and reads all chunks.
func readAll(data []byte) (inline int, err error) {
	r := &Repo{alg: verity.SHA256}
	s, err := r.readStream(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return 0, err
	}
	defer s.Close()
	for {
		c, err := s.Next()
		if errors.Is(err, io.EOF) {
			return inline, nil
		}
		if err != nil {
			return inline, err
		}
		inline += len(c.Inline)
	}
}

func TestSoundStream(t *testing.T) {
	for what, data := range map[string][]byte{"new": sound().encode(nil), "old": oldOrder(sound().encode(nil))} {
		if n, err := readAll(data); n != 4 || err != nil {
			t.Errorf("%s order: %d bytes, %v", what, n, err)
		}
	}
}

// TestLargerInfo: a later version may append to the info section, and put
// sections in any order.
func TestLargerInfo(t *testing.T) {
	b := sound().encode(func(r *[10]int64) {
		r[1] += 16
		for i := 2; i < 10; i++ {
			r[i] += 16
		}
	})
	if n, err := readAll(slices.Concat(b[:112], make([]byte, 16), b[112:])); n != 4 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestHostileStreams(t *testing.T) {
	edit := func(f func(r *[10]int64)) []byte { return sound().encode(f) }
	with := func(f func(s *rawStream)) []byte {
		s := sound()
		f(s)
		return s.encode(nil)
	}
	whole := sound().encode(nil)
	for what, data := range map[string][]byte{
		"empty":             {},
		"header alone":      whole[:32],
		"half an info":      whole[:80],
		"truncated":         whole[:len(whole)-1],
		"no magic":          with(func(s *rawStream) { s.header[3] ^= 1 }),
		"version":           with(func(s *rawStream) { s.header[11] = 1 }),
		"other algorithm":   with(func(s *rawStream) { s.header[14] = 2 }),
		"unknown algorithm": with(func(s *rawStream) { s.header[14] = 77 }),
		"block size":        with(func(s *rawStream) { s.header[15] = 16 }),

		"info too short":          edit(func(r *[10]int64) { r[1]-- }),
		"info inverted":           edit(func(r *[10]int64) { r[0], r[1] = r[1], r[0] }),
		"info beyond the end":     edit(func(r *[10]int64) { r[1] = 1 << 40 }),
		"info everywhere":         edit(func(r *[10]int64) { r[0], r[1] = 0, -1 }),
		"info over the header":    edit(func(r *[10]int64) { r[0] = 16 }),
		"section inverted":        edit(func(r *[10]int64) { r[2], r[3] = r[3], r[2] }),
		"section of 2^63":         edit(func(r *[10]int64) { r[4], r[5] = 0, math.MaxInt64 }),
		"section of 2^64":         edit(func(r *[10]int64) { r[4], r[5] = 0, -1 }),
		"section beyond the end":  edit(func(r *[10]int64) { r[7]++ }),
		"sections overlap":        edit(func(r *[10]int64) { r[4] -= 32 }),
		"sections the same":       edit(func(r *[10]int64) { r[6], r[7] = r[8], r[9] }),
		"section over the header": edit(func(r *[10]int64) { r[2], r[3] = 0, 32 }),
		"uneven references":       edit(func(r *[10]int64) { r[3]-- }),
		"no object":               edit(func(r *[10]int64) { r[5] = r[4] }),
		"no stream referred to":   edit(func(r *[10]int64) { r[3] = r[2] }),
		"no zstd":                 edit(func(r *[10]int64) { r[6]++ }),
		"half of the zstd":        edit(func(r *[10]int64) { r[7] -= 4 }),
		"no zstd for the names":   edit(func(r *[10]int64) { r[8]++ }),

		"name without end":       with(func(s *rawStream) { s.named = []byte("0:a\x000:b") }),
		"name without index":     with(func(s *rawStream) { s.named = []byte(":a\x00") }),
		"name without colon":     with(func(s *rawStream) { s.named = []byte("0\x00") }),
		"index out of range":     with(func(s *rawStream) { s.named = []byte("1:a\x00") }),
		"huge index":             with(func(s *rawStream) { s.named = []byte("99999999999999999999:a\x00") }),
		"negative index":         with(func(s *rawStream) { s.named = []byte("-1:a\x00") }),
		"name twice":             with(func(s *rawStream) { s.named = []byte("0:a\x000:a\x00") }),
		"name that is not UTF-8": with(func(s *rawStream) { s.named = []byte("0:\xff\x00") }),
		"names without end":      with(func(s *rawStream) { s.named = bytes.Repeat([]byte("0:name\x00"), maxNamedRefs/7+1) }),

		"half a prefix":         with(func(s *rawStream) { s.stream = append(s.stream, 0, 0, 0) }),
		"object out of range":   with(func(s *rawStream) { s.stream = le64(1) }),
		"object 2^63-1":         with(func(s *rawStream) { s.stream = le64(math.MaxInt64) }),
		"chunk cut short":       with(func(s *rawStream) { s.stream = append(le64(-4), "he"...) }),
		"chunk without content": with(func(s *rawStream) { s.stream = le64(-4) }),
		"chunk of 2^63":         with(func(s *rawStream) { s.stream = append(le64(math.MinInt64), "x"...) }),
		"chunk of 10 GiB":       with(func(s *rawStream) { s.stream = append(le64(-10<<30), "x"...) }),
		"more than the size":    with(func(s *rawStream) { s.size = 3 }),
		"chunks more than size": with(func(s *rawStream) { s.stream = bytes.Repeat(append(le64(-4), "head"...), 4) }),
		"objects and bytes more than size": with(func(s *rawStream) {
			s.stream = slices.Concat(le64(-4), []byte("head"), make([]byte, 8*10))
		}),
		"bytes after objects more than size": with(func(s *rawStream) {
			s.stream = slices.Concat(make([]byte, 8*10), le64(-4), []byte("head"))
		}),
		"objects more than size": with(func(s *rawStream) { s.stream = make([]byte, 8*15) }),
		"less than the size":     with(func(s *rawStream) { s.stream = append(le64(-4), "head"...) }),
		"nothing of the size":    with(func(s *rawStream) { s.stream = nil }),
	} {
		t.Run(what, func(t *testing.T) {
			for name, data := range map[string][]byte{"new": data, "old": data} {
				if name == "old" {
					if len(data) < 32 {
						continue
					}
					data = oldOrder(data)
				}
				n, err := readAll(data)
				if !errors.Is(err, ErrDamaged) {
					t.Errorf("%s order: error %v", name, err)
				}
				if n > 13 {
					t.Errorf("%s order: %d bytes of a stream of 13", name, n)
				}
				if err != nil && strings.Contains(err.Error(), "internal error") {
					t.Error(err)
				}
			}
		})
	}
}

// TestBombs: what claims much or decompresses to much takes little memory.
func TestBombs(t *testing.T) {
	zeros := make([]byte, 64<<20)
	inline := sound()
	inline.size, inline.stream = 1<<40, append(le64(-1<<40), zeros...)
	names := sound()
	names.named = append([]byte("0:"), zeros...)
	many := sound()
	many.named = bytes.Repeat([]byte("0:\x00"), 5_600_000)
	within := sound()
	within.named = bytes.Repeat([]byte("0:\x00"), maxNamedRefs/3)
	for what, data := range map[string][]byte{
		"many":   many.encode(nil),
		"within": within.encode(nil),
		"inline": inline.encode(nil),
		"names":  names.encode(nil),
		"claims": sound().encode(func(r *[10]int64) { r[5] = 1 << 34 }),
	} {
		if len(data) > 100_000 {
			t.Fatalf("%s: %d bytes", what, len(data))
		}
		got := allocated(func() {
			if _, err := readAll(data); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: error %v", what, err)
			}
		})
		if limit := uint64(8 * maxNamedRefs); got > limit {
			t.Errorf("%s: %d bytes allocated", what, got)
		}
	}
}

// FuzzStreamReader reads anything as a splitstream. What can be read is
// written again, and must come out the same.
func FuzzStreamReader(f *testing.F) {
	for _, data := range [][]byte{sound().encode(nil), oldOrder(sound().encode(nil)), {}, sound().encode(nil)[:100]} {
		f.Add(data)
	}
	empty := &rawStream{header: sound().header}
	f.Add(empty.encode(nil))
	for _, name := range fixtureStreams(f) {
		f.Add(name)
	}
	target := newRepo(f, verity.SHA256)
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := (&Repo{alg: verity.SHA256}).readStream(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		defer s.Close()
		w := target.NewStream(target.NewImporter(), s.ContentType())
		defer w.Abort()
		var chunks, total uint64
		for {
			c, err := s.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return
			}
			if chunks++; chunks > 100_000 {
				return // sizes may be claimed as one likes
			}
			total += uint64(len(c.Inline))
			if total > s.Size() {
				t.Fatalf("%d inline bytes of a stream of %d", total, s.Size())
			}
			if c.External.IsZero() {
				mustNil(t, w.WriteInline(c.Inline))
			} else {
				mustNil(t, w.WriteExternal(c.External, 1))
			}
		}
		for _, n := range s.NamedRefs() {
			mustNil(t, w.AddNamedRef(n.Name, n.Digest))
		}
		compareStreams(t, target, w, s)
	})
}

// compareStreams commits w and compares its references with those of s.
func compareStreams(t *testing.T, r *Repo, w *StreamWriter, s *StreamReader) {
	d, err := w.Commit()
	mustNil(t, err)
	again, err := r.OpenStreamObject(d)
	mustNil(t, err)
	defer again.Close()
	if !slices.Equal(again.NamedRefs(), s.NamedRefs()) {
		t.Errorf("named references %v were %v", again.NamedRefs(), s.NamedRefs())
	}
	for _, o := range again.ObjectRefs() {
		if !slices.Contains(s.ObjectRefs(), o) {
			t.Errorf("object %s comes from nowhere", o)
		}
	}
}

// fixtureStreams returns the splitstreams that composefs-rs wrote.
func fixtureStreams(t testing.TB) [][]byte {
	r := openRepo(t, unpack(t, "cfsctl-sha256.tar.gz"), OpenOptions{})
	links, err := r.Streams()
	mustNil(t, err)
	var all [][]byte
	for _, l := range links {
		all = append(all, readFile(t, filepath.Join(r.Path(), objectPath(l.Digest))))
	}
	return all
}
