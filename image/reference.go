package image

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"go.podman.io/image/v5/docker/reference"
)

// Reference names an image: a transport, and a name within it. It is
// comparable. The zero Reference names nothing.
type Reference struct {
	transport string
	name      string
}

// maxName bounds a reference's length in bytes.
const maxName = 4096

// Parse reads a reference as users write it. What begins with a transport's
// name and a colon is of that transport ("oci:/dir:tag", "registry:quay.io/x",
// "docker://quay.io/x"); everything else is the name of an image in a registry
// ("quay.io/acme/os:44").
func Parse(s string) (Reference, error) {
	transport, name, found := strings.Cut(s, ":")
	if found && transport == "docker" {
		bare, ok := strings.CutPrefix(name, "//")
		if !ok {
			return Reference{}, malformed(s, errors.New(`"docker:" must be followed by "//"`))
		}
		return parseAs(registryTransport, bare, s)
	}
	if found && isTransport(transport) {
		return parseAs(transport, name, s)
	}
	return parseAs(registryTransport, s, s)
}

// New makes a reference from a transport ("registry", which may also be called
// "docker", "oci", …) and the name within it ("quay.io/acme/os:44"), as
// [Reference.Transport] and [Reference.Name] return them.
func New(transport, name string) (Reference, error) {
	if transport == "docker" {
		transport = registryTransport
	}
	if !isTransport(transport) {
		return Reference{}, fmt.Errorf("%q is no transport of images; use one of %s", transport, transportList())
	}
	return parseAs(transport, name, name)
}

// parseAs checks name, which stood in the text that the user wrote.
func parseAs(transport, name, text string) (Reference, error) {
	check := transports[transport].check
	if err := checkText(name); err != nil {
		return Reference{}, malformed(text, err)
	}
	if err := check(name); err != nil {
		return Reference{}, malformed(text, err)
	}
	return Reference{transport: transport, name: name}, nil
}

func malformed(text string, err error) error {
	if len(text) > 200 {
		text = text[:200] + "…"
	}
	return fmt.Errorf("%q is no image reference: %w; write NAME[:TAG|@DIGEST] for an image in a registry, or TRANSPORT:NAME with one of %s",
		text, err, transportList())
}

func checkText(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) > maxName:
		return fmt.Errorf("the name is longer than %d bytes", maxName)
	case strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("the name contains a control character")
	}
	return nil
}

// Transport is one of "registry", "oci", "oci-archive", "dir",
// "containers-storage", "docker-archive" and "docker-daemon".
func (r Reference) Transport() string { return r.transport }

// Name is the name within the transport, as it was given:
// "quay.io/acme/os:44".
func (r Reference) Name() string { return r.name }

// IsZero reports whether r names nothing.
func (r Reference) IsZero() bool { return r == Reference{} }

// String is the reference as containers' tools take it: "docker://" and the
// name for an image in a registry, TRANSPORT:NAME for others. Parse reads it
// back.
func (r Reference) String() string {
	switch r.transport {
	case "":
		return ""
	case registryTransport:
		return "docker://" + r.name
	}
	return r.transport + ":" + r.name
}

// human is the reference as messages show it.
func (r Reference) human() string {
	if r.transport == registryTransport {
		return r.name
	}
	return r.String()
}

// place is what messages say an image's blobs come from.
func (r Reference) place() string {
	if named, err := parseNamed(r.name); r.transport == registryTransport && err == nil {
		return "registry " + reference.Domain(named)
	}
	return r.String()
}

// parseNamed reads the name of an image in a registry. A tag beside a digest
// only informs people: the digest decides. Without either, the tag is latest.
func parseNamed(name string) (reference.Named, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, err
	}
	if digested, ok := named.(reference.Canonical); ok {
		return reference.WithDigest(reference.TrimNamed(named), digested.Digest())
	}
	return reference.TagNameOnly(named), nil
}
