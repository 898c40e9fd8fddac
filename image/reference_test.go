package image_test

import (
	"strings"
	"testing"

	"github.com/bootc-go/bootc/image"
)

const accepted = "; write NAME[:TAG|@DIGEST] for an image in a registry, or TRANSPORT:NAME with one of " +
	"containers-storage, dir, docker-archive, docker-daemon, oci, oci-archive and registry (or docker://)"

func TestParse(t *testing.T) {
	t.Parallel()
	d := "sha256:" + strings.Repeat("a", 64)
	for _, tc := range []struct{ in, transport, name, out string }{
		{"quay.io/acme/os", "registry", "quay.io/acme/os", "docker://quay.io/acme/os"},
		{"quay.io/acme/os:44", "registry", "quay.io/acme/os:44", "docker://quay.io/acme/os:44"},
		{"localhost:5000/os:44", "registry", "localhost:5000/os:44", "docker://localhost:5000/os:44"},
		{"debian", "registry", "debian", "docker://debian"},
		{"registry:quay.io/acme/os:44", "registry", "quay.io/acme/os:44", "docker://quay.io/acme/os:44"},
		{"docker://quay.io/acme/os:44", "registry", "quay.io/acme/os:44", "docker://quay.io/acme/os:44"},
		{"quay.io/acme/os@" + d, "registry", "quay.io/acme/os@" + d, "docker://quay.io/acme/os@" + d},
		{"quay.io/acme/os:44@" + d, "registry", "quay.io/acme/os:44@" + d, "docker://quay.io/acme/os:44@" + d},
		{"oci:/var/os", "oci", "/var/os", "oci:/var/os"},
		{"oci:rel/os:44", "oci", "rel/os:44", "oci:rel/os:44"},
		{"oci-archive:/os.tar:44", "oci-archive", "/os.tar:44", "oci-archive:/os.tar:44"},
		{"dir:/var/os", "dir", "/var/os", "dir:/var/os"},
		{"docker-archive:/os.tar:acme/os:44", "docker-archive", "/os.tar:acme/os:44", "docker-archive:/os.tar:acme/os:44"},
		{"docker-daemon:acme/os:44", "docker-daemon", "acme/os:44", "docker-daemon:acme/os:44"},
		{"containers-storage:localhost/os", "containers-storage", "localhost/os", "containers-storage:localhost/os"},
		{"containers-storage:[vfs@/a+/b]localhost/os", "containers-storage", "[vfs@/a+/b]localhost/os", "containers-storage:[vfs@/a+/b]localhost/os"},
	} {
		r, err := image.Parse(tc.in)
		if err != nil || r.Transport() != tc.transport || r.Name() != tc.name || r.String() != tc.out {
			t.Errorf("%s: got %s %s %s, %v", tc.in, r.Transport(), r.Name(), r, err)
			continue
		}
		if again, err := image.Parse(r.String()); err != nil || again != r {
			t.Errorf("%s: reads back as %v, %v", r, again, err)
		}
		if same, err := image.New(tc.transport, tc.name); err != nil || same != r {
			t.Errorf("New(%s, %s): %v, %v", tc.transport, tc.name, same, err)
		}
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                     `"" is no image reference: the name is empty`,
		"oci:":                                 `"oci:" is no image reference: the name is empty`,
		"oci::tag":                             `"oci::tag" is no image reference: the path is empty`,
		"docker:quay.io/os":                    `"docker:quay.io/os" is no image reference: "docker:" must be followed by "//"`,
		"docker://":                            `"docker://" is no image reference: the name is empty`,
		"quay.io/Acme/os":                      `"quay.io/Acme/os" is no image reference: invalid reference format: repository name must be lowercase`,
		"https://quay.io/os":                   `"https://quay.io/os" is no image reference: invalid reference format`,
		"ostree-unverified-registry:quay.io/x": `"ostree-unverified-registry:quay.io/x" is no image reference: invalid reference format`,
		"quay.io/os\n":                         `"quay.io/os\n" is no image reference: the name contains a control character`,
		"dir:" + strings.Repeat("x", 5000):     `"dir:` + strings.Repeat("x", 196) + `…" is no image reference: the name is longer than 4096 bytes`,
	} {
		_, err := image.Parse(in)
		checkError(t, err, nil, want+accepted)
	}
	_, err := image.New("ostree", "x")
	checkError(t, err, nil, `"ostree" is no transport of images; use one of `+strings.TrimPrefix(accepted[strings.Index(accepted, "with one of "):], "with one of "))
}

func TestDockerAlias(t *testing.T) {
	t.Parallel()
	r, err := image.New("docker", "quay.io/os")
	if err != nil || r.Transport() != "registry" {
		t.Errorf("%v, %v", r, err)
	}
	if !(image.Reference{}).IsZero() || r.IsZero() {
		t.Error("IsZero is wrong")
	}
}

// FuzzParse: what is accepted reads back as the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"quay.io/acme/os:44", "docker://localhost:5000/x@sha256:" + strings.Repeat("0", 64), "oci:/a:b", "oci-archive:/a.tar",
		"containers-storage:[overlay@/a+/b:x=y]localhost/os", "docker-daemon:sha256:" + strings.Repeat("1", 64), "dir:", "registry:docker://x", "a:b:c", "[::1]/x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := image.Parse(s)
		if err != nil {
			if !r.IsZero() {
				t.Errorf("%q: %v beside an error", s, r)
			}
			return
		}
		again, err := image.Parse(r.String())
		if err != nil || again != r {
			t.Errorf("%q became %q, which reads back as %v, %v", s, r, again, err)
		}
		if same, err := image.New(r.Transport(), r.Name()); err != nil || same != r {
			t.Errorf("%q: New gives %v, %v", s, same, err)
		}
	})
}
