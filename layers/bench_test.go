package layers

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/verity"
)

// namedStore makes up digests: it costs nothing, so that what is measured is
// the rest.
type namedStore struct{ n uint64 }

func (s *namedStore) Put([]byte) (verity.Digest, error) {
	s.n++
	var sum [64]byte
	binary.BigEndian.PutUint64(sum[:], s.n*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(sum[32:], s.n)
	return verity.FromBytes(verity.SHA512, sum[:])
}

func (s *namedStore) PutReader(r io.Reader, _ int64) (verity.Digest, error) {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return verity.Digest{}, err
	}
	return s.Put(nil)
}

// osTar makes a tar like the layers of an operating system's image: entries in
// directories of twenty, most of them small files, with a total of size bytes of
// content if size is not 0.
func osTar(tb testing.TB, seed uint64, entries int, size int64) []byte {
	tb.Helper()
	r := rand.New(rand.NewPCG(seed, 5))
	text := make([]byte, 1<<20)
	for i := range text {
		text[i] = byte(r.IntN(20) * r.IntN(12))
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	dir := ""
	for i := range entries {
		h := tar.Header{Typeflag: tar.TypeReg, Mode: 0o644, ModTime: time.Unix(1.7e9, 0)}
		switch {
		case i%20 == 0:
			dir = fmt.Sprintf("usr/share/package-%d-%d", seed, i/200)
			if i%200 != 0 {
				dir += fmt.Sprintf("/subdirectory-%d", i)
			}
			h.Name, h.Typeflag, h.Mode = dir+"/", tar.TypeDir, 0o755
		case i%17 == 0:
			h.Name, h.Typeflag, h.Linkname = fmt.Sprintf("%s/link-%d", dir, i), tar.TypeSymlink, "../target"
		default:
			h.Name, h.Size = fmt.Sprintf("%s/file-%d.txt", dir, i), 65
			if size > 0 { // a few large ones, many small
				mean := float64(size) / float64(entries)
				h.Size = min(int64(r.ExpFloat64()*r.ExpFloat64()*mean), int64(len(text)))
			}
		}
		if err := w.WriteHeader(&h); err != nil {
			tb.Fatal(err)
		}
		at := r.IntN(len(text))
		for left := h.Size; left > 0; at = 0 {
			n, err := w.Write(text[at:min(len(text), at+int(left))])
			if err != nil {
				tb.Fatal(err)
			}
			left -= int64(n)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func compressed(tb testing.TB, c Compression, data []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch c {
	case Uncompressed:
		return data
	case Gzip:
		w = gzip.NewWriter(&b)
	case Zstd:
		var err error
		if w, err = zstd.NewWriter(&b); err != nil {
			tb.Fatal(err)
		}
	}
	if _, err := w.Write(data); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func testRepo(tb testing.TB) *repo.Repo {
	tb.Helper()
	r, _, err := repo.Init(tb.Context(), tb.TempDir()+"/repo", repo.Config{Insecure: true})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { r.Close() })
	return r
}

// BenchmarkImport reads a layer of 64 MiB in one goroutine: into a repository,
// and into a store that costs nothing.
func BenchmarkImport(b *testing.B) {
	data := osTar(b, 1, 2600, 64<<20)
	for _, c := range []Compression{Uncompressed, Gzip, Zstd} {
		blob := compressed(b, c, data)
		b.Run(c.String()+"/repository", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				b.StopTimer()
				r := testRepo(b)
				im := r.NewImporter()
				b.StartTimer()
				if _, err := Import(context.Background(), r, im, bytes.NewReader(blob), ImportOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.String()+"/no store", func(b *testing.B) {
			r := testRepo(b)
			im := r.NewImporter()
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			report := reportCPU(b, len(data))
			defer report()
			for b.Loop() {
				s := r.NewStream(im, oci.ContentTypeLayer)
				if _, err := importLayer(context.Background(), &namedStore{}, s, bytes.NewReader(blob), ImportOptions{}); err != nil {
					b.Fatal(err)
				}
				s.Abort()
			}
		})
	}
}

// benchImage stores the splitstreams of an image of 64 layers and 105,000
// entries.
func benchImage(b *testing.B, r *repo.Repo, layers, entries int) (image []oci.Layer) {
	b.Helper()
	im := r.NewImporter()
	store := &namedStore{}
	for i := range layers {
		s := r.NewStream(im, oci.ContentTypeLayer)
		data := osTar(b, uint64(i), entries/layers, 0)
		if _, err := importLayer(context.Background(), store, s, bytes.NewReader(data), ImportOptions{}); err != nil {
			b.Fatal(err)
		}
		d, err := s.Commit()
		if err != nil {
			b.Fatal(err)
		}
		image = append(image, oci.Layer{Stream: d})
	}
	return image
}

// reportCPU adds the processor time of an operation to the benchmark's report:
// on a busy machine it says more than the wall clock. Of an operation on bytes it
// is how many a processor does in a second.
func reportCPU(b *testing.B, size int) func() {
	cpu := func() time.Duration {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	start := cpu()
	return func() {
		used := float64(cpu()-start) / float64(b.N)
		if size > 0 {
			b.ReportMetric(float64(size)/1e6/(used/1e9), "MB/cpu-s")
		} else {
			b.ReportMetric(used/1e6, "cpu-ms/op")
		}
	}
}

// BenchmarkMerge puts 64 layers with 105,000 entries together.
func BenchmarkMerge(b *testing.B) {
	r := testRepo(b)
	image := benchImage(b, r, 64, 105000)
	b.ReportAllocs()
	report := reportCPU(b, 0)
	defer report()
	for b.Loop() {
		if _, err := Merge(context.Background(), r, image); err != nil {
			b.Fatal(err)
		}
	}
}
