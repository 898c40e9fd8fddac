package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/docker/distribution/registry/client/auth/challenge"
	"go.podman.io/image/v5/types"
)

// maxToken bounds the answer of a token service, in bytes.
const maxToken = 1 << 20

// authorizer adds the authorization that a registry asks for to the requests
// to it, and to no others: a redirect elsewhere carries none. A registry that
// no longer takes a token is asked for a new one, once a request.
type authorizer struct {
	base  http.RoundTripper
	at    *endpoint
	creds types.DockerAuthConfig

	// lock has one place. It guards what follows and is held while a token is
	// fetched, so that parallel requests need only one.
	lock   chan struct{}
	header string // the Authorization header, "" for none
	age    int    // counts the headers so far
}

func newAuthorizer(base http.RoundTripper, at *endpoint, creds types.DockerAuthConfig) *authorizer {
	return &authorizer{base: base, at: at, creds: creds, lock: make(chan struct{}, 1)}
}

// RoundTrip implements [http.RoundTripper].
func (a *authorizer) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host != a.at.addr {
		return a.base.RoundTrip(req)
	}
	header, age, err := a.get(req.Context())
	if err != nil {
		return nil, err
	}
	resp, err := a.base.RoundTrip(with(req, header))
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	header, ok, err := a.renew(req, resp, age)
	if err == nil && !ok {
		return resp, nil
	}
	discard(resp)
	if err != nil {
		return nil, err
	}
	return a.base.RoundTrip(with(req, header))
}

// discard ends with an answer whose body is not wanted; a short one is read, so
// that the connection can be used again.
func discard(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	resp.Body.Close()
}

func with(req *http.Request, header string) *http.Request {
	if header == "" {
		return req
	}
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", header)
	return req
}

func (a *authorizer) acquire(ctx context.Context) error {
	select {
	case a.lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (a *authorizer) release() { <-a.lock }

func (a *authorizer) get(ctx context.Context) (header string, age int, err error) {
	if err := a.acquire(ctx); err != nil {
		return "", 0, err
	}
	defer a.release()
	return a.header, a.age, nil
}

// renew answers the challenge of a 401 to a request that was sent with the
// header of the given age. ok is false if there is nothing new to offer.
func (a *authorizer) renew(req *http.Request, resp *http.Response, age int) (header string, ok bool, err error) {
	if err := a.acquire(req.Context()); err != nil {
		return "", false, err
	}
	defer a.release()
	if a.age != age {
		return a.header, true, nil // another request was faster
	}
	header, err = a.answer(req, resp)
	if err != nil || header == "" || header == a.header {
		return "", false, err
	}
	a.header, a.age = header, a.age+1
	return header, true, nil
}

// answer makes the header that the challenge asks for, or "".
func (a *authorizer) answer(req *http.Request, resp *http.Response) (string, error) {
	challenges := challenge.ResponseChallenges(resp)
	if len(challenges) == 0 {
		// Some registries tell how to log in only at their front door.
		var err error
		if challenges, err = a.ping(req); err != nil {
			return "", err
		}
	}
	for _, c := range challenges {
		switch {
		case c.Scheme == "bearer":
			token, err := a.fetchToken(req.Context(), c.Parameters)
			return "Bearer " + token, err
		case c.Scheme == "basic" && a.creds.Username != "":
			r := http.Request{Header: http.Header{}}
			r.SetBasicAuth(a.creds.Username, a.creds.Password)
			return r.Header.Get("Authorization"), nil
		}
	}
	return "", nil
}

func (a *authorizer) ping(req *http.Request) ([]challenge.Challenge, error) {
	u := url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: "/v2/", RawQuery: req.URL.RawQuery}
	r, err := http.NewRequestWithContext(req.Context(), http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", a.at.userAgent)
	resp, err := a.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	discard(resp)
	return challenge.ResponseChallenges(resp), nil
}

// fetchToken asks the token service that a bearer challenge names
// (distribution's token authentication specification): by POST if there is an
// identity token, by GET with user name and password otherwise.
func (a *authorizer) fetchToken(ctx context.Context, params map[string]string) (string, error) {
	req, err := a.tokenRequest(ctx, params)
	if err != nil {
		return "", err
	}
	req.Header.Set("User-Agent", a.at.userAgent)
	client := http.Client{Transport: a.base, CheckRedirect: limitRedirects}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		f := a.at.refused(resp)
		f.text = fmt.Sprintf("the token service of %s answered %d %s", a.at.place(), resp.StatusCode, http.StatusText(resp.StatusCode))
		return "", f
	}
	return readToken(resp.Body)
}

func (a *authorizer) tokenRequest(ctx context.Context, params map[string]string) (*http.Request, error) {
	realm, err := url.Parse(params["realm"])
	if err != nil || realm.Host == "" {
		return nil, fmt.Errorf("the token service %q is no address", params["realm"])
	}
	form := realm.Query()
	if s := params["service"]; s != "" {
		form.Set("service", s)
	}
	for _, s := range a.scopes(params["scope"]) {
		form.Add("scope", s)
	}
	if a.creds.IdentityToken != "" {
		form.Set("grant_type", "refresh_token")
		form.Set("refresh_token", a.creds.IdentityToken)
		form.Set("client_id", "containers/image")
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, realm.String(), strings.NewReader(form.Encode()))
		if err == nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		return req, err
	}
	if a.creds.Username != "" {
		form.Set("account", a.creds.Username)
	}
	realm.RawQuery = form.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, realm.String(), nil)
	if err == nil && a.creds.Username != "" && a.creds.Password != "" {
		req.SetBasicAuth(a.creds.Username, a.creds.Password)
	}
	return req, err
}

// scopes are what a token must be for: to pull from the repository, and what
// the registry asked for beyond that.
func (a *authorizer) scopes(asked string) []string {
	scopes := []string{"repository:" + a.at.repo + ":pull"}
	if asked != "" && !slices.Contains(scopes, asked) {
		scopes = append(scopes, asked)
	}
	return scopes
}

func readToken(r io.Reader) (string, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxToken))
	if err != nil {
		return "", err
	}
	var t struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(data, &t); err != nil {
		return "", fmt.Errorf("answer of the token service: %w", err)
	}
	if token := first(t.Token, t.AccessToken); token != "" {
		return token, nil
	}
	return "", errors.New("the answer of the token service has no token")
}
