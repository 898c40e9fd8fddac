package image

import (
	"context"
	"net/http"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/internal/progress"
)

// Options say where to look and whom to trust. The zero value means the system
// that runs, and no progress.
type Options struct {
	Root string // prefix of all implied paths; "" and "/" are the same

	OS, Arch, Variant string // in Go's names; empty for this machine's
	AnyPlatform       bool   // accept a single image of another platform

	// RequireSignature refuses images that the policy accepts unsigned.
	RequireSignature bool

	// These replace files that are otherwise found below Root.
	PolicyPath        string // policy.json
	AuthFile          string // auth.json
	RegistriesConf    string // registries.conf
	RegistriesConfDir string // registries.conf.d
	RegistriesDir     string // registries.d, where signatures are kept
	CertDir           string // certs.d: directories by host:port

	InsecureTLS bool   // accept any certificate, and plain http
	UserAgent   string // "bootc/1.0"

	Retry    Retry
	Progress progress.Func

	// Config returns a configuration that is here already, to save fetching
	// it. It may be nil; what it returns is verified.
	Config func(digest.Digest) ([]byte, bool)

	// Transport wraps the transport of requests for blobs; nil leaves it.
	Transport func(http.RoundTripper) http.RoundTripper
}

// Retry says how stubbornly to try. Zero fields take their defaults.
type Retry struct {
	Attempts int           // in a row without progress; default 6
	Base     time.Duration // the first wait; it doubles each time; default 1 s
	Max      time.Duration // the longest wait, also of what a registry asks for; default 60 s
	Stall    time.Duration // silence after which a transfer is given up and resumed; default 30 s

	Sleep  func(ctx context.Context, d time.Duration) error // default: the real thing
	Jitter func(d time.Duration) time.Duration              // default: between d/2 and d
	Now    func() time.Time                                 // default: time.Now
}
