package image

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"testing"
	"time"

	"github.com/docker/distribution/registry/api/errcode"
	v2 "github.com/docker/distribution/registry/api/v2"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/signature"
)

func dial(err error) error {
	return &url.Error{Op: "Get", URL: "https://quay.io/v2/", Err: &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 443}, Err: err}}
}

func get(err error) error { return &url.Error{Op: "Get", URL: "https://quay.io/v2/", Err: err} }

func TestClassify(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		err       error
		kind      error
		temporary bool
		reason    string
	}{
		{"refused", dial(syscall.ECONNREFUSED), ErrUnreachable, true, "10.0.0.1:443: connection refused"},
		{"no route", dial(syscall.EHOSTUNREACH), ErrUnreachable, true, "10.0.0.1:443: no route to host"},
		{"no such host", get(&net.DNSError{Err: "no such host", Name: "quay.io", IsNotFound: true}), ErrUnreachable, false, "lookup quay.io: no such host"},
		{"name server fails", get(&net.DNSError{Err: "server misbehaving", Name: "quay.io", IsTemporary: true}), ErrUnreachable, true, "lookup quay.io: server misbehaving"},
		{"reset", fmt.Errorf("read: %w", syscall.ECONNRESET), ErrUnreachable, true, "read: connection reset by peer"},
		{"cut off", io.ErrUnexpectedEOF, ErrUnreachable, true, "unexpected EOF"},
		{"no answer", get(io.EOF), ErrUnreachable, true, "EOF"},
		{"timeout", get(context.DeadlineExceeded), ErrUnreachable, true, "context deadline exceeded"},
		{"stalled", errStalled, ErrUnreachable, true, "no answer"},
		{"redirects", get(errRedirects), ErrUnavailable, false, "redirects without end"},
		{"unknown authority", get(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}), ErrTLS, false, "tls: failed to verify certificate: x509: certificate signed by unknown authority"},
		{"other name", get(x509.HostnameError{Certificate: &x509.Certificate{}, Host: "quay.io"}), ErrTLS, false, "x509: certificate is not valid for any names, but wanted to match quay.io"},
		{"plain http", get(errors.New("http: server gave HTTP response to HTTPS client")), ErrTLS, false, "http: server gave HTTP response to HTTPS client"},
		{"alert", get(tls.AlertError(42)), ErrTLS, false, "tls: bad certificate"},
		{"429 after five attempts", docker.ErrTooManyRequests, ErrUnavailable, true, "too many requests to registry"},
		{"500", docker.UnexpectedHTTPStatusError{StatusCode: 500}, ErrUnavailable, true, "500 Internal Server Error"},
		{"501", docker.UnexpectedHTTPStatusError{StatusCode: 501}, ErrUnavailable, false, "501 Not Implemented"},
		{"503", fmt.Errorf("reading: %w", docker.UnexpectedHTTPStatusError{StatusCode: 503}), ErrUnavailable, true, "503 Service Unavailable"},
		{"404 of a proxy", errors.New(`reading manifest 1 in x: StatusCode: 404, "<html>..."`), ErrNotFound, false, "404 Not Found"},
		{"403 of a proxy", errors.New(`StatusCode: 403, ""`), ErrUnauthorized, false, "403 Forbidden"},
		{"unauthorized", errcode.ErrorCodeUnauthorized, ErrUnauthorized, false, "authentication required"},
		{"denied", errcode.Error{Code: errcode.ErrorCodeDenied, Message: "no pull for you"}, ErrUnauthorized, false, "no pull for you"},
		{"wrong password", docker.ErrUnauthorizedForCredentials{Err: errcode.Error{Code: errcode.ErrorCodeUnauthorized, Message: "wrong"}}, ErrUnauthorized, false, "wrong"},
		{"manifest unknown", errcode.Error{Code: v2.ErrorCodeManifestUnknown, Message: "manifest unknown"}, ErrNotFound, false, "manifest unknown"},
		{"name unknown", v2.ErrorCodeNameUnknown, ErrNotFound, false, "repository name not known to registry"},
		{"Harbor's 404", errcode.Error{Code: errcode.ErrorCodeUnknown, Message: "artifact acme/os:44 not found"}, ErrNotFound, false, "artifact acme/os:44 not found"},
		{"too many requests", errcode.ErrorCodeTooManyRequests, ErrUnavailable, true, "too many requests"},
		{"something else", errcode.Error{Code: errcode.ErrorCodeUnsupported, Message: "no"}, ErrUnavailable, false, "no"},
		{"policy", fmt.Errorf("source: %w", signature.PolicyRequirementError("no signature")), ErrSignature, false, "source: no signature"},
		{"no file", &fs.PathError{Op: "open", Path: "/x", Err: fs.ErrNotExist}, ErrNotFound, false, "open /x: file does not exist"},
		{"another manifest", errors.New("Manifest does not match provided manifest digest sha256:0"), ErrCorrupt, false, "Manifest does not match provided manifest digest sha256:0"},
		{"sorted before", fmt.Errorf("x: %w", &failure{class: class{ErrCorrupt, true}, text: "y"}), ErrCorrupt, true, "x: y"},
		{"anything", errors.New("out of\n  cheese"), nil, false, "out of cheese"},
	} {
		if got := classify(tc.err); !errors.Is(got.kind, tc.kind) || got.temporary != tc.temporary {
			t.Errorf("%s: %v; want %v, %v", tc.name, got, tc.kind, tc.temporary)
		}
		if got := reason(tc.err); got != tc.reason {
			t.Errorf("%s: reason %q, want %q", tc.name, got, tc.reason)
		}
	}
}

func TestClassifyStatus(t *testing.T) {
	t.Parallel()
	want := map[int]class{
		400: {ErrUnavailable, false}, 401: {ErrUnauthorized, false}, 402: {ErrUnavailable, false}, 403: {ErrUnauthorized, false},
		404: {ErrNotFound, false}, 405: {ErrUnavailable, false}, 408: {ErrUnavailable, true}, 410: {ErrNotFound, false},
		416: {ErrUnavailable, false}, 425: {ErrUnavailable, true}, 429: {ErrUnavailable, true}, 451: {ErrUnavailable, false},
		500: {ErrUnavailable, true}, 501: {ErrUnavailable, false}, 502: {ErrUnavailable, true}, 503: {ErrUnavailable, true},
		504: {ErrUnavailable, true}, 505: {ErrUnavailable, false}, 520: {ErrUnavailable, true},
	}
	for status, w := range want {
		if got := classifyStatus(status); got != w {
			t.Errorf("%d: %v, want %v", status, got, w)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, " 120 ": 2 * time.Minute, "-1": 0, "1.5": 0, "soon": 0, "0": 0,
		"99999999999999999999":          0,
		"Sat, 21 Nov 2026 04:01:30 GMT": 90 * time.Second,
		"Sat, 21 Nov 2026 03:59:00 GMT": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {in}}, now); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	r := Retry{}.withDefaults()
	for n, longest := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 6: 30 * time.Second, 1000: 30 * time.Second} {
		for range 100 {
			if d := r.wait(n); d < longest/2 || d > longest {
				t.Fatalf("wait %d is %s, want %s to %s", n, d, longest/2, longest)
			}
		}
	}
}

func TestFits(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]bool{
		"bytes 10-99/100": true, "bytes 10-99/*": true, "bytes 10-98/100": false, "bytes 11-99/100": false, "bytes 10-99/101": false,
		"bytes 10-9999999999999999999999/100": false, "bytes */100": false, "": false, "10-99/100": false, "bytes 10-99/100, bytes 1-2/3": false,
	} {
		if got := fits(http.Header{"Content-Range": {in}}, 10, 100); got != want {
			t.Errorf("%q: %v, want %v", in, got, want)
		}
	}
	if fits(http.Header{"Content-Range": {"bytes 10-99/100", "bytes 10-99/100"}}, 10, 100) {
		t.Error("two ranges were accepted")
	}
}

func TestComma(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 41943040: "41,943,040", -1: "-1", -1000: "-1,000", -123456: "-123,456"} {
		if got := comma(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
