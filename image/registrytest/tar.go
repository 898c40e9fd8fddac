package registrytest

import (
	"archive/tar"
	"bytes"
	"maps"
	"math/rand/v2"
	"testing"
	"time"
)

// Entry is one entry of a layer's tar. The constructors fill in what a test
// does not care about; change the header for the rest.
type Entry struct {
	tar.Header
	Body string
}

// Stamp is the modification time that the constructors give.
func Stamp() time.Time { return time.Unix(1700000000, 0) }

func entry(typeflag byte, name string, mode int64) Entry {
	return Entry{Header: tar.Header{Typeflag: typeflag, Name: name, Mode: mode, ModTime: Stamp(), Format: tar.FormatPAX}}
}

// File is a regular file.
func File(name, body string) Entry {
	e := entry(tar.TypeReg, name, 0o644)
	e.Size, e.Body = int64(len(body)), body
	return e
}

// Dir is a directory.
func Dir(name string) Entry { return entry(tar.TypeDir, name+"/", 0o755) }

// Symlink is a symbolic link.
func Symlink(name, target string) Entry {
	e := entry(tar.TypeSymlink, name, 0o777)
	e.Linkname = target
	return e
}

// Hardlink is another name of the file called target.
func Hardlink(name, target string) Entry {
	e := entry(tar.TypeLink, name, 0o644)
	e.Linkname = target
	return e
}

// Whiteout removes dir/base of the layers below.
func Whiteout(dir, base string) Entry { return entry(tar.TypeReg, dir+"/.wh."+base, 0o644) }

// Opaque removes what the layers below have in dir.
func Opaque(dir string) Entry { return Whiteout(dir, ".wh..opq") }

// Xattr returns the entry with an extended attribute.
func (e Entry) Xattr(name, value string) Entry {
	records := map[string]string{"SCHILY.xattr." + name: value}
	maps.Copy(records, e.PAXRecords)
	e.PAXRecords = records
	return e
}

// Tar writes the entries as a tar file.
func Tar(t testing.TB, entries ...Entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		if err := w.WriteHeader(&e.Header); err != nil {
			t.Fatalf("tar entry %q: %v", e.Name, err)
		}
		if _, err := w.Write([]byte(e.Body)); err != nil {
			t.Fatalf("tar entry %q: %v", e.Name, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// Random returns n bytes that do not compress, the same for the same seed.
func Random(seed uint64, n int) string {
	src := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), byte(seed >> 24)})
	out := make([]byte, n)
	_, _ = src.Read(out)
	return string(out)
}
