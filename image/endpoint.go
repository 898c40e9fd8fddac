package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
)

// maxRedirects is how often a request may be sent elsewhere: to a storage
// service, perhaps from there to a distribution network.
const maxRedirects = 10

// endpoint is one place that serves a repository: the registry itself or a
// mirror.
type endpoint struct {
	host      string // as in the image's name: "docker.io"
	addr      string // to connect to: "registry-1.docker.io"
	repo      string // "acme/os"
	namespace string // of a proxy for several registries: the ns parameter
	insecure  bool   // plain http will do
	userAgent string
	retry     Retry
	clock     Clock
	client    *http.Client
	idle      func() // closes idle connections

	mu     sync.Mutex
	scheme string // once a request went through
}

func (e *endpoint) place() string { return "registry " + e.host }

// get asks for the path below /v2/REPOSITORY. It returns an answer of any
// status.
func (e *endpoint) get(ctx context.Context, method, path string, header http.Header) (*http.Response, error) {
	schemes := e.schemes()
	for {
		resp, err := e.send(ctx, method, schemes[0], path, header)
		if err == nil {
			e.settle(schemes[0])
			return resp, nil
		}
		if schemes = schemes[1:]; len(schemes) == 0 || interrupted(ctx) != nil {
			return nil, e.failure(ctx, err)
		}
	}
}

// schemes are what to try: https, and plain http only where the configuration
// allows it.
func (e *endpoint) schemes() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.scheme != "":
		return []string{e.scheme}
	case e.insecure:
		return []string{"https", "http"}
	}
	return []string{"https"}
}

func (e *endpoint) settle(scheme string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.scheme = scheme
}

func (e *endpoint) send(ctx context.Context, method, scheme, path string, header http.Header) (*http.Response, error) {
	u := url.URL{Scheme: scheme, Host: e.addr, Path: "/v2/" + e.repo + path}
	if e.namespace != "" {
		u.RawQuery = url.Values{"ns": {e.namespace}}.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, header)
	req.Header.Set("User-Agent", e.userAgent)
	return e.client.Do(req)
}

// failure makes a sentence of an error that kept a request from being
// answered.
func (e *endpoint) failure(ctx context.Context, err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	if cause := interrupted(ctx); errors.Is(cause, errStalled) {
		return &failure{class: class{ErrUnreachable, true}, cause: cause, text: fmt.Sprintf("%s did not answer for %s", e.place(), e.retry.Stall)}
	}
	f := &failure{class: classify(err), cause: err}
	switch {
	case errors.Is(err, errRedirects):
		f.text = e.place() + " redirects without end"
	case errors.Is(err, io.EOF):
		f.text = e.place() + " closed the connection without an answer"
	case errors.Is(f.kind, ErrTLS):
		f.text = fmt.Sprintf("%s cannot be trusted: %s", e.place(), reason(err))
	default:
		f.text = fmt.Sprintf("%s is unreachable: %s", e.place(), reason(err))
	}
	return f
}

// refused makes a sentence of an answer's status.
func (e *endpoint) refused(resp *http.Response) *failure {
	f := &failure{after: retryAfter(resp.Header, e.clock.Now())}
	f.class = classifyStatus(resp.StatusCode)
	status := fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	switch {
	case errors.Is(f.kind, ErrUnauthorized):
		f.text = fmt.Sprintf("%s refuses access to %s (%s)", e.place(), e.repo, status)
	case errors.Is(f.kind, ErrNotFound):
		f.text = fmt.Sprintf("%s does not have it (%s)", e.place(), status)
	default:
		f.text = fmt.Sprintf("%s answered %s", e.place(), status)
	}
	return f
}

// openBlob asks for a blob from an offset on.
func (e *endpoint) openBlob(ctx context.Context, d digest.Digest, size, off int64) (*endpointBody, error) {
	ctx, dog := watch(ctx, e.clock, e.retry.Stall)
	dog.wait()
	defer dog.came()
	resp, err := e.blobResponse(ctx, d, size, off) //nolint:bodyclose // endpointBody closes it
	if err != nil {
		dog.end()
		return nil, err
	}
	b := &endpointBody{from: e, resp: resp.Body, ctx: ctx, dog: dog}
	if skip := off; resp.StatusCode == http.StatusOK && skip > 0 {
		err = b.skip(skip)
	}
	if err != nil {
		_ = b.Close() // only read from
		return nil, err
	}
	return b, nil
}

// blobResponse returns the answer 200, or 206 with the wanted range. A registry
// that answers with another range is asked for the whole.
func (e *endpoint) blobResponse(ctx context.Context, d digest.Digest, size, off int64) (*http.Response, error) {
	header := http.Header{}
	if off > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", off))
	}
	resp, err := e.get(ctx, http.MethodGet, "/blobs/"+d.String(), header)
	if err != nil {
		return nil, err
	}
	switch {
	case resp.StatusCode == http.StatusOK:
		err = e.checkSize(resp, size)
	case off > 0 && resp.StatusCode == http.StatusPartialContent && fits(resp.Header, off, size):
		return resp, nil
	case off > 0 && (resp.StatusCode == http.StatusPartialContent || resp.StatusCode == http.StatusRequestedRangeNotSatisfiable):
		resp.Body.Close()
		return e.blobResponse(ctx, d, size, 0)
	default:
		err = e.refused(resp)
	}
	if err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// checkSize compares what an answer announces with what the manifest says.
func (e *endpoint) checkSize(resp *http.Response, want int64) error {
	if got := resp.ContentLength; got >= 0 && got != want {
		return &failure{class: class{ErrCorrupt, false}, text: wrongSize(e.place(), got, want)}
	}
	return nil
}

// fits reports whether a partial answer starts at off and ends at the blob's
// end (RFC 9110, section 14.4).
func fits(h http.Header, off, size int64) bool {
	spec, ok := strings.CutPrefix(h.Get("Content-Range"), "bytes ")
	if !ok || len(h.Values("Content-Range")) != 1 {
		return false
	}
	span := fmt.Sprintf("%d-%d", off, size-1)
	return spec == fmt.Sprintf("%s/%d", span, size) || spec == span+"/*"
}
