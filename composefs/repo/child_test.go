package repo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bootc-go/bootc/composefs/verity"
)

// childEnv makes the test binary run one of children instead of the tests.
const childEnv = "REPO_TEST_CHILD"

// children are programs that tests run, kill, and let run beside each other.
var children = map[string]func(path string, seed uint64) error{
	"import":        func(path string, seed uint64) error { return importForever(path, "kept", seed, realKernel()) },
	"import-named":  func(path string, seed uint64) error { return importForever(path, "kept", seed, withoutTmpfile()) },
	"import-victim": func(path string, seed uint64) error { return importForever(path, "victim", seed, realKernel()) },
	"collect":       collectForever,
}

func TestMain(m *testing.M) {
	run, ok := children[os.Getenv(childEnv)]
	if !ok {
		os.Exit(m.Run())
	}
	seed, err := strconv.ParseUint(os.Args[2], 10, 64)
	if err == nil {
		err = run(os.Args[1], seed)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// child starts the test binary again as the program name.
func child(t *testing.T, name, path string, seed uint64) (*exec.Cmd, io.Reader) {
	t.Helper()
	cmd := exec.Command(os.Args[0], path, strconv.FormatUint(seed, 10))
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	mustNil(t, err)
	mustNil(t, cmd.Start())
	return cmd, out
}

// importForever stores one small image after the other, as a pull does, and
// says of each when it is done. Images share objects and layers, so that
// importers get in each other's way.
func importForever(path, prefix string, seed uint64, k kernel) error {
	rng := rand.New(rand.NewPCG(seed, 0))
	for n := 0; ; n++ {
		ref := fmt.Sprintf("%s/%d/%d", prefix, seed, n)
		r, err := open(context.Background(), path, OpenOptions{}, k)
		if err == nil {
			err = importImage(r, rng.Uint64N(50), ref)
		}
		if err != nil {
			return err
		}
		r.Close()
		fmt.Println(ref)
		time.Sleep(time.Duration(rng.IntN(15)) * time.Millisecond) // or no collector would ever be alone
	}
}

// importImage stores the image of that seed, as manifest and two layers, and
// calls it ref.
func importImage(r *Repo, seed uint64, ref string) error {
	im := r.NewImporter()
	manifest := r.NewStream(im, 1)
	defer manifest.Abort()
	for _, layer := range []uint64{seed / 2, 1000 + seed} {
		d, err := importLayer(r, im, layer)
		if err != nil {
			return err
		}
		manifest.AddNamedRef(fmt.Sprint(layer), d)
	}
	d, err := manifest.Commit()
	if err == nil {
		err = r.LinkStream(fmt.Sprint("manifest-", seed), d)
	}
	if err == nil {
		err = r.SetStreamRef(ref, fmt.Sprint("manifest-", seed))
	}
	return err
}

func importLayer(r *Repo, im *Importer, layer uint64) (verity.Digest, error) {
	w := r.NewStream(im, 2)
	defer w.Abort()
	for i := range uint64(10) {
		data := layerFile(layer, i)
		d, err := im.PutReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return d, err
		}
		w.WriteInline([]byte("header"))
		w.WriteExternal(d, int64(len(data)))
	}
	d, err := w.Commit()
	if err == nil {
		err = r.LinkStream(fmt.Sprint("layer-", layer), d)
	}
	return d, err
}

func layerFile(layer, i uint64) []byte {
	size := []int{100, 5000, 30_000, 100_000}[(layer+i)%4]
	if layer%10 == 9 && i == 5 {
		size = smallObject + 1
	}
	return randomBytes(layer%20*100+i, size)
}

// collectForever collects, and now and then takes away a ref.
func collectForever(path string, seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 0))
	for {
		r, err := Open(context.Background(), path, OpenOptions{})
		if err != nil {
			return err
		}
		if refs, err := r.StreamRefs("victim"); err == nil && len(refs) > 0 {
			if _, err := r.RemoveStreamRef(refs[rng.IntN(len(refs))].Name); err != nil {
				return err
			}
		}
		if _, err := r.GC(context.Background(), GCOptions{}); err != nil {
			return err
		}
		r.Close()
		fmt.Println("collected")
		time.Sleep(time.Duration(rng.IntN(3)) * time.Millisecond)
	}
}

// lines collects what a child prints, until it is killed.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) read(rd io.Reader) {
	s := bufio.NewScanner(rd)
	for s.Scan() {
		l.mu.Lock()
		l.all = append(l.all, s.Text())
		l.mu.Unlock()
	}
}

func (l *lines) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all)
}

// TestKilledImporter kills importers at random moments. What they said was
// done must be there, nothing may be damaged, and the next one must go on as
// if nothing had happened.
func TestKilledImporter(t *testing.T) {
	for _, name := range []string{"import", "import-named"} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t, 0)
			path := r.Path()
			r.Close()
			for seed := range uint64(8) {
				cmd, out := child(t, name, path, seed)
				var said lines
				done := make(chan struct{})
				go func() { said.read(out); close(done) }()
				time.Sleep(time.Duration(10+rand.IntN(100)) * time.Millisecond)
				mustNil(t, cmd.Process.Kill())
				<-done
				cmd.Wait()
				r := openRepo(t, path, OpenOptions{})
				check(t, r)
				catRefs(t, r, said.all)
				if seed%3 == 2 {
					gc(t, r)
					if res := gc(t, r); res != (GCResult{}) {
						t.Errorf("the second GC finds %+v", res)
					}
					noLeftovers(t, r)
					check(t, r)
				}
				r.Close()
			}
		})
	}
}

func noLeftovers(t *testing.T, r *Repo) {
	t.Helper()
	for _, f := range files(t, r) {
		if strings.Contains(f, ".tmp") || strings.Contains(f, ".symlink") {
			t.Errorf("left over: %s", f)
		}
	}
}

// catRefs reassembles every layer that the refs lead to.
func catRefs(t *testing.T, r *Repo, refs []string) {
	t.Helper()
	for _, ref := range refs {
		manifest, err := r.OpenStream("refs/" + ref)
		if err != nil {
			t.Errorf("LOST: %v", err)
			continue
		}
		for _, n := range manifest.NamedRefs() {
			s, err := r.OpenStreamObject(n.Digest)
			if err == nil {
				err = s.Cat(io.Discard)
				s.Close()
			}
			if err != nil {
				t.Errorf("LOST: %s, layer %s: %v", ref, n.Name, err)
			}
		}
		manifest.Close()
	}
}

// TestImportersAndCollectors runs them beside each other as separate programs.
// Nothing that an importer has named may be lost.
func TestImportersAndCollectors(t *testing.T) {
	r := newRepo(t, 0)
	path := r.Path()
	r.Close()
	var imported, victims, collected lines
	var wg sync.WaitGroup
	var all []*exec.Cmd
	var died atomic.Bool
	for seed, name := range []string{"import", "import-named", "import-victim", "collect", "collect"} {
		cmd, out := child(t, name, path, uint64(seed))
		all = append(all, cmd)
		said := &imported
		switch name {
		case "collect":
			said = &collected
		case "import-victim":
			said = &victims
		}
		wg.Go(func() { said.read(out); died.Store(true) })
	}
	for deadline := time.Now().Add(30 * time.Minute); (imported.count() < 40 || victims.count() < 10 || collected.count() < 10) && time.Now().Before(deadline) && !died.Load(); {
		time.Sleep(10 * time.Millisecond)
	}
	for _, cmd := range all {
		if err := cmd.Process.Kill(); err != nil {
			t.Errorf("it ended by itself: %v", err)
		}
	}
	wg.Wait()
	for _, cmd := range all {
		cmd.Wait()
	}
	if imported.count() < 40 || collected.count() < 10 {
		t.Errorf("%d images imported, %d collections: they starve each other", imported.count(), collected.count())
	}
	r = openRepo(t, path, OpenOptions{})
	check(t, r)
	catRefs(t, r, imported.all)
	gc(t, r)
	if res := gc(t, r); res != (GCResult{}) {
		t.Errorf("the second GC finds %+v", res)
	}
	noLeftovers(t, r)
	check(t, r)
	catRefs(t, r, imported.all)
}

// TestRandomOperations does whatever comes to mind, and compares with a model
// of what must be there.
func TestRandomOperations(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			r := newRepo(t, 0)
			refs := map[string]bool{}
			for range 50 {
				ref := fmt.Sprintf("dir%d/ref%d", rng.IntN(3), rng.IntN(5))
				switch rng.IntN(6) {
				case 0, 1:
					mustNil(t, importImage(r, rng.Uint64N(20), ref))
					refs[ref] = true
				case 2:
					had, err := r.RemoveStreamRef(ref)
					if err != nil || had != refs[ref] {
						t.Fatalf("RemoveStreamRef: %v, %v; want %v", had, err, refs[ref])
					}
					delete(refs, ref)
				case 3:
					gc(t, r)
					if res := gc(t, r); res != (GCResult{}) {
						t.Fatalf("the second GC finds %+v", res)
					}
					check(t, r)
				case 4:
					put(t, r.NewImporter(), randomBytes(rng.Uint64(), 1000))
				case 5:
					path := r.Path()
					err := r.Close()
					mustNil(t, err)
					r, err = open(t.Context(), path, OpenOptions{}, noSync())
					mustNil(t, err)
					t.Cleanup(func() { r.Close() })
				}
			}
			check(t, r)
			got, err := r.StreamRefs("")
			mustNil(t, err)
			var names []string
			for _, ref := range got {
				names = append(names, ref.Name)
				if !refs[ref.Name] {
					t.Errorf("%s is there", ref.Name)
				}
			}
			if len(names) != len(refs) {
				t.Errorf("refs %v, want %v", names, refs)
			}
			catRefs(t, r, names)
			for _, name := range names {
				if _, err := r.RemoveStreamRef(name); err != nil {
					t.Error(err)
				}
			}
			gc(t, r)
			if left := files(t, r); len(left) != 1 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// TestInitRace: several programs make the repository at once; one of them
// creates it.
func TestInitRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "repo")
	var wg sync.WaitGroup
	var mu sync.Mutex
	creators := 0
	for range 8 {
		wg.Go(func() {
			r, created, err := Init(t.Context(), path, Config{Insecure: true})
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close()
			mu.Lock()
			defer mu.Unlock()
			if created {
				creators++
			}
		})
	}
	wg.Wait()
	if creators != 1 {
		t.Errorf("%d created it", creators)
	}
	_, _, err := Init(t.Context(), path, Config{})
	if err == nil || errors.Is(err, os.ErrExist) {
		t.Errorf("another configuration: %v", err)
	}
}
