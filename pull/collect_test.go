package pull_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/pull"
)

// menu is a registry with images that share layers, files and configs, and the
// ids that they must have.
type menu struct {
	*world
	plain, boot []verity.Digest
}

func newMenu(t *testing.T) *menu {
	m := &menu{world: newWorld(t)}
	os := registrytest.Layer{Entries: []registrytest.Entry{
		registrytest.Dir("usr"), registrytest.Dir("boot"), registrytest.File("boot/x", registrytest.Random(1, 80)), registrytest.Dir("sysroot"),
	}}
	a, c, e := gzLayer(files("a", 1, 6, 100)...), gzLayer(files("c", 2, 6, 3000)...), gzLayer(files("e", 3, 6, 50)...)
	recut := gzLayer(append(files("a", 1, 6, 100), files("c", 2, 6, 3000)[1:]...)...)
	zstd := a
	zstd.Compression = registrytest.Zstd
	for i, ls := range [][]registrytest.Layer{{os, a}, {os, a, c}, {os, c}, {os, recut}, {os, zstd}, {os, a, a, e}, {os, e}} {
		m.push(fmt.Sprint(i), ls...)
		p := newPuller(t, newRepo(t))
		p.opts.Bootable = true
		res := p.mustPull(t, m.name(fmt.Sprint(i)), "x")
		m.plain, m.boot = append(m.plain, res.Image), append(m.boot, res.BootImage)
	}
	return m
}

// live is what a tag must stand for.
type live struct {
	image int
	boot  bool // its boot image was asked for
}

// TestRandomOperations pulls, tags, untags and collects in random order.
func TestRandomOperations(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			m := newMenu(t)
			rng := rand.New(rand.NewPCG(seed, 5))
			tags := map[string]live{}
			for step := range 300 {
				m.step(rng, tags)
				if step%10 == 9 {
					m.check(tags)
				}
			}
			m.mountAll(tags)
			for tag := range tags {
				if err := oci.Untag(m.repo, tag); err != nil {
					t.Fatal(err)
				}
			}
			nothingLeft(t, m.repo)
		})
	}
}

// step does one thing at random and notes what it means for the tags.
func (m *menu) step(rng *rand.Rand, tags map[string]live) {
	m.Helper()
	tag := fmt.Sprint("t/", rng.IntN(4))
	switch op := rng.IntN(10); {
	case op < 5:
		l := live{image: rng.IntN(len(m.plain)), boot: rng.IntN(2) == 0}
		m.opts = pull.Options{Bootable: l.boot}
		m.mustPull(m.T, m.name(fmt.Sprint(l.image)), tag)
		tags[tag] = l
	case op < 7:
		for from, l := range tags {
			img, err := oci.OpenTag(m.repo, from)
			if err == nil {
				err = oci.Tag(m.repo, img.ManifestDigest, tag)
			}
			if err != nil {
				m.Fatal(err)
			}
			tags[tag] = l
			break
		}
	case op < 8:
		err := oci.Untag(m.repo, tag)
		if _, ok := tags[tag]; ok != (err == nil) || err != nil && !errors.Is(err, oci.ErrNotFound) {
			m.Fatalf("untag %s: %v", tag, err)
		}
		delete(tags, tag)
	default:
		gc(m.T, m.repo)
		if again := gc(m.T, m.repo); again != (repo.GCResult{}) {
			m.Fatalf("a second collection found %+v", again)
		}
	}
}

// check requires a clean repository in which every tag has its images.
func (m *menu) check(tags map[string]live) {
	m.Helper()
	fsckClean(m.T, m.repo)
	refs, err := oci.Refs(m.repo)
	if err != nil {
		m.Fatal(err)
	}
	if len(refs) != len(tags) {
		m.Fatalf("there are %d tags, want %d", len(refs), len(tags))
	}
	for tag, l := range tags {
		img, err := oci.OpenTag(m.repo, tag)
		if err != nil {
			m.Fatal(err)
		}
		m.has(tag, m.plain[l.image], img.Image)
		if l.boot {
			m.has(tag, m.boot[l.image], func() (verity.Digest, bool) { return img.BootImage(oci.AllowlistOnly) })
		}
	}
}

// mountAll mounts the images of all tags and compares what is in them with
// images that were never near a collector.
func (m *menu) mountAll(tags map[string]live) {
	m.Helper()
	for tag, l := range tags {
		fresh := newPuller(m.T, newRepo(m.T))
		fresh.opts.Bootable = l.boot
		want := fresh.mustPull(m.T, m.name(fmt.Sprint(l.image)), tag)
		m.sameMounted(fresh.repo, want.Image)
		if l.boot {
			m.sameMounted(fresh.repo, want.BootImage)
		}
	}
}

func (m *menu) sameMounted(fresh *repo.Repo, id verity.Digest) {
	m.Helper()
	want, got := describe(m.T, mountImage(m.T, fresh, id)), describe(m.T, mountImage(m.T, m.repo, id))
	if d := cmp.Diff(want, got); d != "" || len(got) < 5 {
		m.Errorf("image %s, mounted (-want +got):\n%s", id, d)
	}
}

func (m *menu) has(tag string, want verity.Digest, get func() (verity.Digest, bool)) {
	m.Helper()
	d, _ := get()
	ok, err := m.repo.HasImage(d)
	if d != want || !ok || err != nil {
		m.Fatalf("tag %s: image %s, want %s (there: %t, %v)", tag, d, want, ok, err)
	}
}

// TestTwoProcesses lets processes pull, untag and collect at once. What was
// tagged last must be whole.
func TestTwoProcesses(t *testing.T) {
	m := newMenu(t)
	dir := m.repo.Path()
	m.repo.Close()
	var ends []func()
	for n := range 3 {
		j := job{Repo: dir, Root: m.root, Repeat: 4}
		for i := range m.plain {
			name := m.name(fmt.Sprint((i + n) % len(m.plain)))
			j.Steps = append(j.Steps, fmt.Sprintf("boot %s own%d", name, n), "gc", fmt.Sprintf("pull %s shared", name), fmt.Sprintf("boot %s tmp%d", name, n), fmt.Sprintf("untag tmp%d", n))
		}
		cmd, stderr := j.start(t)
		ends = append(ends, func() {
			if err := cmd.Wait(); err != nil {
				t.Errorf("process %d: %v: %s", n, err, stderr)
			}
		})
	}
	for _, end := range ends {
		end()
	}
	r, err := repo.Open(t.Context(), dir, repo.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	m.repo = r
	fsckClean(t, r)
	for n := range 3 {
		img, err := oci.OpenTag(r, fmt.Sprint("own", n))
		if err != nil {
			t.Fatal(err)
		}
		last := (len(m.plain) - 1 + n) % len(m.plain)
		m.has("own", m.plain[last], img.Image)
		m.has("own", m.boot[last], func() (verity.Digest, bool) { return img.BootImage(oci.AllowlistOnly) })
	}
	if err := os.RemoveAll(filepath.Join(dir, "streams/refs/oci")); err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, r)
}
