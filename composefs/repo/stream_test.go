package repo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/internal/testtool"
)

// unzstd is what zstd(1) makes of data.
func unzstd(t testing.TB, data []byte) []byte {
	t.Helper()
	cmd := exec.Command(testtool.Path(t, "zstd"), "-dcq")
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	mustNil(t, err)
	return out
}

func le64(ns ...int64) []byte {
	var b []byte
	for _, n := range ns {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	return b
}

// TestStreamBytes compares a splitstream with one composed by hand, byte for
// byte but for the compressed sections, which zstd decompresses.
func TestStreamBytes(t *testing.T) {
	for _, alg := range []verity.Algorithm{verity.SHA256, verity.SHA512} {
		r := newRepo(t, alg)
		im := r.NewImporter()
		a, b := put(t, im, []byte("object a")), put(t, im, []byte("object bb"))
		x, y := verity.Sum(alg, []byte("x")), verity.Sum(alg, []byte("y"))
		w := r.NewStream(im, 0x1122334455667788)
		w.WriteInline([]byte("one"))
		w.WriteInline(nil)
		w.WriteInline([]byte("two"))
		w.WriteExternal(b, 9)
		w.WriteExternal(a, 8)
		w.WriteExternal(b, 9)
		w.WriteInline([]byte("end"))
		w.AddObjectRef(x)
		w.AddObjectRef(a)
		w.AddNamedRef("zz", y)
		w.AddNamedRef("last", b)
		w.AddNamedRef("name:with:colons", x)
		w.AddNamedRef("last", y)
		d, err := w.Commit()
		mustNil(t, err)
		got := readFile(t, objectFile(r, d))

		size := int64(alg.Size())
		refs := 112 + 2*size   // after header, info and the two streams
		named := refs + 3*size // after the three objects
		compressed := got[named:]
		frame := int64(len(compressed)) - int64(bytes.LastIndex(compressed, []byte{0x28, 0xb5, 0x2f, 0xfd}))
		stream := int64(len(got)) - frame
		want := append([]byte("SplitStream\x00\x00\x00"), byte(alg), 12)
		want = append(want, le64(32, 112, 112, refs, refs, named, stream, stream+frame, named, stream)...)
		want = append(want, le64(0x1122334455667788, 3+3+9+8+9+3)...)
		for _, d := range []verity.Digest{y, x, b, a, x} {
			want = append(want, d.Bytes()...)
		}
		if diff := cmp.Diff(want, got[:named]); diff != "" {
			t.Errorf("%s: uncompressed part (-want +got):\n%s", alg, diff)
		}
		if got, want := string(unzstd(t, got[named:stream])), "0:last\x001:name:with:colons\x000:zz\x00"; got != want {
			t.Errorf("%s: named references %q, want %q", alg, got, want)
		}
		chunks := append(le64(-6), "onetwo"...)
		chunks = append(chunks, le64(0, 1, 0, -3)...)
		chunks = append(chunks, "end"...)
		if diff := cmp.Diff(chunks, unzstd(t, got[stream:])); diff != "" {
			t.Errorf("%s: chunks (-want +got):\n%s", alg, diff)
		}
	}
}

// TestEmptyStream: an empty section is a zstd frame all the same.
func TestEmptyStream(t *testing.T) {
	r := newRepo(t, 0)
	d, err := r.NewStream(r.NewImporter(), 0).Commit()
	mustNil(t, err)
	if got := unzstd(t, readFile(t, objectFile(r, d))[112:]); len(got) > 0 {
		t.Errorf("sections hold %q", got)
	}
	s, err := r.OpenStreamObject(d)
	mustNil(t, err)
	defer s.Close()
	if s.Size() != 0 || len(s.ObjectRefs()) > 0 || len(s.NamedRefs()) > 0 {
		t.Errorf("size %d, refs %v, %v", s.Size(), s.ObjectRefs(), s.NamedRefs())
	}
	if _, err := s.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("Next: %v", err)
	}
}

// script is a random series of writes to a stream, and what they add up to.
type script struct {
	content []byte
	objects map[verity.Digest]bool
	named   map[string]verity.Digest
}

// run writes inline runs of all sizes, those included that become frames of
// their own.
func (s *script) run(t testing.TB, r *Repo, seed uint64) verity.Digest {
	rng := rand.New(rand.NewPCG(seed, 0))
	im := r.NewImporter()
	w := r.NewStream(im, seed)
	s.objects, s.named = map[verity.Digest]bool{}, map[string]verity.Digest{}
	for i := range rng.IntN(20) {
		switch rng.IntN(4) {
		case 0:
			p := randomBytes(rng.Uint64N(5), []int{1, 512, 100_000, longInline - 1, longInline, longInline + 1}[rng.IntN(6)])
			mustNil(t, w.WriteInline(p))
			s.content = append(s.content, p...)
		case 1:
			p := make([]byte, 512*rng.IntN(4))
			mustNil(t, w.WriteInline(p))
			s.content = append(s.content, p...)
		case 2:
			p := randomBytes(rng.Uint64N(10), 65+rng.IntN(3))
			d := put(t, im, p)
			mustNil(t, w.WriteExternal(d, int64(len(p))))
			s.content = append(s.content, p...)
			s.objects[d] = true
		case 3:
			d := put(t, im, randomBytes(rng.Uint64N(10), 10))
			name := fmt.Sprintf("ref %d", i%7)
			mustNil(t, w.AddNamedRef(name, d))
			s.named[name] = d
		}
	}
	d, err := w.Commit()
	mustNil(t, err)
	return d
}

func TestStreamRoundTrip(t *testing.T) {
	r := newRepo(t, 0)
	for seed := range uint64(20) {
		var want script
		d := want.run(t, r, seed)
		s, err := r.OpenStreamObject(d)
		mustNil(t, err)
		var got bytes.Buffer
		mustNil(t, s.Cat(&got))
		if !bytes.Equal(got.Bytes(), want.content) {
			t.Errorf("seed %d: %d bytes come back, %d went in", seed, got.Len(), len(want.content))
		}
		if s.ContentType() != seed || s.Size() != uint64(len(want.content)) || s.Digest() != d {
			t.Errorf("seed %d: type %d, size %d, digest %s", seed, s.ContentType(), s.Size(), s.Digest())
		}
		objects, named := map[verity.Digest]bool{}, map[string]verity.Digest{}
		for _, o := range s.ObjectRefs() {
			objects[o] = true
		}
		for _, n := range s.NamedRefs() {
			named[n.Name] = n.Digest
			if d, ok := s.NamedRef(n.Name); !ok || d != n.Digest {
				t.Errorf("seed %d: NamedRef(%s) is %s, %v", seed, n.Name, d, ok)
			}
		}
		if fmt.Sprint(objects) != fmt.Sprint(want.objects) || fmt.Sprint(named) != fmt.Sprint(want.named) {
			t.Errorf("seed %d: refs differ", seed)
		}
		if _, ok := s.NamedRef("absent"); ok {
			t.Error("a reference that is not there")
		}
		var again script
		if e := again.run(t, r, seed); e != d {
			t.Errorf("seed %d: writing it again makes another splitstream", seed)
		}
		s.Close()
		_, err = s.Next()
		wantFailure(t, "Next after Close", err)
	}
	check(t, r)
}

// TestNextDoesNotJoinChunks: what stands between two objects comes alone.
func TestNextDoesNotJoinChunks(t *testing.T) {
	r := newRepo(t, 0)
	im := r.NewImporter()
	a, b := put(t, im, []byte("a")), put(t, im, []byte("b"))
	w := r.NewStream(im, 0)
	w.WriteExternal(a, 1)
	w.WriteInline([]byte("between"))
	w.WriteExternal(b, 1)
	w.WriteExternal(a, 1)
	d, err := w.Commit()
	mustNil(t, err)
	s, err := r.OpenStreamObject(d)
	mustNil(t, err)
	defer s.Close()
	got := ""
	for {
		c, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		mustNil(t, err)
		got += fmt.Sprintf("%s%.8s ", c.Inline, c.External)
	}
	if want := fmt.Sprintf("%.8s between %.8s %.8s ", a, b, a); got != want {
		t.Errorf("chunks %s, want %s", got, want)
	}
}

// TestEmptyObjects: a stream may hold objects of no bytes, and nothing else.
func TestEmptyObjects(t *testing.T) {
	r := newRepo(t, 0)
	im := r.NewImporter()
	empty := put(t, im, nil)
	for _, head := range []string{"", "head"} {
		w := r.NewStream(im, 0)
		mustNil(t, w.WriteInline([]byte(head)))
		mustNil(t, w.WriteExternal(empty, 0))
		mustNil(t, w.WriteExternal(empty, 0))
		d, err := w.Commit()
		mustNil(t, err)
		s, err := r.OpenStreamObject(d)
		mustNil(t, err)
		var out bytes.Buffer
		if err := s.Cat(&out); err != nil || out.String() != head || len(s.ObjectRefs()) != 1 {
			t.Errorf("%q, %v, objects %v; want %q", out.String(), err, s.ObjectRefs(), head)
		}
		s.Close()
	}
	raw := sound()
	raw.size, raw.stream = 0, le64(0)
	if n, err := readAll(raw.encode(nil)); n != 0 || err != nil {
		t.Errorf("one empty object: %d, %v", n, err)
	}
}

// TestCatChecksTheSize: an object that has changed since, or a claim that was
// wrong from the start.
func TestCatChecksTheSize(t *testing.T) {
	for claim, ok := range map[int64]bool{999: false, 1000: true, 1001: false} {
		r := newRepo(t, 0)
		im := r.NewImporter()
		w := r.NewStream(im, 0)
		w.WriteExternal(put(t, im, randomBytes(1, 1000)), claim)
		w.WriteInline([]byte("tail"))
		d, err := w.Commit()
		mustNil(t, err)
		s, err := r.OpenStreamObject(d)
		mustNil(t, err)
		var out bytes.Buffer
		err = s.Cat(&out)
		if ok != (err == nil) || !ok && !errors.Is(err, ErrDamaged) {
			t.Errorf("claim of %d: error %v", claim, err)
		}
		s.Close()
	}
}

func TestCatErrors(t *testing.T) {
	r := newRepo(t, 0)
	im := r.NewImporter()
	gone := put(t, im, []byte("gone"))
	w := r.NewStream(im, 0)
	w.WriteInline([]byte("head"))
	w.WriteExternal(gone, 4)
	d, err := w.Commit()
	mustNil(t, err)
	mustNil(t, os.Remove(objectFile(r, gone)))
	boom := errors.New("boom")
	for want, w := range map[error]io.Writer{ErrNotFound: io.Discard, boom: errWriter{boom}} {
		s, err := r.OpenStreamObject(d)
		mustNil(t, err)
		wantError(t, s.Cat(w), want)
		s.Close()
	}
}

type errWriter struct{ error }

func (w errWriter) Write([]byte) (int, error) { return 0, w.error }

func TestStreamWriterErrors(t *testing.T) {
	r := newRepo(t, 0)
	d := put(t, r.NewImporter(), []byte("data"))
	for what, call := range map[string]func(w *StreamWriter) error{
		"negative size": func(w *StreamWriter) error { return w.WriteExternal(d, -1) },
		"NUL in a name": func(w *StreamWriter) error { return w.AddNamedRef("a\x00b", d) },
		"long named references": func(w *StreamWriter) error {
			w.AddNamedRef(strings.Repeat("x", maxNamedRefs), d)
			_, err := w.Commit()
			return err
		},
		"WriteInline at the end": func(w *StreamWriter) error { w.Abort(); return w.WriteInline([]byte("x")) },
		"Commit at the end":      func(w *StreamWriter) error { w.Commit(); _, err := w.Commit(); return err },
	} {
		w := r.NewStream(r.NewImporter(), 0)
		wantFailure(t, what, call(w))
		w.Abort()
		w.Abort()
	}
}

// TestManyNamedRefs: what the writer takes the reader takes.
func TestManyNamedRefs(t *testing.T) {
	r := newRepo(t, 0)
	d := put(t, r.NewImporter(), []byte("data"))
	w := r.NewStream(r.NewImporter(), 0)
	for i := range maxNamedCount {
		mustNil(t, w.AddNamedRef(fmt.Sprintf("%06d", i), d))
	}
	d, err := w.Commit()
	mustNil(t, err)
	s, err := r.OpenStreamObject(d)
	mustNil(t, err)
	defer s.Close()
	if len(s.NamedRefs()) != maxNamedCount {
		t.Errorf("%d named references", len(s.NamedRefs()))
	}
	w = r.NewStream(r.NewImporter(), 0)
	for i := range maxNamedCount {
		w.AddNamedRef(fmt.Sprintf("%06d", i), d)
	}
	wantFailure(t, "one more", w.AddNamedRef("more", d))
}

// TestStreamWriterMemory: bytes that do not compress are held once.
func TestStreamWriterMemory(t *testing.T) {
	r := newRepo(t, 0)
	im := r.NewImporter()
	p := randomBytes(1, 32<<20)
	write := func(pieces int) {
		w := r.NewStream(im, 0)
		for piece := range slices.Chunk(p, len(p)/pieces) {
			mustNil(t, w.WriteInline(piece))
			mustNil(t, w.WriteExternal(verity.Sum(r.Algorithm(), nil), 1))
		}
		_, err := w.Commit()
		mustNil(t, err)
	}
	for _, pieces := range []int{1, 128} {
		write(pieces) // makes the encoders
		got := allocated(func() { write(pieces) })
		if limit := uint64(len(p)) * 5 / 4; got > limit {
			t.Errorf("%d pieces: %d bytes allocated for %d", pieces, got, len(p))
		}
	}
}

func TestStreamWriterBound(t *testing.T) {
	r := newRepo(t, 0)
	p := randomBytes(1, 16<<20)
	for what, between := range map[string]bool{"one run": false, "many runs": true} {
		w := r.NewStream(r.NewImporter(), 0)
		var err error
		for n := 0; err == nil && n < maxStreamMemory/len(p)+1; n++ {
			err = w.WriteInline(p)
			if between && err == nil {
				err = w.WriteExternal(verity.Sum(r.Algorithm(), nil), 1)
			}
		}
		if err == nil {
			_, err = w.Commit()
		}
		if err == nil || !strings.Contains(err.Error(), "more than") {
			t.Errorf("%s: error %v", what, err)
		}
		w.Abort()
	}
}

func TestOpenStream(t *testing.T) {
	r := newRepo(t, 0)
	d := putStream(t, r, 1)
	mustNil(t, r.LinkStream("oci-layer-sha256:abc", d))
	mustNil(t, r.SetStreamRef("oci/a%2Fb:1", "oci-layer-sha256:abc"))
	for _, name := range []string{"oci-layer-sha256:abc", "refs/oci/a%2Fb:1", d.String()} {
		s, err := r.OpenStream(name)
		mustNil(t, err)
		if s.Digest() != d {
			t.Errorf("%s: digest %s", name, s.Digest())
		}
		s.Close()
	}
	for name, want := range map[string]error{
		"absent":      ErrNotFound,
		"refs/absent": ErrNotFound,
		verity.Sum(r.Algorithm(), []byte("absent")).String(): ErrNotFound,
		"refs/../../meta.json":                               nil,
		"../meta.json":                                       nil,
		"":                                                   nil,
	} {
		_, err := r.OpenStream(name)
		if err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%q: error %v", name, err)
		}
	}
	plain := put(t, r.NewImporter(), randomBytes(1, 500))
	_, err := r.OpenStreamObject(plain)
	wantError(t, err, ErrDamaged)
}

// TestStreamsAreVerified: a splitstream that is not what its name says is not
// read, for it would say what is garbage.
func TestStreamsAreVerified(t *testing.T) {
	r := newRepo(t, 0)
	d := putStream(t, r, 1)
	data := readFile(t, objectFile(r, d))
	data[len(data)-1] ^= 1
	mustNil(t, os.WriteFile(objectFile(r, d), data, 0o644))
	_, err := r.OpenStreamObject(d)
	wantError(t, err, ErrDamaged)
}
