package repo

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
)

// TestMetadataRules opens repositories with each meta.json.
func TestMetadataRules(t *testing.T) {
	const alg = `"algorithm": "fsverity-sha512-12"`
	for _, c := range []struct {
		name, json string
		want       error  // of Open
		says       string // the error, or why it is read-only
		version    int    // of images
	}{
		{name: "least", json: `{"version": 1, ` + alg + `}`, version: 2},
		{name: "oldest with images of version 1", json: `{"version": 1, ` + alg + `, "features": {"read-only-compatible": ["v1_erofs"]}}`, version: 1},
		{name: "format 0", json: `{"version": 1, ` + alg + `, "erofs_formats": {"default": 0}}`, version: 0},
		{name: "format 2 and feature", json: `{"version": 1, ` + alg + `, "features": {"read-only-compatible": ["v1_erofs"]}, "erofs_formats": {"default": 2}}`, version: 1},
		{name: "formats 1 and 2", json: `{"version": 1, ` + alg + `, "erofs_formats": {"default": 1, "extra": [2]}}`, version: 1},
		{name: "formats 2 and 1", json: `{"version": 1, ` + alg + `, "features": {"read-only-compatible": ["v1_erofs"]}, "erofs_formats": {"default": 2, "extra": [1]}}`, version: 2},
		{name: "unknown compatible", json: `{"version": 1, ` + alg + `, "features": {"compatible": ["shiny"]}, "other": 1}`, version: 2},
		{name: "unknown read-only", json: `{"version": 1, ` + alg + `, "features": {"read-only-compatible": ["v1_erofs", "frozen", "cold"]}}`, says: "frozen, cold", version: 1},
		{name: "unknown incompatible", json: `{"version": 1, ` + alg + `, "features": {"incompatible": ["alien", "odd"]}}`, want: ErrUnsupported, says: "alien, odd"},
		{name: "newer", json: `{"version": 2, ` + alg + `}`, want: ErrUnsupported, says: "version 2"},
		{name: "newer with another algorithm", json: `{"version": 2, "algorithm": "fsverity-blake3-12"}`, want: ErrUnsupported, says: "version 2"},
		{name: "unknown format", json: `{"version": 1, ` + alg + `, "erofs_formats": {"default": 7}}`, want: ErrUnsupported, says: "version 7 of images"},
		{name: "unknown algorithm", json: `{"version": 1, "algorithm": "fsverity-md5-12"}`, want: ErrBadMetadata, says: "md5"},
		{name: "other block size", json: `{"version": 1, "algorithm": "fsverity-sha512-16"}`, want: ErrBadMetadata, says: "sha512-16"},
		{name: "short algorithm", json: `{"version": 1, "algorithm": "sha512"}`, want: ErrBadMetadata, says: "sha512"},
		{name: "no algorithm", json: `{"version": 1}`, want: ErrBadMetadata},
		{name: "no version", json: `{` + alg + `}`, want: ErrBadMetadata, says: "version 0"},
		{name: "negative version", json: `{"version": -1, ` + alg + `}`, want: ErrBadMetadata},
		{name: "empty", json: ``, want: ErrBadMetadata},
		{name: "truncated", json: `{"version": 1, "algo`, want: ErrBadMetadata},
		{name: "trailing", json: `{"version": 1, ` + alg + `}}`, want: ErrBadMetadata},
		{name: "no object", json: `[]`, want: ErrBadMetadata},
		{name: "huge", json: `{"version": 1, ` + alg + `}` + strings.Repeat(" ", metaMaxSize), want: ErrBadMetadata, says: "too large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			mustNil(t, os.WriteFile(filepath.Join(dir, metaName), []byte(c.json), 0o644))
			r, err := Open(t.Context(), dir, OpenOptions{})
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if err != nil {
				if !strings.Contains(err.Error(), c.says) {
					t.Errorf("error %v, want one that says %q", err, c.says)
				}
				return
			}
			defer r.Close()
			if r.ErofsVersion() != c.version || r.Algorithm() != verity.SHA512 || !r.Insecure() {
				t.Errorf("images of version %d, want %d; %s, insecure %v", r.ErofsVersion(), c.version, r.Algorithm(), r.Insecure())
			}
			_, err = r.NewImporter().Put([]byte("data"))
			if errors.Is(err, ErrReadOnly) != (c.says != "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("Put: error %v, want one that says %q", err, c.says)
			}
		})
	}
}

func TestMetadataIsNoFile(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"directory": func(path string) error { return os.Mkdir(path, 0o755) },
		"link":      func(path string) error { return os.Symlink("/etc/os-release", path) },
	} {
		dir := t.TempDir()
		mustNil(t, make(filepath.Join(dir, metaName)))
		_, err := Open(t.Context(), dir, OpenOptions{})
		if !errors.Is(err, ErrBadMetadata) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestUpgrade opens repositories from before there was a meta.json.
func TestUpgrade(t *testing.T) {
	for _, c := range []Config{{Insecure: true}, {Algorithm: verity.SHA256, Insecure: true}, {}} {
		t.Run(c.String(), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "repo")
			old := initRepo(t, path, c, fakeVerity(t))
			d := put(t, old.NewImporter(), []byte("data"))
			old.Close()
			meta := filepath.Join(path, metaName)
			want := readFile(t, meta)
			mustNil(t, os.Remove(meta))

			for _, o := range []OpenOptions{{NoUpgrade: true}, {ReadOnly: true}} {
				_, err := open(t.Context(), path, o, fakeVerity(t))
				wantError(t, err, ErrOldFormat)
			}
			_, _, err := initialize(t.Context(), path, Config{Algorithm: 3 - c.algorithm(), Insecure: true}, fakeVerity(t))
			wantFailure(t, "Init with another algorithm", err)
			r, err := open(t.Context(), path, OpenOptions{}, fakeVerity(t))
			mustNil(t, err)
			defer r.Close()
			if ok, err := r.HasObject(d); !ok || r.Insecure() != c.Insecure {
				t.Errorf("object there %v, %v; insecure %v", ok, err, r.Insecure())
			}
			if got := readFile(t, meta); string(got) != string(want) {
				t.Errorf("meta.json is\n%s, was\n%s", got, want)
			}
		})
	}
}

// TestUpgradeOfNothing: without an object the algorithm cannot be told, and
// Init is free to choose it.
func TestUpgradeOfNothing(t *testing.T) {
	dir := t.TempDir()
	mustNil(t, os.MkdirAll(filepath.Join(dir, objectsName, "00"), 0o755))
	_, err := Open(t.Context(), dir, OpenOptions{})
	wantError(t, err, ErrOldFormat)
	r := initRepo(t, dir, Config{Insecure: true, Algorithm: verity.SHA256}, realKernel())
	if r.Algorithm() != verity.SHA256 {
		t.Errorf("it has %s", r.Algorithm())
	}
}

// TestMetadataThatCannotBeRead is no damaged one: the program has no
// descriptor left for it. The limit is that of the whole process.
func TestMetadataThatCannotBeRead(t *testing.T) {
	path := newRepo(t, 0).Path()
	for _, o := range []OpenOptions{{}, {Damaged: true}} {
		err := withDescriptors(t, 1, func() error { // for the directory
			r, err := Open(t.Context(), path, o)
			if err == nil {
				r.Close()
			}
			return err
		})
		if !errors.Is(err, unix.EMFILE) || errors.Is(err, ErrBadMetadata) {
			t.Errorf("%+v: error %v", o, err)
		}
	}
}

func TestMetadataReadErrors(t *testing.T) {
	for err, bad := range map[error]bool{unix.ENOMEM: false, unix.EINTR: false, unix.EIO: true} {
		_, got := readMetadata(iotest.ErrReader(err))
		if !errors.Is(got, err) || errors.Is(got, ErrBadMetadata) != bad {
			t.Errorf("%v: error %v", err, got)
		}
	}
}

// withDescriptors runs fn while the process can open n descriptors more.
func withDescriptors(t *testing.T, n int, fn func() error) error {
	t.Helper()
	fd, err := unix.Open("/", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	mustNil(t, err)
	mustNil(t, unix.Close(fd))
	var old unix.Rlimit
	mustNil(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &old)
	mustNil(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(fd + n), Max: old.Max}))
	return fn()
}
