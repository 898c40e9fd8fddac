package image_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/progress"
)

// layerFault is what befalls the second layer, and what comes of it.
type layerFault struct {
	name   string
	faults []registrytest.Fault // Path is filled in
	ranges []string             // the Range headers of the requests for the layer
	slept  []time.Duration
	kind   error  // of the failure; nil if the layer arrives
	want   string // LAYER, REGISTRY and SIZE are replaced
}

func times(n int, e registrytest.Effect) registrytest.Fault {
	return registrytest.Fault{Times: n, Do: e}
}

func after(skip, n int, e registrytest.Effect) registrytest.Fault {
	return registrytest.Fault{Skip: skip, Times: n, Do: e}
}

func always(e registrytest.Effect) registrytest.Fault { return registrytest.Fault{Do: e} }

const s = time.Second

func layerFaults() []layerFault {
	return []layerFault{
		{name: "none", ranges: []string{""}},
		{
			name: "dropped once", faults: []registrytest.Fault{times(1, registrytest.Drop(100_000))},
			ranges: []string{"", "bytes=100000-"}, slept: []time.Duration{s},
		},
		{
			name: "dropped again and again, with progress", faults: []registrytest.Fault{times(4, registrytest.Drop(70_000))},
			ranges: []string{"", "bytes=70000-", "bytes=140000-", "bytes=210000-", "bytes=280000-"}, slept: []time.Duration{s, s, s, s},
		},
		{
			name: "dropped again and again, with little progress", faults: []registrytest.Fault{always(registrytest.Drop(10))},
			ranges: []string{"", "bytes=10-", "bytes=20-", "bytes=30-", "bytes=40-", "bytes=50-"},
			slept:  []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s},
			kind:   image.ErrUnreachable, want: "LAYER: REGISTRY broke off after 60 of SIZE bytes (6 attempts)",
		},
		{
			name: "dropped before the first byte", faults: []registrytest.Fault{times(1, registrytest.Drop(0))},
			ranges: []string{"", ""}, slept: []time.Duration{s},
		},
		{
			name: "dropped, and ranges are ignored", faults: []registrytest.Fault{times(1, registrytest.Drop(100_000)), always(registrytest.IgnoreRange())},
			ranges: []string{"", "bytes=100000-"}, slept: []time.Duration{s},
		},
		{
			name: "dropped, and the range is another", faults: []registrytest.Fault{times(1, registrytest.Drop(100_000)), after(1, 1, registrytest.ShiftRange(7))},
			ranges: []string{"", "bytes=100000-", ""}, slept: []time.Duration{s},
		},
		{
			name: "dropped, and the range is refused", faults: []registrytest.Fault{times(1, registrytest.Drop(100_000)), after(1, 1, registrytest.Status(416))},
			ranges: []string{"", "bytes=100000-", ""}, slept: []time.Duration{s},
		},
		{
			name: "dropped, and then gone", faults: []registrytest.Fault{times(1, registrytest.Drop(100_000)), after(1, 0, registrytest.Status(404))},
			ranges: []string{"", "bytes=100000-"}, slept: []time.Duration{s},
			kind: image.ErrNotFound, want: "LAYER: REGISTRY does not have it (404 Not Found)",
		},
		{
			name: "stalled once", faults: []registrytest.Fault{times(1, registrytest.Stall(100_000))},
			ranges: []string{"", "bytes=100000-"}, slept: []time.Duration{s},
		},
		{
			name: "stalled for ever", faults: []registrytest.Fault{always(registrytest.Stall(0))},
			ranges: []string{"", "", "", "", "", ""}, slept: []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s},
			kind: image.ErrUnreachable, want: "LAYER: REGISTRY sent nothing for 250ms, after 0 of SIZE bytes (6 attempts)",
		},
		{
			name: "never answered", faults: []registrytest.Fault{always(registrytest.Hang())},
			ranges: []string{"", "", "", "", "", ""}, slept: []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s},
			kind: image.ErrUnreachable, want: "LAYER: REGISTRY did not answer for 250ms (6 attempts)",
		},
		{name: "answered late", faults: []registrytest.Fault{always(registrytest.Delay(20 * time.Millisecond))}, ranges: []string{""}},
		{
			name: "busy", faults: []registrytest.Fault{times(2, registrytest.Status(429))},
			ranges: []string{"", "", ""}, slept: []time.Duration{s, 2 * s},
		},
		{
			name: "busy, says for how long", faults: []registrytest.Fault{times(1, registrytest.Status(429, "Retry-After", "17")), after(1, 1, registrytest.Status(503, "Retry-After", "120"))},
			ranges: []string{"", "", ""}, slept: []time.Duration{17 * s, 120 * s},
		},
		{
			name: "busy for hours", faults: []registrytest.Fault{always(registrytest.Status(503, "Retry-After", "7200"))},
			ranges: []string{""}, kind: image.ErrUnavailable,
			want: "LAYER: REGISTRY answered 503 Service Unavailable and asks to come back in 2h0m0s",
		},
		{
			name: "busy in the middle", faults: []registrytest.Fault{times(1, registrytest.Drop(100_000)), after(1, 1, registrytest.Status(503, "Retry-After", "3"))},
			ranges: []string{"", "bytes=100000-", "bytes=100000-"}, slept: []time.Duration{s, 3 * s},
		},
		{
			name: "broken", faults: []registrytest.Fault{always(registrytest.Status(500))},
			ranges: []string{"", "", "", "", "", ""}, slept: []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s},
			kind: image.ErrUnavailable, want: "LAYER: REGISTRY answered 500 Internal Server Error (6 attempts)",
		},
		{
			name: "broken for a moment", faults: []registrytest.Fault{times(1, registrytest.Answer(502, "text/html", "<html>"))},
			ranges: []string{"", ""}, slept: []time.Duration{s},
		},
		{
			name: "not implemented", faults: []registrytest.Fault{always(registrytest.Status(501))},
			ranges: []string{""}, kind: image.ErrUnavailable, want: "LAYER: REGISTRY answered 501 Not Implemented",
		},
		{
			name: "unauthorized", faults: []registrytest.Fault{always(registrytest.Status(401))},
			ranges: []string{""}, kind: image.ErrUnauthorized, want: "LAYER: REGISTRY refuses access to acme/os (401 Unauthorized)",
		},
		{
			name: "forbidden", faults: []registrytest.Fault{always(registrytest.Status(403))},
			ranges: []string{""}, kind: image.ErrUnauthorized, want: "LAYER: REGISTRY refuses access to acme/os (403 Forbidden)",
		},
		{
			name: "missing", faults: []registrytest.Fault{always(registrytest.Status(404))},
			ranges: []string{""}, kind: image.ErrNotFound, want: "LAYER: REGISTRY does not have it (404 Not Found)",
		},
		{
			name: "wrong bytes", faults: []registrytest.Fault{always(registrytest.Corrupt(150_000))},
			ranges: []string{""}, kind: image.ErrCorrupt, want: "LAYER: REGISTRY has wrong bytes: their digest is CORRUPT",
		},
		{
			name: "wrong bytes after a drop", faults: []registrytest.Fault{times(1, registrytest.Drop(100_000)), after(1, 0, registrytest.Corrupt(50_000))},
			ranges: []string{"", "bytes=100000-"}, slept: []time.Duration{s},
			kind: image.ErrCorrupt, want: "LAYER: REGISTRY has wrong bytes: their digest is CORRUPT",
		},
		{
			name: "too small", faults: []registrytest.Fault{always(registrytest.Answer(200, "application/octet-stream", strings.Repeat("x", 1000)))},
			ranges: []string{""}, kind: image.ErrCorrupt, want: "LAYER: REGISTRY has 1,000 bytes where the manifest says SIZE",
		},
		{
			name: "truncated once", faults: []registrytest.Fault{times(1, registrytest.Truncate(100_000))},
			ranges: []string{"", "bytes=100000-"}, slept: []time.Duration{s},
		},
		{
			name: "truncated for ever", faults: []registrytest.Fault{times(1, registrytest.Truncate(100_000)), after(1, 0, registrytest.Truncate(0))},
			ranges: []string{"", "bytes=100000-", "bytes=100000-", "bytes=100000-", "bytes=100000-", "bytes=100000-"},
			slept:  []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s},
			kind:   image.ErrCorrupt, want: "LAYER: REGISTRY ended after 100,000 of SIZE bytes (6 attempts)",
		},
		{
			name: "truncated for ever, without ranges", faults: []registrytest.Fault{always(registrytest.IgnoreRange()), always(registrytest.Truncate(90_000))},
			ranges: []string{"", "bytes=90000-", "bytes=90000-", "bytes=90000-", "bytes=90000-", "bytes=90000-"},
			slept:  []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s},
			kind:   image.ErrCorrupt, want: "LAYER: REGISTRY ended after 90,000 of SIZE bytes (6 attempts)",
		},
		{name: "endless", faults: []registrytest.Fault{always(registrytest.Endless())}, ranges: []string{""}},
		{
			name: "redirected for ever", faults: []registrytest.Fault{always(registrytest.Redirect(307, "{path}"))},
			ranges: make([]string, 11), kind: image.ErrUnavailable, want: "LAYER: REGISTRY redirects without end",
		},
		{
			name: "redirected nowhere", faults: []registrytest.Fault{always(registrytest.Redirect(307, "http://127.0.0.1:1/x"))},
			ranges: []string{"", "", "", "", "", ""}, slept: []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s},
			kind: image.ErrUnreachable, want: "LAYER: REGISTRY is unreachable: 127.0.0.1:1: connection refused (6 attempts)",
		},
		{
			name: "redirected to another protocol", faults: []registrytest.Fault{always(registrytest.Redirect(307, "ftp://127.0.0.1/x"))},
			ranges: []string{""}, kind: image.ErrUnreachable, want: `LAYER: REGISTRY is unreachable: unsupported protocol scheme "ftp"`,
		},
	}
}

func TestLayerFaults(t *testing.T) {
	t.Parallel()
	for _, tc := range layerFaults() {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.New(t)
			built := osImage(t)
			reg.Push("acme/os", "44", built)
			layer := built.Layers[1]
			for _, f := range tc.faults {
				f.Path = layer.Digest.String()
				reg.Inject(f)
			}
			o := newSystem(t, reg).options()
			im := open(t, reg.Name("acme/os:44"), o)
			got, err := readLayer(t.Context(), im, 1)
			checkOutcome(t, tc, reg, layer, built.Blobs[layer.Digest], got, err)
			checkRequests(t, tc, reg, layer, o)
		})
	}
}

// checkOutcome wants the layer or the sentence.
func checkOutcome(t *testing.T, tc layerFault, reg *registrytest.Registry, layer v1.Descriptor, want, got []byte, err error) {
	t.Helper()
	if tc.want == "" {
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
		}
		return
	}
	text := strings.NewReplacer(
		"LAYER", fmt.Sprintf("layer 2 of 3 (%s)", short(layer.Digest)),
		"REGISTRY", "registry "+reg.Addr(),
		"SIZE", fmt.Sprintf("%d,%03d", layer.Size/1000, layer.Size%1000),
	).Replace(tc.want)
	if prefix, ok := strings.CutSuffix(text, "CORRUPT"); ok && err != nil && strings.HasPrefix(err.Error(), prefix+"sha256:") {
		text = err.Error()
	}
	checkError(t, err, tc.kind, text)
	if len(got) > len(want) {
		t.Errorf("%d bytes were let through, the layer has %d", len(got), len(want))
	}
}

func checkRequests(t *testing.T, tc layerFault, reg *registrytest.Registry, layer v1.Descriptor, o image.Options) {
	t.Helper()
	var ranges []string
	for _, q := range reg.Requests(layer.Digest.String()) {
		ranges = append(ranges, q.Range)
	}
	if diff := cmp.Diff(tc.ranges, ranges); diff != "" {
		t.Errorf("ranges asked for (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(tc.slept, slept(t, o)); diff != "" {
		t.Errorf("waits (-want +got):\n%s", diff)
	}
}

// TestRedirect follows a redirect to another host, which must not see the
// credentials, and resumes there.
func TestRedirect(t *testing.T) {
	t.Parallel()
	for _, login := range []registrytest.Option{registrytest.WithBasic("u", "p"), registrytest.WithBearer("u", "p")} {
		reg := registrytest.New(t, login)
		built := osImage(t)
		reg.Push("acme/os", "44", built)
		var seen []http.Header
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen = append(seen, r.Header)
			data := built.Blobs[built.Layers[1].Digest]
			if len(seen) == 1 {
				w.Header().Set("Content-Length", fmt.Sprint(len(data)))
				_, _ = w.Write(data[:1000])
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			}
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
		}))
		t.Cleanup(other.Close)
		reg.Inject(registrytest.Fault{Path: built.Layers[1].Digest.String(), Do: registrytest.Redirect(302, other.URL+"{path}")})
		sys := newSystem(t, reg)
		sys.write("run/ostree/auth.json", authJSON(reg.Addr(), "u", "p"))
		im := open(t, reg.Name("acme/os:44"), sys.options())
		got, err := readLayer(t.Context(), im, 1)
		if err != nil || !bytes.Equal(got, built.Blobs[built.Layers[1].Digest]) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if len(seen) != 2 || seen[1].Get("Range") != "bytes=1000-" {
			t.Errorf("the other host got %v", seen)
		}
		for _, h := range seen {
			if h.Get("Authorization") != "" {
				t.Error("the other host got the credentials")
			}
		}
	}
}

// openFault is what befalls the requests before the first layer.
type openFault struct {
	name  string
	fault registrytest.Fault
	head  *registrytest.Fault // for the HEAD requests that ask when to come back
	slept []time.Duration
	kind  error
	want  string
}

func openFaults() []openFault {
	manifests := func(n int, e registrytest.Effect) registrytest.Fault {
		return registrytest.Fault{Path: "/manifests/", Times: n, Do: e}
	}
	five := []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s}
	return []openFault{
		{
			name: "missing", fault: manifests(0, registrytest.Status(404)), kind: image.ErrNotFound,
			want: "REGISTRY has no NAME: Not Found",
		},
		{
			name: "missing, says a proxy", fault: manifests(0, registrytest.Answer(404, "text/html", "<html>")), kind: image.ErrNotFound,
			want: `REGISTRY has no NAME: 404 Not Found`,
		},
		{
			name: "unauthorized", fault: manifests(0, registrytest.Status(401)), kind: image.ErrUnauthorized,
			want: "REGISTRY refuses access to NAME: Unauthorized",
		},
		{
			name: "forbidden", fault: manifests(0, registrytest.Status(403)), kind: image.ErrUnauthorized,
			want: "REGISTRY refuses access to NAME: Forbidden",
		},
		{name: "broken once", fault: manifests(1, registrytest.Status(500)), slept: []time.Duration{s}},
		{
			name: "broken", fault: manifests(0, registrytest.Status(502)), slept: five, kind: image.ErrUnavailable,
			want: "REGISTRY is unavailable: 502 Bad Gateway (6 attempts)",
		},
		{name: "busy once", fault: manifests(1, registrytest.Status(503)), slept: []time.Duration{s}},
		{name: "busy, says for how long", fault: manifests(1, registrytest.Status(503, "Retry-After", "40")), head: &registrytest.Fault{Do: registrytest.Status(503, "Retry-After", "40")}, slept: []time.Duration{40 * s}},
		{
			name: "busy for hours", fault: manifests(0, registrytest.Status(503)), head: &registrytest.Fault{Do: registrytest.Status(503, "Retry-After", "7200")}, kind: image.ErrUnavailable,
			want: "REGISTRY is unavailable: 503 Service Unavailable and asks to come back in 2h0m0s",
		},
		// The library itself waits and asks again, up to five times.
		{name: "too many requests", fault: manifests(2, registrytest.Status(429, "Retry-After", "0"))},
		{name: "far too many requests", fault: manifests(5, registrytest.Status(429, "Retry-After", "0")), slept: []time.Duration{s}},
		{name: "reset once", fault: manifests(2, registrytest.Reset()), slept: []time.Duration{s}},
		{name: "stalled once", fault: manifests(1, registrytest.Hang()), slept: []time.Duration{s}},
		{
			name: "ping never answered", fault: registrytest.Fault{Path: "/v2/", Do: registrytest.Hang()}, slept: five, kind: image.ErrUnreachable,
			want: "REGISTRY did not answer for 250ms (6 attempts)",
		},
		{
			name: "configuration missing", fault: registrytest.Fault{Path: "CONFIG", Do: registrytest.Status(404)}, kind: image.ErrNotFound,
			want: "configuration (CONFIG): REGISTRY does not have it (404 Not Found)",
		},
		{name: "configuration dropped", fault: registrytest.Fault{Path: "CONFIG", Times: 1, Do: registrytest.Drop(100)}, slept: []time.Duration{s}},
		{
			name: "configuration corrupt", fault: registrytest.Fault{Path: "CONFIG", Do: registrytest.Corrupt(10)}, kind: image.ErrCorrupt,
			want: "configuration (CONFIG): REGISTRY has wrong bytes: their digest is CORRUPT",
		},
	}
}

func TestOpenFaults(t *testing.T) {
	t.Parallel()
	for _, tc := range openFaults() {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.New(t)
			built := osImage(t)
			reg.Push("acme/os", "44", built)
			config := configDigest(built)
			tc.fault.Path = strings.Replace(tc.fault.Path, "CONFIG", config, 1)
			reg.Inject(tc.fault)
			if tc.head != nil {
				reg.Inject(registrytest.Fault{Method: http.MethodHead, Path: "/manifests/", Do: tc.head.Do})
			}
			o := newSystem(t, reg).options()
			name := reg.Name("acme/os:44")
			if tc.want == "" {
				checkImage(t, open(t, name, o), built)
			} else {
				err := openError(t, name, o)
				want := strings.NewReplacer("REGISTRY", "registry "+reg.Addr(), "NAME", name, "CONFIG", config[:19]).Replace(tc.want)
				if prefix, ok := strings.CutSuffix(want, "CORRUPT"); ok && strings.HasPrefix(err.Error(), prefix+"sha256:") {
					want = err.Error()
				}
				checkError(t, err, tc.kind, want)
			}
			if diff := cmp.Diff(tc.slept, slept(t, o)); diff != "" {
				t.Errorf("waits (-want +got):\n%s", diff)
			}
		})
	}
}

func configDigest(b *registrytest.Built) string {
	for d, data := range b.Blobs {
		if bytes.Equal(data, b.Config) {
			return d.String()
		}
	}
	return ""
}

// TestUnreachable: a registry of which nothing is ever heard has a mistyped name.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	o := newSystem(t).options()
	checkError(t, openError(t, "127.0.0.1:1/acme/os:44", o), image.ErrUnreachable,
		"registry 127.0.0.1:1 is unreachable: 127.0.0.1:1: connection refused (2 attempts)")
	if diff := cmp.Diff([]time.Duration{s}, slept(t, o)); diff != "" {
		t.Error(diff)
	}
}

// TestRegistryRestarts: a registry that has answered does not come back at once.
func TestRegistryRestarts(t *testing.T) {
	t.Parallel()
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer front.Close()
	addr := strings.TrimPrefix(front.URL, "http://")
	o := newSystem(t).options()
	o.InsecureTLS = true
	o.Progress = func(progress.Event) { front.Close() } // before the second attempt
	if err := openError(t, addr+"/acme/os:44", o); !strings.HasSuffix(err.Error(), "connection refused (6 attempts)") {
		t.Error(err)
	}
}
