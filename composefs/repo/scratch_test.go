package repo

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/composefs/verity"
)

// TestScratch stores beside a repository what it has and what it has not.
func TestScratch(t *testing.T) {
	t.Parallel()
	real := newRepo(t, 0)
	shared := randomBytes(1, 3000)
	d := put(t, real.NewImporter(), shared)
	stream := putStream(t, real, 2)
	for _, err := range []error{real.LinkStream("old", stream), real.SetStreamRef("oci/tag", "old")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	before := snapshot(t, real.Path())
	r, err := openRepo(t, real.Path(), OpenOptions{NoLock: true}).Scratch(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()

	im := r.NewImporter()
	put(t, im, shared)
	fresh := put(t, im, randomBytes(3, 5000))
	if got, want := im.Stats(), (ImportStats{1, 5000, 1, 3000}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
	newer := putStream(t, r, 4)
	for _, err := range []error{r.LinkStream("new", newer), r.LinkStream("old", newer), r.SetStreamRef("oci/more", "new")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := contentOf(t, r, d); !bytes.Equal(got, shared) {
		t.Error("the content of an object of the repository is another one")
	}
	for _, s := range []verity.Digest{stream, newer} {
		f, err := r.OpenStreamObject(s)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	if got, ok, err := r.LookupStream("old"); got != newer || !ok || err != nil {
		t.Errorf("the link that was replaced leads to %s, %v, %v", got, ok, err)
	}
	links, err := r.Streams()
	if err != nil || len(links) != 2 {
		t.Errorf("links %v, %v", links, err)
	}
	refs, err := r.StreamRefs("oci")
	if want := []Ref{{"oci/more", "new"}, {"oci/tag", "old"}}; err != nil || !slices.Equal(refs, want) {
		t.Errorf("refs %v, %v", refs, err)
	}
	absent := verity.Sum(r.Algorithm(), []byte("absent"))
	if missing, err := r.Missing([]verity.Digest{d, fresh, absent}); err != nil || !slices.Equal(missing, []verity.Digest{absent}) {
		t.Errorf("missing %v, %v", missing, err)
	}
	sizes := map[verity.Digest]int64{}
	if err := r.Stored(func(d verity.Digest, size int64) { sizes[d] = size }); err != nil {
		t.Fatal(err)
	}
	if sizes[fresh] != 5000 || sizes[newer] == 0 || len(sizes) != 3 {
		t.Errorf("stored: %v", sizes)
	}
	if _, err := r.GC(t.Context(), GCOptions{}); !errors.Is(err, errScratch) {
		t.Errorf("GC: %v", err)
	}
	if diff := cmp.Diff(before, snapshot(t, real.Path())); diff != "" {
		t.Errorf("the repository changed:\n%s", diff)
	}
}

// TestScratchManyObjects looks for more objects than are looked up one by one.
func TestScratchManyObjects(t *testing.T) {
	t.Parallel()
	real := newRepo(t, 0)
	r, err := real.Scratch(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var there, all []verity.Digest
	for i := range 20000 { // 78 for each first byte
		d := verity.Sum(r.Algorithm(), []byte{byte(i), byte(i >> 8)})
		if all = append(all, d); i%400 == 0 {
			there = append(there, d)
			im := []*Importer{real.NewImporter(), r.NewImporter()}[i/400%2]
			put(t, im, []byte{byte(i), byte(i >> 8)})
		}
	}
	missing, err := r.Missing(all)
	if err != nil || len(missing) != len(all)-len(there) {
		t.Errorf("%d of %d are missing, %v; %d are there", len(missing), len(all), err, len(there))
	}
}

func contentOf(t *testing.T, r *Repo, d verity.Digest) []byte {
	t.Helper()
	f, err := r.OpenObject(d)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// snapshot is what is below a directory, with sizes and targets.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := e.Info()
		if err != nil {
			return err
		}
		out[path] = st.Mode().String() + st.ModTime().String()
		if e.Type() == os.ModeSymlink {
			out[path], err = os.Readlink(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
