package image

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"
)

// registry serves an image's blobs from the first of its endpoints that can:
// mirrors in the order of registries.conf, then the registry itself.
//
// The library's own reader of blobs resumes only after a megabyte, waits
// without regard to the context, and hides what the registry says about when
// to come back. So blobs are fetched here, by the library's configuration.
type registry struct {
	endpoints []*endpoint

	mu      sync.Mutex
	current int // index of the endpoint that served last
}

// newRegistry reads who serves the image.
func newRegistry(name string, o Options, sys *types.SystemContext) (*registry, error) {
	named, err := parseNamed(name)
	if err != nil {
		return nil, err
	}
	sources, err := pullSources(named, sys)
	if err != nil {
		return nil, fmt.Errorf("registries.conf: %w", err)
	}
	r := &registry{}
	for _, s := range sources {
		blocked, err := isBlocked(s.Reference, sys)
		if err != nil {
			return nil, fmt.Errorf("registries.conf: %w", err)
		}
		if blocked {
			continue
		}
		e, err := newEndpoint(s, o, sys)
		if err != nil {
			return nil, err
		}
		r.endpoints = append(r.endpoints, e)
	}
	if len(r.endpoints) == 0 {
		return nil, &failure{class: class{ErrBlocked, false}, text: fmt.Sprintf("registry %s is blocked by registries.conf", reference.Domain(named))}
	}
	return r, nil
}

func pullSources(named reference.Named, sys *types.SystemContext) ([]sysregistriesv2.PullSource, error) {
	conf, err := sysregistriesv2.FindRegistry(sys, named.Name())
	if err != nil {
		return nil, err
	}
	if conf == nil {
		conf = &sysregistriesv2.Registry{Prefix: named.String(), Endpoint: sysregistriesv2.Endpoint{Location: named.String()}}
	}
	return conf.PullSourcesFromReference(named)
}

// isBlocked looks at the configuration of the very place that would be asked.
func isBlocked(named reference.Named, sys *types.SystemContext) (bool, error) {
	conf, err := sysregistriesv2.FindRegistry(sys, named.Name())
	return conf != nil && conf.Blocked, err
}

// open tries each endpoint once, from the one that served last.
func (r *registry) open(ctx context.Context, b blob, off int64) (body, error) {
	r.mu.Lock()
	start := r.current
	r.mu.Unlock()
	failures := make([]*failure, len(r.endpoints))
	for i := range r.endpoints {
		at := (start + i) % len(r.endpoints)
		body, err := r.endpoints[at].openBlob(ctx, b.digest, b.size, off)
		if err == nil {
			r.use(at)
			body.group = r
			return body, nil
		}
		if err := interrupted(ctx); err != nil {
			return nil, err
		}
		failures[at] = r.endpoints[at].failure(ctx, err)
	}
	return nil, joined(failures)
}

func (r *registry) use(at int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current = at
}

// leave moves on to the next endpoint, if e is the one in use.
func (r *registry) leave(e *endpoint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.endpoints[r.current] == e {
		r.current = (r.current + 1) % len(r.endpoints)
	}
}

// joined is the registry's own failure, with the mirrors' in parentheses. It is
// temporary if any of them is.
func joined(failures []*failure) *failure {
	own := *failures[len(failures)-1]
	var mirrors []string
	for _, f := range failures[:len(failures)-1] {
		mirrors = append(mirrors, f.text)
		own.temporary = own.temporary || f.temporary
		own.after = max(own.after, f.after)
	}
	if len(mirrors) > 0 {
		own.text += fmt.Sprintf(" (and of its mirrors, %s)", strings.Join(mirrors, "; "))
	}
	return &own
}

func (r *registry) close() {
	for _, e := range r.endpoints {
		e.idle()
	}
}
