package layers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/erofs"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// To make the fixtures anew, run "go run testdata/transform/generate.go
// testdata/transform/cases.go" as root with cfsctl 0.9 in PATH.

// TestTransformsLikeComposefs transforms the trees of testdata/transform and
// compares trees, ids and refusals with those of composefs-rs.
func TestTransformsLikeComposefs(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/transform/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			f := fixture{t: t, files: map[string][]byte{}}
			for _, file := range archive.Files {
				f.files[file.Name] = file.Data
			}
			f.check()
		})
	}
}

type fixture struct {
	t     *testing.T
	files map[string][]byte
}

func (f *fixture) check() {
	refusedAt, _, _ := strings.Cut(string(f.files["refused"]), "\n")
	for _, stage := range []string{"oci", "boot"} {
		root, err := f.transform(stage, verity.SHA512, AllowlistOnly)
		if refusedAt == stage {
			if err == nil {
				f.t.Fatalf("accepted what composefs-rs refuses:\n%s", f.files["refused"])
			}
			return
		}
		if err != nil {
			f.t.Fatal(err)
		}
		if want, ok := f.files[stage]; ok {
			if diff := cmp.Diff(string(want), dump(f.t, root)); diff != "" {
				f.t.Errorf("%s: the tree differs (- composefs-rs, + here):\n%s", stage, diff)
			}
		}
	}
	for line := range strings.Lines(string(f.files["ids"])) {
		f.checkID(strings.Fields(line))
	}
}

// checkID checks one line of ids: algorithm, version, filter, stage, id.
func (f *fixture) checkID(want []string) {
	alg, err := verity.ParseAlgorithm(want[0])
	if err != nil {
		f.t.Fatal(err)
	}
	filter := AllowlistOnly
	if want[2] == KeepUserXattrs.String() {
		filter = KeepUserXattrs
	}
	root, err := f.transform(want[3], alg, filter)
	if err != nil {
		f.t.Fatal(err)
	}
	id, err := erofs.Digest(root, erofs.Options{Algorithm: alg, Version: erofs.Version(want[1][1] - '0')})
	if err != nil {
		f.t.Fatal(err)
	}
	if id.String() != want[4] {
		f.t.Errorf("%v: got id %s", want, id)
	}
}

// transform returns a new tree of the input with the transforms up to stage.
func (f *fixture) transform(stage string, alg verity.Algorithm, filter XattrFilter) (*tree.Node, error) {
	input := f.files["input"]
	if alg == verity.SHA256 {
		for line := range bytes.Lines(f.files["sha256"]) {
			p := bytes.Fields(line)
			input = bytes.ReplaceAll(input, p[0], p[1])
			input = bytes.ReplaceAll(input, payload(p[0]), payload(p[1]))
		}
	}
	root, err := tree.ReadDump(bytes.NewReader(input))
	if err != nil {
		f.t.Fatal(err)
	}
	if err := TransformForOCI(root, filter); err != nil || stage == "oci" {
		return root, err
	}
	return root, TransformForBoot(root, f.open)
}

func payload(digest []byte) []byte { return append(append(digest[:2:2], '/'), digest[2:]...) }

// open finds the object of a file whose digest is of either algorithm.
func (f *fixture) open(n *tree.Node) (io.ReadCloser, error) {
	for line := range strings.Lines(string(f.files["objects"])) {
		name, quoted, _ := strings.Cut(strings.TrimSpace(line), " ")
		data, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, err
		}
		if name == n.File.Payload || verity.Sum(n.File.Digest.Algorithm(), []byte(data)) == n.File.Digest {
			return io.NopCloser(strings.NewReader(data)), nil
		}
	}
	return nil, fmt.Errorf("no object %s in the fixture", n.File.Payload)
}

func dump(t *testing.T, root *tree.Node) string {
	t.Helper()
	var out strings.Builder
	if err := tree.WriteDump(&out, root); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTransformForBootReadsObjects(t *testing.T) {
	t.Parallel()
	external := func(size uint64) *tree.Node {
		return &tree.Node{Mode: unix.S_IFREG | 0o644, File: &tree.File{Size: size, Payload: "ab/cd"}}
	}
	gone := errors.New("object is gone")
	for _, test := range []struct {
		name   string
		size   uint64
		object string
		err    error
		want   string
	}{
		{"good", 9, "SELINUX=x", nil, ""},
		{"gone", 9, "", gone, "/etc/selinux/config: object is gone"},
		{"shorter", 9, "SELINUX", nil, "/etc/selinux/config: its object has 7 bytes instead of 9"},
		{"longer", 9, "SELINUX=longer", nil, "/etc/selinux/config: its object has 10 bytes instead of 9"},
		{"huge", 1 << 60, "", nil, "/etc/selinux/config: too large: 1152921504606846976 bytes, at most 16777216 are read"},
	} {
		root := tree.NewDir(0o755)
		for _, name := range []string{"usr", "boot", "sysroot", "etc"} {
			root.SetChild(name, tree.NewDir(0o755))
		}
		root.Child("etc").SetChild("selinux", tree.NewDir(0o755))
		root.Child("etc").Child("selinux").SetChild("config", external(test.size))
		closed := false
		err := TransformForBoot(root, func(*tree.Node) (io.ReadCloser, error) {
			return &closer{strings.NewReader(test.object), &closed}, test.err
		})
		if got := fmt.Sprint(err); got != test.want && (err != nil || test.want != "") {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
		if errors.Is(err, gone) != (test.err != nil) {
			t.Errorf("%s: the error does not wrap its cause", test.name)
		}
		if !closed && test.err == nil && test.size < 1000 {
			t.Errorf("%s: the object was not closed", test.name)
		}
	}
}

type closer struct {
	io.Reader
	closed *bool
}

func (c *closer) Close() error {
	*c.closed = true
	return nil
}

// What an image loses counts no longer as a name of what stays.
func TestTransformsKeepLinkCounts(t *testing.T) {
	t.Parallel()
	root, file := tree.NewDir(0o755), &tree.Node{Mode: unix.S_IFREG | 0o644}
	for _, path := range []string{"usr", "run", "boot", "sysroot"} {
		deep := tree.NewDir(0o755)
		deep.SetChild("a", file)
		deep.SetChild("b", file)
		dir := tree.NewDir(0o755)
		dir.SetChild("deep", deep)
		root.SetChild(path, dir)
	}
	tree.SetLinks(root)
	if err := TransformForOCI(root, AllowlistOnly); err != nil {
		t.Fatal(err)
	}
	checkLinks(t, root, file, 6)
	if err := TransformForBoot(root, nil); err != nil {
		t.Fatal(err)
	}
	checkLinks(t, root, file, 2)
}

// checkLinks wants the file to have so many links, and all to be as counted anew.
func checkLinks(t *testing.T, root, file *tree.Node, want uint32) {
	t.Helper()
	before := dump(t, root)
	tree.SetLinks(root)
	if diff := cmp.Diff(dump(t, root), before); diff != "" {
		t.Errorf("link counts (-right +got):\n%s", diff)
	}
	if file.Nlink != want {
		t.Errorf("the file has %d links, want %d", file.Nlink, want)
	}
}
