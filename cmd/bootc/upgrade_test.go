package main

import (
	"testing"

	"github.com/bootc-go/bootc/image"
)

func TestWithTag(t *testing.T) {
	t.Parallel()
	digest := "@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for ref, want := range map[string]string{
		"quay.io/acme/os:stable":          "docker://quay.io/acme/os:next",
		"quay.io/acme/os":                 "docker://quay.io/acme/os:next",
		"localhost:5000/os":               "docker://localhost:5000/os:next",
		"quay.io/acme/os" + digest:        "docker://quay.io/acme/os:next",
		"quay.io/acme/os:stable" + digest: "docker://quay.io/acme/os:next",
		"oci:/mnt/os:stable":              "oci:/mnt/os:next",
		"oci:/mnt/o.s":                    "oci:/mnt/o.s:next",
	} {
		r, err := image.Parse(ref)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := withTag(r, "next"); err != nil || got.String() != want {
			t.Errorf("%s: %s, %v", ref, got, err)
		}
	}
	r, err := image.Parse("quay.io/acme/os")
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"", "no spaces", "a/b"} {
		if got, err := withTag(r, tag); err == nil {
			t.Errorf("tag %q: %s", tag, got)
		}
	}
}
