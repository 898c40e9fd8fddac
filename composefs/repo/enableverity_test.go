package repo

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/internal/progress"
)

// looseRepo is a repository that was made where fs-verity is missing, opened where it
// is there.
func looseRepo(t *testing.T, k kernel) (*Repo, []verity.Digest) {
	t.Helper()
	r := initRepo(t, filepath.Join(t.TempDir(), "repo"), Config{Insecure: true}, noSync())
	var ds []verity.Digest
	for i := range 20 {
		ds = append(ds, put(t, r.NewImporter(), randomBytes(uint64(i), 100*i)))
	}
	mustNil(t, r.LinkStream("s", putStream(t, r, 99)))
	mustNil(t, r.Close())
	r, err := open(t.Context(), r.Path(), OpenOptions{}, k)
	mustNil(t, err)
	t.Cleanup(func() { r.Close() })
	return r, ds
}

func TestEnableVerity(t *testing.T) {
	t.Parallel()
	k := fakeVerity(t)
	r, _ := looseRepo(t, k)
	stats, err := r.EnableVerity(t.Context(), VerityOptions{})
	if want := (VerityStats{Objects: 22, Enabled: 22}); err != nil || stats != want {
		t.Errorf("got %+v, %v; want %+v", stats, err, want)
	}
	if r.Insecure() {
		t.Error("this Repo is insecure still")
	}
	again, err := open(t.Context(), r.Path(), OpenOptions{RequireVerity: true}, k)
	mustNil(t, err)
	defer again.Close()
	put(t, again.NewImporter(), []byte("a new object, which must have fs-verity"))
	check(t, again)
	if stats, err := again.EnableVerity(t.Context(), VerityOptions{}); err != nil || stats != (VerityStats{}) {
		t.Errorf("once more: %+v, %v", stats, err)
	}
}

// TestEnableVerityInterrupted stops after each number of objects in turn, and goes on.
func TestEnableVerityInterrupted(t *testing.T) {
	t.Parallel()
	k := fakeVerity(t)
	enable, left := k.enable, 0
	k.enable = func(f *os.File, alg verity.Algorithm) error {
		if left--; left < 0 {
			return context.Canceled
		}
		return enable(f, alg)
	}
	r, _ := looseRepo(t, k)
	for done := int64(0); done < 22; {
		left = 5
		stats, err := r.EnableVerity(t.Context(), VerityOptions{Workers: 1})
		if done+5 <= 22 {
			wantError(t, err, context.Canceled)
			if !r.Insecure() {
				t.Fatalf("required after %d objects", done)
			}
		} else if err != nil || r.Insecure() {
			t.Errorf("in the end: %v, insecure %v", err, r.Insecure())
		}
		done += stats.Enabled
	}
	check(t, r)
}

func TestEnableVerityNamesDamage(t *testing.T) {
	t.Parallel()
	r, ds := looseRepo(t, fakeVerity(t))
	mustNil(t, os.WriteFile(objectFile(r, ds[3]), randomBytes(77, 300), 0o644))
	mustNil(t, os.Remove(objectFile(r, ds[7])))
	mustNil(t, os.Mkdir(objectFile(r, ds[7]), 0o755))
	stats, err := r.EnableVerity(t.Context(), VerityOptions{})
	wantError(t, err, ErrDamaged)
	for _, d := range []verity.Digest{ds[3], ds[7]} {
		if !strings.Contains(err.Error(), "object "+d.String()+": ") {
			t.Errorf("%s is not named: %v", d, err)
		}
	}
	if stats.Enabled != 21 || !r.Insecure() {
		t.Errorf("enabled %d, insecure %v", stats.Enabled, r.Insecure())
	}
}

// TestEnableVerityBusy has an object open for writing, once and for ever.
func TestEnableVerityBusy(t *testing.T) {
	t.Parallel()
	for _, times := range []int{1, 1000} {
		k := fakeVerity(t)
		enable, busy := k.enable, verity.Digest{}
		var mu sync.Mutex
		k.enable = func(f *os.File, alg verity.Algorithm) error {
			mu.Lock()
			defer mu.Unlock()
			if strings.HasSuffix(f.Name(), busy.ObjectPath()) && times > 0 {
				times--
				return verity.ErrBusy
			}
			return enable(f, alg)
		}
		r, ds := looseRepo(t, k)
		busy = ds[5]
		forEver := times > 1
		_, err := r.EnableVerity(t.Context(), VerityOptions{})
		if forEver != errors.Is(err, verity.ErrBusy) || forEver != r.Insecure() || forEver == (err == nil) {
			t.Errorf("for ever %v: insecure %v, %v", forEver, r.Insecure(), err)
		}
	}
}

// TestEnableVerityWaits has somebody else store an object without fs-verity when all
// that were there have it.
func TestEnableVerityWaits(t *testing.T) {
	t.Parallel()
	k := fakeVerity(t)
	r, _ := looseRepo(t, k)
	other, err := open(t.Context(), r.Path(), OpenOptions{}, k)
	mustNil(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	first := true
	_, err = r.EnableVerity(ctx, VerityOptions{Progress: func(e progress.Event) {
		if e.Kind == progress.Done {
			cancel()
		}
	}})
	wantError(t, err, context.Canceled)
	if !r.Insecure() {
		t.Fatal("required while another program may store objects without")
	}
	stats, err := r.EnableVerity(t.Context(), VerityOptions{Progress: func(e progress.Event) {
		if e.Kind == progress.Done && first {
			first = false
			put(t, other.NewImporter(), []byte("late"))
			mustNil(t, other.Close())
		}
	}})
	if err != nil || stats.Objects != 23 {
		t.Errorf("got %+v, %v", stats, err)
	}
	check(t, r)
}

// TestEnableVerityOrder pins what is durable before what.
func TestEnableVerityOrder(t *testing.T) {
	t.Parallel()
	k := fakeVerity(t)
	enable := k.enable
	var events []string
	k.enable = func(f *os.File, alg verity.Algorithm) error {
		name := "object"
		if filepath.Base(f.Name()) == metaName {
			name = metaName
		}
		events = append(events, name)
		return enable(f, alg)
	}
	k.syncfs = func(int) error {
		events = append(events, "sync")
		return nil
	}
	r, _ := looseRepo(t, k)
	_, err := r.EnableVerity(t.Context(), VerityOptions{Workers: 1})
	mustNil(t, err)
	if got := slices.Compact(events); !slices.Equal(got, []string{"object", "sync", metaName, "sync"}) {
		t.Errorf("got %q", got)
	}
}

func TestEnableVerityRefuses(t *testing.T) {
	t.Parallel()
	k := noSync()
	k.measure = func(*os.File) (verity.Digest, error) { return verity.Digest{}, verity.ErrNotEnabled }
	k.enable = func(*os.File, verity.Algorithm) error { return verity.ErrNotSupported }
	r, _ := looseRepo(t, k)
	_, err := r.EnableVerity(t.Context(), VerityOptions{})
	wantError(t, err, verity.ErrNotSupported)
	readOnly, err := open(t.Context(), r.Path(), OpenOptions{ReadOnly: true}, k)
	mustNil(t, err)
	defer readOnly.Close()
	_, err = readOnly.EnableVerity(t.Context(), VerityOptions{})
	wantError(t, err, ErrReadOnly)
}
