package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/internal/atomicfile"
	"github.com/bootc-go/bootc/kargs"
	"github.com/bootc-go/bootc/osimage"
)

// origin is the file that says where a deployment comes from. It is described in
// docs/reference/formats/origin.md. A field that the file lacks is zero.
type origin struct {
	target     Target
	manifest   digest.Digest
	version    string
	timestamp  *time.Time
	arch       string
	bootType   osimage.BootType
	bootDigest string
	cmdline    kargs.Line // of a unified kernel image with its addons
	addons     []string   // that were chosen; nil for all
	pinned     bool

	file ini // as it was read
}

// maxOrigin bounds the size of the file, in bytes.
const maxOrigin = 64 << 10

// The places in the file. Those of ownSection are this program's own.
const (
	ownSection = "bootc-go"
	imageKey   = "container-image-reference"
)

// parseOrigin reads the file. What cannot be understood is missing in the origin,
// and the error names it.
func parseOrigin(data []byte) (origin, error) {
	f, err := parseINI(data)
	if err != nil {
		return origin{}, err
	}
	o := origin{
		file:       f,
		bootDigest: f.value("boot", "digest"),
		version:    f.value(ownSection, "version"),
		arch:       f.value(ownSection, "architecture"),
		cmdline:    kargs.Parse(f.value(ownSection, "cmdline")),
	}
	var errs [6]error
	o.target, errs[0] = parseImage(f.value("origin", imageKey))
	if v := f.value("image", "manifest_digest"); v != "" {
		if o.manifest, errs[1] = digest.Parse(v); errs[1] != nil {
			o.manifest = ""
		}
	}
	o.bootType, errs[2] = parseBootType(f.value("boot", "boot_type"))
	if v := f.value(ownSection, "timestamp"); v != "" {
		var at time.Time
		if at, errs[3] = time.Parse(time.RFC3339, v); errs[3] == nil {
			o.timestamp = &at
		}
	}
	if v := f.value(ownSection, "pinned"); v != "" {
		o.pinned, errs[4] = strconv.ParseBool(v)
	}
	o.addons, errs[5] = parseChoice(f.value(ownSection, "addons"))
	return o, errors.Join(errs[:]...)
}

// encode writes the file, with what else was in it when it was read.
func (o origin) encode() []byte {
	f := append(ini(nil), o.file...)
	f.set("origin", imageKey, formatImage(o.target))
	f.set("boot", "boot_type", strings.ToLower(string(o.bootType)))
	f.set("boot", "digest", o.bootDigest)
	f.set("image", "manifest_digest", o.manifest.String())
	f.set(ownSection, "version", o.version)
	f.set(ownSection, "architecture", o.arch)
	f.set(ownSection, "cmdline", o.cmdline.String())
	addons, _ := choiceText(o.addons)
	f.set(ownSection, "addons", addons)
	timestamp, pinned := "", ""
	if o.timestamp != nil {
		timestamp = o.timestamp.UTC().Format(time.RFC3339)
	}
	if o.pinned {
		pinned = "true"
	}
	f.set(ownSection, "timestamp", timestamp)
	f.set(ownSection, "pinned", pinned)
	return f.encode()
}

func parseBootType(s string) (osimage.BootType, error) {
	switch s {
	case "":
		return "", nil
	case "bls":
		return osimage.BLS, nil
	case "uki":
		return osimage.UKI, nil
	}
	return "", fmt.Errorf("boot_type is %q", s)
}

// The ways in which ostree's image references say how signatures are verified. The
// two that end in "-registry:" stand for those in "-image:" with a registry.
const (
	unverifiedImage    = "ostree-unverified-image:"
	unverifiedRegistry = "ostree-unverified-registry:"
	signedImage        = "ostree-image-signed:"
	remoteImage        = "ostree-remote-image:"
	remoteRegistry     = "ostree-remote-registry:"
)

// parseImage reads an image reference as ostree writes it.
func parseImage(s string) (Target, error) {
	for _, scheme := range []string{unverifiedImage, unverifiedRegistry, signedImage, remoteImage, remoteRegistry} {
		rest, ok := strings.CutPrefix(s, scheme)
		if !ok {
			continue
		}
		var t Target
		switch scheme {
		case signedImage:
			t.Signature = &host.Signature{Kind: host.ContainerPolicy}
		case remoteImage, remoteRegistry:
			remote, name, ok := strings.Cut(rest, ":")
			if !ok || remote == "" {
				return Target{}, fmt.Errorf("%s %q names no ostree remote", imageKey, s)
			}
			t.Signature, rest = &host.Signature{Kind: host.OstreeRemote, Remote: remote}, name
		}
		if strings.HasSuffix(scheme, "-registry:") {
			rest = "registry:" + rest
		}
		var err error
		if t.Ref, err = image.Parse(rest); err != nil {
			return Target{}, fmt.Errorf("%s: %w", imageKey, err)
		}
		return t, nil
	}
	return Target{}, fmt.Errorf("%s %q is not understood", imageKey, s)
}

// formatImage is what parseImage reads.
func formatImage(t Target) string {
	switch {
	case t.Ref.IsZero():
		return ""
	case t.Signature == nil || t.Signature.Kind == host.Insecure:
		return unverifiedImage + t.Ref.String()
	case t.Signature.Kind == host.OstreeRemote:
		return remoteImage + t.Signature.Remote + ":" + t.Ref.String()
	}
	return signedImage + t.Ref.String()
}

// originFile is the name of the file in the state directory of the deployment.
func originFile(id verity.Digest) string { return id.String() + ".origin" }

// origin reads the origin of a deployment. What it could understand comes with an
// error, too; a missing file is fs.ErrNotExist.
func (s *Sysroot) origin(id verity.Digest) (origin, error) { return s.originIn(deployed(id), id) }

// originIn reads the one in the state directory dir, which is below stateTop.
func (s *Sysroot) originIn(dir string, id verity.Digest) (origin, error) {
	if s.state == nil {
		return origin{}, fmt.Errorf("origin of %s: %w", id, fs.ErrNotExist)
	}
	data, err := readSmall(s.state, dir+"/"+originFile(id), maxOrigin)
	if err != nil {
		return origin{}, fmt.Errorf("origin of %s: %w", id, err)
	}
	o, err := parseOrigin(data)
	if err != nil {
		err = fmt.Errorf("origin of %s: %w", id, err)
	}
	return o, err
}

// writeOrigin replaces the origin of a deployment, whose directory must be there.
func (s *Sysroot) writeOrigin(id verity.Digest, o origin) error {
	return s.writeOriginIn(deployed(id), id, o)
}

func (s *Sysroot) writeOriginIn(dir string, id verity.Digest, o origin) error {
	f, err := s.state.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return atomicfile.WriteFile(f, originFile(id), o.encode(), 0o644)
}
