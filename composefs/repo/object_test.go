package repo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/internal/testtool"
)

// sizes stand around the boundaries of blocks, of the Merkle tree and of
// PutReader.
var sizes = []int{0, 1, 64, 65, 4095, 4096, 4097, 64 * 4096, 64*4096 + 1, smallObject - 1, smallObject, smallObject + 1, 3*smallObject + 7}

// fsverity is the digest that the kernel's own tool computes.
func fsverity(t testing.TB, alg verity.Algorithm, file string) string {
	t.Helper()
	out, err := exec.Command(testtool.Path(t, "fsverity"), "digest", "--compact", "--hash-alg="+alg.String(), file).Output()
	mustNil(t, err)
	return strings.TrimSpace(string(out))
}

func TestObjectsAreNamedByTheirDigest(t *testing.T) {
	everywhere(t, func(t *testing.T, r *Repo) {
		im := r.NewImporter()
		for i, size := range sizes {
			data := randomBytes(uint64(i), size)
			d := put(t, im, data)
			e, err := im.PutReader(bytes.NewReader(data), int64(size))
			mustNil(t, err)
			if d != e {
				t.Errorf("size %d: Put gives %s, PutReader %s", size, d, e)
			}
			file := objectFile(r, d)
			if got := readFile(t, file); !bytes.Equal(got, data) {
				t.Errorf("size %d: object holds other data", size)
			}
			if want := fsverity(t, r.Algorithm(), file); d.String() != want {
				t.Errorf("size %d: digest %s, fsverity says %s", size, d, want)
			}
		}
		if s := im.Stats(); s.Objects != int64(len(sizes)) || s.ReusedObjects != s.Objects || s.ReusedBytes != s.Bytes || s.Bytes == 0 {
			t.Errorf("stats %+v", s)
		}
		if got := len(files(t, r)); got != len(sizes)+1 {
			t.Errorf("%d files, want %d objects and meta.json", got, len(sizes))
		}
		check(t, r)
	})
}

func TestPutReaderFirst(t *testing.T) {
	everywhere(t, func(t *testing.T, r *Repo) {
		im := r.NewImporter()
		for i, size := range sizes {
			data := randomBytes(uint64(i), size)
			d, err := im.PutReader(iotest.HalfReader(bytes.NewReader(data)), int64(size))
			mustNil(t, err)
			if want := verity.Sum(r.Algorithm(), data); d != want || !bytes.Equal(readFile(t, objectFile(r, d)), data) {
				t.Errorf("size %d: digest %s, want %s", size, d, want)
			}
		}
		check(t, r)
	})
}

func TestPutReaderOfWrongSizeLeavesNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, r *Repo) {
		im := r.NewImporter()
		boom := errors.New("boom")
		for _, size := range []int{1000, 2 * smallObject} {
			data := randomBytes(1, size)
			for what, c := range map[string]struct {
				r    io.Reader
				size int
				want error
			}{
				"too short":   {bytes.NewReader(data), size + 1, io.ErrUnexpectedEOF},
				"too long":    {bytes.NewReader(data), size - 1, nil},
				"empty":       {bytes.NewReader(nil), size, io.ErrUnexpectedEOF},
				"broken":      {io.MultiReader(bytes.NewReader(data[:size/2]), iotest.ErrReader(boom)), size, boom},
				"broken late": {io.MultiReader(bytes.NewReader(data), iotest.ErrReader(boom)), size, boom},
				"negative":    {bytes.NewReader(data), -1, nil},
			} {
				_, err := im.PutReader(c.r, int64(c.size))
				if err == nil || c.want != nil && !errors.Is(err, c.want) {
					t.Errorf("%s: error %v, want %v", what, err, c.want)
				}
			}
		}
		if got := fmt.Sprint(files(t, r)); got != "[meta.json]" {
			t.Errorf("files left: %s", got)
		}
		if im.Stats() != (ImportStats{}) {
			t.Errorf("stats %+v", im.Stats())
		}
	})
}

// TestHugeClaimAllocatesNothing stores an object that claims 10 GiB.
func TestHugeClaimAllocatesNothing(t *testing.T) {
	im := newRepo(t, verity.SHA512).NewImporter()
	im.PutReader(strings.NewReader(""), 0) // its buffer
	got := allocated(func() {
		_, err := im.PutReader(strings.NewReader("x"), 10<<30)
		wantError(t, err, io.ErrUnexpectedEOF)
	})
	if got > 64<<10 {
		t.Errorf("%d bytes allocated", got)
	}
}

// TestDamagedObjectsAreReplaced: what a power cut leaves, or somebody's
// carelessness, does not pass for the object.
func TestDamagedObjectsAreReplaced(t *testing.T) {
	data := randomBytes(1, 10_000)
	for what, damage := range map[string]func(file string) error{
		"empty":     func(file string) error { return os.Truncate(file, 0) },
		"truncated": func(file string) error { return os.Truncate(file, 4096) },
		"extended":  func(file string) error { return os.Truncate(file, 20_000) },
		"symbolic link": func(file string) error {
			return errors.Join(os.Remove(file), os.Symlink("/etc/passwd", file))
		},
		"fifo": func(file string) error { return errors.Join(os.Remove(file), unix.Mkfifo(file, 0o644)) },
	} {
		t.Run(what, func(t *testing.T) {
			everywhere(t, func(t *testing.T, r *Repo) {
				d := put(t, r.NewImporter(), data)
				mustNil(t, damage(objectFile(r, d)))
				if !r.insecure {
					removeFakeVerity(objectFile(r, d))
				}
				for range 2 {
					im := r.NewImporter()
					if put(t, im, data) != d || !bytes.Equal(readFile(t, objectFile(r, d)), data) {
						t.Error("not healed")
					}
				}
				mustNil(t, damage(objectFile(r, d)))
				if !r.insecure {
					removeFakeVerity(objectFile(r, d))
				}
				_, err := r.NewImporter().PutReader(bytes.NewReader(data), int64(len(data)))
				mustNil(t, err)
				if got := fmt.Sprint(files(t, r)); got != "[meta.json "+objectPath(d)+"]" {
					t.Errorf("files: %s", got)
				}
				check(t, r)
			})
		})
	}
}

// removeFakeVerity is for files that would have lost it by the damage.
func removeFakeVerity(file string) { unix.Removexattr(file, verityXattr) }

// TestUnprotectedObjectsAreReplaced: in a repository with fs-verity an object
// without it is no object.
func TestUnprotectedObjectsAreReplaced(t *testing.T) {
	r := initRepo(t, filepath.Join(t.TempDir(), "repo"), Config{}, fakeVerity(t))
	data := randomBytes(1, 10_000)
	d := put(t, r.NewImporter(), data)
	removeFakeVerity(objectFile(r, d))
	_, err := r.OpenObject(d)
	wantError(t, err, ErrDamaged)
	put(t, r.NewImporter(), data)
	f, err := r.OpenObject(d)
	mustNil(t, err)
	f.Close()
}

func TestModesDoNotDependOnTheUmask(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o077, 0o777} {
		t.Run(fmt.Sprintf("%04o", umask), func(t *testing.T) {
			dir := t.TempDir()
			defer unix.Umask(unix.Umask(umask))
			for name, v := range kernels(t) {
				r := initRepo(t, filepath.Join(dir, name), v.Config, v.kernel)
				im := r.NewImporter()
				d := put(t, im, []byte("small"))
				put(t, im, []byte("small too"))
				large, err := im.PutReader(bytes.NewReader(make([]byte, 2*smallObject)), 2*smallObject)
				mustNil(t, err)
				mustNil(t, r.LinkStream("stream", d))
				mustNil(t, r.SetStreamRef("some/ref", "stream"))
				for path, want := range map[string]os.FileMode{
					"":                  0o700 | os.ModeDir,
					metaName:            0o644,
					objectPath(d):       0o644,
					objectPath(large):   0o644,
					objectsName:         0o755 | os.ModeDir,
					objectPath(d)[:10]:  0o755 | os.ModeDir,
					"streams":           0o755 | os.ModeDir,
					"streams/refs":      0o755 | os.ModeDir,
					"streams/refs/some": 0o755 | os.ModeDir,
				} {
					st, err := os.Lstat(filepath.Join(r.Path(), path))
					if err != nil || st.Mode() != want {
						t.Errorf("%s: %q has mode %v, %v; want %v", name, path, st.Mode(), err, want)
					}
				}
			}
		})
	}
}

// TestImportersRace lets several goroutines store the same objects at once.
func TestImportersRace(t *testing.T) {
	everywhere(t, func(t *testing.T, r *Repo) {
		const workers, objects = 4, 100
		var total ImportStats
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				im := r.NewImporter()
				for i := range objects {
					if _, err := im.Put(randomBytes(uint64(i), 3000)); err != nil {
						t.Error(err)
					}
				}
				mu.Lock()
				defer mu.Unlock()
				total.Add(im.Stats())
			})
		}
		wg.Wait()
		if total.Objects != objects || total.ReusedObjects != (workers-1)*objects {
			t.Errorf("stats %+v", total)
		}
		check(t, r)
	})
}

func TestOpenObject(t *testing.T) {
	everywhere(t, func(t *testing.T, r *Repo) {
		d := put(t, r.NewImporter(), []byte("data"))
		f, err := r.OpenObject(d)
		mustNil(t, err)
		defer f.Close()
		if got, err := io.ReadAll(f); string(got) != "data" {
			t.Errorf("holds %q, %v", got, err)
		}
		if ok, err := r.HasObject(d); !ok || err != nil {
			t.Errorf("HasObject: %v, %v", ok, err)
		}
		absent := verity.Sum(r.Algorithm(), []byte("absent"))
		_, err = r.OpenObject(absent)
		wantError(t, err, ErrNotFound)
		if ok, err := r.HasObject(absent); ok || err != nil {
			t.Errorf("HasObject of an absent one: %v, %v", ok, err)
		}
	})
}

// TestForeignDigests: digests of the other algorithm, and none, are refused
// by every method that takes one.
func TestForeignDigests(t *testing.T) {
	r := newRepo(t, verity.SHA512)
	for _, d := range []verity.Digest{{}, verity.Sum(verity.SHA256, nil)} {
		_, err := r.HasObject(d)
		wantFailure(t, "HasObject", err)
		_, err = r.OpenObject(d)
		wantFailure(t, "OpenObject", err)
		_, err = r.Missing([]verity.Digest{d})
		wantFailure(t, "Missing", err)
		wantFailure(t, "PutHashed", r.NewImporter().PutHashed(d, nil))
		_, err = r.OpenStreamObject(d)
		wantFailure(t, "OpenStreamObject", err)
		wantFailure(t, "LinkStream", r.LinkStream("x", d))
		wantFailure(t, "LinkImage", r.LinkImage(d))
		wantFailure(t, "SetImageRef", r.SetImageRef("x", d))
		for what, call := range map[string]func(w *StreamWriter) error{
			"WriteExternal": func(w *StreamWriter) error { return w.WriteExternal(d, 1) },
			"AddObjectRef":  func(w *StreamWriter) error { return w.AddObjectRef(d) },
			"AddNamedRef":   func(w *StreamWriter) error { return w.AddNamedRef("x", d) },
		} {
			w := r.NewStream(r.NewImporter(), 0)
			wantFailure(t, what, call(w))
			_, err := w.Commit()
			wantFailure(t, "Commit after "+what, err)
		}
	}
}

func TestMissing(t *testing.T) {
	r := newRepo(t, verity.SHA512)
	im := r.NewImporter()
	// Enough in one directory for it to be listed, and single ones in others.
	var ask, want []verity.Digest
	for i := 0; len(ask) < 3*listFrom; i++ {
		data := randomBytes(uint64(i), 10)
		d := verity.Sum(r.Algorithm(), data)
		if d.String()[:2] != "77" && i > 50 {
			continue
		}
		ask = append(ask, d)
		if i%3 == 0 {
			put(t, im, data)
		} else {
			want = append(want, d)
		}
	}
	got, err := r.Missing(append(ask, ask...))
	mustNil(t, err)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%d missing, want %d", len(got), len(want))
	}
	empty := newRepo(t, verity.SHA512)
	if got, err := empty.Missing(ask); err != nil || len(got) != len(ask) {
		t.Errorf("in an empty repository %d are missing of %d, %v", len(got), len(ask), err)
	}
}

// TestDiskFull: what did not fit leaves nothing behind, and what did is whole.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Fatalf("mount (this test needs root): %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	for name, k := range map[string]kernel{"tmpfile": realKernel(), "named": withoutTmpfile()} {
		r := initRepo(t, filepath.Join(dir, name), Config{Insecure: true}, k)
		im := r.NewImporter()
		var err error
		for i := uint64(0); err == nil; i++ {
			_, err = im.Put(randomBytes(i, 100_000))
		}
		wantError(t, err, unix.ENOSPC)
		_, err = im.PutReader(bytes.NewReader(make([]byte, 5<<20)), 5<<20)
		wantError(t, err, unix.ENOSPC)
		if got, want := len(files(t, r)), int(im.Stats().Objects)+1; got != want {
			t.Errorf("%s: %d files, want %d", name, got, want)
		}
		check(t, r)
		gc(t, r)
	}
}

// A splitstream that was verified is not read again, unless somebody wrote to it.
func TestStreamIsVerifiedOnce(t *testing.T) {
	r := newRepo(t, verity.SHA512)
	w := r.NewStream(r.NewImporter(), 1)
	mustNil(t, w.WriteInline(randomBytes(1, 10_000)))
	d, err := w.Commit()
	mustNil(t, err)
	open := func() error {
		s, err := r.OpenStreamObject(d)
		if err == nil {
			mustNil(t, s.Close())
		}
		return err
	}
	mustNil(t, open())
	if _, ok := r.verified.Load(d); !ok {
		t.Error("the verdict was not kept")
	}
	mustNil(t, open())
	f, err := os.OpenFile(filepath.Join(r.Path(), objectPath(d)), os.O_RDWR, 0)
	mustNil(t, err)
	defer f.Close()
	last := make([]byte, 1)
	st, err := f.Stat()
	mustNil(t, err)
	_, err = f.ReadAt(last, st.Size()-1)
	mustNil(t, err)
	last[0] ^= 1
	_, err = f.WriteAt(last, st.Size()-1)
	mustNil(t, err)
	wantError(t, open(), ErrDamaged)
}
