package repo

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/bootc-go/bootc/composefs/verity"
)

// noSync is a kernel that does not sync: no test can pull the plug, and a
// busy machine takes seconds to sync.
func noSync() kernel { return syncWatch(func() error { return nil }) }

// newRepo makes an insecure repository, closed when the test ends.
func newRepo(t testing.TB, alg verity.Algorithm) *Repo { // 0 is the usual algorithm
	t.Helper()
	return initRepo(t, filepath.Join(t.TempDir(), "repo"), Config{Algorithm: alg, Insecure: true}, noSync())
}

func initRepo(t testing.TB, path string, c Config, k kernel) *Repo {
	t.Helper()
	r, _, err := initialize(t.Context(), path, c, k)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func openRepo(t testing.TB, path string, o OpenOptions) *Repo {
	t.Helper()
	r, err := Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// randomBytes returns n bytes that depend on seed alone.
func randomBytes(seed uint64, n int) []byte {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	b := make([]byte, n)
	rand.NewChaCha8(key).Read(b)
	return b
}

func put(t testing.TB, im *Importer, data []byte) verity.Digest {
	t.Helper()
	d, err := im.Put(data)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// putStream stores a splitstream with an inline head and one external object.
func putStream(t testing.TB, r *Repo, seed uint64, named ...NamedRef) verity.Digest {
	t.Helper()
	im := r.NewImporter()
	data := randomBytes(seed, 5000)
	w := r.NewStream(im, 7)
	w.WriteInline([]byte("head"))
	w.WriteExternal(put(t, im, data), int64(len(data)))
	for _, n := range named {
		w.AddNamedRef(n.Name, n.Digest)
	}
	d, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// check fails the test unless the repository is clean.
func check(t testing.TB, r *Repo) {
	t.Helper()
	report, err := r.Fsck(context.Background(), FsckOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !report.OK() {
		t.Fatalf("damaged:\n%s", report)
	}
}

func gc(t testing.TB, r *Repo, roots ...string) GCResult {
	t.Helper()
	res, err := r.GC(context.Background(), GCOptions{Roots: roots})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

func wantFailure(t testing.TB, what string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
	}
}

// files lists everything below the repository but directories.
func files(t testing.TB, r *Repo) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(r.Path(), func(p string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(r.Path(), p)
			all = append(all, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

func objectFile(r *Repo, d verity.Digest) string { return filepath.Join(r.Path(), objectPath(d)) }

func mustNil(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	mustNil(t, err)
	return b
}

// allocated returns how many bytes fn allocates, in all.
func allocated(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
