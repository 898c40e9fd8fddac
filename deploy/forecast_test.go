package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/bootloader/bootloadertest"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/etcmerge"
	"github.com/bootc-go/bootc/image/registrytest"
)

// TestForecast upgrades chains hosts chainLength times each, refusals apart.
const (
	chains      = 4
	chainLength = 13
)

// TestForecast is the promise of upgrade --check: what it foresees is what the upgrade
// then does. Hosts go from one generated version to the next, with local changes of
// /etc in between, and what is foreseen is compared with what the registry, the disk,
// the package database, the boot menu and /etc say afterwards.
func TestForecast(t *testing.T) {
	t.Parallel()
	for seed := range uint64(chains) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			g := &generator{r: rand.New(rand.NewPCG(seed, 2)), packages: map[string]int{"base": 1}, etc: map[string]string{}, usr: map[string]string{}}
			m, fake := fakeMachine(t, g.next(0))
			for i, upgrades := 1, 0; upgrades < chainLength; i++ {
				g.edit(m, i)
				pushed := m.push(g.next(i))
				if comparePair(t, m, fake, pushed) {
					upgrades++
				}
				if t.Failed() || i > 2*chainLength {
					t.Fatalf("version %d after %d upgrades", i, upgrades)
				}
			}
		})
	}
}

// generator makes versions of an operating system, each not unlike the one before.
type generator struct {
	r        *rand.Rand
	packages map[string]int    // versions
	etc, usr map[string]string // files; a name that ends in a slash is a directory
	kernel   int
	kargs    []string
	edits    int
}

func (g *generator) next(i int) osVersion {
	r := g.r
	for range r.IntN(4) {
		name := fmt.Sprintf("pkg%d", r.IntN(8))
		if g.packages[name] > 0 && r.IntN(3) == 0 {
			delete(g.packages, name)
		} else {
			g.packages[name] = 1 + r.IntN(20)
		}
	}
	for range r.IntN(5) {
		g.change(g.etc, fmt.Sprintf("etc/gen%d", r.IntN(6)), 200)
	}
	for range r.IntN(8) {
		g.change(g.usr, fmt.Sprintf("usr/lib/gen%d", r.IntN(20)), []int{50, 64, 65, 4096, 4097, 100_000, 1<<20 + 5}[r.IntN(7)])
	}
	if r.IntN(4) == 0 {
		g.kernel++
	}
	if r.IntN(3) == 0 {
		g.kargs = nil
		for k := range r.IntN(4) {
			g.kargs = append(g.kargs, fmt.Sprintf("%q", fmt.Sprintf("arg%d=%d", k, r.IntN(3))))
		}
	}
	return g.version(i)
}

// change makes another file of name, or one less, or now and then a directory.
func (g *generator) change(files map[string]string, name string, size int) {
	delete(files, name)
	delete(files, name+"/")
	maps.DeleteFunc(files, func(f, _ string) bool { return strings.HasPrefix(f, name+"/") })
	switch g.r.IntN(5) {
	case 0:
	case 1:
		files[name+"/"] = ""
		files[name+"/in"] = registrytest.Random(g.r.Uint64(), size)
	default:
		files[name] = registrytest.Random(g.r.Uint64(), size)
	}
}

func (g *generator) version(i int) osVersion {
	v := osVersion{version: fmt.Sprint(i), kernel: fmt.Sprintf("kernel%d", g.kernel), kargs: "[" + strings.Join(g.kargs, ", ") + "]"}
	var status strings.Builder
	for _, name := range slices.Sorted(maps.Keys(g.packages)) {
		fmt.Fprintf(&status, "Package: %s\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.%d-1\n\n", name, g.packages[name])
	}
	etc := append(entriesOf(g.etc), registrytest.Dir("var/lib/dpkg"), registrytest.File("var/lib/dpkg/status", status.String()))
	usr := entriesOf(g.usr)
	v.change = func(im *registrytest.Image) {
		im.Layers = append(im.Layers, registrytest.Layer{Entries: usr, Compression: registrytest.Gzip}, registrytest.Layer{Entries: etc})
	}
	return v
}

func entriesOf(files map[string]string) (out []registrytest.Entry) {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if dir, ok := strings.CutSuffix(name, "/"); ok {
			out = append(out, registrytest.Dir(dir))
		} else {
			out = append(out, registrytest.File(name, files[name]))
		}
	}
	return out
}

// edit changes the host's /etc: its own files, and those of images, some of which
// the next version may want to be directories.
func (g *generator) edit(m *machine, i int) {
	m.t.Helper()
	for range g.r.IntN(3) {
		g.edits++
		switch name := fmt.Sprintf("gen%d", g.r.IntN(6)); g.r.IntN(4) {
		case 0:
			m.must(os.RemoveAll(m.etcPath(name)))
		case 1:
			if st, err := os.Stat(m.etcPath(name)); err == nil && !st.IsDir() {
				m.writeEtc(name, fmt.Sprintf("edited %d\n", g.edits))
			}
		case 2:
			m.writeEtc(fmt.Sprintf("own%d", g.edits), registrytest.Random(uint64(i), g.r.IntN(9000)))
		case 3:
			m.must(os.Chmod(m.etcPath("hostname"), []os.FileMode{0o600, 0o640, 0o644}[g.r.IntN(3)]))
		}
	}
}

// comparePair foresees an upgrade, upgrades, and compares. It reports false if the
// upgrade was refused, as foreseen.
func comparePair(t *testing.T, m *machine, fake *bootloadertest.Fake, pushed *registrytest.Built) bool {
	t.Helper()
	host := snapshotOf(t, m.dir)
	f := m.foresee(ForecastOptions{Scratch: scratchIn(t), Fetch: true})
	if diff := cmp.Diff(host, snapshotOf(t, m.dir)); diff != "" {
		t.Errorf("the forecast changed the host:\n%s", diff)
	}
	if f.Change != ForecastAvailable || !f.Exact || !f.Disk.Exact || !f.Download.Exact {
		t.Fatalf("forecast %+v", f)
	}
	before := m.observe(fake)
	m.reg.Reset()
	st, err := m.upgrade(StageOptions{})
	if len(f.Refusals) > 0 || err != nil {
		compareRefusal(t, m, f, err)
		return false
	}
	var fetched int64
	layers := 0
	for _, l := range pushed.Layers {
		n, bytes := m.reg.Gets(string(l.Digest))
		layers, fetched = layers+n, fetched+bytes
	}
	if f.Download.Bytes != fetched || f.Download.Fetched != layers || f.Download.Layers != len(pushed.Layers) {
		t.Errorf("download %+v; the registry sent %d bytes of %d layers", f.Download, fetched, layers)
	}
	if got, want := f.Disk.Repository, newObjects(t, before.objects, m.objects()); got != want {
		t.Errorf("disk of the repository: %+v; it took %+v", got, want)
	}
	if (f.Disk.Kernel.Files == 0) != st.SharedKernel {
		t.Errorf("kernel: %+v; shared is %v", f.Disk.Kernel, st.SharedKernel)
	}
	if why := m.softRebootable(st.ID); f.Diff.SoftReboot.Possible != (why == nil) || why != nil && !strings.HasSuffix(why.Error(), f.Diff.SoftReboot.Obstacle) {
		t.Errorf("soft reboot %+v; now it is said: %v", f.Diff.SoftReboot, why)
	}
	m.reboot()
	after := m.observe(fake)
	compareAfter(t, m, f, before, after)
	return true
}

func compareAfter(t *testing.T, m *machine, f *Forecast, before, after observation) {
	t.Helper()
	if f.Diff.To.Deployment != m.booted.ID.String() || f.Diff.To.Version != m.version() {
		t.Errorf("foreseen %+v; runs %s, version %s", f.Diff.To, m.booted.ID, m.version())
	}
	var packages []string
	for _, p := range f.Diff.Packages.Added {
		packages = append(packages, "+"+p.Name+" "+p.Version)
	}
	for _, p := range f.Diff.Packages.Removed {
		packages = append(packages, "-"+p.Name+" "+p.Version)
	}
	for _, p := range f.Diff.Packages.Changed {
		packages = append(packages, fmt.Sprintf("%s %s %s %d", p.Name, p.From, p.To, p.Direction))
	}
	slices.Sort(packages)
	if diff := cmp.Diff(comparePackageFiles(before.status, after.status), packages); diff != "" {
		t.Errorf("packages (-happened +foreseen):\n%s", diff)
	}
	if diff := cmp.Diff(compareSnapshots(before.etc, after.etc), changesOf(f.Etc.Effect)); diff != "" {
		t.Errorf("/etc (-happened +foreseen):\n%s", diff)
	}
	if f.Disk.Etc != after.etcRoom {
		t.Errorf("disk of /etc: %+v; it took %+v", f.Disk.Etc, after.etcRoom)
	}
	added, removed := lineChanges(before.options, after.options)
	if !slices.Equal(added, slices.Sorted(slices.Values(f.Diff.KernelArguments.Added))) ||
		!slices.Equal(removed, slices.Sorted(slices.Values(f.Diff.KernelArguments.Removed))) {
		t.Errorf("kernel arguments %+v; the menu has +%v -%v", f.Diff.KernelArguments, added, removed)
	}
	if same := before.kernel == after.kernel; f.Diff.Kernel.Changed == same || f.Diff.Kernel.InitramfsChanged {
		t.Errorf("kernel %+v; it is the same: %v", f.Diff.Kernel, same)
	}
	soft := before.kernel == after.kernel && slices.Equal(withoutRoot(before.options), withoutRoot(after.options))
	if f.Diff.SoftReboot.Possible != soft {
		t.Errorf("soft reboot %+v, want %v", f.Diff.SoftReboot, soft)
	}
}

// compareRefusal expects an upgrade to be refused for what was foreseen, and lets the
// host be as it was, so that the next version can come.
func compareRefusal(t *testing.T, m *machine, f *Forecast, err error) {
	t.Helper()
	if len(f.Refusals) != 1 || !errors.Is(err, etcmerge.ErrConflict) || !strings.HasSuffix(err.Error(), f.Refusals[0]) {
		t.Fatalf("foreseen refusals %q; the upgrade: %v", f.Refusals, err)
	}
	if f.Etc.Effect != nil || len(f.Etc.Local.Unmergable) == 0 {
		t.Errorf("/etc: %+v", f.Etc)
	}
	for _, c := range f.Etc.Local.Unmergable {
		m.must(os.RemoveAll(m.etcPath(c.Path)))
	}
}

// scratchIn makes a directory for what is tried out.
func scratchIn(t *testing.T) func() (string, error) {
	return func() (string, error) { return t.TempDir(), nil }
}

// foresee is what upgrade --check does.
func (m *machine) foresee(o ForecastOptions) *Forecast {
	m.t.Helper()
	sys := m.system()
	sys.SoftReboot = true
	s, err := OpenReadOnly(m.t.Context(), sys)
	m.must(err)
	defer s.Close()
	target, err := s.Spec()
	m.must(err)
	u, err := s.Check(m.t.Context(), target)
	m.must(err)
	defer u.Close()
	u.Addons = m.addons
	f, err := s.Forecast(m.t.Context(), u, o)
	m.must(err)
	return f
}

// observation is what a host is, seen without the code that foresees it.
type observation struct {
	objects map[string]os.FileInfo
	etc     map[string]string
	etcRoom Room
	status  string // of dpkg
	kernel  string
	options []string
}

func (m *machine) observe(fake *bootloadertest.Fake) (o observation) {
	m.t.Helper()
	o.objects = m.objects()
	o.etc = snapshotOf(m.t, m.etcPath("."))
	o.etcRoom = usage(m.t, m.etcPath("."))
	r := m.repo()
	defer r.Close()
	root, err := bootTree(r, m.booted.ID)
	m.must(err)
	o.status = m.content(r, tree.Lookup(root, "var/lib/dpkg/status"))
	o.kernel = m.content(r, tree.Lookup(root, "usr/lib/modules/6.12/vmlinuz"))
	menu, err := fake.Menu()
	m.must(err)
	i := slices.IndexFunc(menu, func(e bootloader.Entry) bool { return e.ID == m.booted.ID })
	o.options = strings.Fields(menu[i].Options.String())
	return o
}

func (m *machine) objects() map[string]os.FileInfo {
	m.t.Helper()
	all := map[string]os.FileInfo{}
	m.must(filepath.WalkDir(m.path(repoDir, "objects"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		all[path], err = e.Info()
		return err
	}))
	return all
}

func newObjects(t *testing.T, before, after map[string]os.FileInfo) (r Room) {
	t.Helper()
	for path, st := range after {
		if before[path] == nil {
			r.Files++
			r.Bytes += st.Size()
			r.Allocated += stat(t, st).Blocks * 512
		}
	}
	return r
}

func stat(t testing.TB, st os.FileInfo) *syscall.Stat_t {
	t.Helper()
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatal("no stat")
	}
	return sys
}

// usage is what the regular files below a directory take.
func usage(t testing.TB, dir string) (r Room) {
	t.Helper()
	seen := map[uint64]bool{}
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		st, err := e.Info()
		if err != nil || seen[stat(t, st).Ino] {
			return err
		}
		seen[stat(t, st).Ino] = true
		r.Files++
		r.Bytes += st.Size()
		r.Allocated += stat(t, st).Blocks * 512
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// snapshotOf is all that is below a directory, times of files included, but for those
// of /run and of directories.
func snapshotOf(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := e.Info()
		if err != nil {
			return err
		}
		sys := stat(t, st)
		text := fmt.Sprintf("%s %d:%d", st.Mode(), sys.Uid, sys.Gid)
		switch {
		case e.Type().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" %x", verity.Sum(verity.SHA256, data).String())
		case e.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			text += " " + target
		}
		name, err := filepath.Rel(dir, path)
		all[name] = text
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// compareSnapshots names what differs as etcmerge does: of what goes with a directory
// only the directory.
func compareSnapshots(before, after map[string]string) (out []string) {
	for path, now := range after {
		switch was, ok := before[path]; {
		case !ok:
			out = append(out, "+"+path)
		case was != now:
			out = append(out, "~"+path)
		}
	}
	for path := range before {
		if _, ok := after[path]; !ok && strings.HasPrefix(after[filepath.Dir(path)], "d") {
			out = append(out, "-"+path)
		}
	}
	slices.Sort(out)
	return out
}

func changesOf(d *etcmerge.Diff) (out []string) {
	for sign, changes := range map[string][]tree.Change{"+": d.Added, "~": d.Modified, "-": d.Removed} {
		for _, c := range changes {
			out = append(out, sign+c.Path)
		}
	}
	slices.Sort(out)
	return out
}

var packageLine = regexp.MustCompile(`Package: (\S+)\n(?:.*\n){2}Version: (1\.(\d+)-1)\n`)

// comparePackageFiles compares two status files of dpkg.
func comparePackageFiles(before, after string) (out []string) {
	parse := func(s string) map[string][2]string {
		m := map[string][2]string{}
		for _, f := range packageLine.FindAllStringSubmatch(s, -1) {
			m[f[1]] = [2]string{f[2], fmt.Sprintf("%4s", f[3])}
		}
		return m
	}
	old, new := parse(before), parse(after)
	for name, v := range new {
		was, ok := old[name]
		switch {
		case !ok:
			out = append(out, "+"+name+" "+v[0])
		case was != v:
			out = append(out, fmt.Sprintf("%s %s %s %d", name, was[0], v[0], strings.Compare(v[1], was[1])))
		}
	}
	for name, v := range old {
		if _, ok := new[name]; !ok {
			out = append(out, "-"+name+" "+v[0])
		}
	}
	slices.Sort(out)
	return out
}

func withoutRoot(options []string) []string {
	return slices.DeleteFunc(slices.Clone(options), func(o string) bool { return strings.HasPrefix(o, "composefs=") })
}

// lineChanges are the arguments that came and went.
func lineChanges(before, after []string) (added, removed []string) {
	before, after = withoutRoot(before), withoutRoot(after)
	for _, o := range after {
		if !slices.Contains(before, o) {
			added = append(added, o)
		}
	}
	for _, o := range before {
		if !slices.Contains(after, o) {
			removed = append(removed, o)
		}
	}
	slices.Sort(added)
	slices.Sort(removed)
	return added, removed
}

// TestForecastWithoutLayers fetches nothing, and says that it does not know.
func TestForecastWithoutLayers(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	pushed := m.push(v("2"))
	m.reg.Reset()
	f := m.foresee(ForecastOptions{Scratch: scratchIn(t)})
	if f.Exact || f.Diff != nil || f.Etc != nil || f.Disk.Exact || f.Disk.Required <= f.Download.Bytes || f.Disk.Available <= 0 {
		t.Errorf("forecast %+v, disk %+v", f, f.Disk)
	}
	for _, l := range pushed.Layers {
		if n, _ := m.reg.Gets(string(l.Digest)); n > 0 {
			t.Errorf("layer %s was fetched", l.Digest)
		}
	}
	if f.Download.Bytes != pushed.Layers[1].Size || f.Download.Fetched != 1 || !f.Download.Exact {
		t.Errorf("download %+v", f.Download)
	}
}

// TestForecastStaged is exact and costs nothing: all is here.
func TestForecastStaged(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.push(osVersion{version: "2", kernel: "newer"})
	m.mustUpgrade()
	m.writeEtc("own", "mine")
	f := m.foresee(ForecastOptions{Scratch: scratchIn(t)})
	if f.Change != ForecastStaged || !f.Exact || f.Disk.Repository != (Room{}) || f.Disk.Kernel != (Room{}) || f.Download.Bytes != 0 {
		t.Errorf("forecast %+v, disk %+v", f, f.Disk)
	}
	if !f.Diff.Kernel.Changed || f.Diff.SoftReboot.Possible || len(f.Etc.Local.Added) != 1 {
		t.Errorf("diff %+v, /etc %+v", f.Diff, f.Etc)
	}
	// Where nothing can be tried out the rest is told all the same.
	none := func() (string, error) { return "", errors.New("no room") }
	f = m.foresee(ForecastOptions{Scratch: none})
	if f.Exact || f.Change != ForecastStaged || !strings.Contains(strings.Join(m.said, "\n"), "cannot say exactly what the update brings: no room") {
		t.Errorf("without a scratch: %+v; said %q", f, m.said)
	}
}

// TestForecastSame finds out that another image has the same content.
func TestForecastSame(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	one := v("1")
	one.change = func(im *registrytest.Image) { im.Labels["other"] = "label" }
	m.push(one)
	f := m.foresee(ForecastOptions{Scratch: scratchIn(t)})
	if f.Change != ForecastSame || !f.Exact || f.Etc != nil || !f.Diff.Empty() || !f.Diff.SoftReboot.Possible {
		t.Errorf("forecast %+v, diff %+v", f, f.Diff)
	}
	m.push(v("1"))
	none := func() (string, error) { return "", errors.New("nothing to try out") }
	if f = m.foresee(ForecastOptions{Scratch: none, Fetch: true}); f.Change != ForecastUnchanged || !f.Exact || f.Diff != nil || f.Disk != nil {
		t.Errorf("unchanged: %+v", f)
	}
}

// TestForecastUnfit foresees that an image without a kernel is refused.
func TestForecastUnfit(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	two := v("2")
	two.extra = []registrytest.Entry{registrytest.Whiteout("usr/lib/modules", "6.12")}
	m.push(two)
	f := m.foresee(ForecastOptions{Scratch: scratchIn(t), Fetch: true})
	_, err := m.upgrade(StageOptions{})
	if len(f.Refusals) != 1 || err == nil || !strings.HasSuffix(err.Error(), f.Refusals[0]) {
		t.Errorf("foreseen %q; the upgrade: %v", f.Refusals, err)
	}
	if f.Diff.Kernel.To != nil || !f.Diff.Kernel.Changed || f.Diff.SoftReboot.Possible {
		t.Errorf("kernel %+v", f.Diff.Kernel)
	}
}

// TestRemember holds for the deployment that runs and what it follows, until a boot.
func TestRemember(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.pushAs("other", v("9"))
	m.push(v("2"))
	look := func(target Target) {
		m.must(m.with(func(s *Sysroot) error {
			u, err := s.Check(t.Context(), target)
			if err == nil {
				s.Remember(u)
				u.Close()
			}
			return err
		}))
	}
	want := func(version string) {
		t.Helper()
		got := "none"
		if u := m.status().Status.Booted.CachedUpdate; u != nil {
			got = *u.Version
		}
		if got != version {
			t.Errorf("cached update %s, want %s", got, version)
		}
	}
	want("none")
	look(m.target("os:latest"))
	want("2")
	other := m.target("other:latest")
	other.Switch = true
	look(other) // of no interest to those who follow os
	want("2")
	m.must(os.WriteFile(m.runPath(markerDir, rememberedName), []byte("{"), 0o600))
	want("none")
	look(m.target("os:latest"))
	m.mustUpgrade()
	want("2")
	m.reboot()
	want("none")
	look(m.target("os:latest"))
	want("2")
}
