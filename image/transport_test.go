package image_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/image/registrytest"
)

// TestSkopeoAgrees: what skopeo writes, we read, and it equals what skopeo reads
// from the same place.
func TestSkopeoAgrees(t *testing.T) {
	t.Parallel()
	layout := filepath.Join(t.TempDir(), "layout")
	spec := osSpec()
	spec.Layers[1].Compression = registrytest.Gzip // docker-archive of this skopeo knows no zstd
	built := registrytest.Build(t, spec)
	registrytest.WriteLayout(t, layout, "44", built)
	for _, tc := range []struct {
		transport, name string
		exact           bool // keeps the manifest
	}{
		{"oci", "/copy:44", true},
		{"oci", "/untagged", true},
		{"oci-archive", "/os.tar:44", true},
		{"dir", "/copy", true},
		{"docker-archive", "/os.tar:quay.example/acme/os:44", false},
	} {
		t.Run(tc.transport, func(t *testing.T) {
			t.Parallel()
			ref := tc.transport + ":" + t.TempDir() + tc.name
			args := []string{"copy", "oci:" + layout + ":44", ref}
			if tc.exact {
				args = append(args, "--preserve-digests")
			}
			skopeo(t, args...)
			im := open(t, ref, newSystem(t).options())
			if tc.exact {
				checkImage(t, im, built)
			}
			checkAgainstSkopeo(t, im, ref)
		})
	}
}

// checkAgainstSkopeo compares with skopeo inspect, and copies the image with
// skopeo to compare the layers.
func checkAgainstSkopeo(t *testing.T, im *image.Image, ref string) {
	t.Helper()
	if raw := skopeo(t, "inspect", "--raw", ref); !bytes.Equal(raw, im.Manifest) {
		t.Errorf("manifest\n%s\nskopeo has\n%s", im.Manifest, raw)
	}
	if raw := skopeo(t, "inspect", "--raw", "--config", ref); !bytes.Equal(bytes.TrimSpace(raw), bytes.TrimSpace(im.Config)) {
		t.Errorf("configuration\n%s\nskopeo has\n%s", im.Config, raw)
	}
	dir := filepath.Join(t.TempDir(), "dir")
	skopeo(t, "copy", ref, "dir:"+dir)
	for i, l := range im.Layers {
		got, err := readLayer(t.Context(), im, i)
		if err != nil {
			t.Error(err)
			continue
		}
		if d := digest.FromBytes(got); d != l.Digest {
			t.Errorf("layer %d has digest %s, want %s", i, d, l.Digest)
		}
		want, err := os.ReadFile(filepath.Join(dir, l.Digest.Encoded()))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("layer %d: %d bytes, skopeo has %d, %v", i, len(got), len(want), err)
		}
	}
}

// TestSkopeoPushes: what skopeo pushes into a registry equals what it has.
func TestSkopeoPushes(t *testing.T) {
	t.Parallel()
	layout := filepath.Join(t.TempDir(), "layout")
	built := osImage(t)
	registrytest.WriteLayout(t, layout, "44", built)
	reg := registrytest.New(t)
	skopeo(t, "copy", "--preserve-digests", "--dest-tls-verify=false", "oci:"+layout+":44", "docker://"+reg.Name("acme/os:44"))
	checkImage(t, open(t, reg.Name("acme/os:44"), newSystem(t, reg).options()), built)
}

// TestContainersStorage reads an image out of a store that skopeo wrote. The
// store has unpacked the layers; they come as the tars they were.
func TestContainersStorage(t *testing.T) {
	t.Parallel()
	layout, store := filepath.Join(t.TempDir(), "layout"), t.TempDir()
	built := osImage(t)
	registrytest.WriteLayout(t, layout, "44", built)
	ref := fmt.Sprintf("containers-storage:[vfs@%s/root+%s/run]quay.example/acme/os:44", store, store)
	skopeo(t, "copy", "oci:"+layout+":44", ref)
	im := open(t, ref, newSystem(t).options())
	if !bytes.Equal(im.Config, built.Config) || len(im.Layers) != 3 {
		t.Fatalf("%+v", im)
	}
	for i, l := range im.Layers {
		if l.Digest != built.DiffIDs[i] || l.DiffID != built.DiffIDs[i] {
			t.Errorf("layer %d: %+v, want the tar %s", i, l, built.DiffIDs[i])
		}
		got, err := readLayer(t.Context(), im, i)
		if err != nil || digest.FromBytes(got) != l.DiffID {
			t.Errorf("layer %d: %d bytes, %v", i, len(got), err)
		}
	}
}

// TestDockerDaemon asks a daemon that is not there.
func TestDockerDaemon(t *testing.T) {
	t.Parallel()
	o := newSystem(t).options()
	o.Retry.Attempts = 1
	err := openError(t, "docker-daemon:acme/os:44", o)
	if !strings.HasPrefix(err.Error(), "docker-daemon:acme/os:44: ") {
		t.Error(err)
	}
}

func TestLocalFailures(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "oci")
	built := osImage(t)
	registrytest.WriteLayout(t, dir, "44", built)
	ref := "oci:" + dir + ":44"
	layer := built.Layers[1].Digest
	path := filepath.Join(dir, "blobs/sha256", layer.Encoded())
	name := fmt.Sprintf("layer 2 of 3 (%s): %s ", short(layer), ref)
	good := built.Blobs[layer]
	bad := bytes.Clone(good)
	bad[1000] ^= 1
	im := open(t, ref, newSystem(t).options())
	for _, tc := range []struct {
		content []byte
		kind    error
		want    string
	}{
		{bad, image.ErrCorrupt, "has wrong bytes: their digest is " + digest.FromBytes(bad).String()},
		{good[:1000], image.ErrCorrupt, fmt.Sprintf("has 1,000 bytes where the manifest says %d,%03d", len(good)/1000, len(good)%1000)},
		{nil, image.ErrNotFound, "does not give it: open blobs/sha256/" + layer.Encoded() + ": no such file or directory"},
	} {
		if tc.content == nil {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(path, tc.content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := readLayer(t.Context(), im, 1)
		checkError(t, err, tc.kind, name+tc.want)
	}
	for ref, want := range map[string]string{
		"oci:" + dir + ":45":     `no descriptor found for reference "45"`,
		"oci:/does/not/exist:44": "no such file or directory",
		"dir:/does/not/exist":    "no such file or directory",
		"oci-archive:/nope.tar":  "archive file not found",
		"docker-archive:/nope":   "no such file or directory",
		"docker-archive:/x:A:b":  "invalid reference format",
	} {
		if err := openError(t, ref, newSystem(t).options()); !strings.HasPrefix(err.Error(), ref+": ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", ref, err, want)
		}
	}
}

// TestIndexInLayout: an index is chosen from wherever it is.
func TestIndexInLayout(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "oci")
	index, images := platformIndex(t, "linux/amd64", "linux/arm64")
	registrytest.WriteLayout(t, dir, "44", index)
	o := newSystem(t).options()
	o.Arch = "arm64"
	im := open(t, "oci:"+dir+":44", o)
	checkImage(t, im, images["linux/arm64"])
	if im.IndexDigest != index.Descriptor.Digest {
		t.Errorf("index digest %s", im.IndexDigest)
	}
}

// TestTransportOption: every request for a blob goes through the transport that
// the caller wraps.
func TestTransportOption(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	built := osImage(t)
	reg.Push("acme/os", "44", built)
	o := newSystem(t, reg).options()
	var paths []string
	o.Transport = func(base http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			paths = append(paths, r.URL.Path)
			return base.RoundTrip(r)
		})
	}
	checkImage(t, open(t, reg.Name("acme/os:44"), o), built)
	if len(paths) != 5 { // the first goes out twice: https is tried before http
		t.Errorf("%d requests: %v", len(paths), paths)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestLateChallenge: some registries tell how to log in only at /v2/.
func TestLateChallenge(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t, registrytest.WithBearer("u", "p"))
	built := osImage(t)
	reg.Push("acme/os", "44", built)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, err := http.NewRequestWithContext(r.Context(), r.Method, reg.URL()+r.URL.Path, nil)
		if err != nil {
			t.Error(err)
			return
		}
		req.Header = r.Header
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		for k, v := range resp.Header {
			if k != "Www-Authenticate" || r.URL.Path == "/v2/" {
				w.Header()[k] = v
			}
		}
		w.WriteHeader(resp.StatusCode)
		var buf bytes.Buffer
		_, _ = buf.ReadFrom(resp.Body)
		_, _ = w.Write(buf.Bytes())
	}))
	t.Cleanup(front.Close)
	addr := strings.TrimPrefix(front.URL, "http://")
	sys := newSystem(t)
	sys.write("etc/containers/registries.conf", fmt.Sprintf("[[registry]]\nlocation = %q\ninsecure = true\n", addr))
	sys.write("etc/ostree/auth.json", authJSON(addr, "u", "p"))
	checkImage(t, open(t, addr+"/acme/os:44", sys.options()), built)
}

// TestAnnotations: a layer's annotations come along; zstd:chunked keeps its
// table of contents there.
func TestAnnotations(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	spec := osSpec()
	spec.Layers[0].Annotations = map[string]string{"io.github.containers.zstd-chunked.manifest-position": "1:2:3:1"}
	reg.Push("acme/os", "44", registrytest.Build(t, spec))
	im := open(t, reg.Name("acme/os:44"), newSystem(t, reg).options())
	got, err := json.Marshal(im.Layers[0].Annotations)
	if err != nil || string(got) != `{"io.github.containers.zstd-chunked.manifest-position":"1:2:3:1"}` {
		t.Errorf("%s, %v", got, err)
	}
}
