package etcmerge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/internal/testtool"
)

// changes is a diff with every kind of change.
func changes(t *testing.T) *Diff {
	t.Helper()
	p := spec(`{a:A b:{f:A} c:A d:L e:D gone:{f:A} conf:A type:A own:A .updated:A}`).parse(1)
	c := spec(`{a:B b:!{f:A* new:{x:A y:L}} c:A^x d:M e:D type:{z:A} conf:B own:A}`).parse(2)
	n := spec(`{a:C b:{f:A} conf:{f:A}}`).parse(3)
	c.Child("own").UID = 7
	c.SetChild("odd\n\xff\"", spec("A").parse(2))
	plan, err := NewPlan(p, c, n)
	must(t, err)
	return &plan.Local
}

func TestText(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	must(t, changes(t).WriteText(&out))
	want := `Added "b/new"
Added "b/new/x"
Added "b/new/y"
Added "odd\n\xff\""
Added "type/z"
Modified "a"
Modified "b"
Modified "b/f"
Modified "conf"
Modified "d"
Modified "own"
Modified "type"
Removed "gone"
Unmergable File 'conf' now defaults to a directory in new etc
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	got, err := json.MarshalIndent(changes(t), "", " ")
	must(t, err)
	want := `{
 "added": [
  {"path": "b/new"},
  {"path": "b/new/x"},
  {"path": "b/new/y"},
  {"path": "odd\n\ufffd\"", "pathBytes": "b2RkCv8i"},
  {"path": "type/z"}
 ],
 "modified": [
  {"path": "a", "what": ["content"]},
  {"path": "b", "what": ["mode"]},
  {"path": "b/f", "what": ["xattrs"]},
  {"path": "conf", "what": ["content"]},
  {"path": "d", "what": ["target"]},
  {"path": "own", "what": ["owner"]},
  {"path": "type", "what": ["type", "mode"]}
 ],
 "removed": [
  {"path": "gone"}
 ],
 "unmergable": [
  {"path": "conf", "reason": "File 'conf' now defaults to a directory in new etc"}
 ]
}`
	if d := cmp.Diff(decode(t, []byte(want)), decode(t, got)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if none, err := json.Marshal(&Diff{}); err != nil || string(none) != `{"added":[],"modified":[],"removed":[],"unmergable":[]}` {
		t.Errorf("no change: %s, %v", none, err)
	}
}

func decode(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	must(t, json.Unmarshal(data, &v))
	return v
}

// TestPatch pins what a patch looks like.
func TestPatch(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	p, c := filepath.Join(root, "p"), filepath.Join(root, "c")
	shell(t, root, `mkdir p c; cd p
printf '1\n2\n3\n4\n5\n6\n7\n8\n9\n' >numbers; printf 'one\n' >open; printf 'a\0b' >binary; echo old >gone; echo s >shadow
mkdir keys; echo k >keys/k; ln -s x link; echo m >mode; echo t >type; head -c 2000000 /dev/zero | tr '\0' '\n' >large
cp -a . ../c; cd ../c
sed -i s/5/five/ numbers; printf 'two' >open; printf 'a\0c' >binary; rm gone; echo s2 >shadow; chmod 640 shadow
chmod 700 keys; echo k2 >keys/k; ln -sfn y link; chmod 755 mode; rm type; ln -s z type; echo >>large
echo "with space" >"a file"; echo "ümlaut" >"ü"; touch empty; mkdir dir`)
	want := `# + a\x20file
--- /dev/null
+++ "b/etc/a\040file"
@@ -0,0 +1 @@
+with space
# ~ binary (content)
Binary files a/etc/binary and b/etc/binary differ
# + dir
# + empty
# - gone
--- a/etc/gone
+++ /dev/null
@@ -1 +0,0 @@
-old
# ~ keys (mode 755 -> 700)
# ~ keys/k (size 2 -> 3)
# its content is not shown: not everyone may read it
# ~ large (size 2000000 -> 2000001)
# its content is not shown: it is large
# ~ link (target "x" -> "y")
# ~ mode (mode 644 -> 755)
# ~ numbers (size 18 -> 21)
--- a/etc/numbers
+++ b/etc/numbers
@@ -2,7 +2,7 @@
 2
 3
 4
-5
+five
 6
 7
 8
# ~ open (size 4 -> 3)
--- a/etc/open
+++ b/etc/open
@@ -1 +1 @@
-one
+two
\ No newline at end of file
# ~ shadow (mode 644 -> 640, size 2 -> 3)
# its content is not shown: not everyone may read it
# ~ type (file -> symbolic link)
--- a/etc/type
+++ /dev/null
@@ -1 +0,0 @@
-t
# + \xc3\xbc
--- /dev/null
+++ "b/etc/\303\274"
@@ -0,0 +1 @@
+ümlaut
`
	got := patchOf(t, p, c, PatchOptions{})
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if private := patchOf(t, p, c, PatchOptions{Private: true}); !strings.Contains(private, "+s2\n") || !strings.Contains(private, "+k2\n") {
		t.Errorf("private files are not shown: %s", private)
	}
}

func patchOf(t *testing.T, p, c string, o PatchOptions) string {
	t.Helper()
	var roots [2]*tree.Node
	for i, path := range []string{p, c} {
		root, err := Scan(t.Context(), path, verity.SHA256)
		must(t, err)
		roots[i] = root
	}
	d, err := Compare(roots[0], roots[1])
	must(t, err)
	var out bytes.Buffer
	must(t, d.WritePatch(&out, DirOpener(open(t, p)), DirOpener(open(t, c)), o))
	return out.String()
}

// TestGitAppliesPatches lets git make the changed files of the pristine ones.
func TestGitAppliesPatches(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	p, c := filepath.Join(root, "p", "etc"), filepath.Join(root, "c", "etc")
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 60 {
		name := fmt.Sprintf("d%d/file %d ö\t", i%3, i)
		text := lines(r)
		if i%7 > 0 {
			put(t, p, name, text)
		}
		if i%7 != 1 {
			put(t, c, name, edit(r, text))
		}
	}
	patch := filepath.Join(root, "patch")
	must(t, os.WriteFile(patch, []byte(patchOf(t, p, c, PatchOptions{})), 0o600))
	cmd := exec.Command(testtool.Path(t, "git"), "apply", "--whitespace=nowarn", patch)
	cmd.Dir = filepath.Dir(p)
	if out, err := cmd.CombinedOutput(); err != nil {
		text, _ := os.ReadFile(patch)
		t.Fatalf("git: %v: %s\n%s", err, out, text)
	}
	if out, err := exec.Command(testtool.Path(t, "diff"), "-r", p, c).CombinedOutput(); err != nil {
		t.Errorf("the files differ: %s", out)
	}
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(text), 0o644))
}

func lines(r *rand.Rand) string {
	var out strings.Builder
	for range 1 + r.IntN(60) {
		out.WriteString([]string{"a", "b", "", "- x", "--- y", "\xff", "+++ z", "@@ -1 +1 @@", "\\"}[r.IntN(9)] + "\n")
	}
	return out.String()
}

// edit changes some lines, and now and then the newline at the end.
func edit(r *rand.Rand, text string) string {
	all := strings.SplitAfter(text, "\n")
	for range r.IntN(5) {
		i := r.IntN(len(all))
		all[i] = []string{"", "changed\n", all[i] + "more\n"}[r.IntN(3)]
	}
	out := strings.Join(all, "") + "last"
	if r.IntN(2) == 0 {
		out += "\n"
	}
	return out
}
