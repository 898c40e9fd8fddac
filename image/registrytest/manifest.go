package registrytest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// AddManifest stores a manifest or an index under a tag (or its digest only, if
// tag is empty) of a repository. It does not look into it.
func (r *Registry) AddManifest(repo, tag, mediaType string, data []byte) digest.Digest {
	m := manifest{mediaType: mediaType, digest: digest.FromBytes(data), data: data}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.manifests[repo] == nil {
		r.manifests[repo] = map[string]manifest{}
	}
	r.manifests[repo][m.digest.String()] = m
	if tag != "" {
		r.manifests[repo][tag] = m
	}
	return m.digest
}

// Manifest returns what a tag or digest of a repository stands for.
func (r *Registry) Manifest(repo, ref string) (data []byte, mediaType string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.manifests[repo][ref]
	return m.data, m.mediaType, ok
}

func (r *Registry) serveManifest(w http.ResponseWriter, req *http.Request, repo, ref string) {
	if req.Method == http.MethodPut {
		r.putManifest(w, req, repo, ref)
		return
	}
	r.mu.Lock()
	m, ok := r.manifests[repo][ref]
	r.mu.Unlock()
	if !ok {
		apiError(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown")
		return
	}
	w.Header().Set("Content-Type", m.mediaType)
	w.Header().Set("Docker-Content-Digest", m.digest.String())
	http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(m.data))
}

func (r *Registry) putManifest(w http.ResponseWriter, req *http.Request, repo, ref string) {
	data, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	d := r.AddManifest(repo, "", req.Header.Get("Content-Type"), data)
	if ref != d.String() {
		r.AddManifest(repo, ref, req.Header.Get("Content-Type"), data)
	}
	w.Header().Set("Docker-Content-Digest", d.String())
	w.Header().Set("Location", "/v2/"+repo+"/manifests/"+d.String())
	w.WriteHeader(http.StatusCreated)
}

func (r *Registry) serveBlob(w http.ResponseWriter, req *http.Request, _, ref string) {
	c, ok := r.blob(digest.Digest(ref))
	if !ok {
		apiError(w, http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown to registry")
		return
	}
	f, err := c.open()
	if err != nil {
		apiError(w, http.StatusInternalServerError, "UNKNOWN", err.Error())
		return
	}
	defer f.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Docker-Content-Digest", ref)
	http.ServeContent(w, req, "", time.Time{}, f)
}

// apiError answers with the distribution API's error document.
func apiError(w http.ResponseWriter, status int, code, message string) {
	type apiErr struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string][]apiErr{"errors": {{code, message}}})
}

// Push stores an image, or an index with its images, and tags it.
func (r *Registry) Push(repo, tag string, b *Built) digest.Digest {
	for d, data := range b.Blobs {
		r.add(d, memory(data))
	}
	for _, c := range b.Children {
		r.Push(repo, "", c)
	}
	return r.AddManifest(repo, tag, b.Descriptor.MediaType, b.Manifest)
}

// isIndex reports whether the media type is that of an index or manifest list.
func isIndex(mediaType string) bool {
	return mediaType == v1.MediaTypeImageIndex || mediaType == dockerList
}
