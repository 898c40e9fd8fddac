package registrytest

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
)

// Registry is a registry that listens on a port of 127.0.0.1 until the test
// ends. Its methods may be called from several goroutines.
type Registry struct {
	srv    *httptest.Server
	auth   auth
	tls    bool
	closed chan struct{}

	mu        sync.Mutex
	blobs     map[digest.Digest]content
	manifests map[string]map[string]manifest // by repository, then by tag or digest
	uploads   map[string][]byte
	faults    []*Fault
	requests  []*Request
	held      int
}

// manifest is what a tag or a digest of a repository stands for.
type manifest struct {
	mediaType string
	digest    digest.Digest
	data      []byte
}

// Option changes the registry that New starts.
type Option func(*Registry)

// WithTLS makes the registry speak https, with a certificate that only clients
// given [Registry.CertPEM] trust.
func WithTLS() Option { return func(r *Registry) { r.tls = true } }

// WithBasic demands the user name and password with every request.
func WithBasic(user, password string) Option {
	return func(r *Registry) { r.auth = auth{scheme: "Basic", user: user, password: password} }
}

// WithBearer demands a token, which the registry's own token service gives for
// the user name and password (as basic authentication) or for the password as
// an identity token (OAuth2 refresh token).
func WithBearer(user, password string) Option {
	return func(r *Registry) { r.auth = auth{scheme: "Bearer", user: user, password: password} }
}

// New starts an empty registry that demands nothing of its clients and speaks
// plain http.
func New(t testing.TB, opts ...Option) *Registry {
	t.Helper()
	r := &Registry{
		closed:    make(chan struct{}),
		blobs:     map[digest.Digest]content{},
		manifests: map[string]map[string]manifest{},
		uploads:   map[string][]byte{},
	}
	for _, o := range opts {
		o(r)
	}
	r.srv = httptest.NewUnstartedServer(http.HandlerFunc(r.serve))
	r.srv.Config.ErrorLog = silent()
	if r.tls {
		r.srv.StartTLS()
	} else {
		r.srv.Start()
	}
	t.Cleanup(r.close)
	return r
}

// close ends the requests that hang, and then the server.
func (r *Registry) close() {
	close(r.closed)
	r.srv.CloseClientConnections()
	r.srv.Close()
}

// Addr is where the registry listens: "127.0.0.1:40001".
func (r *Registry) Addr() string { return r.srv.Listener.Addr().String() }

// URL is the address with the scheme: "http://127.0.0.1:40001".
func (r *Registry) URL() string { return r.srv.URL }

// Name is the full name of an image given as "repository:tag" or
// "repository@digest", without a transport.
func (r *Registry) Name(image string) string { return r.Addr() + "/" + image }

// CertPEM is the certificate that clients of a registry [WithTLS] must trust;
// containers' tools read it from certs.d/ADDR/ca.crt.
func (r *Registry) CertPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.srv.Certificate().Raw})
}

// serve records the request, lets the faults at it, and hands it on.
func (r *Registry) serve(w http.ResponseWriter, req *http.Request) {
	rec, faults := r.begin(req)
	var h http.Handler = http.HandlerFunc(r.route)
	for _, f := range faults {
		h = f.Do.wrap(r, h)
	}
	h.ServeHTTP(&recorder{ResponseWriter: w, rec: rec, mu: &r.mu}, req)
}

// route finds the end point of the distribution API.
func (r *Registry) route(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path == tokenPath {
		r.serveToken(w, req)
		return
	}
	if !r.authorized(w, req) {
		return
	}
	path, ok := strings.CutPrefix(req.URL.Path, "/v2/")
	if !ok {
		apiError(w, http.StatusNotFound, "UNSUPPORTED", "no such end point")
		return
	}
	repo, kind, ref := split(path)
	switch kind {
	case "":
		w.WriteHeader(http.StatusOK)
	case "manifests":
		r.serveManifest(w, req, repo, ref)
	case "blobs":
		r.serveBlob(w, req, repo, ref)
	default:
		r.serveUpload(w, req, repo, ref)
	}
}

// split takes "acme/os/manifests/44" apart; kind is "" for the ping, and
// "uploads" for blobs/uploads/.
func split(path string) (repo, kind, ref string) {
	for _, sep := range []string{"/blobs/uploads/", "/manifests/", "/blobs/"} {
		if i := strings.LastIndex(path, sep); i >= 0 {
			name := strings.Trim(sep, "/")
			return path[:i], name[strings.LastIndex(name, "/")+1:], path[i+len(sep):]
		}
	}
	return "", "", ""
}
