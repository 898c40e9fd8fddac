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
	follows  map[string]string // of each deployment: the repository
	pinned   map[string]bool
	etc      map[string]string // of each deployment: what is written in /etc/note
}

// forget drops what is known of deployments that are none any more.
func (o *model) forget() {
	for version := range o.follows {
		if !slices.Contains(o.live, version) && !slices.Contains(o.next, version) {
			delete(o.follows, version)
			delete(o.pinned, version)
			delete(o.etc, version)
		}
	}
}

func (o *model) unstage() { o.next, o.locked = nil, false }

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
		if o.pinned[version] && !slices.Contains(menu, version) {
			menu = append(menu, version)
		}
	}
	return menu
}

func (o *model) stage(repository string, locked bool) {
	want := o.registry[repository]
	switch {
	case len(o.next) > 0 && o.next[0] == want && o.follows[want] == repository:
		o.locked = locked
		return
	case o.booted == want:
		o.follows[want] = repository
		o.unstage()
	default:
		pinned := o.pinned[want]
		o.unstage()
		o.forget()
		o.follows[want], o.pinned[want] = repository, pinned
		o.next, o.locked = o.menu(want), locked
	}
	o.forget()
}

func (o *model) spec() string {
	if len(o.next) > 0 {
		return o.follows[o.next[0]]
	}
	return o.follows[o.booted]
}

// queued says whether another one boots next that is not staged.
func (o *model) queued() bool {
	return o.live[0] != o.booted && (len(o.next) == 0 || o.locked)
}

func (o *model) rollback() bool {
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
	o.pinned[version] = pinned
	if len(o.next) > 0 {
		o.next = o.menu(o.next[0])
	}
}

func (o *model) finalize() {
	if len(o.next) == 0 || o.locked {
		return
	}
	o.etc[o.next[0]] = o.etc[o.booted]
	o.live = o.next
	o.unstage()
	o.forget()
}

func (o *model) boot(version string) {
	o.booted = version
	o.unstage()
	o.forget()
}

// picture is what machine.picture should say.
func (o *model) picture() string {
	mark := func(version string) string {
		if o.pinned[version] {
			return version + "*"
		}
		return version
	}
	var parts []string
	if len(o.next) > 0 {
		staged := mark(o.next[0])
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
	all := slices.Sorted(maps.Keys(p.o.follows))
	return all[p.IntN(len(all))]
}

// play does one thing and returns its name.
func (p *player) play() string {
	switch repository := []string{"os", "mine"}[p.IntN(2)]; p.IntN(12) {
	case 0, 1:
		version := versions[p.IntN(len(versions))]
		p.publish(repository, version)
		return "push " + repository + " " + version
	case 2, 3:
		locked := p.IntN(4) == 0
		_, err := p.upgrade(StageOptions{DownloadOnly: locked})
		p.must(err)
		p.o.stage(p.o.spec(), locked)
		return fmt.Sprintf("upgrade, locked %t", locked)
	case 4:
		_, err := p.switchTo(repository)
		p.must(err)
		p.o.stage(repository, false)
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
		if booted := version == p.o.booted; booted != errors.Is(err, ErrBooted) || !booted && err != nil {
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
	return p.cut()
}

// note writes something to /etc.
func (p *player) note() {
	text := fmt.Sprint(len(p.log))
	p.writeEtc("note", text)
	p.o.etc[p.o.booted] = text
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
	if want := p.o.etc[p.o.booted]; string(text) != want {
		p.t.Fatalf("/etc/note is %q, %v, want %q\n after: %s", text, err, want, strings.Join(p.log, "; "))
	}
	if p.IntN(3) == 0 {
		p.gc()
		p.gcIsNoOp()
		want := slices.Sorted(maps.Keys(p.o.follows))
		if got := p.states(); !slices.Equal(got, want) {
			p.t.Fatalf("states %v, want %v\n after: %s", got, want, strings.Join(p.log, "; "))
		}
		if p.tags() != len(want) {
			p.t.Fatalf("%d tags for %v", p.tags(), want)
		}
		p.fsck()
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
						registry: map[string]string{}, live: []string{"1"}, booted: "1", follows: map[string]string{"1": "os"},
						pinned: map[string]bool{}, etc: map[string]string{},
					},
				}
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
