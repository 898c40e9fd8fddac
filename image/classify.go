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
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/docker/distribution/registry/api/errcode"
	v2 "github.com/docker/distribution/registry/api/v2"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/signature"
	"go.podman.io/storage/pkg/configfile"
)

// Errors of our own making that need sorting like those of others.
var (
	errStalled   = errors.New("no answer")
	errRedirects = errors.New("redirects without end")
)

// classify sorts an error: into which class it belongs (nil for none of them),
// and whether the same request may succeed when it is repeated.
func classify(err error) (kind error, temporary bool) {
	if f := (*failure)(nil); errors.As(err, &f) {
		return f.kind, f.temporary
	}
	for _, sort := range []func(error) (error, bool, bool){byPolicy, byStatus, byCode, byTLS, byNetwork, byFile, byDigest} {
		if kind, temporary, ok := sort(err); ok {
			return kind, temporary
		}
	}
	return nil, false
}

func byPolicy(err error) (kind error, temporary, ok bool) {
	var requirement signature.PolicyRequirementError
	var invalid signature.InvalidSignatureError
	if errors.As(err, &requirement) || errors.As(err, &invalid) || errors.Is(err, configfile.ErrConfigFileNotFound) {
		return ErrSignature, false, true
	}
	return nil, false, false
}

// byStatus sorts by the HTTP status of a registry's answer, as far as the
// library lets it through.
func byStatus(err error) (kind error, temporary, ok bool) {
	if errors.Is(err, docker.ErrTooManyRequests) {
		return ErrUnavailable, true, true
	}
	if errors.As(err, new(docker.ErrUnauthorizedForCredentials)) {
		return ErrUnauthorized, false, true
	}
	if status := statusOf(err); status != 0 {
		kind, temporary = classifyStatus(status)
		return kind, temporary, true
	}
	return nil, false, false
}

// classifyStatus sorts an HTTP status that is no success.
func classifyStatus(status int) (kind error, temporary bool) {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return ErrUnauthorized, false
	case http.StatusNotFound, http.StatusGone:
		return ErrNotFound, false
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return ErrUnavailable, true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return ErrUnavailable, false
	}
	return ErrUnavailable, status >= 500
}

// statusText is how the library prints a status with a body that is not the
// distribution API's error document. Its type is not exported.
var statusText = regexp.MustCompile(`StatusCode: (\d{3}), `)

func statusInText(err error) int {
	m := statusText.FindStringSubmatch(err.Error())
	if m == nil {
		return 0
	}
	status, _ := strconv.Atoi(m[1])
	return status
}

// byCode sorts by the code in the distribution API's error document.
func byCode(err error) (kind error, temporary, ok bool) {
	var coder errcode.ErrorCoder
	if !errors.As(err, &coder) {
		return nil, false, false
	}
	switch coder.ErrorCode() {
	case errcode.ErrorCodeUnauthorized, errcode.ErrorCodeDenied:
		return ErrUnauthorized, false, true
	case v2.ErrorCodeManifestUnknown, v2.ErrorCodeNameUnknown, v2.ErrorCodeBlobUnknown, v2.ErrorCodeManifestBlobUnknown:
		return ErrNotFound, false, true
	case errcode.ErrorCodeTooManyRequests, errcode.ErrorCodeUnavailable:
		return ErrUnavailable, true, true
	}
	// Harbor and registry.redhat.io say UNKNOWN where they mean 404.
	if strings.Contains(strings.ToLower(err.Error()), "not found") {
		return ErrNotFound, false, true
	}
	return ErrUnavailable, false, true
}

// byTLS sorts failures to agree on a trusted connection. They stay until
// somebody changes the configuration.
func byTLS(err error) (kind error, temporary, ok bool) {
	for _, target := range []any{
		new(*tls.CertificateVerificationError), new(x509.UnknownAuthorityError), new(x509.HostnameError),
		new(x509.CertificateInvalidError), new(tls.RecordHeaderError), new(tls.AlertError),
	} {
		if errors.As(err, target) {
			return ErrTLS, false, true
		}
	}
	if strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		return ErrTLS, false, true
	}
	return nil, false, false
}

// byNetwork sorts what happens between here and the registry. Nearly all of it
// may pass: at boot the network is often late.
func byNetwork(err error) (kind error, temporary, ok bool) {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return ErrUnreachable, !dns.IsNotFound, true
	}
	if errors.Is(err, errRedirects) {
		return ErrUnavailable, false, true
	}
	for _, e := range []error{errStalled, io.ErrUnexpectedEOF, context.DeadlineExceeded} {
		if errors.Is(err, e) {
			return ErrUnreachable, true, true
		}
	}
	if errors.As(err, new(*net.OpError)) || errors.As(err, new(*url.Error)) || isTimeout(err) || isErrno(err) {
		return ErrUnreachable, !strings.Contains(err.Error(), "unsupported protocol scheme"), true
	}
	return nil, false, false
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

func isErrno(err error) bool {
	for _, e := range []error{syscall.ECONNRESET, syscall.ECONNREFUSED, syscall.ECONNABORTED, syscall.EPIPE, syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func byFile(err error) (kind error, temporary, ok bool) {
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotFound, false, true
	}
	return nil, false, false
}

// byDigest knows a manifest that the library found to be another than asked for;
// its error has no type.
func byDigest(err error) (kind error, temporary, ok bool) {
	if strings.Contains(err.Error(), "does not match provided manifest digest") {
		return ErrCorrupt, false, true
	}
	return nil, false, false
}

// retryAfter reads the header of that name: seconds, or a date (RFC 9110,
// section 10.2.3). It returns 0 if there is nothing to obey.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil && t.After(now) {
		return t.Sub(now)
	}
	return 0
}

// reason is the part of an error that says what happened, without the request
// and the wrappings, which the sentence around it stands for.
func reason(err error) string {
	if status := statusOf(err); status != 0 {
		return fmt.Sprintf("%d %s", status, http.StatusText(status))
	}
	var login docker.ErrUnauthorizedForCredentials
	if errors.As(err, &login) {
		return reason(login.Err)
	}
	if message := apiMessage(err); message != "" {
		return message
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" && op.Addr != nil {
		return fmt.Sprintf("%s: %s", op.Addr, innermost(op.Err))
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

// statusOf is the HTTP status in an error of the library, or 0.
func statusOf(err error) int {
	var unexpected docker.UnexpectedHTTPStatusError
	if errors.As(err, &unexpected) {
		return unexpected.StatusCode
	}
	return statusInText(err)
}

// apiMessage is the message of the distribution API's error document, or "".
func apiMessage(err error) string {
	var full errcode.Error
	if errors.As(err, &full) {
		return full.Message
	}
	var code errcode.ErrorCode
	if errors.As(err, &code) {
		return code.Message()
	}
	return ""
}

func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
