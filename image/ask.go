package image

import (
	"context"
	"net/http"
	"time"

	"go.podman.io/image/v5/docker/reference"
)

// askWhen asks a registry that could not give a manifest how long it wants to be
// left alone. The library keeps that to itself for all but status 429.
func (r *registry) askWhen(ctx context.Context, named reference.Named) time.Duration {
	e := r.endpoints[len(r.endpoints)-1]
	ctx, dog := watch(ctx, e.clock, e.retry.Stall)
	defer dog.end()
	dog.wait()
	resp, err := e.get(ctx, http.MethodHead, "/manifests/"+tagOrDigest(named), nil)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	if !classifyStatus(resp.StatusCode).temporary {
		return 0
	}
	return retryAfter(resp.Header, e.clock.Now())
}

func tagOrDigest(named reference.Named) string {
	if d, ok := named.(reference.Digested); ok {
		return d.Digest().String()
	}
	if t, ok := named.(reference.Tagged); ok {
		return t.Tag()
	}
	return "latest"
}
