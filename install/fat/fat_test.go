package fat

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/internal/testtool"
)

const mib = 1 << 20

// when is even in its seconds, as all times of FAT are.
var when = time.Date(2026, 2, 28, 23, 59, 58, 0, time.UTC)

// tree has what an ESP has, and what is hard: names of up to 255 characters, more
// entries than a cluster holds, more equal beginnings than one digit counts, empty
// files and directories, sizes around a cluster's.
func tree() fstest.MapFS {
	hex := strings.Repeat("0123456789abcdef", 8)
	kernel := "EFI/Linux/bootc_composefs-" + hex
	m := fstest.MapFS{
		"EFI/BOOT/BOOTX64.EFI":                            {Data: content(1, 100_000)},
		"EFI/systemd/systemd-bootx64.efi":                 {Data: content(2, 100_000)},
		"loader/loader.conf":                              {Data: []byte("timeout 5\n")},
		"loader/entries/bootc_debian-13.1-1+3-0.conf":     {Data: []byte("title x\n")},
		"loader/entries.srel":                             {Data: []byte("type1\n")},
		kernel + "/vmlinuz":                               {Data: content(3, 11*mib+17)},
		kernel + "/initrd":                                {Data: content(4, 40*mib)},
		"EFI/Linux/bootc/bootc_composefs-" + hex + ".efi": {Data: content(5, 4097)},
		"cluster":                {Data: content(6, 4096)},
		"cluster.one-less":       {Data: content(7, 4095)},
		"empty":                  {},
		"EMPTY.DIR":              {Mode: fs.ModeDir | 0o755},
		strings.Repeat("x", 255): {Data: []byte("longest")},
		"thirteen.unit":          {Data: []byte("13")},
		"ünïcødé ☃":              {Data: []byte("not ASCII")},
		".hidden":                {Data: []byte("dot")},
		"two.dots.here":          {Data: []byte("..")},
		"LOWER.txt":              {Data: []byte("one short, one not")},
		"SHORTN~1":               {Data: []byte("taken")},
		"shortname":              {Data: []byte("must not be SHORTN~1")},
	}
	for i := range 300 {
		m[fmt.Sprintf("many/the same beginning %d", i)] = &fstest.MapFile{Data: content(byte(i), i)}
	}
	for i := range 126 { // with "." and ".." exactly one cluster
		m[fmt.Sprintf("FULL/F%d", i)] = &fstest.MapFile{}
	}
	return m
}

// content is n bytes, other ones for each seed.
func content(seed byte, n int) []byte {
	b := make([]byte, 0, n+32)
	for sum := sha256.Sum256([]byte{seed}); len(b) < n; sum = sha256.Sum256(sum[:]) {
		b = append(b, bytes.Repeat(sum[:], 64)...)
	}
	return b[:n]
}

func options(sector int64) Options {
	return Options{Size: 300 * mib, SectorSize: sector, Start: 2 * mib, Label: "EFI-SYSTEM", ID: 0x1234ABCD, Time: when}
}

// image writes a file system over a disk that was full of something else.
func image(t *testing.T, fsys fs.FS, o Options) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "esp"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(o.Size); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xA5}, 3*mib), 0); err != nil {
		t.Fatal(err)
	}
	if err := Write(context.Background(), f, fsys, o); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(testtool.Path(t, name), args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MTOOLS_SKIP_CHECK=1", "TZ=UTC")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestWrite(t *testing.T) {
	t.Parallel()
	for _, sector := range []int64{512, 4096} {
		t.Run(fmt.Sprint(sector), func(t *testing.T) {
			t.Parallel()
			img := image(t, tree(), options(sector))
			// fsck ends with 1 if there was anything to mend.
			if out := run(t, "fsck.fat", "-n", "-v", img); strings.Contains(out, "ixing") || strings.Contains(out, "differences") || strings.Contains(out, "uninitialized") {
				t.Error(out)
			}
			if got, want := run(t, "blkid", "-p", "-o", "export", img), "LABEL=EFI-SYSTEM\nUUID=1234-ABCD\nVERSION=FAT32\n"; !strings.Contains(strings.Replace(got, "LABEL_FATBOOT=EFI-SYSTEM\n", "", 1), want) {
				t.Errorf("blkid says\n%s", got)
			}
			compare(t, tree(), img)
		})
	}
}

// compare reads img with mtools and expects the files of want.
func compare(t *testing.T, want fs.FS, img string) {
	t.Helper()
	dir := t.TempDir()
	run(t, "mcopy", "-s", "-p", "-m", "-i", img, "::", dir)
	got := os.DirFS(dir)
	if g, w := names(t, got), names(t, want); !slices.Equal(g, w) {
		t.Error(cmp.Diff(w, g))
	}
	err := fs.WalkDir(want, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		w, _ := fs.ReadFile(want, name)
		g, err := fs.ReadFile(got, name)
		if !bytes.Equal(g, w) {
			t.Errorf("%s has other content (%d bytes, want %d), %v", name, len(g), len(w), err)
		}
		if st, err := fs.Stat(got, name); err == nil && !st.ModTime().Equal(when) {
			t.Errorf("%s is of %s", name, st.ModTime())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, fsys fs.FS) (all []string) {
	t.Helper()
	err := fs.WalkDir(fsys, ".", func(name string, _ fs.DirEntry, err error) error {
		all = append(all, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// The geometry that a boot sector tells, as minfo reads it.
func TestBootSector(t *testing.T) {
	t.Parallel()
	got := run(t, "minfo", "-i", image(t, fstest.MapFS{}, options(512)), "::")
	for _, want := range []string{
		`sector size: 512 bytes`, `cluster size: 8 sectors`, `media descriptor byte: 0xf8`, `sectors per track: 63`, `heads: 255`,
		`hidden sectors: 4096`, `big size: 614400 sectors`, `physical drive id: 0x80`, `infoSector location=1`, `backup boot sector=6`,
	} {
		if !regexp.MustCompile(strings.ReplaceAll(want, " ", `\s+`)).MatchString(got) {
			t.Errorf("minfo does not say %q:\n%s", want, got)
		}
	}
}

func TestWriteIsReproducible(t *testing.T) {
	t.Parallel()
	var sums [2]hashed
	for i := range sums {
		sums[i].Hash = sha256.New()
		if err := Write(context.Background(), sums[i], tree(), options(512)); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(sums[0].Sum(nil), sums[1].Sum(nil)) {
		t.Error("two runs wrote different bytes")
	}
}

// hashed sums up what is written where.
type hashed struct{ hash.Hash }

func (h hashed) WriteAt(b []byte, off int64) (int, error) {
	fmt.Fprintf(h, "%d %d ", off, len(b))
	return h.Write(b)
}

// untouched fails the test if anything is written.
type untouched struct{ t *testing.T }

func (u untouched) WriteAt(b []byte, off int64) (int, error) {
	u.t.Errorf("%d bytes written at %d", len(b), off)
	return len(b), nil
}

func TestWriteRefuses(t *testing.T) {
	t.Parallel()
	file := &fstest.MapFile{}
	tests := []struct {
		name   string
		fs     fstest.MapFS
		change func(*Options)
		want   string
	}{
		{"too large", fstest.MapFS{"a": {Data: make([]byte, 300*mib)}}, nil, "no room: the files need 314576896 bytes, there are 31"},
		{"colon", fstest.MapFS{"dir/a:b": file}, nil, `dir: "a:b": a character that FAT does not have`},
		{"dot at the end", fstest.MapFS{"a.": file}, nil, `"a.": FAT has no names that end with a dot or a blank`},
		{"too long", fstest.MapFS{strings.Repeat("y", 256): file}, nil, `longer than 255 characters`},
		{"not UTF-8", fstest.MapFS{"a\xFF": file}, nil, `not valid UTF-8`},
		{"case", fstest.MapFS{"a": file, "A": file}, nil, `a: differs from "A" in case only`},
		{"symbolic link", fstest.MapFS{"l": {Mode: fs.ModeSymlink, Data: []byte("x")}}, nil, "l: neither a file nor a directory: L---------"},
		{"size", nil, func(o *Options) { o.Size = 255 * mib }, "267386880 bytes are no size for FAT32"},
		{"sectors", nil, func(o *Options) { o.SectorSize = 1024 }, "sectors of 1024 bytes"},
		{"label", nil, func(o *Options) { o.Label = "esp" }, `label "esp": want up to 11 capitals`},
		{"time", nil, func(o *Options) { o.Time = time.Unix(0, 0) }, `FAT cannot tell the time 1970-`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := options(512)
			if tt.change != nil {
				tt.change(&o)
			}
			err := Write(context.Background(), untouched{t}, tt.fs, o)
			if err == nil || !strings.HasPrefix(err.Error(), "cannot write a FAT file system: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if got := errors.Is(err, ErrNoRoom); got != (tt.name == "too large") {
				t.Errorf("ErrNoRoom: %t", got)
			}
		})
	}
}

// After each write that fails there must be no file system to be found.
func TestFailureLeavesNone(t *testing.T) {
	t.Parallel()
	small := fstest.MapFS{"dir/file": {Data: content(1, 5000)}}
	for n := 0; ; n++ {
		f, err := os.Open(image(t, small, options(512))) // an older one is there
		if err != nil {
			t.Fatal(err)
		}
		w, err := os.OpenFile(f.Name(), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		err = Write(context.Background(), &failing{w, n}, small, options(512))
		if err == nil {
			if n < 8 {
				t.Errorf("it took %d writes only", n)
			}
			return
		}
		if n > 0 { // with no write the old one is still there
			if out, err := exec.Command(testtool.Path(t, "blkid"), "-p", f.Name()).Output(); err == nil {
				t.Errorf("after %d writes: %s", n, out)
			}
		}
		f.Close()
		w.Close()
	}
}

type failing struct {
	f *os.File
	n int
}

func (w *failing) WriteAt(b []byte, off int64) (int, error) {
	if w.n == 0 {
		return 0, errors.New("pulled")
	}
	w.n--
	return w.f.WriteAt(b, off)
}
