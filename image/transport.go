package image

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.podman.io/image/v5/directory"
	"go.podman.io/image/v5/docker"
	dockerarchive "go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/daemon"
	ociarchive "go.podman.io/image/v5/oci/archive"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"
)

const registryTransport = "registry"

// transport is a kind of place where images are.
type transport struct {
	check func(name string) error // of the name's form; looks at no file
	open  func(name string) (types.ImageReference, error)
}

// transports are imported one by one: the library's own list drags in
// OpenShift, Singularity and bare tarballs.
var transports = map[string]transport{
	registryTransport:    {checkNamed, registryReference},
	"oci":                {checkPath, layout.ParseReference},
	"oci-archive":        {checkPath, ociarchive.ParseReference},
	"dir":                {checkAny, directory.NewReference},
	"docker-archive":     {checkPath, dockerarchive.ParseReference},
	"docker-daemon":      {checkAny, daemon.ParseReference},
	"containers-storage": {checkAny, storage.Transport.ParseReference},
}

func isTransport(name string) bool {
	_, ok := transports[name]
	return ok
}

// transportList names the transports for messages.
func transportList() string {
	return strings.Join(Transports()[1:], ", ") + " and registry (or docker://)"
}

// Transports are the names of the transports, the usual one first.
func Transports() []string {
	names := slices.Sorted(maps.Keys(transports))
	names = slices.DeleteFunc(names, func(s string) bool { return s == registryTransport })
	return slices.Insert(names, 0, registryTransport)
}

func checkAny(string) error { return nil }

func checkNamed(name string) error {
	_, err := parseNamed(name)
	return err
}

// checkPath wants PATH[:SOMETHING].
func checkPath(name string) error {
	path, _, _ := strings.Cut(name, ":")
	if path == "" {
		return errors.New("the path is empty")
	}
	return nil
}

func registryReference(name string) (types.ImageReference, error) {
	named, err := parseNamed(name)
	if err != nil {
		return nil, err
	}
	return docker.NewReference(named)
}

// resolve makes the library's reference.
func (r Reference) resolve() (types.ImageReference, error) {
	t, ok := transports[r.transport]
	if !ok {
		return nil, errors.New("internal error: empty image reference")
	}
	ref, err := t.open(r.name)
	if err != nil {
		return nil, &failure{class: classify(err), cause: err, text: fmt.Sprintf("%s: %s", r, err)}
	}
	return ref, nil
}
