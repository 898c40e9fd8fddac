package deploy

import (
	"context"
	"errors"
	"fmt"

	"github.com/bootc-go/bootc/composefs/treefs"
	"github.com/bootc-go/bootc/etcmerge"
	"github.com/bootc-go/bootc/etcmerge/accounts"
	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/osimage"
	"github.com/bootc-go/bootc/pull"
)

// Forecast is what an update will bring about. docs/reference/forecast.md describes it
// as the document that it is in JSON.
type Forecast struct {
	APIVersion string `json:"apiVersion" enum:"bootc-go/v1"`
	Kind       string `json:"kind" enum:"UpdateForecast"`

	Change   string           `json:"change" enum:"unchanged,unstage,staged,same,available"`
	Image    host.ImageStatus `json:"image"`
	Download Download         `json:"download"`

	// Exact says that the layers were read. If not, only what stands above and
	// Disk.Required is known.
	Exact bool  `json:"exact"`
	Disk  *Disk `json:"disk"` // nil if nothing would be written
	Etc   *Etc  `json:"etc"`
	Diff  *Diff `json:"diff"` // of what runs and what will

	// BoundImages are those that the image is bound to, and that come with it. It is nil
	// where that is not known, without the layers, or without an answer of their registries.
	BoundImages *BoundImages `json:"boundImages"`

	// Refusals say why the update would be refused.
	Refusals []string `json:"refusals"`
}

// What Forecast.Change can be.
const (
	ForecastUnchanged = "unchanged" // the image runs
	ForecastUnstage   = "unstage"   // the image runs, and what is staged would be dropped
	ForecastStaged    = "staged"    // the image is staged
	ForecastSame      = "same"      // another image with the content of that which runs
	ForecastAvailable = "available"
)

// The document that a forecast and a diff are.
const (
	DocumentVersion = "bootc-go/v1"
	ForecastKind    = "UpdateForecast"
	DiffKind        = "SystemDiff"
)

// Download is what will be fetched, manifests and configs apart.
type Download struct {
	Bytes   int64 `json:"bytes"`   // of the image and, where they are known, of BoundImages
	Layers  int   `json:"layers"`  // of the image
	Fetched int   `json:"fetched"` // of those, the others are here
	// Exact is false if the source does not say how large its layers are.
	Exact bool `json:"exact"`
}

// BoundImages are container images that must be there before the update is staged.
type BoundImages struct {
	Bytes  int64        `json:"bytes"` // that will be fetched
	Images []BoundImage `json:"images"`
}

// BoundImage is one of them.
type BoundImage struct {
	Name  string `json:"name"`
	Here  bool   `json:"here"`  // nothing will be fetched
	Bytes int64  `json:"bytes"` // that will be, but for layers of images before it
}

// Etc is what becomes of the host's /etc.
type Etc struct {
	// Effect is how the merged /etc differs from that of now; nil if there are
	// conflicts.
	Effect *etcmerge.Diff `json:"effect"`
	// Local is what was changed on the host, which is kept, but for conflicts.
	Local *etcmerge.Diff  `json:"local" null:"never"`
	Notes []accounts.Note `json:"notes"`
}

// ForecastOptions say how far Forecast goes.
type ForecastOptions struct {
	// Scratch makes an empty directory, which the caller removes in the end: for what
	// of the image is not here. It is called if it is needed. Without it a forecast
	// says what follows from the manifest.
	Scratch func() (dir string, err error)
	// Fetch lets layers be fetched, and makes it an error if the forecast cannot be
	// exact. Without it a forecast is exact if all layers are here.
	Fetch bool
}

// Forecast does what Stage would do with an update, beside the host's repository and
// without any of the steps that count, and tells what came of it. Nothing of the host
// changes.
func (s *Sysroot) Forecast(ctx context.Context, u *Update, o ForecastOptions) (*Forecast, error) {
	f, err := s.forecast(ctx, u, o)
	if err != nil {
		return nil, fmt.Errorf("cannot foresee what %s would bring: %w", u.Target.name(), err)
	}
	return f, nil
}

func (s *Sysroot) forecast(ctx context.Context, u *Update, o ForecastOptions) (*Forecast, error) {
	f := &Forecast{
		APIVersion: DocumentVersion, Kind: ForecastKind,
		Change: changeName(u.Change), Image: u.imageStatus(), Download: u.download(), Refusals: []string{},
	}
	if u.Change == Unchanged || u.Change == Unstage {
		f.Exact, f.BoundImages = true, &BoundImages{Images: []BoundImage{}}
		return f, s.foreseeAddons(u, f)
	}
	if o.Scratch == nil || f.Download.Fetched > 0 && !o.Fetch {
		return f, s.estimate(ctx, u, f)
	}
	exact := *f
	err := s.tryOut(ctx, o, u, &exact)
	if err == nil || o.Fetch || ctx.Err() != nil {
		return &exact, err
	}
	s.warn("cannot say exactly what the update brings: %v", err)
	return f, s.estimate(ctx, u, f)
}

// foreseeAddons tells that an image which is here will not get other addons.
func (s *Sysroot) foreseeAddons(u *Update, f *Forecast) error {
	m, err := s.menus()
	if err != nil {
		return err
	}
	if err := s.checkAddons(m, u, u.Change); err != nil {
		f.Refusals = append(f.Refusals, err.Error())
	}
	return nil
}

func changeName(c Change) string {
	switch c {
	case AlreadyStaged:
		return ForecastStaged
	case Unstage:
		return ForecastUnstage
	case Available:
		return ForecastAvailable
	case Unchanged:
	}
	return ForecastUnchanged
}

func (u *Update) imageStatus() host.ImageStatus {
	return host.ImageStatus{
		Image: u.Target.reference(), Version: optional(u.Version), Timestamp: u.Timestamp,
		ImageDigest: u.ManifestDigest.String(), Architecture: u.Architecture,
	}
}

func (u *Update) download() Download {
	fetch, bytes := u.Plan.Fetch()
	d := Download{Bytes: bytes, Layers: len(u.Plan.Layers), Fetched: len(fetch), Exact: true}
	for _, i := range fetch {
		d.Exact = d.Exact && u.Plan.Layers[i].Size >= 0
	}
	return d
}

// estimate fills in what is known without the layers.
func (s *Sysroot) estimate(ctx context.Context, u *Update, f *Forecast) error {
	r, err := s.repository(ctx)
	if err != nil {
		return err
	}
	need, err := s.pullRoom(r, u.Plan)
	if err != nil {
		return err
	}
	_, available, err := s.blocks(r)
	f.Disk = &Disk{Required: need.bytes, Available: available}
	return err
}

// tryOut goes the way of Stage as far as it changes nothing.
func (s *Sysroot) tryOut(ctx context.Context, o ForecastOptions, u *Update, f *Forecast) error {
	dir, err := o.Scratch()
	if err != nil {
		return err
	}
	r, err := s.scratch(ctx, dir)
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // nothing of it is kept
	st := &staging{s: s, u: u, repo: r, out: &Staged{Change: u.Change}}
	if st.menus, err = s.menus(); err != nil {
		return err
	}
	if st.booted, err = s.bootedEntry(st.menus); err != nil {
		return err
	}
	plan, err := pull.NewPlan(ctx, r, u.img)
	if err != nil {
		return err
	}
	res, err := s.pullImage(ctx, r, plan, 0)
	if err != nil {
		return err
	}
	st.id, f.Exact = res.BootImage, true
	if err := st.examine(ctx); refuses(err) {
		f.Refusals = append(f.Refusals, err.Error())
	} else if err != nil {
		return err
	}
	if st.id == st.booted.ID {
		f.Change = ForecastSame
	}
	if err := st.foreseeBound(ctx, f, o.Fetch); err != nil {
		return err
	}
	return st.tell(ctx, f)
}

// foreseeBound looks what the images take that this one is bound to. A failure that the
// update would have as well is a refusal; one that may pass is an error if it must be known.
func (st *staging) foreseeBound(ctx context.Context, f *Forecast, must bool) error {
	if st.os == nil {
		return nil // it does not boot, so that nothing will be fetched
	}
	names, err := boundTo(st.fsys)
	if st.out.Change != Available || st.id == st.booted.ID {
		names = nil // it is staged or runs, and nothing will be fetched
	}
	if err == nil {
		f.BoundImages, err = st.s.needBound(ctx, names)
	}
	switch {
	case err == nil:
		f.Download.Bytes += f.BoundImages.Bytes
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case refusesBound(err):
		f.Refusals = append(f.Refusals, err.Error())
		return nil
	case must:
		return err
	}
	st.s.warn("it is not known what the images take that the image is bound to: %v", err)
	return nil
}

// refusesBound says whether err is about bound images, not about asking for them.
func refusesBound(err error) bool {
	for _, passing := range []error{image.ErrUnreachable, image.ErrUnavailable} {
		if errors.Is(err, passing) {
			return false
		}
	}
	return true
}

// refuses says whether err is about the image, not about looking at it.
func refuses(err error) bool {
	for _, known := range []error{etcmerge.ErrConflict, osimage.ErrNotBootable, osimage.ErrUnfit, ErrVarMoves, ErrUKI, ErrLacksAddon, ErrAddons} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// tell fills in what came of it.
func (st *staging) tell(ctx context.Context, f *Forecast) (err error) {
	if f.Disk, err = st.disk(); err != nil {
		return err
	}
	if f.BoundImages != nil {
		f.Disk.BoundImages = f.BoundImages.Bytes
	}
	if m := st.merge; m != nil {
		f.Etc = &Etc{Local: &m.Local, Notes: append([]accounts.Note{}, m.Notes...)}
		if f.Etc.Effect, err = m.Effect(); err != nil {
			return err
		}
	}
	now, err := st.s.deployedSide(ctx, st.repo, st.booted, "booted")
	if err != nil {
		return err
	}
	next, err := st.side()
	if err != nil {
		return err
	}
	f.Diff = compareSides(now, next)
	f.Diff.SoftReboot = softReboot(st.softRebootable())
	return nil
}

// softRebootable is what SoftRebootable will say of the deployment that is to be.
func (st *staging) softRebootable() error {
	switch {
	case st.id == st.booted.ID:
		return nil
	case !st.s.sys.SoftReboot:
		return errNoTarget
	}
	return st.s.sameRun(st.menus, st.next, st.origin, func() (string, error) {
		if st.etc == nil {
			return "", nil
		}
		return policyDigest(treefs.New(st.etc, st.repo.OpenObject))
	})
}
