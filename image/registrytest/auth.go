package registrytest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

const tokenPath = "/token"

// auth is what the registry demands of its clients.
type auth struct {
	scheme         string // "", "Basic" or "Bearer"
	user, password string

	mu     sync.Mutex
	tokens map[string]string // token → scope
}

// authorized lets the request through, or answers with the challenge.
func (r *Registry) authorized(w http.ResponseWriter, req *http.Request) bool {
	switch r.auth.scheme {
	case "":
		return true
	case "Basic":
		if r.isUser(req) {
			return true
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="registrytest"`)
	case "Bearer":
		if r.auth.accepts(req) {
			return true
		}
		w.Header().Set("WWW-Authenticate", r.challenge(req))
	}
	apiError(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
	return false
}

func (r *Registry) isUser(req *http.Request) bool {
	user, password, ok := req.BasicAuth()
	return ok && user == r.auth.user && password == r.auth.password
}

func (r *Registry) challenge(req *http.Request) string {
	c := fmt.Sprintf(`Bearer realm="%s%s",service="registrytest"`, r.URL(), tokenPath)
	if repo, kind, _ := split(strings.TrimPrefix(req.URL.Path, "/v2/")); kind != "" {
		c += fmt.Sprintf(`,scope="%s"`, scope(repo))
	}
	return c
}

func scope(repo string) string { return "repository:" + repo + ":pull" }

// accepts reports whether the request has a live token for its repository.
func (a *auth) accepts(req *http.Request) bool {
	token, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return false
	}
	a.mu.Lock()
	granted, ok := a.tokens[token]
	a.mu.Unlock()
	repo, kind, _ := split(strings.TrimPrefix(req.URL.Path, "/v2/"))
	return ok && (kind == "" || strings.Contains(granted, "repository:"+repo+":"))
}

// RevokeTokens makes the tokens given so far worthless.
func (r *Registry) RevokeTokens() {
	r.auth.mu.Lock()
	defer r.auth.mu.Unlock()
	r.auth.tokens = nil
}

// serveToken is the token service: GET with basic authentication, or POST with
// an identity token.
func (r *Registry) serveToken(w http.ResponseWriter, req *http.Request) {
	ok := r.isUser(req)
	if req.Method == http.MethodPost {
		ok = req.FormValue("grant_type") == "refresh_token" && req.FormValue("refresh_token") == r.auth.password
	}
	if !ok {
		apiError(w, http.StatusUnauthorized, "UNAUTHORIZED", "incorrect username or password")
		return
	}
	if err := req.ParseForm(); err != nil {
		apiError(w, http.StatusBadRequest, "UNSUPPORTED", err.Error())
		return
	}
	token := r.auth.issue(strings.Join(req.Form["scope"], " "))
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"token": token, "access_token": token, "expires_in": 300})
}

func (a *auth) issue(scope string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tokens == nil {
		a.tokens = map[string]string{}
	}
	token := rand.Text()
	a.tokens[token] = scope
	return token
}
