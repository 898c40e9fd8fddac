package deploy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/bootloader/bootloadertest"
	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/progress"
	"github.com/bootc-go/bootc/kargs"
)

// machine is a host in a directory, with a boot loader in memory or on disk, a
// registry that it upgrades from, and firmware.
type machine struct {
	t      testing.TB
	dir    string // root/, run-N/
	reg    *registrytest.Registry
	loader bootloader.Loader
	boots  int
	softly int // boots of these that were none of the kernel
	booted kargs.Root
	etc    *os.File // mounted by the last boot, as /var is
	vari   *os.File
	units  []string // started
	said   []string // messages

	pushed  *registrytest.Built // last
	noUnits error               // units do not start
	bound   BoundStore
	tries   uint // of fresh deployments
	mounted string
	soft    bool     // the system has soft reboots
	addons  []string // chosen at installation and by updates
}

func newMachine(t testing.TB, l bootloader.Loader) *machine {
	t.Helper()
	dir := t.TempDir()
	mountTmpfs(t, dir, "size=64m") // where a sync costs nothing
	return newMachineAt(t, l, dir)
}

func newMachineAt(t testing.TB, l bootloader.Loader, dir string) *machine {
	t.Helper()
	m := &machine{t: t, dir: dir, reg: registrytest.New(t), loader: l}
	for _, dir := range []string{"root", "run-0", "policy"} {
		m.must(os.Mkdir(filepath.Join(m.dir, dir), 0o755))
	}
	m.must(os.WriteFile(filepath.Join(m.dir, "policy/policy.json"), []byte(`{"default":[{"type":"insecureAcceptAnything"}]}`), 0o644))
	return m
}

// fakeMachine is an installed machine that runs v of the image "os".
func fakeMachine(t testing.TB, v osVersion) (*machine, *bootloadertest.Fake) {
	t.Helper()
	fake := bootloadertest.NewFake()
	m := newMachine(t, fake)
	m.install(v)
	return m, fake
}

func (m *machine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) path(elem ...string) string {
	return filepath.Join(append([]string{m.dir, "root"}, elem...)...)
}

func (m *machine) runPath(elem ...string) string {
	return filepath.Join(append([]string{m.dir, fmt.Sprintf("run-%d", m.boots)}, elem...)...)
}

// etcPath is a path in the live /etc, wherever that is by now.
func (m *machine) etcPath(name string) string { return fdPath(m.etc) + "/" + name }

// varPath is a path in the live /var.
func (m *machine) varPath(name string) string { return fdPath(m.vari) + "/" + name }

func (m *machine) openDir(path string) *os.File {
	m.t.Helper()
	f, err := os.Open(path)
	m.must(err)
	m.t.Cleanup(func() { f.Close() })
	return f
}

func (m *machine) system() System {
	m.t.Helper()
	sys := System{
		Root: m.openDir(m.path()), Run: m.openDir(m.runPath()),
		Booted: m.booted, Loader: m.loader, Arch: "amd64", Bound: m.bound, Tries: m.tries, SoftReboot: m.soft,
		Image: image.Options{
			Root: filepath.Join(m.dir, "policy"), PolicyPath: filepath.Join(m.dir, "policy/policy.json"), InsecureTLS: true,
			Retry: image.Retry{Attempts: 2, Base: time.Millisecond, Max: 5 * time.Millisecond, Stall: time.Minute},
		},
		Progress: func(e progress.Event) {
			if e.Kind == progress.Message {
				m.said = append(m.said, e.Text)
			}
		},
		Mounted: func(dir string) (bool, error) { return dir == m.mounted, nil },
		Systemctl: func(_ context.Context, args ...string) error {
			m.units = append(m.units, strings.Join(args, " "))
			return m.noUnits
		},
	}
	if !m.booted.ID.IsZero() {
		sys.Etc = m.openDir(m.etcPath("."))
	}
	return sys
}

// with opens the deployments for fn, as each command does.
func (m *machine) with(fn func(s *Sysroot) error) error {
	m.t.Helper()
	s, err := Open(m.t.Context(), m.system())
	m.must(err)
	defer s.Close()
	return fn(s)
}

func (m *machine) target(tag string) Target {
	m.t.Helper()
	ref, err := image.Parse(m.reg.Name(tag))
	m.must(err)
	return Target{Ref: ref}
}

// push makes v what the image "os" is in the registry.
func (m *machine) push(v osVersion) *registrytest.Built { return m.pushAs("os", v) }

func (m *machine) pushAs(name string, v osVersion) *registrytest.Built {
	m.t.Helper()
	b := v.build(m.t)
	m.reg.Push(name, "latest", b)
	m.pushed = b
	return b
}

// install puts v on the disk and starts it.
func (m *machine) install(v osVersion) {
	m.t.Helper()
	m.installIn("", v)
}

// installIn installs with /var in that stateroot.
func (m *machine) installIn(stateroot string, v osVersion) {
	m.t.Helper()
	m.push(v)
	m.must(m.with(func(s *Sysroot) error {
		p, err := s.Pull(m.t.Context(), m.target("os:latest"))
		if err != nil {
			return err
		}
		_, err = s.Deploy(m.t.Context(), p, FirstOptions{Loader: m.loader, Addons: m.addons, Stateroot: stateroot, Kargs: func(of kargs.Line) kargs.Line {
			return kargs.Line{"root=UUID=x", "rw"}.With(of...).With("local")
		}})
		return err
	}))
	m.boot()
}

// upgrade stages what the spec names by now.
func (m *machine) upgrade(o StageOptions) (staged *Staged, err error) {
	m.t.Helper()
	err = m.with(func(s *Sysroot) error {
		t, err := s.Spec()
		if err != nil {
			return err
		}
		staged, err = m.checkAndStage(m.t.Context(), s, t, o)
		return err
	})
	return staged, err
}

func (m *machine) switchTo(name string) (staged *Staged, err error) {
	m.t.Helper()
	err = m.with(func(s *Sysroot) error {
		staged, err = m.checkAndStage(m.t.Context(), s, m.target(name+":latest"), StageOptions{})
		return err
	})
	return staged, err
}

func (m *machine) checkAndStage(ctx context.Context, s *Sysroot, t Target, o StageOptions) (*Staged, error) {
	u, err := s.Check(ctx, t)
	if err != nil {
		return nil, err
	}
	defer u.Close()
	u.Addons = m.addons
	return s.Stage(ctx, u, o)
}

func (m *machine) mustUpgrade() *Staged {
	m.t.Helper()
	st, err := m.upgrade(StageOptions{})
	m.must(err)
	if st.Change != Available {
		m.t.Fatalf("upgrade: change %d", st.Change)
	}
	return st
}

func (m *machine) finalize() error {
	m.t.Helper()
	return m.with(func(s *Sysroot) error { return s.Finalize(m.t.Context()) })
}

// shutdown ends the system in good order and starts what is next.
func (m *machine) reboot() {
	m.t.Helper()
	m.must(m.finalize())
	m.boot()
}

// boot starts what the firmware finds: nothing of /run is there any more.
func (m *machine) boot() {
	m.t.Helper()
	menu, err := m.loader.Menu()
	m.must(err)
	if len(menu) == 0 {
		m.t.Fatal("nothing to boot")
	}
	m.bootEntry(menu[0])
}

func (m *machine) bootEntry(e bootloader.Entry) {
	m.t.Helper()
	if whole, err := m.loader.HasKernel(e.Kernel); err != nil || !whole {
		m.t.Fatalf("the kernel %s is not whole: %v", e.Kernel, err)
	}
	root := e.Root
	if !e.UKI {
		var err error
		root, err = kargs.FindRoot(e.Options)
		m.must(err)
	}
	m.boots++
	m.must(mkdir(m.runPath()))
	m.booted = root
	m.checkWhole(root.ID)
	m.etc = m.openDir(m.path(stateDir, root.ID.String(), etcName))
	m.vari = m.openDir(m.path(stateDir, root.ID.String(), varName))
}

// version is that of the deployment that runs, as the image's os-release has it.
func (m *machine) version() string {
	m.t.Helper()
	return m.versionOf(m.booted.ID)
}

func (m *machine) versionOf(id verity.Digest) string {
	m.t.Helper()
	r := m.repo()
	defer r.Close()
	root, err := bootTree(r, id)
	m.must(err)
	text := m.content(r, tree.Lookup(root, "usr/lib/os-release"))
	_, v, _ := strings.Cut(text, "VERSION_ID=")
	return strings.TrimSpace(v)
}

func (m *machine) repo() *repo.Repo {
	m.t.Helper()
	r, err := repo.Open(m.t.Context(), m.path(repoDir), repo.OpenOptions{ReadOnly: true})
	m.must(err)
	return r
}

func (m *machine) content(r *repo.Repo, n *tree.Node) string {
	m.t.Helper()
	if n.File == nil || n.File.Inline != nil {
		return string(n.File.Inline)
	}
	f, err := r.OpenObject(n.File.Digest)
	m.must(err)
	defer f.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(f)
	m.must(err)
	return b.String()
}

// checkWhole makes sure that a deployment can run: its image and every object of it
// are in the repository, /etc is there, and /var.
func (m *machine) checkWhole(id verity.Digest) {
	m.t.Helper()
	r := m.repo()
	defer r.Close()
	root, err := bootTree(r, id)
	m.must(err)
	m.must(tree.Walk(root, func(path string, n *tree.Node) error {
		if n.File == nil || n.File.Digest.IsZero() {
			return nil
		}
		if ok, err := r.HasObject(n.File.Digest); !ok || err != nil {
			return fmt.Errorf("%s: no object: %w", path, err)
		}
		return nil
	}))
	for _, name := range []string{etcName + "/hostname", etcName + "/passwd", varName + "/lib/seed"} {
		if _, err := os.Stat(m.path(stateDir, id.String(), name)); err != nil {
			m.t.Errorf("deployment %s: %v", m.versionOf(id), err)
		}
	}
	data, err := os.ReadFile(m.path(stateDir, originName(id)))
	m.must(err)
	if _, err := parseOrigin(data); err != nil {
		m.t.Errorf("origin: %v", err)
	}
}

// originName is the path of a deployment's origin below the directory of all states.
func originName(id verity.Digest) string { return id.String() + "/" + originFile(id) }

// fsck checks the repository.
func (m *machine) fsck() {
	m.t.Helper()
	r := m.repo()
	defer r.Close()
	report, err := oci.Fsck(m.t.Context(), r, "")
	m.must(err)
	if !report.OK() {
		m.t.Errorf("fsck: %s", report)
	}
}

// gcIsNoOp makes sure that there is no garbage.
func (m *machine) gcIsNoOp() {
	m.t.Helper()
	if res := m.gc(); !res.Empty() {
		m.t.Errorf("garbage was left: %+v", res)
	}
	unfinished, err := filepath.Glob(m.path(stateDir, "*", "etc.*"))
	m.must(err)
	if len(unfinished) > 0 && m.status().Status.Staged == nil {
		m.t.Errorf("garbage was left: %v", unfinished)
	}
}

func (m *machine) gc() (res GCResult) {
	m.t.Helper()
	m.must(m.with(func(s *Sysroot) (err error) {
		res, err = s.GC(m.t.Context(), GCOptions{})
		return err
	}))
	return res
}

func (m *machine) status() *host.Host {
	m.t.Helper()
	s, err := OpenReadOnly(m.t.Context(), m.system())
	m.must(err)
	defer s.Close()
	h, err := s.Status(m.t.Context())
	m.must(err)
	m.checkSchema(h)
	return h
}

// picture is the status in a line: "staged 3 | booted 2 | rollback 1", with "other",
// pinned ones with "*", locked ones with "#", and "queued".
func (m *machine) picture() string {
	m.t.Helper()
	h := m.status()
	var parts []string
	add := func(name string, entries ...host.BootEntry) {
		for _, e := range entries {
			v := "?"
			if e.Image != nil && e.Image.Version != nil {
				v = *e.Image.Version
			}
			if e.Pinned {
				v += "*"
			}
			if e.DownloadOnly {
				v += "#"
			}
			parts = append(parts, name+" "+v)
		}
	}
	for _, e := range []struct {
		name  string
		entry *host.BootEntry
	}{{"staged", h.Status.Staged}, {"booted", h.Status.Booted}, {"rollback", h.Status.Rollback}} {
		if e.entry != nil {
			add(e.name, *e.entry)
		}
	}
	add("other", h.Status.OtherDeployments...)
	if h.Status.RollbackQueued {
		parts = append(parts, "queued")
	}
	return strings.Join(parts, " | ")
}

func (m *machine) wantPicture(want string) {
	m.t.Helper()
	if got := m.picture(); got != want {
		m.t.Errorf("status: %s\n  want: %s", got, want)
	}
}

// kept lists what is on the disk for deployments: kernels, if the loader can tell,
// states and tags, by versions.
func (m *machine) states() []string {
	m.t.Helper()
	entries, err := os.ReadDir(m.path(stateDir))
	m.must(err)
	var out []string
	for _, e := range entries {
		id, err := verity.ParseHex(e.Name())
		m.must(err)
		out = append(out, m.versionOf(id))
	}
	slices.Sort(out)
	return out
}

func (m *machine) tags() int {
	m.t.Helper()
	r := m.repo()
	defer r.Close()
	refs, err := oci.Refs(r)
	m.must(err)
	return len(refs)
}

// id is the deployment of an image with this version.
func (m *machine) id(version string) verity.Digest {
	m.t.Helper()
	h := m.status()
	all := h.Status.OtherDeployments
	for _, e := range []*host.BootEntry{h.Status.Booted, h.Status.Rollback, h.Status.Staged} {
		if e != nil {
			all = append(all, *e)
		}
	}
	for _, e := range all {
		if e.Image != nil && e.Image.Version != nil && *e.Image.Version == version {
			id, err := verity.ParseHex(e.Composefs.Verity)
			m.must(err)
			return id
		}
	}
	m.t.Fatalf("no deployment has version %s: %s", version, m.picture())
	return verity.Digest{}
}

func (m *machine) writeEtc(name, content string) {
	m.t.Helper()
	m.must(os.WriteFile(m.etcPath(name), []byte(content), 0o644))
}

func (m *machine) readEtc(name string) string {
	m.t.Helper()
	data, err := os.ReadFile(m.etcPath(name))
	m.must(err)
	return string(data)
}

// varDir is the /var of a disk, by the name that installations give it.
var varDir = stateTop + "/" + stateroot(defaultStateroot) + "/" + varName

// osVersion is a small operating system.
type osVersion struct {
	version string
	kernel  string               // content; "kernel" if empty
	kargs   string               // TOML list
	passwd  string               // lines of system users, after root
	extra   []registrytest.Entry // the topmost layer
	change  func(*registrytest.Image)
}

func v(version string) osVersion { return osVersion{version: version} }

// dirs are those that an image to boot must have.
var osDirs = []string{"boot", "dev", "etc", "etc/default", "proc", "run", "sys", "sysroot", "tmp", "usr", "usr/bin", "usr/lib", "usr/lib/bootc", "usr/lib/bootc/kargs.d", "usr/lib/modules", "usr/lib/modules/6.12", "var", "var/lib"}

func (v osVersion) build(t testing.TB) *registrytest.Built {
	t.Helper()
	kernel := v.kernel
	if kernel == "" {
		kernel = "kernel"
	}
	var base []registrytest.Entry
	for _, d := range osDirs {
		base = append(base, registrytest.Dir(d))
	}
	base = append(base,
		registrytest.File("usr/bin/sh", registrytest.Random(1, 5000)),
		registrytest.File("usr/lib/modules/6.12/vmlinuz", kernel+strings.Repeat(" vmlinuz", 100)),
		registrytest.File("usr/lib/modules/6.12/initramfs.img", "initramfs"),
		registrytest.File("var/lib/seed", "of the image"),
		registrytest.Dir("usr/lib/systemd"), registrytest.Dir("usr/lib/systemd/system"),
		registrytest.File(completeUnit, "[Unit]\n"),
		registrytest.File("etc/hostname", "localhost\n"),
		registrytest.File("etc/group", "root:x:0:\n"),
		registrytest.File("etc/default/big", registrytest.Random(2, 300)),
		registrytest.Hardlink("etc/default/link", "etc/default/big"),
		registrytest.Symlink("etc/os-release", "../usr/lib/os-release"))
	top := []registrytest.Entry{
		registrytest.File("usr/lib/os-release", "ID=test-os\nPRETTY_NAME=\"Test OS "+v.version+"\"\nVERSION_ID="+v.version+"\n"),
		registrytest.File("usr/lib/bulk", registrytest.Random(3, 2000)+v.version),
		registrytest.File("etc/release", "of "+v.version+"\n"),
		registrytest.File("etc/passwd", "root:x:0:0::/root:/bin/sh\n"+v.passwd),
	}
	if v.kargs != "" {
		top = append(top, registrytest.File("usr/lib/bootc/kargs.d/10-test.toml", "kargs = "+v.kargs+"\n"))
	}
	im := registrytest.Image{
		Labels: map[string]string{"containers.bootc": "1", "org.opencontainers.image.version": v.version},
		Layers: []registrytest.Layer{{Entries: base, Compression: registrytest.Gzip}, {Entries: append(top, v.extra...)}},
	}
	if v.change != nil {
		v.change(&im)
	}
	return registrytest.Build(t, im)
}

// powerCut runs fn and reports whether the loader cut the power in it.
func powerCut(fn func()) (cut bool) {
	defer func() {
		switch p := recover(); {
		case p == nil:
		case p == any(bootloadertest.PowerCut):
			cut = true
		default:
			panic(p)
		}
	}()
	fn()
	return false
}

// mountTmpfs mounts a small file system, and unmounts it in the end.
func mountTmpfs(t testing.TB, at, options string) {
	t.Helper()
	if err := unix.Mount("tmpfs", at, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(at, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			t.Error(err)
		}
	})
}

func mkdir(path string) error { return os.Mkdir(path, 0o755) }
