package oci_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/oci"
)

// TestWriteCanBeInterrupted while it waits for another writer.
func TestWriteCanBeInterrupted(t *testing.T) {
	r := newRepo(t)
	p := partsOf("", putLayer(t, r, "x"))
	dir, err := os.Open(filepath.Join(r.Path(), "streams"))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := oci.Write(ctx, r, r.NewImporter(), p); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	dir.Close()
	if _, err := oci.Write(t.Context(), r, r.NewImporter(), p); err != nil {
		t.Error(err)
	}
}
