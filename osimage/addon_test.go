package osimage

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// An addon is chosen by its name, and what is not chosen takes no room.
func TestWithAddons(t *testing.T) {
	t.Parallel()
	const extra = "boot/EFI/Linux/acme.efi.extra.d/"
	uki := buildUKI(t, ".linux=k", ".initrd=i")
	fsys := sealed(uki, fstest.MapFS{
		extra + "a.addon.efi":   file("a"),
		extra + "b.addon.efi":   file("bb"),
		extra + "c d.addon.efi": file("cccc"),
		extra + "e.efi":         file("no addon"),
	})
	all, err := FindKernel(fsys)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b", "c d"}, all.AddonNames()); diff != "" {
		t.Error(diff)
	}
	for _, tt := range []struct {
		names []string
		want  []string // files
		size  int64    // of these
		err   string
	}{
		{names: nil},
		{names: []string{"c d", "a", "a"}, want: []string{extra + "a.addon.efi", extra + "c d.addon.efi"}, size: 5},
		{names: []string{"b", "x", "a.addon.efi"}, want: []string{extra + "b.addon.efi"}, size: 2, err: `called "x", "a.addon.efi": the image has "a", "b", "c d"`},
	} {
		got, err := all.WithAddons(fsys, tt.names)
		if tt.err == "" && err != nil || tt.err != "" && (!errors.Is(err, ErrNoAddon) || !strings.HasSuffix(err.Error(), tt.err)) {
			t.Errorf("%q: %v", tt.names, err)
		}
		want := all
		want.Addons, want.Size = tt.want, int64(len(uki))+tt.size
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", tt.names, diff)
		}
	}
	if len(all.Addons) != 3 {
		t.Errorf("changed: %+v", all)
	}
}

func TestWithAddonsOfNone(t *testing.T) {
	t.Parallel()
	for want, fsys := range map[string]fstest.MapFS{
		"the image has none":                    sealed(buildUKI(t, ".linux=k", ".initrd=i"), nil),
		"the image has no unified kernel image": bls(nil),
	} {
		k, err := FindKernel(fsys)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.WithAddons(fsys, nil); err != nil {
			t.Error(err)
		}
		if _, err := k.WithAddons(fsys, []string{"x"}); !errors.Is(err, ErrNoAddon) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}
