package oci

import (
	"strings"
	"testing"
)

func TestTagNames(t *testing.T) {
	// The pairs are those of composefs-rs's own test of its encoding.
	for tag, name := range map[string]string{
		"latest":                   "latest",
		"quay.io/acme/os:44":       "quay.io%2Facme%2Fos:44",
		"100%":                     "100%25",
		"a%2Fb":                    "a%252Fb",
		"%/%25":                    "%25%2F%2525",
		"docker://host:5000/x@sha": "docker:%2F%2Fhost:5000%2Fx@sha",
	} {
		if got := EncodeTag(tag); got != name {
			t.Errorf("EncodeTag(%q) = %q, want %q", tag, got, name)
		}
		if got := DecodeTag(name); got != tag {
			t.Errorf("DecodeTag(%q) = %q, want %q", name, got, tag)
		}
	}
	if got := DecodeTag("50%_%2"); got != "50%_%2" {
		t.Errorf("a percent sign that begins no escape became %q", got)
	}
}

func TestCheckTag(t *testing.T) {
	for _, tag := range []string{"a", "...", "a b", "x/../y", strings.Repeat("a", 255), "ü"} {
		if err := CheckTag(tag); err != nil {
			t.Errorf("CheckTag(%q): %v", tag, err)
		}
	}
	for _, tag := range []string{"", "@sha256:00", "caf\xe9", "\xed\xa0\x80", ".", "..", "a\x00b", strings.Repeat("a", 256), strings.Repeat("/", 86)} {
		if CheckTag(tag) == nil {
			t.Errorf("CheckTag(%q) found nothing wrong", tag)
		}
	}
}

func FuzzTag(f *testing.F) {
	for _, s := range []string{"", "a", "%", "%2F", "%25", "a/b%/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, tag string) {
		name := EncodeTag(tag)
		if strings.Contains(name, "/") {
			t.Errorf("EncodeTag(%q) = %q leads out of the directory", tag, name)
		}
		if got := DecodeTag(name); got != tag {
			t.Errorf("%q came back as %q", tag, got)
		}
	})
}

func TestManifestOf(t *testing.T) {
	const hex = "862439bf1b2d79b2b89840992a06c40146072daa1a7f3a069989b6d9e7efb7d8"
	d, err := manifestOf("../../oci-manifest-sha256:" + hex)
	if err != nil || string(d) != "sha256:"+hex {
		t.Errorf("got %s, %v", d, err)
	}
	for _, target := range []string{"", "../../oci-config-sha256:" + hex, "../../oci-manifest-sha256:" + hex[1:], "oci-manifest-../../x"} {
		if d, err := manifestOf(target); err == nil {
			t.Errorf("manifestOf(%q) = %s", target, d)
		}
	}
}
