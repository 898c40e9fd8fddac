package deploy

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/bootloader/bootloadertest"
)

// model is what a host should be, by the words of docs/explanation/deployments.md.
// A deployment is called by the version of its image, which is all of its content.
type model struct {
	registry map[string]string // repository: version
	live     []string
	booted   string
	next     []string // the staged menu
	locked   bool
	states   map[string]*state // of each deployment
	running  *state            // that of the booted one, unless another was put in its place
	fresh    *state            // of the staged one, if that is a factory reset
	vars     map[string]string // of each stateroot: what is written in /var/note
}

// state is what stands in the state directory of a deployment.
type state struct {
	follows string // the repository
	pinned  bool
	etc     string // what is written in /etc/note
	root    string // which /var it has
	before  *state // of a factory reset
}

func (o *model) displaced() bool { return o.running != o.states[o.booted] }

func (o *model) pinned(version string) bool {
	return o.states[version] != nil && o.states[version].pinned
}

// forget drops what is known of deployments that are none any more.
func (o *model) forget() {
	for version := range o.states {
		if !slices.Contains(o.live, version) && !slices.Contains(o.next, version) {
			delete(o.states, version)
		}
	}
}

// giveUpBefore forgets what was before the resets to a stateroot.
func (o *model) giveUpBefore(root string) {
	for _, st := range o.states {
		for ; st != nil; st = st.before {
			if st.root == root {
				st.before = nil
			}
		}
	}
}

// roots are the stateroots that there should be.
func (o *model) roots() []string {
	set := map[string]bool{}
	all := slices.Collect(maps.Values(o.states))
	if o.fresh != nil {
		set[o.fresh.root] = true
	}
	for _, st := range all {
		for ; st != nil; st = st.before {
			set[st.root] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

func (o *model) unstage() { o.next, o.locked, o.fresh = nil, false, nil }

func remove(menu []string, version string) []string {
	return slices.DeleteFunc(slices.Clone(menu), func(s string) bool { return s == version })
}

// menu is that in which first is the default.
func (o *model) menu(first string) []string {
	menu := []string{first}
	if first != o.booted {
		menu = append(menu, o.booted)
	}
	for _, version := range o.live {
		if o.pinned(version) && !slices.Contains(menu, version) {
			menu = append(menu, version)
		}
	}
	return menu
}

// stage returns whether that is refused.
func (o *model) stage(repository string, locked bool) (refused bool) {
	want := o.registry[repository]
	switch {
	case o.booted == want && o.states[want].follows == repository && (o.fresh != nil || o.displaced()):
		return false
	case o.fresh != nil || o.displaced():
		return true
	case len(o.next) > 0 && o.next[0] == want && o.states[want].follows == repository:
		o.locked = locked
		return false
	case o.booted == want:
		o.states[want].follows = repository
		o.unstage()
	default:
		pinned := o.pinned(want)
		o.unstage()
		o.forget()
		if o.states[want] == nil {
			o.states[want] = &state{root: o.states[o.booted].root}
		}
		o.states[want].follows, o.states[want].pinned = repository, pinned
		o.next, o.locked = o.menu(want), locked
	}
	o.forget()
	return false
}

// reset returns whether that is refused; else the new /var is that of root.
func (o *model) reset(want, repository, root string) (refused bool) {
	if o.displaced() {
		return true
	}
	pinned := o.pinned(want)
	o.unstage()
	o.forget()
	o.vars[root] = ""
	o.fresh = &state{follows: repository, pinned: pinned, root: root}
	if o.next = o.menu(want); want == o.booted {
		o.next = append([]string{want}, remove(o.live, want)...)
	}
	if o.states[want] == nil {
		o.states[want] = o.fresh
	}
	return false
}

func (o *model) spec() string {
	switch {
	case o.fresh != nil:
		return o.fresh.follows
	case len(o.next) > 0:
		return o.states[o.next[0]].follows
	}
	return o.states[o.booted].follows
}

// queued says whether another one boots next that is not staged.
func (o *model) queued() bool {
	return o.live[0] != o.booted && (len(o.next) == 0 || o.locked)
}

func (o *model) rollback() bool {
	if now := o.states[o.booted]; o.live[0] == o.booted && now.before != nil {
		o.states[o.booted] = now.before
		o.unstage()
		o.forget()
		return true
	}
	others := remove(o.live, o.booted)
	if len(others) == 0 {
		return false
	}
	first := others[0]
	if o.queued() {
		first = o.booted
	}
	o.live = append([]string{first}, remove(o.live, first)...)
	o.unstage()
	o.forget()
	return true
}

func (o *model) delete(version string) {
	if len(o.next) > 0 && o.next[0] == version {
		o.unstage()
	}
	o.next = remove(o.next, version)
	if len(o.live) > 0 && o.live[0] == version {
		o.live = append([]string{o.booted}, remove(o.live, o.booted)...)
	}
	o.live = remove(o.live, version)
	o.forget()
}

func (o *model) pin(version string, pinned bool) {
	o.states[version].pinned = pinned
	if len(o.next) > 0 && (o.fresh == nil || o.next[0] != o.booted) {
		o.next = o.menu(o.next[0])
	}
}

func (o *model) finalize() {
	if len(o.next) == 0 || o.locked {
		return
	}
	first := o.next[0]
	if o.fresh == nil {
		o.states[first].etc, o.states[first].root, o.states[first].before = o.running.etc, o.running.root, nil
		o.giveUpBefore(o.running.root)
	} else if old := o.states[first]; old != o.fresh {
		o.fresh.before, o.states[first] = old, o.fresh
	}
	o.live = o.next
	o.unstage()
	o.forget()
}

func (o *model) boot(version string) {
	o.booted = version
	o.unstage()
	o.forget()
	o.running = o.states[version]
}

// picture is what machine.picture should say.
func (o *model) picture() string {
	mark := func(version string) string {
		if o.pinned(version) {
			return version + "*"
		}
		return version
	}
	var parts []string
	if len(o.next) > 0 {
		staged := mark(o.next[0])
		if o.fresh != nil {
			staged = o.next[0]
			if o.fresh.pinned {
				staged += "*"
			}
		}
		if o.locked {
			staged += "#"
		}
		parts = append(parts, "staged "+staged)
	}
	parts = append(parts, "booted "+mark(o.booted))
	for i, version := range remove(o.live, o.booted) {
		name := "other "
		if i == 0 {
			name = "rollback "
		}
		parts = append(parts, name+mark(version))
	}
	if o.queued() {
		parts = append(parts, "queued")
	}
	return strings.Join(parts, " | ")
}

// player does the same to a machine and a model.
type player struct {
	*machine
	*rand.Rand
	o   *model
	log []string
}

var versions = []string{"1", "2", "3", "4"}

func (p *player) osVersion(version string) osVersion {
	kernel := "even"
	if version == "1" || version == "3" {
		kernel = version
	}
	return osVersion{version: version, kernel: kernel}
}

func (p *player) publish(repository, version string) {
	p.pushAs(repository, p.osVersion(version))
	p.o.registry[repository] = version
}

// oneOf picks a deployment.
func (p *player) oneOf() string {
	all := slices.Sorted(maps.Keys(p.o.states))
	return all[p.IntN(len(all))]
}

// play does one thing and returns its name.
func (p *player) play() string {
	switch repository := []string{"os", "mine"}[p.IntN(2)]; p.IntN(15) {
	case 0, 1:
		version := versions[p.IntN(len(versions))]
		p.publish(repository, version)
		return "push " + repository + " " + version
	case 2, 3:
		locked := p.IntN(4) == 0
		_, err := p.upgrade(StageOptions{DownloadOnly: locked})
		p.refused(err, p.o.stage(p.o.spec(), locked))
		return fmt.Sprintf("upgrade, locked %t", locked)
	case 4:
		_, err := p.switchTo(repository)
		p.refused(err, p.o.stage(repository, false))
		return "switch " + repository
	case 5:
		if _, err := p.rollback(); p.o.rollback() != (err == nil) {
			p.t.Errorf("rollback: %v", err)
		}
		return "rollback"
	case 6:
		version := p.oneOf()
		id := p.id(version)
		err := p.delete(id)
		if version == p.o.booted && p.o.fresh != nil && p.o.next[0] == version {
			p.must(err)
			p.o.unstage()
			p.o.forget()
		} else if booted := version == p.o.booted; booted != errors.Is(err, ErrBooted) || !booted && err != nil {
			p.t.Errorf("delete %s: %v", version, err)
		} else if !booted {
			p.o.delete(version)
		}
		return "delete " + version
	case 7:
		version, pinned := p.oneOf(), p.IntN(3) > 0
		p.must(p.pin(p.id(version), pinned))
		p.o.pin(version, pinned)
		return fmt.Sprintf("pin %s %t", version, pinned)
	case 8:
		p.must(p.finalize())
		p.o.finalize()
		return "finalize"
	case 9, 10:
		p.note()
		p.reboot()
		p.o.finalize()
		p.o.boot(p.o.live[0])
		return "reboot"
	}
	return p.playMore()
}

// playMore does what has to do with factory resets.
func (p *player) playMore() string {
	switch repository := []string{"", "os", "mine"}[p.IntN(3)]; p.IntN(3) {
	case 0:
		res, err := p.reset(repository, ResetOptions{})
		want, follows, root := p.o.booted, p.o.states[p.o.booted].follows, ""
		if repository != "" {
			want, follows = p.o.registry[repository], repository
		}
		if res != nil {
			root = res.Stateroot
		}
		p.refused(err, p.o.reset(want, follows, root))
		return "reset " + repository
	case 1:
		p.complete()
		if !p.o.displaced() {
			p.o.giveUpBefore(p.o.running.root)
		}
		return "complete"
	}
	return p.cut()
}

// refused makes sure that what is not possible because of a factory reset is refused.
func (p *player) refused(err error, want bool) {
	p.t.Helper()
	if got := errors.Is(err, ErrResetStaged) || errors.Is(err, ErrDisplaced); got != want || err != nil && !got {
		p.t.Fatalf("%v, want a refusal: %v\n after: %s", err, want, strings.Join(p.log, "; "))
	}
}

// note writes something to /etc and /var.
func (p *player) note() {
	text := fmt.Sprint(len(p.log))
	p.writeEtc("note", text)
	p.writeVar("note", text)
	p.o.running.etc, p.o.vars[p.o.running.root] = text, text
}

// cut is a power cut, after which somebody may choose from the menu.
func (p *player) cut() string {
	menu, err := p.loader.Menu()
	p.must(err)
	i := 0
	if p.IntN(2) == 0 {
		i = p.IntN(len(menu))
	}
	p.bootEntry(menu[i])
	p.o.boot(p.o.live[i])
	return fmt.Sprintf("power cut, entry %d", i)
}

func (p *player) check() {
	p.t.Helper()
	if got, want := p.picture(), p.o.picture(); got != want {
		p.t.Fatalf("status: %s\n  want: %s\n after: %s", got, want, strings.Join(p.log, "; "))
	}
	text, err := os.ReadFile(p.etcPath("note"))
	if want := p.o.running.etc; string(text) != want {
		p.t.Fatalf("/etc/note is %q, %v, want %q\n after: %s", text, err, want, strings.Join(p.log, "; "))
	}
	text, err = os.ReadFile(p.varPath("note"))
	if want := p.o.vars[p.o.running.root]; string(text) != want {
		p.t.Fatalf("/var/note is %q, %v, want %q\n after: %s", text, err, want, strings.Join(p.log, "; "))
	}
	if p.IntN(3) == 0 {
		p.gc()
		p.gcIsNoOp()
		want := slices.Sorted(maps.Keys(p.o.states))
		if got := p.states(); !slices.Equal(got, want) {
			p.t.Fatalf("states %v, want %v\n after: %s", got, want, strings.Join(p.log, "; "))
		}
		if p.tags() != len(want) {
			p.t.Fatalf("%d tags for %v", p.tags(), want)
		}
		p.fsck()
		if !p.o.displaced() { // or everything is kept
			p.wantStateroots(p.o.roots()...)
		}
	}
}

// TestProperty plays random sequences of everything that can happen to a host.
func TestProperty(t *testing.T) {
	t.Parallel()
	for name, loader := range map[string]func(t *testing.T) bootloader.Loader{
		"fake":    func(*testing.T) bootloader.Loader { return bootloadertest.NewFake() },
		"systemd": func(t *testing.T) bootloader.Loader { return realLoader(t, bootloader.Systemd) },
		"grub":    func(t *testing.T) bootloader.Loader { return realLoader(t, bootloader.GRUB) },
	} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s/%d", name, seed), func(t *testing.T) {
				t.Parallel()
				p := &player{
					machine: newMachine(t, loader(t)), Rand: rand.New(rand.NewPCG(seed, 0)),
					o: &model{
						registry: map[string]string{}, live: []string{"1"}, booted: "1",
						states: map[string]*state{"1": {follows: "os", root: "default"}}, vars: map[string]string{},
					},
				}
				p.o.running = p.o.states["1"]
				p.install(p.osVersion("1"))
				p.publish("os", "1")
				p.publish("mine", "2")
				for range 40 {
					p.log = append(p.log, p.play())
					p.check()
				}
			})
		}
	}
}

// realLoader is a boot loader on directories.
func realLoader(t *testing.T, kind bootloader.Kind) bootloader.Loader {
	t.Helper()
	open := func() *os.File {
		dir := t.TempDir()
		mountTmpfs(t, dir, "size=8m") // where a sync costs nothing
		f, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	l, err := bootloader.New(kind, bootloader.Files{Boot: open(), ESP: open()})
	if err != nil {
		t.Fatal(err)
	}
	return l
}
