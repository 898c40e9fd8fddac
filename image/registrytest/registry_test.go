package registrytest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/testtool"
)

func sample(t *testing.T) *registrytest.Built {
	t.Helper()
	return registrytest.Build(t, registrytest.Image{
		Layers: []registrytest.Layer{
			{Entries: []registrytest.Entry{registrytest.Dir("etc"), registrytest.File("etc/motd", "hello\n")}, Compression: registrytest.Gzip},
			{Entries: []registrytest.Entry{registrytest.File("blob", registrytest.Random(1, 200_000))}, Compression: registrytest.Zstd},
			{Entries: []registrytest.Entry{registrytest.Symlink("a", "b").Xattr("user.k", "v")}},
		},
		Labels: map[string]string{"containers.bootc": "1"},
	})
}

func skopeo(t *testing.T, args ...string) []byte {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(testtool.Path(t, "skopeo"), append([]string{"--insecure-policy", "--tmpdir=" + t.TempDir()}, args...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("skopeo %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return out
}

// TestSkopeoPulls shows that a client which knows nothing of us takes the
// registry for one.
func TestSkopeoPulls(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	im := sample(t)
	reg.Push("acme/os", "44", registrytest.Index(t, im))
	raw := skopeo(t, "inspect", "--raw", "--tls-verify=false", "docker://"+reg.Name("acme/os:44"))
	if want := registrytest.Index(t, im).Manifest; !bytes.Equal(raw, want) {
		t.Errorf("index: got %s, want %s", raw, want)
	}
	dir := filepath.Join(t.TempDir(), "oci")
	skopeo(t, "copy", "--all", "--preserve-digests", "--src-tls-verify=false", "docker://"+reg.Name("acme/os:44"), "oci:"+dir+":44")
	for d, want := range im.Blobs {
		got, err := os.ReadFile(filepath.Join(dir, "blobs", d.Algorithm().String(), d.Encoded()))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("blob %s differs (%v)", d, err)
		}
	}
}

func TestSkopeoPushes(t *testing.T) {
	t.Parallel()
	for _, opts := range [][]registrytest.Option{nil, {registrytest.WithBasic("u", "p")}, {registrytest.WithBearer("u", "p")}} {
		reg := registrytest.New(t, opts...)
		im := sample(t)
		dir := filepath.Join(t.TempDir(), "layout")
		registrytest.WriteLayout(t, dir, "one", im)
		skopeo(t, "copy", "--preserve-digests", "--dest-tls-verify=false", "--dest-creds=u:p", "oci:"+dir+":one", "docker://"+reg.Name("acme/os:one"))
		got, mt, ok := reg.Manifest("acme/os", "one")
		if !ok || mt != v1.MediaTypeImageManifest || !bytes.Equal(got, im.Manifest) {
			t.Errorf("manifest %v %s:\n%s\nwant\n%s", ok, mt, got, im.Manifest)
		}
		back := skopeo(t, "inspect", "--raw", "--config", "--tls-verify=false", "--creds=u:p", "docker://"+reg.Name("acme/os:one"))
		if !bytes.Equal(bytes.TrimSpace(back), im.Config) {
			t.Errorf("config %s, want %s", back, im.Config)
		}
	}
}

func TestAddLayout(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	im := sample(t)
	dir := t.TempDir()
	registrytest.WriteLayout(t, dir, "one", im)
	registrytest.WriteLayout(t, dir, "two", registrytest.Index(t, im))
	reg.AddLayout(t, "acme/os", dir)
	for _, ref := range []string{"manifests/one", "manifests/two", "manifests/" + im.Descriptor.Digest.String(), "blobs/" + im.Layers[1].Digest.String()} {
		if status, body := get(t, reg, "/v2/acme/os/"+ref, ""); status != http.StatusOK || body == "" {
			t.Errorf("%s: %d, %d bytes", ref, status, len(body))
		}
	}
}

// giveUp cancels a request a while after the registry began to hold it.
func giveUp(ctx context.Context, cancel func(), reg *registrytest.Registry) {
	for ctx.Err() == nil {
		if reg.Held() > 0 {
			time.AfterFunc(100*time.Millisecond, cancel)
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// get returns the status and the body as far as they came: status 0 if there was
// no answer, "ERROR" at the body's end if it was cut off.
func get(t *testing.T, reg *registrytest.Registry, path, rng string) (status int, body string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go giveUp(ctx, cancel, reg)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, reg.URL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if rng != "" {
		req.Header.Set("Range", rng)
	}
	c := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		data = append(data, "ERROR"...)
	}
	return resp.StatusCode, string(data)
}

func TestFaults(t *testing.T) {
	t.Parallel()
	data := "0123456789"
	for _, tc := range []struct {
		name   string
		do     registrytest.Effect
		rng    string
		status int
		body   string
	}{
		{"drop", registrytest.Drop(4), "", 200, "0123ERROR"},
		{"stall", registrytest.Stall(4), "", 200, "0123ERROR"},
		{"truncate", registrytest.Truncate(4), "", 200, "0123"},
		{"corrupt", registrytest.Corrupt(2), "", 200, "0133456789"},
		{"status", registrytest.Status(503, "Retry-After", "7"), "", 503, `{"errors":[{"code":"UNKNOWN","message":"Service Unavailable"}]}` + "\n"},
		{"answer", registrytest.Answer(418, "text/plain", "tea"), "", 418, "tea"},
		{"redirect", registrytest.Redirect(307, "http://elsewhere{path}"), "", 307, ""},
		{"ignore range", registrytest.IgnoreRange(), "bytes=4-", 200, data},
		{"shift range", registrytest.ShiftRange(1), "bytes=4-", 206, "56789"},
		{"range", registrytest.Delay(0), "bytes=4-", 206, "456789"},
		{"hang", registrytest.Hang(), "", 0, ""},
		{"reset", registrytest.Reset(), "", 0, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.New(t)
			path := "/v2/a/blobs/" + reg.AddBlob([]byte(data)).String()
			reg.Inject(registrytest.Fault{Path: "/blobs/", Skip: 1, Times: 1, Do: tc.do})
			for i := range 3 {
				status, body := get(t, reg, path, tc.rng)
				switch {
				case i != 1 && (status == 0 || status >= 300):
					t.Errorf("request %d: %d", i, status)
				case i == 1 && status != tc.status:
					t.Errorf("got %d %s, want %d", status, body, tc.status)
				case i == 1 && status != 0:
					if diff := cmp.Diff(tc.body, body); diff != "" {
						t.Error(diff)
					}
				}
			}
		})
	}
}

func TestEndless(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	d := reg.AddBlob([]byte("x"))
	reg.Inject(registrytest.Fault{Do: registrytest.Endless()})
	if _, body := get(t, reg, "/v2/a/blobs/"+d.String(), ""); len(body) < 1<<20 {
		t.Errorf("the data ended after %d bytes", len(body))
	}
}

func TestRecords(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	d := reg.AddBlob([]byte("0123456789"))
	get(t, reg, "/v2/a/blobs/"+d.String(), "")
	get(t, reg, "/v2/a/blobs/"+d.String(), "bytes=7-")
	get(t, reg, "/v2/a/manifests/x", "")
	if n, bytes := reg.Gets(d.String()); n != 2 || bytes != 13 {
		t.Errorf("%d requests, %d bytes", n, bytes)
	}
	q := reg.Requests("/manifests/")
	if len(q) != 1 || q[0].Status != http.StatusNotFound {
		t.Errorf("%+v", q)
	}
	if q := reg.Requests(d.String())[1]; q.Range != "bytes=7-" || q.Status != http.StatusPartialContent {
		t.Errorf("%+v", q)
	}
	reg.Reset()
	if q := reg.Requests(""); len(q) != 0 {
		t.Errorf("%+v", q)
	}
}

func TestBuildIsValid(t *testing.T) {
	t.Parallel()
	for _, docker := range []bool{false, true} {
		im := registrytest.Build(t, registrytest.Image{Docker: docker, Layers: []registrytest.Layer{{Compression: registrytest.Gzip}}})
		var m v1.Manifest
		if err := json.Unmarshal(im.Manifest, &m); err != nil {
			t.Fatal(err)
		}
		for _, d := range append(m.Layers, m.Config) {
			if int64(len(im.Blobs[d.Digest])) != d.Size {
				t.Errorf("%s %s: size %d, want %d", d.MediaType, d.Digest, len(im.Blobs[d.Digest]), d.Size)
			}
		}
	}
}
