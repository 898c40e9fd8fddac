package layers

import (
	"archive/tar"
	"bytes"
	"compress/bzip2"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bootc-go/bootc/composefs/tree"
)

// sliceBlocks reads the blocks of a tar in memory.
type sliceBlocks struct{ data []byte }

func (s *sliceBlocks) block() ([]byte, error) {
	switch {
	case len(s.data) == 0:
		return nil, io.EOF
	case len(s.data) < blockSize:
		return nil, io.ErrUnexpectedEOF
	}
	b := s.data[:blockSize]
	s.data = s.data[blockSize:]
	return b, nil
}

func (s *sliceBlocks) skip(n int64) error {
	if n > int64(len(s.data)) {
		return io.ErrUnexpectedEOF
	}
	s.data = s.data[n:]
	return nil
}

// seen is what both readers say of an entry.
type seen struct {
	Name, Link           string
	Type                 byte
	Mode, UID, GID, Size int64
	Mtime                tree.Time
	Major, Minor         int64
	Xattrs               map[string]string
}

func ourEntry(h *header) seen {
	s := seen{
		Name: string(h.name), Link: string(h.link), Type: h.typeflag, Mode: h.mode, UID: h.uid, GID: h.gid,
		Size: h.size, Mtime: h.mtime, Major: h.devmajor, Minor: h.devminor,
	}
	for _, x := range h.xattrs {
		if s.Xattrs == nil {
			s.Xattrs = map[string]string{}
		}
		s.Xattrs[string(x.name)] = string(x.value)
	}
	return s
}

func theirEntry(h *tar.Header) seen {
	s := seen{
		Name: h.Name, Link: h.Linkname, Type: h.Typeflag, Mode: h.Mode, UID: int64(h.Uid), GID: int64(h.Gid), Size: h.Size,
		Mtime: tree.Time{Sec: h.ModTime.Unix(), Nsec: uint32(h.ModTime.Nanosecond())}, Major: h.Devmajor, Minor: h.Devminor,
	}
	for k, v := range h.PAXRecords { // Xattrs lacks the empty ones
		if name, ok := strings.CutPrefix(k, "SCHILY.xattr."); ok {
			if s.Xattrs == nil {
				s.Xattrs = map[string]string{}
			}
			s.Xattrs[name] = v
		}
	}
	h2 := header{typeflag: h.Typeflag}
	if h2.headerOnly() {
		s.Size = 0
	}
	return s
}

// theirEntries reads as far as archive/tar can.
func theirEntries(data []byte) (all []seen, err error) {
	tr := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		if h.Typeflag != tar.TypeXGlobalHeader {
			all = append(all, theirEntry(h))
		}
	}
}

// ourEntries reads as far as the header reader can.
func ourEntries(data []byte) (all []seen, err error) {
	src := &sliceBlocks{data}
	r := headerReader{src: src}
	for {
		h, err := r.next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		if h.sparse || h.typeflag == typeSparse {
			return all, unsupported("sparse")
		}
		all = append(all, ourEntry(h))
		if err := src.skip(h.size + int64(h.padding())); err != nil {
			return all, err
		}
	}
}

// goTars returns the tars that archive/tar is tested with.
func goTars(t testing.TB) map[string][]byte {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(root)), "src/archive/tar/testdata/*.tar*"))
	if err != nil || len(names) < 30 {
		t.Fatalf("the test data of archive/tar is missing: %d files, %v", len(names), err)
	}
	tars := map[string][]byte{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		switch filepath.Ext(name) {
		case ".base64":
			data, err = io.ReadAll(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(data)))
		case ".bz2":
			data, err = io.ReadAll(io.LimitReader(bzip2.NewReader(bytes.NewReader(data)), 4<<20))
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		tars[filepath.Base(name)] = data
	}
	return tars
}

// goTarRefused are the tars that archive/tar reads and we refuse, and why.
var goTarRefused = map[string]string{
	"gnu-incremental.tar":           "sparse",
	"gnu-nil-sparse-data.tar":       "sparse",
	"gnu-nil-sparse-hole.tar":       "sparse",
	"gnu-sparse-big.tar.base64":     "sparse",
	"gnu-sparse-many-zeros.tar.bz2": "sparse",
	"pax-nil-sparse-data.tar":       "sparse",
	"pax-nil-sparse-hole.tar":       "sparse",
	"pax-sparse-big.tar.base64":     "sparse",
	"sparse-formats.tar":            "sparse",
	"pax-path-hdr.tar":              "the tar ends behind an extended header",
}

// TestGoTars compares with archive/tar on its own test data.
func TestGoTars(t *testing.T) {
	t.Parallel()
	for name, data := range goTars(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ours, ourErr := ourEntries(data)
			theirs, theirErr := theirEntries(data)
			if why, ok := goTarRefused[name]; ok {
				if ourErr == nil || !strings.Contains(ourErr.Error(), why) {
					t.Errorf("error %v, want a refusal: %s", ourErr, why)
				}
				theirs = theirs[:min(len(theirs), len(ours))]
			} else if (ourErr == nil) != (theirErr == nil) {
				t.Errorf("our error: %v; that of archive/tar: %v", ourErr, theirErr)
			}
			if diff := cmp.Diff(theirs, ours, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("archive/tar (-) and we (+) differ:\n%s", diff)
			}
		})
	}
}
