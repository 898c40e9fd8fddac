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

// class is what an error is sorted into.
type class struct {
	kind      error // one of the sentinels, or nil for none of them
	temporary bool  // the same request may succeed when it is repeated
}

// classify sorts an error.
func classify(err error) class {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.class
	}
	for _, sort := range []func(error) (class, bool){byPolicy, byStatus, byCode, byTLS, byNetwork, byFile, byDigest} {
		if c, ok := sort(err); ok {
			return c
		}
	}
	return class{}
}

// as reports whether an error of the type is in err's tree.
func as[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func byPolicy(err error) (class, bool) {
	if as[signature.PolicyRequirementError](err) || as[signature.InvalidSignatureError](err) || errors.Is(err, configfile.ErrConfigFileNotFound) {
		return class{ErrSignature, false}, true
	}
	return class{}, false
}

// byStatus sorts by the HTTP status of a registry's answer, as far as the
// library lets it through.
func byStatus(err error) (class, bool) {
	if errors.Is(err, docker.ErrTooManyRequests) {
		return class{ErrUnavailable, true}, true
	}
	if as[docker.ErrUnauthorizedForCredentials](err) {
		return class{ErrUnauthorized, false}, true
	}
	if status := statusOf(err); status != 0 {
		return classifyStatus(status), true
	}
	return class{}, false
}

// classifyStatus sorts an HTTP status that is no success.
func classifyStatus(status int) class {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return class{ErrUnauthorized, false}
	case http.StatusNotFound, http.StatusGone:
		return class{ErrNotFound, false}
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return class{ErrUnavailable, true}
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return class{ErrUnavailable, false}
	}
	return class{ErrUnavailable, status >= 500}
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
func byCode(err error) (class, bool) {
	coder, ok := errors.AsType[interface {
		error
		errcode.ErrorCoder
	}](err)
	if !ok {
		return class{}, false
	}
	switch coder.ErrorCode() {
	case errcode.ErrorCodeUnauthorized, errcode.ErrorCodeDenied:
		return class{ErrUnauthorized, false}, true
	case v2.ErrorCodeManifestUnknown, v2.ErrorCodeNameUnknown, v2.ErrorCodeBlobUnknown, v2.ErrorCodeManifestBlobUnknown:
		return class{ErrNotFound, false}, true
	case errcode.ErrorCodeTooManyRequests, errcode.ErrorCodeUnavailable:
		return class{ErrUnavailable, true}, true
	}
	// Harbor and registry.redhat.io say UNKNOWN where they mean 404.
	if strings.Contains(strings.ToLower(err.Error()), "not found") {
		return class{ErrNotFound, false}, true
	}
	return class{ErrUnavailable, false}, true
}

// byTLS sorts failures to agree on a trusted connection. They stay until
// somebody changes the configuration.
func byTLS(err error) (class, bool) {
	if as[*tls.CertificateVerificationError](err) || as[x509.UnknownAuthorityError](err) || as[x509.HostnameError](err) ||
		as[x509.CertificateInvalidError](err) || as[tls.RecordHeaderError](err) || as[tls.AlertError](err) {
		return class{ErrTLS, false}, true
	}
	if strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		return class{ErrTLS, false}, true
	}
	return class{}, false
}

// byNetwork sorts what happens between here and the registry. Nearly all of it
// may pass: at boot the network is often late.
func byNetwork(err error) (class, bool) {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return class{ErrUnreachable, !dns.IsNotFound}, true
	}
	if errors.Is(err, errRedirects) {
		return class{ErrUnavailable, false}, true
	}
	for _, e := range []error{errStalled, io.ErrUnexpectedEOF, context.DeadlineExceeded} {
		if errors.Is(err, e) {
			return class{ErrUnreachable, true}, true
		}
	}
	if as[*net.OpError](err) || as[*url.Error](err) || isTimeout(err) || isErrno(err) {
		return class{ErrUnreachable, !strings.Contains(err.Error(), "unsupported protocol scheme")}, true
	}
	return class{}, false
}

func isTimeout(err error) bool {
	n, ok := errors.AsType[net.Error](err)
	return ok && n.Timeout()
}

func isErrno(err error) bool {
	for _, e := range []error{syscall.ECONNRESET, syscall.ECONNREFUSED, syscall.ECONNABORTED, syscall.EPIPE, syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func byFile(err error) (class, bool) {
	if errors.Is(err, fs.ErrNotExist) {
		return class{ErrNotFound, false}, true
	}
	return class{}, false
}

// byDigest knows a manifest that the library found to be another than asked for;
// its error has no type.
func byDigest(err error) (class, bool) {
	if strings.Contains(err.Error(), "does not match provided manifest digest") {
		return class{ErrCorrupt, false}, true
	}
	return class{}, false
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
	if login, ok := errors.AsType[docker.ErrUnauthorizedForCredentials](err); ok {
		return reason(login.Err)
	}
	if message := apiMessage(err); message != "" {
		return message
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" && op.Addr != nil {
		return fmt.Sprintf("%s: %s", op.Addr, innermost(op.Err))
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

// statusOf is the HTTP status in an error of the library, or 0.
func statusOf(err error) int {
	if unexpected, ok := errors.AsType[docker.UnexpectedHTTPStatusError](err); ok {
		return unexpected.StatusCode
	}
	return statusInText(err)
}

// apiMessage is the message of the distribution API's error document, or "".
func apiMessage(err error) string {
	if full, ok := errors.AsType[errcode.Error](err); ok {
		return full.Message
	}
	if code, ok := errors.AsType[errcode.ErrorCode](err); ok {
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
