//go:build deps

// Package deps keeps modules required until their users land.
package deps

import (
	_ "github.com/dlclark/regexp2"
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/google/go-containerregistry/pkg/registry"
	_ "github.com/google/go-containerregistry/pkg/v1/remote/transport"
	_ "github.com/klauspost/compress/zstd"
	_ "github.com/opencontainers/go-digest"
	_ "github.com/opencontainers/image-spec/specs-go/v1"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/urfave/cli/v2"
	_ "github.com/vbauerster/mpb/v8"
	_ "go.podman.io/image/v5/docker"
	_ "go.podman.io/image/v5/image"
	_ "go.podman.io/image/v5/oci/archive"
	_ "go.podman.io/image/v5/oci/layout"
	_ "go.podman.io/image/v5/pkg/docker/config"
	_ "go.podman.io/image/v5/pkg/sysregistriesv2"
	_ "go.podman.io/image/v5/signature"
	_ "go.podman.io/image/v5/transports/alltransports"
	_ "go.podman.io/storage/pkg/chunked/compressor"
	_ "golang.org/x/sync/errgroup"
	_ "golang.org/x/sys/unix"
	_ "golang.org/x/term"
)
