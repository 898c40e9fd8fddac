package layers

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestImportIsBounded: what a header claims is not allocated, and a bomb is a
// file like any other.
func TestImportIsBounded(t *testing.T) {
	claim := func(typeflag byte) []byte {
		b := make([]byte, blockSize)
		copy(b, "bomb")
		copy(fieldSize.of(b), octal(10<<30, 12))
		copy(fieldMagic.of(b), "ustar\x0000")
		b[typeflagAt] = typeflag
		setChecksum(b)
		return b
	}
	tests := []struct {
		name string
		blob io.Reader
		text string
	}{
		{"a file that is not there", bytes.NewReader(claim('0')), "unexpected EOF"},
		{"an extended header", bytes.NewReader(claim('x')), "extended headers of more than"},
		{"a global header", bytes.NewReader(claim('g')), "extended headers of more than"},
		{"a long name", bytes.NewReader(claim('L')), "extended headers of more than"},
		{"many long names", repeat(append(bytes.Clone(longName()), make([]byte, 1<<19)...)), "extended headers of more than"},
		{"a gigabyte of zeros", bytes.NewReader(bomb(t, claim('0'))), "unexpected EOF"},
		{"entries without end", repeat(bytes.Repeat(directoryBlock(), 100)), "more than 1048576 files"},
		{"inline data without end", io.MultiReader(bytes.NewReader(make([]byte, 1024)), repeat(bytes.Repeat([]byte("garbage"), 10000))), "more than 2147483648 bytes besides"},
		{"headers without end", repeat(bytes.Repeat(globalHeader(), 4)), "more than 268435456 bytes in headers"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := importLayer(context.Background(), &namedStore{}, discardStream{}, test.blob, ImportOptions{})
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), test.text) {
				t.Errorf("error %v, want %q", err, test.text)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
				t.Errorf("%d bytes were allocated", n)
			}
		})
	}
}

func directoryBlock() []byte {
	b := make([]byte, blockSize)
	copy(b, "d")
	b[typeflagAt] = typeDir
	setChecksum(b)
	return b
}

// globalHeader is an extended header with nothing of use, which no entry bounds.
func globalHeader() []byte {
	b := make([]byte, blockSize)
	b[typeflagAt] = typePAXGlobal
	copy(fieldSize.of(b), octal(1<<16, 11))
	setChecksum(b)
	return slices.Concat(b, bytes.Repeat([]byte("noise"), 1<<14)[:1<<16])
}

func longName() []byte {
	b := make([]byte, blockSize)
	b[typeflagAt] = typeLongName
	copy(fieldSize.of(b), octal(1<<19, 11))
	setChecksum(b)
	return b
}

// bomb compresses a gigabyte behind a header to a megabyte.
func bomb(t *testing.T, header []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(header); err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 1 << 10 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
