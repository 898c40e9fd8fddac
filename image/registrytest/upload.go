package registrytest

import (
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/opencontainers/go-digest"
)

// serveUpload takes a pushed blob: POST opens a session, PATCH adds to it, PUT
// ends it.
func (r *Registry) serveUpload(w http.ResponseWriter, req *http.Request, repo, id string) {
	switch req.Method {
	case http.MethodPost:
		r.startUpload(w, repo)
	case http.MethodPatch, http.MethodPut:
		r.continueUpload(w, req, repo, id)
	default:
		apiError(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "method not allowed")
	}
}

func (r *Registry) startUpload(w http.ResponseWriter, repo string) {
	r.mu.Lock()
	id := strconv.Itoa(len(r.uploads) + 1)
	r.uploads[id] = []byte{}
	r.mu.Unlock()
	accepted(w, repo, id, 0)
}

func (r *Registry) continueUpload(w http.ResponseWriter, req *http.Request, repo, id string) {
	data, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	r.mu.Lock()
	data = append(r.uploads[id], data...)
	r.uploads[id] = data
	r.mu.Unlock()
	if req.Method == http.MethodPatch {
		accepted(w, repo, id, len(data))
		return
	}
	r.endUpload(w, repo, digest.Digest(req.URL.Query().Get("digest")), data)
}

func (r *Registry) endUpload(w http.ResponseWriter, repo string, want digest.Digest, data []byte) {
	if got := digest.FromBytes(data); got != want {
		apiError(w, http.StatusBadRequest, "DIGEST_INVALID", fmt.Sprintf("got %s", got))
		return
	}
	r.add(want, memory(data))
	w.Header().Set("Location", "/v2/"+repo+"/blobs/"+want.String())
	w.Header().Set("Docker-Content-Digest", want.String())
	w.WriteHeader(http.StatusCreated)
}

func accepted(w http.ResponseWriter, repo, id string, size int) {
	w.Header().Set("Location", "/v2/"+repo+"/blobs/uploads/"+id)
	w.Header().Set("Docker-Upload-UUID", id)
	w.Header().Set("Range", fmt.Sprintf("0-%d", max(size-1, 0)))
	w.WriteHeader(http.StatusAccepted)
}
