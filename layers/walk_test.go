package layers

import (
	"archive/tar"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// linkChain is a chain of symbolic links with long targets, which leads back to
// where it begins.
func linkChain() stackLayer {
	l := stackLayer{{Header: tar.Header{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o755}}}
	const chain = 38
	for i := range chain {
		target := strings.Repeat("../d/", 800) + fmt.Sprintf("l%d", i+1)
		if i == chain-1 {
			target = "."
		}
		l = append(l, stackEntry{Header: tar.Header{Name: fmt.Sprintf("d/l%d", i), Typeflag: tar.TypeSymlink, Linkname: target}})
	}
	return l
}

// alongChain has n files that are reached over linkChain, in two directories by
// turns, so that none can use what was found for the one before.
func alongChain(n int, prefix string) (l stackLayer) {
	for i := range n {
		name := fmt.Sprintf("d/l0/x%d/%sf%d", i%2, prefix, i)
		l = append(l, stackEntry{Header: tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}})
	}
	return l
}

// TestLinksAreBounded: what a merge does is bounded by more than its entries,
// each of which can be led a long way.
func TestLinksAreBounded(t *testing.T) {
	t.Parallel()
	const many = 4000
	for name, tars := range map[string][][]byte{
		"entries":   {linkChain().tar(t), alongChain(many, "").tar(t)},
		"whiteouts": {linkChain().tar(t), alongChain(many, whiteoutPrefix).tar(t)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := mergeTars(t, newMemStore(), tars...)
			if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "symbolic links that lead over") {
				t.Errorf("error %v", err)
			}
		})
	}
	if _, err := mergeTars(t, newMemStore(), linkChain().tar(t), alongChain(10, "").tar(t)); err != nil {
		t.Errorf("a few entries: %v", err)
	}
}
