package registrytest

import "net/http"

// body is an answer whose body is meddled with.
type body struct {
	http.ResponseWriter
	off     int64  // bytes passed so far
	meddle  meddle // changes the bytes
	end     func() // what to do when meddle says so; may panic to break the connection
	chunked bool   // hide the size
}

// meddle returns what to send of p, the bytes at an offset of the body, and
// whether that is the end.
type meddle func(off int64, p []byte) (out []byte, end bool)

func unchanged(_ int64, p []byte) ([]byte, bool) { return p, false }

// WriteHeader hides the size if the body will not have it.
func (b *body) WriteHeader(status int) {
	if b.chunked {
		b.Header().Del("Content-Length")
	}
	b.ResponseWriter.WriteHeader(status)
}

func (b *body) Write(p []byte) (int, error) {
	out, end := b.meddle(b.off, p)
	b.off += int64(len(p))
	if len(out) > 0 {
		if n, err := b.ResponseWriter.Write(out); err != nil {
			return n, err
		}
	}
	if end {
		_ = http.NewResponseController(b.ResponseWriter).Flush()
		b.end()
	}
	return len(p), nil
}

// Unwrap is for http.ResponseController.
func (b *body) Unwrap() http.ResponseWriter { return b.ResponseWriter }

// meddling makes an effect from a change of the body.
func meddling(chunked bool, m meddle, end func(r *Registry, req *http.Request)) Effect {
	return Effect{func(r *Registry, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			b := &body{ResponseWriter: w, meddle: m, end: func() {}, chunked: chunked}
			if end != nil {
				b.end = func() { end(r, req) }
			}
			next.ServeHTTP(b, req)
		})
	}}
}

// first ends the body after n bytes.
func first(n int64) meddle {
	return func(off int64, p []byte) ([]byte, bool) {
		if off+int64(len(p)) < n {
			return p, false
		}
		return p[:max(n-off, 0)], true
	}
}

// Drop breaks the connection after n bytes of the body.
func Drop(n int64) Effect {
	return meddling(false, first(n), func(*Registry, *http.Request) { panic(http.ErrAbortHandler) })
}

// Stall sends n bytes of the body and then nothing more, until the client
// leaves.
func Stall(n int64) Effect {
	return meddling(false, first(n), func(r *Registry, req *http.Request) {
		r.wait(req)
		panic(http.ErrAbortHandler)
	})
}

// Truncate ends the answer after n bytes of the body, as if that were all.
func Truncate(n int64) Effect {
	return meddling(true, func(off int64, p []byte) ([]byte, bool) {
		return p[:min(max(n-off, 0), int64(len(p)))], false
	}, nil)
}

// Corrupt flips a bit of the byte at offset n of the body.
func Corrupt(n int64) Effect {
	return meddling(false, func(off int64, p []byte) ([]byte, bool) {
		if n < off || n >= off+int64(len(p)) {
			return p, false
		}
		bad := append([]byte(nil), p...)
		bad[n-off] ^= 1
		return bad, false
	}, nil)
}

// Endless goes on sending bytes after the end of the body, until the client
// leaves.
func Endless() Effect {
	return Effect{func(r *Registry, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			next.ServeHTTP(&body{ResponseWriter: w, meddle: unchanged, chunked: true}, req)
			junk := make([]byte, 32<<10)
			for !r.gone(req) {
				if _, err := w.Write(junk); err != nil {
					return
				}
			}
		})
	}}
}

// gone reports whether the client has left or the registry ended.
func (r *Registry) gone(req *http.Request) bool {
	select {
	case <-req.Context().Done():
		return true
	case <-r.closed:
		return true
	default:
		return false
	}
}
