package deploy

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/osimage"
)

func ref(t testing.TB, s string) image.Reference {
	t.Helper()
	r, err := image.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var compareOrigins = cmp.Options{
	cmp.AllowUnexported(origin{}, iniLine{}), cmpopts.IgnoreFields(origin{}, "file"),
	cmp.Comparer(func(a, b image.Reference) bool { return a == b }),
}

const manifestDigest = "sha256:2b1b1e9ab0b8a9c1a0e4b6b2f2a1b6bd8c8f3a0c9d0e7f6a5b4c3d2e1f009988"

// TestReadUpstreamOrigin reads the file that upstream's program writes (its tini has
// blanks around "="), and one with the keys that older ones wrote.
func TestReadUpstreamOrigin(t *testing.T) {
	t.Parallel()
	got, err := parseOrigin([]byte(`[origin]
container-image-reference = ostree-unverified-image:docker://quay.io/acme/os:44
[boot]
boot_type = uki
digest = 00ff
[image]
manifest_digest = ` + manifestDigest + `
`))
	if err != nil {
		t.Fatal(err)
	}
	want := origin{
		target:   Target{Ref: ref(t, "quay.io/acme/os:44")},
		manifest: manifestDigest, bootType: osimage.UKI, bootDigest: "00ff",
	}
	if d := cmp.Diff(want, got, compareOrigins...); d != "" {
		t.Error(d)
	}
}

// TestImageForms are all ways in which ostree writes an image and its signature.
func TestImageForms(t *testing.T) {
	t.Parallel()
	policy := &host.Signature{Kind: host.ContainerPolicy}
	remote := &host.Signature{Kind: host.OstreeRemote, Remote: "fedora"}
	for _, tt := range []struct {
		text string
		want Target
		form string // as we write it
	}{
		{"ostree-unverified-image:docker://quay.io/x:1", Target{Ref: ref(t, "quay.io/x:1")}, ""},
		{"ostree-unverified-image:registry:quay.io/x:1", Target{Ref: ref(t, "quay.io/x:1")}, "ostree-unverified-image:docker://quay.io/x:1"},
		{"ostree-unverified-registry:quay.io/x:1", Target{Ref: ref(t, "quay.io/x:1")}, "ostree-unverified-image:docker://quay.io/x:1"},
		{"ostree-unverified-image:oci:/var/x:y", Target{Ref: ref(t, "oci:/var/x:y")}, ""},
		{"ostree-unverified-image:containers-storage:localhost/x", Target{Ref: ref(t, "containers-storage:localhost/x")}, ""},
		{"ostree-image-signed:docker://quay.io/x:1", Target{Ref: ref(t, "quay.io/x:1"), Signature: policy}, ""},
		{"ostree-remote-image:fedora:docker://quay.io/x:1", Target{Ref: ref(t, "quay.io/x:1"), Signature: remote}, ""},
		{"ostree-remote-registry:fedora:quay.io/x:1", Target{Ref: ref(t, "quay.io/x:1"), Signature: remote}, "ostree-remote-image:fedora:docker://quay.io/x:1"},
	} {
		got, err := parseImage(tt.text)
		if d := cmp.Diff(tt.want, got, compareOrigins...); d != "" || err != nil {
			t.Errorf("%s: %v, %s", tt.text, err, d)
		}
		if tt.form == "" {
			tt.form = tt.text
		}
		if got := formatImage(tt.want); got != tt.form {
			t.Errorf("%s is written as %s", tt.text, got)
		}
	}
	for _, bad := range []string{"", "docker://quay.io/x", "ostree-remote-image:x", "ostree-remote-image::docker://x", "ostree-unverified-image:", "ostree-unverified-image:x:y:z z"} {
		if got, err := parseImage(bad); err == nil {
			t.Errorf("%q is %+v", bad, got)
		}
	}
}

func TestOriginRoundTrip(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	want := origin{
		target:   Target{Ref: ref(t, "oci:/x"), Signature: &host.Signature{Kind: host.ContainerPolicy}},
		manifest: manifestDigest, version: "44.1", timestamp: &at, arch: "arm64",
		bootType: osimage.BLS, bootDigest: "abcd", pinned: true,
	}
	for _, addons := range [][]string{nil, {}, {"a"}, {`,"] `, "b c", "ü<>"}} {
		want.addons = addons
		got, err := parseOrigin(want.encode())
		if d := cmp.Diff(want, got, compareOrigins...); d != "" || err != nil {
			t.Errorf("%v, %s", err, d)
		}
	}
}

// TestOriginKeepsWhatItDoesNotKnow, and adds its own beside it.
func TestOriginKeepsWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	o, err := parseOrigin([]byte("; a comment\n[origin]\ncontainer-image-reference=ostree-unverified-registry:quay.io/x\nother=1\n\n[theirs]\nkey = a = b\nempty=\n"))
	if err != nil {
		t.Fatal(err)
	}
	o.pinned = true
	o.version = "1\n[theirs]\nkey=evil"
	want := `[origin]
container-image-reference = ostree-unverified-image:docker://quay.io/x
other = 1
[theirs]
key = a = b
empty =
[bootc-go]
version = 1 [theirs] key=evil
pinned = true
`
	if d := cmp.Diff(want, string(o.encode())); d != "" {
		t.Error(d)
	}
}

// TestDamagedOrigin gives what can be understood, and the error names the rest.
func TestDamagedOrigin(t *testing.T) {
	t.Parallel()
	good := "[origin]\ncontainer-image-reference = ostree-unverified-registry:quay.io/x\n"
	for _, tt := range []struct{ text, want string }{
		{"[origin]\n", imageKey},
		{good + "[image]\nmanifest_digest = sha256:zz\n", "digest"},
		{good + "[boot]\nboot_type = floppy\n", "floppy"},
		{good + "[bootc-go]\ntimestamp = yesterday\n", "yesterday"},
		{good + "[bootc-go]\npinned = perhaps\n", "perhaps"},
		{good + "[bootc-go]\naddons = debug\n", "addons"},
		{good + "[bootc-go]\naddons = [\"\\u0085\"]\n", "addons"},
		{"key = without section", "line 1"},
		{good + "no key", "line 3"},
	} {
		o, err := parseOrigin([]byte(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: error %v", tt.text, err)
		}
		if strings.HasPrefix(tt.text, good+"[") && o.target.Ref.IsZero() {
			t.Errorf("%q: the image is lost", tt.text)
		}
	}
}

// FuzzOrigin: whatever is read is written such that it is read the same.
func FuzzOrigin(f *testing.F) {
	f.Add([]byte("[origin]\ncontainer-image-reference = ostree-remote-image:r:docker://x\n[boot]\nboot_type=bls\n[bootc-go]\npinned=1\naddons=[\"a\"]\n"))
	f.Add([]byte("[a]\nb=c\n[ b ]\n=x\n[]\nk=v"))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := parseOrigin(data)
		if err != nil {
			return
		}
		if o.manifest != "" && o.manifest.Validate() != nil {
			t.Errorf("manifest %q", o.manifest)
		}
		again, err := parseOrigin(o.encode())
		if d := cmp.Diff(o, again, compareOrigins...); d != "" || err != nil {
			t.Errorf("%q: %v, %s", data, err, d)
		}
		if twice := again.encode(); string(twice) != string(o.encode()) {
			t.Errorf("%q, then %q", o.encode(), twice)
		}
	})
}
