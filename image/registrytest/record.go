package registrytest

import (
	"io"
	"net/http"
	"strings"
	"sync"
)

// Request is a request that the registry got.
type Request struct {
	Method    string
	Path      string
	Query     string
	Range     string // the Range header
	UserAgent string
	User      string // of basic authentication
	Auth      string // the Authorization header's scheme: "", "Basic", "Bearer"
	Status    int    // of the answer; 0 if none was sent
	Bytes     int64  // of the answer's body, as far as they were handed to the connection
}

// Requests returns the requests so far whose path contains the text (a digest,
// "/manifests/", "" for all), in order of arrival.
func (r *Registry) Requests(path string) []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Request
	for _, q := range r.requests {
		if strings.Contains(q.Path, path) {
			out = append(out, *q)
		}
	}
	return out
}

// Gets returns how many GET requests there were for paths that contain the
// text, and how many bytes of bodies they got.
func (r *Registry) Gets(path string) (requests int, bytes int64) {
	for _, q := range r.Requests(path) {
		if q.Method == http.MethodGet {
			requests++
			bytes += q.Bytes
		}
	}
	return requests, bytes
}

// Reset forgets the requests so far.
func (r *Registry) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = nil
}

// begin records the request and takes the faults that it meets.
func (r *Registry) begin(req *http.Request) (*Request, []*Fault) {
	user, _, _ := req.BasicAuth()
	scheme, _, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	rec := &Request{
		Method: req.Method, Path: req.URL.Path, Query: req.URL.RawQuery, Range: req.Header.Get("Range"),
		UserAgent: req.UserAgent(), User: user, Auth: scheme,
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, rec)
	return rec, takeFaults(r.faults, req)
}

// recorder notes the status and the size of an answer. It counts bytes before
// they are sent, so that whoever has got them sees them counted.
type recorder struct {
	http.ResponseWriter
	rec *Request
	mu  *sync.Mutex
}

func (w *recorder) count(n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rec.Bytes += n
	if w.rec.Status == 0 {
		w.rec.Status = http.StatusOK
	}
}

func (w *recorder) WriteHeader(status int) {
	w.mu.Lock()
	w.rec.Status = status
	w.mu.Unlock()
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	w.count(int64(len(p)))
	return w.ResponseWriter.Write(p)
}

// ReadFrom leaves the copying of files to the kernel.
func (w *recorder) ReadFrom(src io.Reader) (int64, error) {
	if lr, ok := src.(*io.LimitedReader); ok {
		if rf, ok := w.ResponseWriter.(io.ReaderFrom); ok {
			w.count(lr.N)
			return rf.ReadFrom(src)
		}
	}
	return io.Copy(struct{ io.Writer }{w}, src)
}

// Flush sends what is buffered.
func (w *recorder) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }
