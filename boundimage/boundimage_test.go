package boundimage

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/composefs/tree/scan"
	"github.com/bootc-go/bootc/composefs/treefs"
	"github.com/bootc-go/bootc/composefs/verity"
)

// links are the links below bound-images.d of an image, and files its other files.
type (
	links map[string]string
	files map[string]string
)

// image is an image as bootc reads it: a tree, in which links are resolved.
func image(t *testing.T, l links, f files) fs.FS {
	t.Helper()
	root := t.TempDir()
	put := func(name string, write func(path string) error) {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), write(path)); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range l {
		put(dir+"/"+name, func(path string) error { return os.Symlink(target, path) })
	}
	var lock sync.Mutex
	objects := map[verity.Digest]string{}
	for name, text := range f {
		put(name, func(path string) error { return os.WriteFile(path, []byte(text), 0o600) })
	}
	node, err := scan.Scan(t.Context(), root, scan.Options{
		Store: func(_ context.Context, f *os.File, _ int64, d verity.Digest) error {
			path, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
			lock.Lock()
			defer lock.Unlock()
			objects[d] = path
			return err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return treefs.New(node, func(d verity.Digest) (*os.File, error) { return os.Open(objects[d]) })
}

func TestLoad(t *testing.T) {
	t.Parallel()
	const quadlet = "/usr/share/containers/systemd/"
	for _, c := range []struct {
		name string
		l    links
		f    files
		want []Image
	}{
		{name: "no directory"},
		{
			name: "absolute and relative links, in the order of names",
			l:    links{"b.image": quadlet + "b.image", "a.container": "../../../share/containers/systemd/app.container"},
			f: files{
				quadlet + "b.image":       "[Image]\nImage=quay.io/acme/b:1\n",
				quadlet + "app.container": "[Unit]\nAfter=b\n[Container]\nImage=quay.io/acme/a@sha256:00\n[Install]\n",
			},
			want: []Image{{"a.container", "quay.io/acme/a@sha256:00"}, {"b.image", "quay.io/acme/b:1"}},
		},
		{
			name: "a link that leads above the root stays in it, one through a link too",
			l:    links{"a.image": "../../../../../../../../x/a.image", "b.image": "/x/b.image"},
			f:    files{"x/a.image": "[Image]\nImage=a", "x/b.image": "[Image]\nImage=b"},
			want: []Image{{"a.image", "a"}, {"b.image", "b"}},
		},
		{
			name: "the last assignment counts, comments and continued lines do not",
			l:    links{"a.image": "/a"},
			f:    files{"a": "# Image=no\n\n  [Image]\nImage=first\n; no\nImage = \\\n# between\n  second\nimage=third\n"},
			want: []Image{{"a.image", "second"}},
		},
		{
			name: "an escaped percent sign",
			l:    links{"a.image": "/a"},
			f:    files{"a": "[Image]\nImage=%%a%%%%b%%"},
			want: []Image{{"a.image", "%a%%b%"}},
		},
		{
			name: "the credentials of another section",
			l:    links{"a.container": "/a"},
			f:    files{"a": "[Image]\nAuthFile=x\n[Container]\nImage=a"},
			want: []Image{{"a.container", "a"}},
		},
	} {
		got, err := Load(image(t, c.l, c.f))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"Image=a", `:1: "Image=a" stands before the first section`},
		{"[Image\nImage=a", `:1: no name of a section: "[Image"`},
		{"[Image] x\nImage=a", `:1: no name of a section`},
		{"[]\n", ":1: no name of a section"},
		{"[Image]\n\nImage", `:3: no assignment: "Image"`},
		{"[Image]\n=a", ":2: no assignment"},
		{"[Image]\nImage=a\nImage=", ": there is no Image= in the section [Image]"},
		{"[Container]\nImage=a", ": there is no Image= in the section [Image]"},
		{"", ": there is no Image="},
		{"[Image]\nImage=a\nAuthFile=/run/x", ":3: AuthFile is not supported"},
		{"[Image]\nImage=quay.io/%H/a", ":2: Image=quay.io/%H/a: specifiers of systemd are not supported"},
		{"[Image]\nImage=%%%a", "specifiers"},
		{"[Image]\nImage=a%", ":2: Image=a%: ends in a single %"},
		{"[Image]\nImage=a b", "blanks"},
		{"[Image]\nImage=\\\n a \\\n b", ":2: Image=a  b: has blanks"},
		{"[Image]\nImage=\"a\"", "quotes"},
		{"[Image]\nImage=a \\ ", ":2: "},
		{"[Image]\nImage=--all", "option"},
		{"[Image]\nImage=other.image", "another Quadlet file"},
		{"[Image]\nImage=a\x00", "no text"},
		{"[Image]\nImage=\xff", "no text"},
		{"[Image]\nImage=a\n#" + strings.Repeat("x", maxSize), "more than 65536 bytes"},
	} {
		got, err := Load(image(t, links{"x.image": "/x"}, files{"x": c.text}))
		const name = `cannot read the bound images of the image: "/usr/lib/bootc/bound-images.d/x.image":`
		if err == nil || !strings.HasPrefix(err.Error(), name) || !strings.Contains(err.Error(), c.want) || got != nil {
			t.Errorf("%.60q: %v, %v; want %q", c.text, got, err, c.want)
		}
	}
}

// TestLoadReportsEveryFile has one file for every way in which it is none.
func TestLoadReportsEveryFile(t *testing.T) {
	t.Parallel()
	f := image(t,
		links{"dangling.image": "/nowhere", "loop.image": "loop.image", "dir.image": "/usr", "x.conf": "/good", "good.image": "/good"},
		files{"good": "[Image]\nImage=a", dir + "/file.image": "[Image]\nImage=a", dir + "/sub.image/x": ""})
	_, err := Load(f)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`dangling.image": `, `loop.image": `, `dir.image": does not lead to a regular file`,
		`x.conf": the name ends in neither .image nor .container`, `file.image": is not a symbolic link`,
		`sub.image": is not a symbolic link`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "good.image") {
		t.Errorf("good.image is good: %v", err)
	}
}

func TestLoadCannotRead(t *testing.T) {
	t.Parallel()
	if _, err := Load(fstest.MapFS{dir: {}}); err == nil {
		t.Error("no error for a file called bound-images.d")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("[Image]\nImage=a\\\n b\n#\n;\n")
	f.Add("[Container]\nImage=%%a")
	f.Fuzz(func(t *testing.T, text string) {
		u, err := parse(text)
		if err != nil {
			return
		}
		ref, err := u.reference("Image")
		if err == nil && (ref == "" || strings.ContainsAny(ref, " \t\n\\\"'")) {
			t.Fatalf("%q: %q", text, ref)
		}
	})
}
