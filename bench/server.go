package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// served is what a server has done since it started.
type served struct {
	Requests int64
	Bytes    int64         // of response bodies
	CPU      time.Duration // user and system
}

func (s served) since(before served) served {
	return served{s.Requests - before.Requests, s.Bytes - before.Bytes, s.CPU - before.CPU}
}

// server is a registry over the layouts below a directory, each under its
// directory's name, and a plain file server for the ostree repositories beside
// them, under /ostree/NAME/. It counts what it serves.
type server struct {
	dir      string
	requests atomic.Int64
	bytes    atomic.Int64
}

// serve runs a server on a free port of the loopback interface until standard
// input ends; it says on out where it listens.
func serve(dir string, in io.Reader, out io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	hs := &http.Server{Handler: &server{dir: dir}, ReadHeaderTimeout: time.Minute}
	go func() {
		_, _ = io.Copy(io.Discard, in)
		_ = hs.Close() // who asked for an end does not mind how
	}()
	if _, err := fmt.Fprintln(out, listener.Addr()); err != nil {
		return err
	}
	if err := hs.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

const countersPath = "/counters"

var registryPath = regexp.MustCompile(`^/v2/([\w.-]+)/(manifests|blobs)/([\w.:-]+)$`)

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == countersPath {
		_ = json.NewEncoder(w).Encode(s.counters()) // the client notices
		return
	}
	s.requests.Add(1)
	cw := &countingWriter{w, &s.bytes}
	if r.URL.Path == "/v2/" {
		return
	}
	if m := registryPath.FindStringSubmatch(r.URL.Path); m != nil {
		s.registry(cw, r, m[1], m[2], m[3])
		return
	}
	if rest, ok := strings.CutPrefix(r.URL.Path, "/ostree/"); ok {
		name, path, _ := strings.Cut(rest, "/")
		http.ServeFile(cw, r, filepath.Join(s.dir, name, "ostree", filepath.FromSlash(path)))
		return
	}
	http.NotFound(cw, r)
}

// counters reads what the server did so far.
func (s *server) counters() served {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // cannot be: the argument is a constant
	}
	return served{s.requests.Load(), s.bytes.Load(), cpuTime(&u)}
}

// registry answers for a manifest or a blob.
func (s *server) registry(w http.ResponseWriter, r *http.Request, name, what, ref string) {
	dir := filepath.Join(s.dir, name)
	if what == "manifests" {
		w.Header().Set("Content-Type", manifestType)
		if !strings.HasPrefix(ref, "sha256:") {
			ref = resolveTag(dir, ref)
		}
		w.Header().Set("Docker-Content-Digest", ref)
	} else {
		w.Header().Set("Content-Type", "application/octet-stream")
	}
	f, err := os.Open(filepath.Join(dir, blobPath(ref)))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer f.Close()
	http.ServeContent(w, r, "", time.Time{}, f)
}

// blobPath is where a layout has the blob of that digest.
func blobPath(digest string) string {
	return filepath.Join("blobs", "sha256", strings.TrimPrefix(digest, "sha256:"))
}

// resolveTag returns the digest that a layout has for a tag, or "none".
func resolveTag(dir, tag string) string {
	var index struct{ Manifests []descriptor }
	if readJSON(filepath.Join(dir, "index.json"), &index) == nil {
		for _, m := range index.Manifests {
			if m.Annotations["org.opencontainers.image.ref.name"] == tag {
				return m.Digest
			}
		}
	}
	return "none"
}

// countingWriter counts the bytes of bodies and lets sendfile through.
type countingWriter struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (w *countingWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.n.Add(int64(n))
	return n, err
}

func (w *countingWriter) ReadFrom(r io.Reader) (int64, error) {
	n, err := io.Copy(w.ResponseWriter, r)
	w.n.Add(n)
	return n, err
}
