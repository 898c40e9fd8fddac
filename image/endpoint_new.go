package image

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/docker/config"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/pkg/tlsclientconfig"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage/pkg/configfile"
	"go.podman.io/storage/pkg/unshare"
)

// newEndpoint prepares to talk to one source of an image. It connects to
// nothing yet.
func newEndpoint(s sysregistriesv2.PullSource, o Options, sys *types.SystemContext) (*endpoint, error) {
	creds, err := config.GetCredentialsForRef(sys, s.Reference)
	if err != nil {
		return nil, &failure{class: class{ErrUnauthorized, false}, cause: err, text: "the credentials cannot be read: " + reason(err)}
	}
	e := &endpoint{
		host:      reference.Domain(s.Reference),
		addr:      address(reference.Domain(s.Reference)),
		repo:      reference.Path(s.Reference),
		namespace: s.Endpoint.NamespaceProxy,
		insecure:  s.Endpoint.Insecure || o.InsecureTLS,
		userAgent: o.UserAgent,
		retry:     o.Retry,
		clock:     o.Clock,
	}
	tr, err := newTransport(e.host, e.insecure, o, sys)
	if err != nil {
		return nil, err
	}
	e.idle = tr.CloseIdleConnections
	auth := newAuthorizer(o.Transport(tr), e, creds)
	e.client = &http.Client{Transport: auth, CheckRedirect: limitRedirects}
	return e, nil
}

// address is where a registry listens; docker.io is known by another name than
// the one it listens to.
func address(host string) string {
	if host == "docker.io" {
		return "registry-1.docker.io"
	}
	return host
}

func limitRedirects(_ *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errRedirects
	}
	return nil
}

// newTransport trusts what certs.d has for the host, besides the system's
// certificates.
func newTransport(host string, insecure bool, o Options, sys *types.SystemContext) (*http.Transport, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: insecure} //nolint:gosec // by the administrator's word
	dir, err := certDir(host, o, sys)
	if err != nil {
		return nil, err
	}
	if dir != "" {
		if err := tlsclientconfig.SetupCertificates(dir, conf); err != nil {
			return nil, &failure{class: class{ErrTLS, false}, cause: err, text: "the certificates in " + dir + " cannot be used: " + err.Error()}
		}
	}
	tr := tlsclientconfig.NewTransport()
	tr.TLSClientConfig = conf
	tr.DisableCompression = true // a layer is what its digest says, not what it unpacks to
	return tr, nil
}

// certDir finds the directory of certificates for a host
// (containers-certs.d(5)), or "".
func certDir(host string, o Options, sys *types.SystemContext) (string, error) {
	if o.CertDir != "" {
		return filepath.Join(o.CertDir, host), nil
	}
	paths, err := configfile.GetSearchPaths(&configfile.File{
		Name:                           "certs",
		Extension:                      "d",
		DoNotUseExtensionForConfigName: true,
		UserId:                         unshare.GetRootlessUID(),
		RootForImplicitAbsolutePaths:   sys.RootForImplicitAbsolutePaths,
	})
	if err != nil {
		return "", err
	}
	for _, base := range append(paths.DropInDirectories, o.below("/etc/docker/certs.d")) {
		dir := filepath.Join(base, host)
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			return dir, nil
		}
	}
	return "", nil
}
