package image

import (
	"net/http"
	"runtime"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/internal/progress"
)

// Options say where to look and whom to trust. The zero value means the system
// that runs, and no progress.
type Options struct {
	// Root is put before all paths that are implied, credentials included; ""
	// and "/" are the same.
	Root string

	OS, Arch, Variant string // in Go's names; empty for this machine's
	AnyPlatform       bool   // accept a single image of another platform

	// RequireSignature refuses images that the policy accepts unsigned.
	RequireSignature bool

	// These replace what is otherwise found below Root.
	PolicyPath        string // policy.json
	AuthFile          string // auth.json
	RegistriesConf    string // registries.conf
	RegistriesConfDir string // registries.conf.d
	RegistriesDir     string // registries.d: where signatures are kept
	CertDir           string // certs.d: directories by host:port

	InsecureTLS bool   // accept any certificate, and plain http
	UserAgent   string // "bootc/1.0"

	Retry    Retry
	Clock    Clock // nil for the real time
	Progress progress.Func

	// Config returns a configuration that is here already, to save fetching
	// it. It may be nil; what it returns is verified.
	Config func(digest.Digest) ([]byte, bool)

	// Transport wraps the transport of requests for blobs; nil leaves it.
	Transport func(http.RoundTripper) http.RoundTripper
}

func (o Options) withDefaults() Options {
	o.Retry = o.Retry.withDefaults()
	if o.Clock == nil {
		o.Clock = wallClock{}
	}
	if o.Root == "/" {
		o.Root = ""
	}
	if o.UserAgent == "" {
		o.UserAgent = "bootc"
	}
	if o.Config == nil {
		o.Config = func(digest.Digest) ([]byte, bool) { return nil, false }
	}
	if o.Transport == nil {
		o.Transport = func(rt http.RoundTripper) http.RoundTripper { return rt }
	}
	return o
}

// os and arch are what an image must be for.
func (o Options) os() string {
	if o.OS != "" {
		return o.OS
	}
	return runtime.GOOS
}

func (o Options) arch() string {
	if o.Arch != "" {
		return o.Arch
	}
	return runtime.GOARCH
}
