package oci_test

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/verity"
)

// noFiles makes it impossible to open files while f runs. No other test may run
// then, so it is for tests that are not parallel.
func noFiles(t *testing.T, f func()) {
	t.Helper()
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 0, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
	}()
	f()
}

// TestUnreadableIsNotMissing: a config that cannot be read for now must not be
// taken for none, for a new one would not refer to the images of the old.
func TestUnreadableIsNotMissing(t *testing.T) {
	s := newScene(t)
	var config *oci.StoredConfig
	var err error
	noFiles(t, func() { config, err = oci.LookupConfig(s.repo, s.img.ConfigDigest) })
	if config != nil || !errors.Is(err, syscall.EMFILE) {
		t.Errorf("got %v, %v", config, err)
	}
}

// TestDamagedIsMissing: a config that is damaged for good counts as none.
func TestDamagedIsMissing(t *testing.T) {
	t.Parallel()
	json := func(s *scene) string { return s.object(verity.Sum(verity.SHA512, s.img.ConfigJSON)) }
	stream := func(s *scene) string { return s.object(s.img.ConfigStream) }
	for name, plant := range map[string]func(*scene){
		"flipped":        func(s *scene) { s.rewrite(json(s), flip) },
		"missing":        func(s *scene) { s.must(os.Remove(json(s))) },
		"large":          func(s *scene) { s.must(os.Truncate(json(s), oci.MaxDocument+1)) },
		"stream flipped": func(s *scene) { s.rewrite(stream(s), flip) },
		"stream missing": func(s *scene) { s.must(os.Remove(stream(s))) },
		"other stream": func(s *scene) {
			s.relink(s.path("streams", oci.ConfigName(s.img.ConfigDigest)), "../objects/"+s.img.ManifestStream.ObjectPath())
		},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			plant(s)
			if config, err := oci.LookupConfig(s.repo, s.img.ConfigDigest); config != nil || err != nil {
				t.Errorf("got %v, %v", config, err)
			}
		})
	}
}
