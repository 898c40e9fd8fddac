package image_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/image/registrytest"
)

// mirrored is a registry called quay.example, which does not exist, or the
// given one, behind mirrors.
func mirrored(t *testing.T, own *registrytest.Registry, mirrors ...string) *system {
	t.Helper()
	sys := newSystem(t)
	conf := "[[registry]]\nprefix = \"quay.example\"\nlocation = \"127.0.0.1:1\"\n"
	if own != nil {
		conf = fmt.Sprintf("[[registry]]\nprefix = \"quay.example\"\nlocation = %q\ninsecure = true\n", own.Addr())
	}
	for _, m := range mirrors {
		conf += fmt.Sprintf("[[registry.mirror]]\nlocation = %q\ninsecure = true\n", m)
	}
	sys.write("etc/containers/registries.conf.d/mirrors.conf", conf)
	return sys
}

func TestMirrorServes(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	built := osImage(t)
	reg.Push("mirror/acme/os", "44", built)
	sys := mirrored(t, nil, reg.Addr()+"/mirror")
	checkImage(t, open(t, "quay.example/acme/os:44", sys.options()), built)
}

func TestPrimaryServesWhenMirrorsAreDown(t *testing.T) {
	t.Parallel()
	own, empty := registrytest.New(t), registrytest.New(t)
	built := osImage(t)
	own.Push("acme/os", "44", built)
	o := mirrored(t, own, "127.0.0.1:1", empty.Addr()).options()
	checkImage(t, open(t, "quay.example/acme/os:44", o), built)
	if d := slept(t, o); d != nil {
		t.Errorf("waited %v although the registry is up", d)
	}
	// The mirror that lacks the image is asked once for a blob, not for each.
	if n, _ := empty.Gets("/blobs/"); n != 1 {
		t.Errorf("the empty mirror was asked %d times for blobs, want once", n)
	}
}

// TestMirrorFailsInTheMiddle: the rest of a layer comes from the next place.
func TestMirrorFailsInTheMiddle(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]registrytest.Effect{
		"gone": registrytest.Status(404), "broken": registrytest.Status(500), "login": registrytest.Status(401), "hangs": registrytest.Hang(), "resets": registrytest.Reset(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own, mirror := registrytest.New(t), registrytest.New(t)
			built := osImage(t)
			own.Push("acme/os", "44", built)
			mirror.Push("acme/os", "44", built)
			layer := built.Layers[1].Digest
			mirror.Inject(registrytest.Fault{Path: layer.String(), Times: 1, Do: registrytest.Drop(100_000)})
			mirror.Inject(registrytest.Fault{Path: layer.String(), Skip: 1, Do: fault})
			sys := mirrored(t, own, mirror.Addr())
			sys.regs = []*registrytest.Registry{own, mirror}
			im := open(t, "quay.example/acme/os:44", sys.options())
			got, err := readLayer(t.Context(), im, 1)
			if err != nil || !bytes.Equal(got, built.Blobs[layer]) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			q := own.Requests(layer.String())
			if len(q) != 1 || q[0].Range != "bytes=100000-" || q[0].Status != http.StatusPartialContent {
				t.Errorf("the registry itself got %+v", q)
			}
		})
	}
}

// TestMirrorWithWrongBytes: a stream cannot take back what it gave, but the next
// attempt goes elsewhere.
func TestMirrorWithWrongBytes(t *testing.T) {
	t.Parallel()
	own, mirror := registrytest.New(t), registrytest.New(t)
	built := osImage(t)
	own.Push("acme/os", "44", built)
	mirror.Push("acme/os", "44", built)
	layer := built.Layers[1].Digest
	mirror.Inject(registrytest.Fault{Path: layer.String(), Do: registrytest.Corrupt(100)})
	im := open(t, "quay.example/acme/os:44", mirrored(t, own, mirror.Addr()).options())
	_, err := readLayer(t.Context(), im, 1)
	prefix := fmt.Sprintf("layer 2 of 3 (%s): registry %s has wrong bytes: ", short(layer), mirror.Addr())
	if err == nil || !strings.HasPrefix(err.Error(), prefix) {
		t.Errorf("got %v, want %s", err, prefix)
	}
	if got, err := readLayer(t.Context(), im, 1); err != nil || !bytes.Equal(got, built.Blobs[layer]) {
		t.Errorf("second attempt: %d bytes, %v", len(got), err)
	}
}

func TestAllMirrorsFail(t *testing.T) {
	t.Parallel()
	own, mirror := registrytest.New(t), registrytest.New(t)
	built := osImage(t)
	own.Push("acme/os", "44", built)
	mirror.Push("acme/os", "44", built)
	layer := built.Layers[1].Digest
	mirror.Inject(registrytest.Fault{Path: layer.String(), Do: registrytest.Status(503, "Retry-After", "9")})
	own.Inject(registrytest.Fault{Path: layer.String(), Do: registrytest.Status(404)})
	o := mirrored(t, own, mirror.Addr()).options()
	o.Retry.Attempts = 2
	im := open(t, "quay.example/acme/os:44", o)
	_, err := readLayer(t.Context(), im, 1)
	checkError(t, err, image.ErrNotFound, fmt.Sprintf(
		"layer 2 of 3 (%s): registry %s does not have it (404 Not Found) (and of its mirrors, registry %s answered 503 Service Unavailable) (2 attempts)",
		short(layer), own.Addr(), mirror.Addr()))
	if diff := cmp.Diff([]time.Duration{9 * s}, slept(t, o)); diff != "" {
		t.Error(diff)
	}
}

func TestDigestOnlyMirror(t *testing.T) {
	t.Parallel()
	own, mirror := registrytest.New(t), registrytest.New(t)
	built := osImage(t)
	d := own.Push("acme/os", "44", built)
	mirror.Push("acme/os", "44", built)
	sys := mirrored(t, own, mirror.Addr())
	conf := fmt.Sprintf("[[registry]]\nprefix = \"quay.example\"\nlocation = %q\ninsecure = true\n[[registry.mirror]]\nlocation = %q\ninsecure = true\npull-from-mirror = \"digest-only\"\n", own.Addr(), mirror.Addr())
	sys.write("etc/containers/registries.conf.d/mirrors.conf", conf)
	checkImage(t, open(t, "quay.example/acme/os:44", sys.options()), built)
	if q := mirror.Requests(""); len(q) != 0 {
		t.Errorf("the mirror was asked: %+v", q)
	}
	checkImage(t, open(t, "quay.example/acme/os@"+d.String(), sys.options()), built)
	if n, _ := mirror.Gets("/blobs/"); n != 4 {
		t.Errorf("the mirror served %d blobs, want 4", n)
	}
}

func TestBlocked(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	built := osImage(t)
	reg.Push("acme/os", "44", built)
	sys := newSystem(t, reg)
	sys.write("etc/containers/registries.conf.d/block.conf", "[[registry]]\nlocation = \"quay.example\"\nblocked = true\n")
	checkError(t, openError(t, "quay.example/acme/os:44", sys.options()), image.ErrBlocked, "registry quay.example is blocked by registries.conf")

	// A blocked registry may still be pulled from through its mirror.
	sys = newSystem(t, reg)
	sys.write("etc/containers/registries.conf.d/block.conf",
		fmt.Sprintf("[[registry]]\nlocation = \"quay.example\"\nblocked = true\n[[registry.mirror]]\nlocation = %q\ninsecure = true\n", reg.Addr()))
	checkImage(t, open(t, "quay.example/acme/os:44", sys.options()), built)
}

func TestPlainHTTP(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	built := osImage(t)
	reg.Push("acme/os", "44", built)
	sys := newSystem(t)
	err := openError(t, reg.Name("acme/os:44"), sys.options())
	checkError(t, err, image.ErrTLS, "registry "+reg.Addr()+" cannot be trusted: http: server gave HTTP response to HTTPS client")
	if q := reg.Requests(""); len(q) != 0 {
		t.Errorf("%d requests went over plain http", len(q))
	}
	o := sys.options()
	o.InsecureTLS = true
	checkImage(t, open(t, reg.Name("acme/os:44"), o), built)
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t, registrytest.WithTLS(), registrytest.WithBearer("u", "p"))
	built := osImage(t)
	reg.Push("acme/os", "44", built)
	name := reg.Name("acme/os:44")
	auth := authJSON(reg.Addr(), "u", "p")

	sys := newSystem(t)
	sys.write("etc/ostree/auth.json", auth)
	checkError(t, openError(t, name, sys.options()), image.ErrTLS,
		"registry "+reg.Addr()+" cannot be trusted: tls: failed to verify certificate: x509: certificate signed by unknown authority")

	for _, dir := range []string{"etc/containers/certs.d/", "etc/docker/certs.d/"} {
		sys := newSystem(t)
		sys.write("etc/ostree/auth.json", auth)
		sys.write(dir+reg.Addr()+"/ca.crt", string(reg.CertPEM()))
		checkImage(t, open(t, name, sys.options()), built)
	}

	sys.write("elsewhere/"+reg.Addr()+"/ca.crt", string(reg.CertPEM()))
	o := sys.options()
	o.CertDir = sys.path("elsewhere")
	checkImage(t, open(t, name, o), built)

	sys = newSystem(t, reg) // marked as insecure
	sys.write("etc/ostree/auth.json", auth)
	checkImage(t, open(t, name, sys.options()), built)
}

func TestBadRegistriesConf(t *testing.T) {
	t.Parallel()
	sys := newSystem(t)
	sys.write("etc/containers/registries.conf", "[[registry]\n")
	err := openError(t, "quay.example/acme/os:44", sys.options())
	if !strings.HasPrefix(err.Error(), "registries.conf: ") {
		t.Error(err)
	}
}
