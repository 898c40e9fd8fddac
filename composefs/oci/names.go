package oci

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"
)

// The content types of the streams of an image: eight letters, read as a
// little-endian number.
var (
	ContentTypeLayer    = contentType("ocilayer")
	ContentTypeConfig   = contentType("ociconfg")
	ContentTypeManifest = contentType("ocimanif")
	ContentTypeBlob     = contentType("oci_blob")
)

func contentType(letters string) uint64 {
	return binary.LittleEndian.Uint64([]byte(letters))
}

const (
	layerPrefix    = "oci-layer-"
	configPrefix   = "oci-config-"
	manifestPrefix = "oci-manifest-"

	tagDir      = "oci"           // below streams/refs
	referrerDir = "oci-referrers" // below streams/refs
)

// LayerName is the name of the stream of the layer whose tar has the digest
// diffID. The blobs of artifacts have such names too, by their own digests.
func LayerName(diffID digest.Digest) string { return layerPrefix + string(diffID) }

// ConfigName is the name of the stream of a config.
func ConfigName(d digest.Digest) string { return configPrefix + string(d) }

// ManifestName is the name of the stream of a manifest.
func ManifestName(d digest.Digest) string { return manifestPrefix + string(d) }

// EncodeTag makes a file name of a tag: "%" becomes "%25" and "/" becomes "%2F".
func EncodeTag(tag string) string {
	return strings.NewReplacer("%", "%25", "/", "%2F").Replace(tag)
}

// DecodeTag undoes EncodeTag. Other percent signs stand for themselves.
func DecodeTag(name string) string {
	return strings.NewReplacer("%25", "%", "%2F", "/").Replace(name)
}

// maxFileName is NAME_MAX, in bytes.
const maxFileName = 255

// CheckTag says why a name cannot be a tag, if it cannot: it is empty, begins
// with "@", which announces a digest, does not make a file name, or is not UTF-8.
func CheckTag(tag string) error {
	name := EncodeTag(tag)
	switch {
	case tag == "":
		return errors.New("a tag needs a name")
	case tag[0] == '@':
		return fmt.Errorf("tag %q begins with \"@\", which announces a digest", tag)
	case name == "." || name == ".." || strings.ContainsRune(name, 0):
		return fmt.Errorf("tag %q is not a file name", tag)
	case !utf8.ValidString(tag):
		return fmt.Errorf("tag %q is not UTF-8", tag)
	case len(name) > maxFileName:
		return fmt.Errorf("tag %q is longer than %d bytes", tag, maxFileName)
	}
	return nil
}

// tagRef is the path of a tag below streams/refs.
func tagRef(tag string) string { return tagDir + "/" + EncodeTag(tag) }

// referrersRef is the directory, below streams/refs, of what refers to subject.
func referrersRef(subject digest.Digest) string {
	return referrerDir + "/" + EncodeTag(string(subject))
}

// manifestOf reads the digest out of the target of a reference,
// "../../oci-manifest-sha256:…".
func manifestOf(target string) (digest.Digest, error) {
	base := target[strings.LastIndexByte(target, '/')+1:]
	s, ok := strings.CutPrefix(base, manifestPrefix)
	if !ok {
		return "", fmt.Errorf("%q is not the name of a manifest", base)
	}
	d, err := digest.Parse(s)
	if err != nil {
		return "", fmt.Errorf("%q is not the name of a manifest: %w", base, err)
	}
	return d, nil
}
