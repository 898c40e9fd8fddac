package layers

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/composefs/tree"
)

// fixChecksums makes valid the checksums of what would be headers, so that a
// fuzzer gets past the first.
func fixChecksums(data []byte) []byte {
	data = bytes.Clone(data)
	for rest := data; len(rest) >= blockSize; {
		b := rest[:blockSize]
		rest = rest[blockSize:]
		if isZero(b) {
			continue
		}
		setChecksum(b)
		h := header{typeflag: b[typeflagAt]}
		size, ok := parseNumeric(fieldSize.of(b))
		if !ok || size < 0 || h.headerOnly() || size > int64(len(rest)) {
			continue
		}
		rest = rest[min(int(size+511)&^511, len(rest)):]
	}
	return data
}

func addTars(f *testing.F, add func(data []byte)) {
	f.Helper()
	for _, data := range goTars(f) {
		if len(data) < 1<<16 {
			add(data)
		}
	}
	for seed := range uint64(20) {
		add(tarMaker{rand.New(rand.NewPCG(seed, 1))}.tar())
		for _, l := range makeStack(seed, seed%2 == 0) {
			add(l.tar(f))
		}
	}
}

// FuzzHeaders compares every entry with archive/tar.
func FuzzHeaders(f *testing.F) {
	addTars(f, func(data []byte) { f.Add(data) })
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<20 {
			return
		}
		compareWithGo(t, fixChecksums(data))
	})
}

// FuzzImport imports and merges two layers: nothing panics, what is accepted
// comes back bit for bit, and the merged tree is one that a file system can have.
func FuzzImport(f *testing.F) {
	var last []byte
	addTars(f, func(data []byte) {
		f.Add(data, data)
		f.Add(last, data)
		last = data
	})
	f.Fuzz(func(t *testing.T, lower, upper []byte) {
		if len(lower)+len(upper) > 1<<20 {
			return
		}
		store := newMemStore()
		var layers []*memLayer
		for _, data := range [][]byte{fixChecksums(lower), fixChecksums(upper)} {
			l, err := importMem(store, bytes.NewReader(data), ImportOptions{})
			if err != nil {
				if err.Error() == "" {
					t.Error("an error without words")
				}
				continue
			}
			if l.result.Compression == Uncompressed && !bytes.Equal(l.stream.bytes(store), data) {
				t.Error("the splitstream does not give the tar back")
			}
			layers = append(layers, l)
		}
		root, err := mergeMem(layers, 1000)
		if err == nil {
			checkTree(t, root, store)
		}
	})
}

// checkTree wants a tree that can be an image.
func checkTree(t *testing.T, root *tree.Node, store *memStore) {
	t.Helper()
	err := tree.Walk(root, func(path string, n *tree.Node) error {
		name := path[strings.LastIndexByte(path, '/')+1:]
		switch {
		case path != "/" && (name == "" || name == "." || name == ".." || len(name) > maxName):
			t.Errorf("a file called %q", name)
		case strings.ContainsRune(name, 0):
			t.Errorf("a file called %q", name)
		case strings.HasPrefix(name, whiteoutPrefix):
			t.Errorf("the whiteout %q is visible", path)
		case n.Nlink == 0:
			t.Errorf("%q has no links", path)
		case n.File != nil && uint64(len(store.content(n.File))) != n.File.Size:
			t.Errorf("%q has %d bytes, not %d", path, len(store.content(n.File)), n.File.Size)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// FuzzDecompress compares gzip with compress/gzip, and wants an end to
// everything.
func FuzzDecompress(f *testing.F) {
	data := sampleTar(3000)
	f.Add(gzipped(f, data))
	f.Add(members(f, data))
	f.Add(append(gzipped(f, data), 0, 0))
	f.Add(zstdFrame(f, data))
	f.Add(join(skippable(3), zstdFrame(f, data), skippable(0), zstdFrame(f, nil)))
	f.Add(data)
	f.Add(zstdChunked(f, data))
	f.Fuzz(func(t *testing.T, blob []byte) {
		const limit = 1 << 22
		src := bytes.NewReader(blob)
		r, c, err := Decompress(src)
		var got []byte
		if err == nil {
			defer r.Close()
			got, err = io.ReadAll(io.LimitReader(r, limit))
		}
		if err == nil && len(got) < limit && src.Len() > 0 {
			t.Errorf("%d bytes of the blob were not read", src.Len())
		}
		if len(got) == limit || !bytes.HasPrefix(blob, []byte("\x1f\x8b\x08")) {
			return
		}
		want, wantErr := gunzip(blob)
		switch {
		case c == Uncompressed && err == nil: // a tar that begins like gzip
		case err == nil && (wantErr != nil || !bytes.Equal(got, want)):
			t.Errorf("we read %d bytes, compress/gzip %d, and fails: %v", len(got), len(want), wantErr)
		case err != nil && wantErr == nil && !errors.Is(err, ErrMalformed):
			t.Errorf("compress/gzip reads %d bytes, we fail: %v", len(want), err)
		}
	})
}

// gunzip is compress/gzip, and ignores zeros behind the last member.
func gunzip(blob []byte) ([]byte, error) {
	br := bytes.NewReader(blob)
	z, err := gzip.NewReader(br)
	if err != nil {
		return nil, err
	}
	var out []byte
	for {
		z.Multistream(false)
		data, err := io.ReadAll(z)
		out = append(out, data...)
		if err != nil {
			return out, err
		}
		if len(bytes.Trim(blob[len(blob)-br.Len():], "\x00")) == 0 {
			return out, nil
		}
		if err := z.Reset(br); err != nil {
			return out, err
		}
	}
}
