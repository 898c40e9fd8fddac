package registrytest

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Fault makes the registry misbehave when it gets certain requests. Of several
// faults that fit a request, all act, the last one injected outermost.
type Fault struct {
	Method string // "" stands for GET
	Path   string // what the request's path must contain: a digest, "/manifests/", "/v2/"; "" fits all
	Skip   int    // how many fitting requests are let through first
	Times  int    // how many fitting requests it then meets; 0 stands for all
	Do     Effect

	seen int
}

// Inject adds a fault.
func (r *Registry) Inject(f Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, &f)
}

// Heal takes all faults back.
func (r *Registry) Heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = nil
}

// takeFaults counts the request for each fault that fits it and returns those
// whose turn it is.
func takeFaults(faults []*Fault, req *http.Request) []*Fault {
	var out []*Fault
	for _, f := range faults {
		method := f.Method
		if method == "" {
			method = http.MethodGet
		}
		if req.Method != method || !strings.Contains(req.URL.Path, f.Path) {
			continue
		}
		f.seen++
		if f.seen > f.Skip && (f.Times == 0 || f.seen <= f.Skip+f.Times) {
			out = append(out, f)
		}
	}
	return out
}

// Effect is what a fault does to a request and its answer.
type Effect struct {
	wrap func(r *Registry, next http.Handler) http.Handler
}

// answer makes an effect that replaces the answer.
func answer(serve func(r *Registry, w http.ResponseWriter, req *http.Request)) Effect {
	return Effect{func(r *Registry, _ http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { serve(r, w, req) })
	}}
}

// Status answers with an HTTP status and the distribution API's error document.
// header holds pairs of name and value: "Retry-After", "30".
func Status(status int, header ...string) Effect {
	return answer(func(_ *Registry, w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		apiError(w, status, errorCode(status), http.StatusText(status))
	})
}

func errorCode(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "UNAUTHORIZED"
	case http.StatusForbidden:
		return "DENIED"
	case http.StatusNotFound:
		return "BLOB_UNKNOWN"
	case http.StatusTooManyRequests:
		return "TOOMANYREQUESTS"
	}
	return "UNKNOWN"
}

// Answer answers with the status and these very bytes.
func Answer(status int, contentType, body string) Effect {
	return answer(func(_ *Registry, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})
}

// Redirect sends the client elsewhere. In the location, {path} stands for the
// path that was asked for.
func Redirect(status int, location string) Effect {
	return answer(func(_ *Registry, w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Location", strings.ReplaceAll(location, "{path}", req.URL.Path))
		w.WriteHeader(status)
	})
}

// Hang takes the request and never answers.
func Hang() Effect {
	return answer(func(r *Registry, _ http.ResponseWriter, req *http.Request) { r.wait(req) })
}

// Held is how many requests [Hang] and [Stall] keep waiting now. A test that
// injects a clock can tell by it whether silence is meant, or due to a slow
// machine.
func (r *Registry) Held() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held
}

func (r *Registry) hold(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held += n
}

// wait returns when the client has gone or the registry ends.
func (r *Registry) wait(req *http.Request) {
	r.hold(1)
	defer r.hold(-1)
	select {
	case <-req.Context().Done():
	case <-r.closed:
	}
}

// Reset closes the connection without an answer.
func Reset() Effect {
	return answer(func(*Registry, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
}

// Delay answers late.
func Delay(d time.Duration) Effect {
	return Effect{func(r *Registry, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			select {
			case <-time.After(d):
			case <-r.closed:
			}
			next.ServeHTTP(w, req)
		})
	}}
}

// IgnoreRange serves the whole of it whatever range was asked for.
func IgnoreRange() Effect {
	return Effect{func(_ *Registry, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			req.Header.Del("Range")
			next.ServeHTTP(w, req)
		})
	}}
}

// ShiftRange answers a request for a range of bytes with a range that starts n
// bytes later.
func ShiftRange(n int64) Effect {
	return Effect{func(_ *Registry, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			var first int64
			if _, err := fmt.Sscanf(req.Header.Get("Range"), "bytes=%d-", &first); err == nil {
				req.Header.Set("Range", fmt.Sprintf("bytes=%d-", first+n))
			}
			next.ServeHTTP(w, req)
		})
	}}
}
