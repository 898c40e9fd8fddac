package deploy

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/pull"
)

// Change is what Stage would do for an update, or did.
type Change int

// The changes.
const (
	Unchanged     Change = iota // nothing: the image runs, and nothing else is staged
	AlreadyStaged               // lock or unlock the staged deployment as asked: it has the image
	Unstage                     // drop what is staged: the image runs
	Available                   // fetch and stage the image
)

// Update is what is known of the image that a target names, short of its layers.
type Update struct {
	Target         Target
	Change         Change
	ManifestDigest digest.Digest
	Version        string     // as the image's labels have it; may be empty
	Timestamp      *time.Time // when it was built, if it says so
	Architecture   string
	Plan           *pull.Plan // which layers are here, and what must be fetched

	// Addons are the names of those addons of the unified kernel image that the host is
	// to have from then on, see [osimage.Kernel.AddonNames]; nil leaves it as it is.
	Addons []string

	labels map[string]string
	img    *image.Image
}

// Check looks what image a target names by now. It fetches the manifest and, if it
// is not here, the config, and changes nothing.
func (s *Sysroot) Check(ctx context.Context, t Target) (*Update, error) {
	r, err := s.repository(ctx)
	if err != nil {
		return nil, err
	}
	u, err := s.look(ctx, r, t)
	if err != nil {
		return nil, err
	}
	m, err := s.menus()
	if err != nil {
		u.Close() //nolint:errcheck // the error that matters is the first
		return nil, fmt.Errorf("cannot look for an update: %w", err)
	}
	u.Change = s.change(m, u)
	return u, nil
}

// look fetches what there is to know of the image.
func (s *Sysroot) look(ctx context.Context, r *repo.Repo, t Target) (*Update, error) {
	o := s.sys.Image
	o.Arch = s.sys.Arch
	o.Config = pull.StoredConfig(r)
	o.Progress = s.sys.Progress
	o.RequireSignature = t.signature().Kind != host.Insecure
	img, err := image.Open(ctx, t.Ref, o)
	if err != nil {
		return nil, err
	}
	u := &Update{Target: t, ManifestDigest: img.ManifestDigest, Architecture: img.Platform.Architecture, img: img}
	err = u.readConfig()
	if err == nil {
		u.Plan, err = pull.NewPlan(ctx, r, img)
	}
	if err != nil {
		img.Close() //nolint:errcheck // the error that matters is the first
		return nil, err
	}
	return u, nil
}

// readConfig takes the version and the time from the image's config. The label
// "version" is what images had before there were agreed names.
func (u *Update) readConfig() error {
	config, err := parseConfig(u.img.Config)
	if err != nil {
		return fmt.Errorf("cannot read the configuration of %s: %w", u.Target.name(), err)
	}
	u.labels, u.Version = config.Config.Labels, versionOf(config)
	u.Timestamp = config.Created
	if at, err := time.Parse(time.RFC3339, u.labels[v1.AnnotationCreated]); err == nil {
		u.Timestamp = &at
	}
	return nil
}

func parseConfig(text []byte) (config v1.Image, err error) {
	err = json.Unmarshal(text, &config)
	return config, err
}

func versionOf(config v1.Image) string {
	labels := config.Config.Labels
	return cmp.Or(labels[v1.AnnotationVersion], labels["version"])
}

// Close frees the connections behind the update.
func (u *Update) Close() error {
	if u.img == nil {
		return nil
	}
	return u.img.Close()
}

// change says what is to be done. An origin that cannot be read is that of another
// image, so that an upgrade mends it. A factory reset that is staged is no update, and in
// the way of one.
func (s *Sysroot) change(m menus, u *Update) Change {
	update := len(m.staged) > 0 && m.reset == ""
	if update {
		if o, _ := s.origin(m.staged[0].ID); o.isOf(u) {
			return AlreadyStaged
		}
	}
	o, _ := s.origin(s.sys.Booted.ID)
	switch {
	case !o.isOf(u):
		return Available
	case update:
		return Unstage
	}
	return Unchanged
}

// isOf says whether the origin is that of a deployment of the image.
func (o origin) isOf(u *Update) bool {
	return o.manifest == u.ManifestDigest && o.target.same(u.Target)
}

// origin is the update as the origin of a deployment.
func (u *Update) origin() origin {
	return origin{
		target: u.Target, manifest: u.ManifestDigest,
		version: u.Version, timestamp: u.Timestamp, arch: u.Architecture,
	}
}
