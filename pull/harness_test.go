package pull_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/progress"
	"github.com/bootc-go/bootc/pull"
)

// openRepo makes or opens the repository in dir.
func openRepo(t testing.TB, dir string) *repo.Repo {
	t.Helper()
	r, _, err := repo.Init(t.Context(), dir, repo.Config{Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func newRepo(t testing.TB) *repo.Repo {
	t.Helper()
	return openRepo(t, filepath.Join(t.TempDir(), "repo"))
}

// puller pulls in the way that the command does, from plain http and without
// any configuration of this machine.
type puller struct {
	repo     *repo.Repo
	root     string // has the policy
	opts     pull.Options
	retry    image.Retry
	progress progress.Func
}

const acceptAll = `{"default":[{"type":"insecureAcceptAnything"}]}`

func newPuller(t testing.TB, r *repo.Repo) *puller {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "etc/containers"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "etc/containers/policy.json"), []byte(acceptAll), 0o644); err != nil {
		t.Fatal(err)
	}
	return &puller{repo: r, root: root, retry: quick}
}

// quick retries as often as by default, but does not wait long.
var quick = image.Retry{Base: time.Millisecond, Max: 20 * time.Millisecond, Stall: 300 * time.Millisecond}

func (p *puller) open(ctx context.Context, name string) (*image.Image, error) {
	ref, err := image.Parse(name)
	if err != nil {
		return nil, err
	}
	return image.Open(ctx, ref, image.Options{
		Root:        p.root,
		PolicyPath:  filepath.Join(p.root, "etc/containers/policy.json"),
		InsecureTLS: true,
		AnyPlatform: true,
		Retry:       p.retry,
		Progress:    p.progress,
		Config:      pull.StoredConfig(p.repo),
	})
}

func (p *puller) pull(ctx context.Context, name, tag string) (*pull.Result, error) {
	img, err := p.open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer img.Close()
	plan, err := pull.NewPlan(ctx, p.repo, img)
	if err != nil {
		return nil, err
	}
	o := p.opts
	o.Tag, o.Progress = tag, p.progress
	return pull.Apply(ctx, p.repo, plan, o)
}

// mustPull pulls and requires success.
func (p *puller) mustPull(t testing.TB, name, tag string) *pull.Result {
	t.Helper()
	res, err := p.pull(t.Context(), name, tag)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// listing is what stands in a repository: of each file its size, of each link
// its target. Directories do not count, for nothing removes an empty one.
func listing(t testing.TB, r *repo.Repo) map[string]any {
	t.Helper()
	all := map[string]any{}
	err := filepath.WalkDir(r.Path(), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(r.Path(), path)
		if err != nil {
			return err
		}
		if e.Type() == fs.ModeSymlink {
			all[name], err = os.Readlink(path)
			return err
		}
		fi, err := e.Info()
		if err != nil {
			return err
		}
		all[name] = fi.Size()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// newObjects lists the objects that are in after and not in before, and fails if
// one vanished.
func newObjects(t testing.TB, before, after map[string]any) map[verity.Digest]int64 {
	t.Helper()
	found := map[verity.Digest]int64{}
	for name, size := range after {
		hex, ok := strings.CutPrefix(name, "objects/")
		if _, old := before[name]; old || !ok {
			continue
		}
		d, err := verity.ParseHex(strings.Replace(hex, "/", "", 1))
		if err != nil {
			t.Fatal(err)
		}
		found[d], _ = size.(int64)
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			t.Errorf("%s is gone", name)
		}
	}
	return found
}

func sameListing(t testing.TB, what string, want, got map[string]any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func fsckClean(t testing.TB, r *repo.Repo) {
	t.Helper()
	rep, err := oci.Fsck(t.Context(), r, "")
	if err != nil {
		t.Fatal(err)
	}
	if !rep.OK() {
		t.Fatalf("the repository is not clean:\n%s", rep)
	}
}

func gc(t testing.TB, r *repo.Repo) repo.GCResult {
	t.Helper()
	res, err := r.GC(context.Background(), repo.GCOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// nothingLeft collects garbage and requires that nothing remains, in a
// repository without tags.
func nothingLeft(t testing.TB, r *repo.Repo) {
	t.Helper()
	gc(t, r)
	sameListing(t, "left behind after gc", listing(t, newRepo(t)), listing(t, r))
}

// sum is the name of the object that holds data.
func sum(data []byte) verity.Digest { return verity.Sum(verity.SHA512, data) }

// files are entries of n random files in a directory of their own below usr.
func files(dir string, seed uint64, n, size int) []registrytest.Entry {
	es := []registrytest.Entry{registrytest.Dir("usr"), registrytest.Dir("usr/" + dir)}
	for i := range n {
		es = append(es, file(dir, seed, i, size))
	}
	return es
}

func file(dir string, seed uint64, i, size int) registrytest.Entry {
	name := "usr/" + dir + "/f" + string(rune('a'+i%26)) + strings.Repeat("x", i/26)
	return registrytest.File(name, registrytest.Random(seed<<20+uint64(i), size+i))
}

// gzLayer is a gzip layer of the entries.
func gzLayer(es ...registrytest.Entry) registrytest.Layer {
	return registrytest.Layer{Entries: es, Compression: registrytest.Gzip}
}

// gets fails unless exactly these digests were asked for, each once, besides
// manifests; and forgets what was asked.
func gets(t testing.TB, reg *registrytest.Registry, want ...string) {
	t.Helper()
	got := map[string]int{}
	for _, q := range reg.Requests("/blobs/") {
		if q.Method == "GET" {
			got[q.Path[strings.LastIndexByte(q.Path, '/')+1:]]++
		}
	}
	exp := map[string]int{}
	for _, d := range want {
		exp[d]++
	}
	if d := cmp.Diff(exp, got); d != "" {
		t.Errorf("blobs fetched (-want +got):\n%s", d)
	}
	reg.Reset()
}
