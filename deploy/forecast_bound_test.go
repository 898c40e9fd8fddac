package deploy

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/mounts"
)

// storeMachine is a machine with a store of bound images as hosts have it, and images in
// the registry to be bound to, which have a layer in common.
func storeMachine(t *testing.T, names ...string) (*machine, map[string]*registrytest.Built) {
	t.Helper()
	m, _ := fakeMachine(t, v("1"))
	m.bound = image.Store{
		Mount: func() (*mounts.View, error) { return mounts.Clone(m.path(), true) },
		Dir:   BoundDir, Options: m.system().Image,
	}
	built := map[string]*registrytest.Built{}
	for i, name := range names {
		built[name] = registrytest.Build(t, registrytest.Image{Layers: []registrytest.Layer{
			{Entries: []registrytest.Entry{registrytest.File("base", registrytest.Random(1, 30_000))}, Compression: registrytest.Gzip},
			{Entries: []registrytest.Entry{registrytest.File("app", registrytest.Random(uint64(i+2), 10_000*(i+1)))}, Compression: registrytest.Zstd},
		}})
		m.reg.Push(name, "1", built[name])
	}
	return m, built
}

// boundTo is an OS image that is bound to images of the registry.
func (m *machine) boundTo(version string, names ...string) osVersion {
	o := v(version)
	for _, n := range names {
		unit := "usr/share/containers/systemd/" + n + ".container"
		o.extra = append(o.extra,
			registrytest.File(unit, "[Container]\nImage="+m.reg.Name(n+":1")+"\n"),
			registrytest.Symlink("usr/lib/bootc/bound-images.d/"+n+".container", "/"+unit))
	}
	return o
}

// sent is how many bytes of layers the registry sent.
func (m *machine) sent(images ...*registrytest.Built) (sum int64) {
	m.t.Helper()
	seen := map[string]bool{}
	for _, b := range images {
		for _, l := range b.Layers {
			if d := string(l.Digest); !seen[d] {
				_, bytes := m.reg.Gets(d)
				sum += bytes
				seen[d] = true
			}
		}
	}
	return sum
}

// TestForecastOfBoundImages: the bytes that a forecast names are those that the registry
// sends for the upgrade, of the image and of those that it is bound to.
func TestForecastOfBoundImages(t *testing.T) {
	t.Parallel()
	m, apps := storeMachine(t, "db", "web", "cache")
	for _, step := range []struct {
		version string
		bound   []string
		want    []BoundImage
	}{
		{"2", nil, nil},
		{"3", []string{"db"}, []BoundImage{{"db", false, apps["db"].Layers[0].Size + apps["db"].Layers[1].Size}}},
		{"4", []string{"web", "db"}, []BoundImage{{"db", true, 0}, {"web", false, apps["web"].Layers[1].Size}}},
		{"5", []string{"web", "cache"}, []BoundImage{{"cache", false, apps["cache"].Layers[1].Size}, {"web", true, 0}}},
		{"6", []string{"web"}, []BoundImage{{"web", true, 0}}},
	} {
		pushed := m.push(m.boundTo(step.version, step.bound...))
		if f := m.foresee(ForecastOptions{Scratch: scratchIn(t)}); f.Exact || f.BoundImages != nil {
			t.Errorf("%s: known without the layers: %+v", step.version, f.BoundImages)
		}
		host := snapshotOf(t, m.dir)
		f := m.foresee(ForecastOptions{Scratch: scratchIn(t), Fetch: true})
		if diff := cmp.Diff(host, snapshotOf(t, m.dir)); diff != "" {
			t.Errorf("%s: the forecast changed the host:\n%s", step.version, diff)
		}
		want := &BoundImages{Images: []BoundImage{}}
		for _, im := range step.want {
			im.Name = m.reg.Name(im.Name + ":1")
			want.Images = append(want.Images, im)
			want.Bytes += im.Bytes
		}
		if diff := cmp.Diff(want, f.BoundImages); diff != "" {
			t.Errorf("%s: %s", step.version, diff)
		}
		if f.Disk.BoundImages != want.Bytes || len(f.Refusals) > 0 {
			t.Errorf("%s: room %d, %q", step.version, f.Disk.BoundImages, f.Refusals)
		}
		m.reg.Reset()
		m.mustUpgrade()
		if got := m.sent(pushed, apps["db"], apps["web"], apps["cache"]); got != f.Download.Bytes || got <= want.Bytes {
			t.Errorf("%s: %d bytes are foreseen, the registry sent %d", step.version, f.Download.Bytes, got)
		}
		staged := m.foresee(ForecastOptions{Scratch: scratchIn(t), Fetch: true})
		if staged.BoundImages == nil || len(staged.BoundImages.Images) > 0 || staged.Download.Bytes > 0 {
			t.Errorf("%s: staged %+v, %+v", step.version, staged.BoundImages, staged.Download)
		}
		m.reboot()
	}
}

// TestForecastOfNoRoom: what a forecast says to be wanted is what the upgrade wants.
func TestForecastOfNoRoom(t *testing.T) {
	t.Parallel()
	m, s := boundMachine(t)
	m.push(bound("2", "db"))
	s.size = 1 << 50
	f := m.foresee(ForecastOptions{Scratch: scratchIn(t), Fetch: true})
	_, err := m.upgrade(StageOptions{})
	var available, required int64
	if err != nil {
		_, numbers, _ := strings.Cut(err.Error(), "(available: ")
		fmt.Sscanf(numbers, "%d bytes, required: %d bytes)", &available, &required)
	}
	if !errors.Is(err, ErrNoRoom) || f.Disk.BoundImages != 1<<50 || required < f.Disk.BoundImages || required > f.Disk.BoundImages+1<<20 {
		t.Errorf("foreseen %+v; %v", f.Disk, err)
	}
}

// TestForecastOfAbsentBoundImage: it refuses the update, and what only cannot be asked for
// now leaves the rest of the forecast as it is, unless all has to be known.
func TestForecastOfAbsentBoundImage(t *testing.T) {
	t.Parallel()
	m, _ := storeMachine(t, "db")
	m.push(m.boundTo("2", "none"))
	f := m.foresee(ForecastOptions{Scratch: scratchIn(t), Fetch: true})
	_, err := m.upgrade(StageOptions{})
	if len(f.Refusals) != 1 || f.BoundImages != nil || err == nil || !strings.HasSuffix(err.Error(), f.Refusals[0]) || !errors.Is(err, image.ErrNotFound) {
		t.Errorf("%q, %v", f.Refusals, err)
	}
	unreadable := v("3")
	unreadable.extra = append(unreadable.extra, registrytest.File("usr/lib/bootc/bound-images.d/x.image", "[Image]\nImage=x\n"))
	m.push(unreadable)
	f = m.foresee(ForecastOptions{Scratch: scratchIn(t), Fetch: true})
	if _, err := m.upgrade(StageOptions{}); len(f.Refusals) != 1 || err == nil || !strings.HasSuffix(err.Error(), f.Refusals[0]) {
		t.Errorf("%q, %v", f.Refusals, err)
	}

	m.push(m.boundTo("4", "db"))
	m.reg.Inject(registrytest.Fault{Path: "/db/", Do: registrytest.Status(503)})
	if _, err := m.upgrade(StageOptions{}); !errors.Is(err, image.ErrUnavailable) {
		t.Fatal(err)
	}
	m.said = nil
	f = m.foresee(ForecastOptions{Scratch: scratchIn(t)}) // all layers are here by now
	if !f.Exact || f.BoundImages != nil || len(f.Refusals) > 0 || f.Diff == nil || !strings.Contains(strings.Join(m.said, "\n"), "it is not known what the images take") {
		t.Errorf("%+v; said %q", f, m.said)
	}
	err = m.with(func(s *Sysroot) error {
		u, err := s.Check(t.Context(), m.target("os:latest"))
		m.must(err)
		defer u.Close()
		_, err = s.Forecast(t.Context(), u, ForecastOptions{Scratch: scratchIn(t), Fetch: true})
		return err
	})
	if !errors.Is(err, image.ErrUnavailable) {
		t.Error(err)
	}
}
