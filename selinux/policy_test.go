package selinux

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
)

// To make the fixtures anew, run "go run testdata/generate.go" as root with cfsctl 0.9 in PATH.

// TestLabelsLikeComposefs labels the trees of testdata/labels and compares with
// what composefs-rs made of them.
func TestLabelsLikeComposefs(t *testing.T) {
	names, err := filepath.Glob("testdata/labels/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			checkArchive(t, archive)
		})
	}
}

func checkArchive(t *testing.T, archive *txtar.Archive) {
	policy, files := map[string][]byte{}, map[string][]byte{}
	for _, f := range archive.Files {
		switch f.Name {
		case "files", "labels", "refused":
			files[f.Name] = f.Data
		case "config":
			policy["/etc/selinux/config"] = f.Data
		default:
			policy["/etc/selinux/test/contexts/files/"+f.Name] = f.Data
		}
	}
	p, err := Load(reader(policy))
	if _, refused := files["refused"]; refused {
		if err == nil {
			t.Fatalf("a policy that composefs-rs refuses was accepted")
		}
		if strings.HasPrefix(err.Error(), "/etc/selinux/") {
			return
		}
		t.Fatalf("the error does not name the file: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	root := parseFiles(t, files["labels"])
	if p == nil {
		Strip(root)
	} else if err := p.Relabel(root); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(files["labels"]), formatLabels(root)); diff != "" {
		t.Errorf("labels differ (- composefs-rs, + here):\n%s", diff)
	}
}

// reader is a file system of the given files.
func reader(files map[string][]byte) func(string) ([]byte, bool, error) {
	return func(path string) ([]byte, bool, error) {
		data, ok := files[path]
		return data, ok, nil
	}
}

// policyOf loads a policy of nothing but file_contexts.
func policyOf(t testing.TB, contexts string) *Policy {
	t.Helper()
	p, err := Load(reader(map[string][]byte{
		"/etc/selinux/config":                            []byte("SELINUXTYPE=test\n"),
		"/etc/selinux/test/contexts/files/file_contexts": []byte(contexts),
	}))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var modes = []uint32{unix.S_IFREG, unix.S_IFBLK, unix.S_IFCHR, unix.S_IFDIR, unix.S_IFIFO, unix.S_IFLNK, unix.S_IFSOCK}

// parseFiles makes a tree of lines of file type, quoted path and label. All
// files get a stale label.
func parseFiles(t *testing.T, list []byte) *tree.Node {
	t.Helper()
	root := tree.NewDir(0o755)
	for line := range bytes.Lines(list) {
		code, rest, _ := strings.Cut(string(line), " ")
		path, err := strconv.Unquote(rest[:strings.LastIndexByte(rest, '"')+1])
		if err != nil {
			t.Fatal(err)
		}
		n := &tree.Node{Mode: modes[strings.Index(kindCodes, code)]}
		n.SetXattr(XattrName, []byte("u:object_r:stale_t:s0\x00"))
		if path == "/" {
			continue
		}
		parent := tree.Lookup(root, path[:strings.LastIndexByte(path, '/')])
		parent.SetChild(path[strings.LastIndexByte(path, '/')+1:], n)
	}
	return root
}

func formatLabels(root *tree.Node) string {
	var out strings.Builder
	_ = tree.Walk(root, func(path string, n *tree.Node) error {
		if strings.HasPrefix(path, "/etc/selinux") {
			return nil
		}
		label, ok := n.Xattr(XattrName)
		if !ok {
			label = []byte("-")
		}
		fmt.Fprintf(&out, "%c %q %s\n", kindCodes[kindOf(n.Mode)], path, label)
		return nil
	})
	return out.String()
}

func TestPolicyName(t *testing.T) {
	for _, test := range []struct {
		config, name string
		ok, bad      bool
	}{
		{config: ""},
		{config: "SELINUX=enforcing\n# SELINUXTYPE=no\n"},
		{config: "SELINUXTYPE=targeted", name: "targeted", ok: true},
		{config: "\tSeLinuxType\t=\ttargeted \r\nSELINUXTYPE=b\n", name: "targeted", ok: true},
		{config: "SELINUXTYPE=a\n\xff\n", name: "a", ok: true},
		{config: "\xff\nSELINUXTYPE=a\n", bad: true},
		{config: "SELINUXTYPE=/a//b/./c/\n", name: "a/b/c", ok: true},
		{config: "SELINUXTYPE=\n", ok: true},
		{config: "SELINUXTYPE=./a\n", bad: true},
		{config: "SELINUXTYPE=../../secret\n", bad: true},
		{config: "SELINUXTYPE=a/../../../secret\n", bad: true},
		{config: "ſELINUXTYPE=a\n"},
	} {
		name, ok, err := policyName([]byte(test.config))
		if name != test.name || ok != test.ok || (err != nil) != test.bad {
			t.Errorf("%q: got %q, %v, %v", test.config, name, ok, err)
		}
	}
}

func TestLoadPassesErrorsOn(t *testing.T) {
	broken := errors.New("disk on fire")
	for _, bad := range []string{"config", "file_contexts", "file_contexts.local", "file_contexts.subs_dist"} {
		_, err := Load(func(path string) ([]byte, bool, error) {
			switch filepath.Base(path) {
			case bad:
				return nil, false, broken
			case "config":
				return []byte("SELINUXTYPE=test"), true, nil
			}
			return nil, true, nil
		})
		if !errors.Is(err, broken) {
			t.Errorf("%s: got %v", bad, err)
		}
	}
	if p, err := Load(reader(nil)); p != nil || err != nil {
		t.Errorf("without a configuration: got %v, %v", p, err)
	}
}

func TestHardLinksSplit(t *testing.T) {
	p := policyOf(t, "/.* d\n/a a\n/b b\n/c b\n/n.* <<none>>\n")
	root := tree.NewDir(0o755)
	shared := []tree.Xattr{{Name: "security.capability", Value: []byte{1}}, {Name: "user.x"}}
	file := &tree.Node{Mode: unix.S_IFREG | 0o644, Xattrs: shared}
	other := &tree.Node{Mode: unix.S_IFREG | 0o644, Xattrs: shared}
	for _, name := range []string{"a", "b", "c", "n1", "z1", "z2", "a.also"} {
		root.SetChild(name, file)
	}
	for _, name := range []string{"n2", "n3", "z3"} {
		root.SetChild(name, other)
	}
	tree.SetLinks(root)
	if err := p.Relabel(root); err != nil {
		t.Fatal(err)
	}
	if file.Nlink != 1 || root.Child("z1").Nlink != 1 || other.Nlink != 2 {
		t.Errorf("link counts %d, %d, %d, want 1, 1, 2", file.Nlink, root.Child("z1").Nlink, other.Nlink)
	}
	if root.Child("a") != file {
		t.Error("the first name is another inode")
	}
	// In order: a (label a), a.also, b, c, n1, z1, z2. All later names differ
	// from the first label, so each stands alone.
	seen := map[*tree.Node]string{}
	for _, name := range []string{"a", "a.also", "b", "c", "n1", "z1", "z2"} {
		if twin := seen[root.Child(name)]; twin != "" {
			t.Errorf("%s and %s are one inode", twin, name)
		}
		seen[root.Child(name)] = name
	}
	if root.Child("n2") != other || root.Child("n3") != other || root.Child("z3") == other {
		t.Error("names without a label were split, or not split from one with a label")
	}
	want := map[string]string{"a": "a", "a.also": "d", "b": "b", "c": "b", "n1": "", "n2": "", "z1": "d", "z3": "d"}
	for name, label := range want {
		if got, _ := root.Child(name).Xattr(XattrName); string(got) != label {
			t.Errorf("%s: label %q, want %q", name, got, label)
		}
		if _, ok := root.Child(name).Xattr("user.x"); !ok {
			t.Errorf("%s lost an attribute", name)
		}
	}
	if len(shared) != 2 || shared[1].Name != "user.x" {
		t.Errorf("a list of attributes was written into: %v", shared)
	}
}

func TestStrip(t *testing.T) {
	root := tree.NewDir(0o755)
	dir := tree.NewDir(0o755)
	file := &tree.Node{Mode: unix.S_IFREG}
	root.SetChild("dir", dir)
	dir.SetChild("a", file)
	root.SetChild("b", file)
	for _, n := range []*tree.Node{root, dir, file} {
		n.SetXattr(XattrName, []byte("x"))
		n.SetXattr("user.y", nil)
	}
	Strip(root)
	for _, n := range []*tree.Node{root, dir, file} {
		if len(n.Xattrs) != 1 || n.Xattrs[0].Name != "user.y" {
			t.Errorf("left: %v", n.Xattrs)
		}
	}
}
