package etcmerge

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/internal/testtool"
)

// specs makes a triple of specs of directories, and of what must come out.
func specs(pristine, current, new, want spec) triple {
	return triple{pristine.parse(pristineTime), current.parse(currentTime), new.parse(newTime), want.parse(newTime)}
}

// TestSpecialFiles merges files that are not like others.
func TestSpecialFiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                         string
		pristine, current, new, want spec
	}{
		{"the machine keeps its id, even one from the image", "{machine-id:A}", "{machine-id:A}", "{machine-id:B}", "{machine-id:>A}"},
		{"and gets one if it has none", "{}", "{}", "{machine-id:B}", "{machine-id:B}"},
		{"but not below another directory", "{d:{machine-id:A}}", "{d:{machine-id:A}}", "{d:{machine-id:B}}", "{d:{machine-id:B}}"},
		{"the stamp of the image goes", "{}", "{}", "{.updated:A x:A}", "{x:A}"},
		{"the stamp of the host goes", "{x:A}", "{.updated:A x:A}", "{x:B}", "{x:B}"},
		{"both stamps go", "{.updated:A}", "{.updated:B}", "{.updated:A}", "{}"},
		{"a file of that name below is one as any", "{d:{.updated:A}}", "{d:{.updated:B}}", "{d:{}}", "{d:{.updated:>B}}"},
		{"what an interrupted merge left goes", "{}", "{.bootc-etcmerge:{x:A}}", "{.bootc-etcmerge:A}", "{}"},
		{"sockets are kept", "{}", "{s:S}", "{}", "{s:>S}"},
		{"a file takes the place of a socket", "{s:S}", "{s:S}", "{s:A}", "{s:A}"},
		{"a new label alone is no change, and that of the image arrives", "{x:A^a}", "{x:A^b}", "{x:B^c}", "{x:B^c}"},
		{"a changed file gets the label of the new policy", "{x:A^a}", "{x:B^a}", "{x:A^c}", "{x:>B^c}"},
		{"unless it was given another one here", "{x:A^a}", "{x:B^b}", "{x:A^c}", "{x:>B^b}"},
		{"a file that lost its label gets the new one", "{x:A^a}", "{x:B}", "{x:A^c}", "{x:>B^c}"},
		{"and goes without if the new image has no labels", "{x:A^a}", "{x:B^a}", "{x:A}", "{x:>B}"},
		{"a file that only this host has keeps its label", "{}", "{x:A^h}", "{}", "{x:>A^h}"},
		{"one that both added gets the image's", "{}", "{x:A^h}", "{x:B^c}", "{x:>A^c}"},
		{"so do directories", "{d:{}^a}", "{d:!{}^a}", "{d:{}^c}", "{d:>!{}^c}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := onDisk(t, specs(c.pristine, c.current, c.new, c.want))
			apply(t, d)
			sameListing(t, "merged", d.want, d.new)
		})
	}
}

// shell runs a script in a directory, with the state's name as $1.
func shell(t *testing.T, dir, script string) {
	t.Helper()
	for _, tool := range []string{"setfacl", "setfattr", "setcap"} {
		if strings.Contains(script, tool) {
			testtool.Path(t, tool)
		}
	}
	cmd := exec.Command("sh", "-euc", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v (this test needs root): %s", script, err, out)
	}
}

// TestAttributes changes attributes with the tools that administrators use.
func TestAttributes(t *testing.T) {
	t.Parallel()
	const base = `mkdir d d/sub; echo a >f; echo b >d/g; echo c >suid; ln -s f link; touch -h -d @1000 f d/g suid link d/sub d .`
	for _, c := range []struct{ name, base, change string }{
		{"access control lists", ``, `setfacl -m u:1234:rw,g:55:r f; setfacl -m d:u:77:rwx,u:77:rx d; setfacl -m u:3:r d/g`},
		{"an access control list removed", `setfacl -m u:1234:rw f; setfacl -m d:u:7:rwx d`, `setfacl -b f; setfacl -b d`},
		{"defaults of /etc itself", `setfacl -d -m u:99:rwx .`, `setfacl -b f; echo z >z; setfacl -b z; mkdir e; setfacl -b e; chmod 755 e; chmod 644 z f`},
		{"set-id, sticky and odd modes", ``, `chmod 4755 suid; chown 12:34 suid; chmod 6711 suid; chmod 1777 d; chmod 000 f; chmod 2755 d/sub`},
		{"owners of links and directories", ``, `chown -h 5:6 link; chown 7:8 d/sub; chown 9:10 .; chmod 711 .`},
		{"extended attributes", `setfattr -n user.old -v 1 f; setfattr -n user.old -v 1 d`, `setfattr -x user.old f; setfattr -x user.old d; setfattr -n user.new -v 2 f; setfattr -n trusted.t -v 3 d; setfattr -h -n trusted.l -v 4 link; setfattr -n user.empty f`},
		{"capabilities", ``, `setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 f; chown 3:4 d/g; setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 d/g`},
		{"holes and big files", ``, `truncate -s 3M f; dd if=/dev/urandom of=d/g bs=1k count=900 2>/dev/null; truncate -s 0 suid`},
		{"times to the nanosecond, and before 1970", ``, `echo n >f; touch -d '2001-02-03 04:05:06.789012345' f; echo o >d/new; touch -d @-5.25 d/new`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			d := dirs{filepath.Join(root, "p"), filepath.Join(root, "c"), filepath.Join(root, "n"), filepath.Join(root, "c")}
			for _, path := range []string{d.pristine, d.current, d.new} {
				must(t, os.Mkdir(path, 0o755))
				shell(t, path, base+";"+c.base)
			}
			shell(t, d.current, c.change)
			plan := apply(t, d)
			if plan.Local.Empty() {
				t.Error("no local change is seen")
			}
			// Times are local where something changed, and those of new elsewhere.
			sameListing(t, "merged with an unchanged image", timeless(t, d.want), timeless(t, d.new))
			for _, ch := range append(plan.Local.Added, plan.Local.Modified...) {
				var a, b unix.Stat_t
				must(t, unix.Lstat(filepath.Join(d.current, ch.Path), &a))
				must(t, unix.Lstat(filepath.Join(d.new, ch.Path), &b))
				if a.Mtim != b.Mtim {
					t.Errorf("%s: the time is %v and not %v", ch.Path, b.Mtim, a.Mtim)
				}
			}
		})
	}
}

// timeless is a copy of a directory in which all times are one.
func timeless(t *testing.T, dir string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "copy")
	if msg, err := exec.Command("cp", "-a", dir, out).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, msg)
	}
	shell(t, out, `find . -exec touch -h -d @0 {} +`)
	return out
}

// TestHardLinks keeps names of one inode together, and takes apart what was
// taken apart here.
func TestHardLinks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, pristine, current, new, want string }{
		{
			"changed through one name", `echo a >a; ln a b; ln a c`, `echo changed >b`, ``,
			`echo changed >a; ln a b; ln a c`,
		},
		{
			"one name replaced", `echo a >a; ln a b; ln a c`, `rm b; echo own >b`, ``,
			`echo a >a; ln a c; echo own >b`,
		},
		{
			"added, in several directories", `mkdir d`, `echo x >y; ln y d/z; ln y x; ln -P d/z d/zz`, `mkdir e`,
			`mkdir d e; echo x >y; ln y d/z; ln y x; ln y d/zz`,
		},
		{
			"another name of a file of the image", `echo a >m`, `ln m a; ln m z`, ``,
			`echo a >m; ln m a; ln m z`,
		},
		{
			"another name of a file that the image changes", `echo a >m`, `ln m a; ln m z`, `echo new >m`,
			`echo new >m; echo a >a; ln a z`,
		},
		{
			"links of the image", `echo a >a; echo a >b`, `:`, `rm b; ln a b`,
			`echo a >a; ln a b`,
		},
		{
			"of symbolic links and fifos", `:`, `ln -s t a; ln -P a b; mkfifo f; ln f g`, ``,
			`ln -s t a; ln -P a b; mkfifo f; ln f g`,
		},
		{
			"of account files", `echo root:x:0:0::/:/bin/sh >passwd; ln passwd copy`, `echo ann:x:7:0::/:/bin/sh >>passwd`, `echo svc:x:8:0::/:/bin/sh >>passwd; mkdir x`,
			`echo root:x:0:0::/:/bin/sh >copy; echo ann:x:7:0::/:/bin/sh >>copy; cp copy passwd; echo svc:x:8:0::/:/bin/sh >>passwd; mkdir x`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			d := dirs{filepath.Join(root, "p"), filepath.Join(root, "c"), filepath.Join(root, "n"), filepath.Join(root, "w")}
			for path, script := range map[string]string{d.pristine: c.pristine, d.current: c.pristine + ";" + c.current, d.new: c.pristine + ";" + c.new, d.want: c.want} {
				must(t, os.Mkdir(path, 0o755))
				shell(t, path, strings.TrimSuffix(script, ";"))
				shell(t, path, `find . -exec touch -h -d @0 {} +`)
			}
			apply(t, d)
			sameListing(t, "merged", d.want, timeless(t, d.new))
		})
	}
}

// TestHostileNames merges names that are hard to write down, and a path longer
// than the kernel takes in one piece.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	x := newTriple()
	long := strings.Repeat("x", 255)
	for _, name := range []string{"new\nline", "\xff\xfe", "-rf", " ", "a'b\"c", "\\", "\x01\x7f", long, "*", "$(touch x)", "..."} {
		x.set(name, nil, spec("A").parse(currentTime), nil, spec("A").parse(currentTime))
		x.set(name+"2"[:min(1, 255-len(name))], nil, spec("{f:A}").parse(currentTime), nil, spec("{f:A}").parse(currentTime))
	}
	deep := func(mtime int64, leaf spec) *tree.Node {
		n := leaf.parse(mtime)
		for range 20 {
			d := spec("{}").parse(mtime)
			d.SetChild(long, n)
			n = d
		}
		return n
	}
	x.set("deep", deep(pristineTime, "{f:A}"), deep(currentTime, "{f:B}"), deep(newTime, "{f:A g:C}"), nil)
	base := t.TempDir()
	d := dirs{filepath.Join(base, "p"), filepath.Join(base, "c"), filepath.Join(base, "n"), filepath.Join(base, "w")}
	for path, n := range map[string]*tree.Node{d.pristine: x.pristine, d.current: x.current, d.new: x.new, d.want: x.want} {
		deepPart := n.Child("deep")
		n.RemoveChild("deep")
		materialize(t, path, n)
		if deepPart != nil {
			makeDeep(t, path, deepPart)
		}
		stamp(t, path, n.Mtime)
	}
	apply(t, d)
	shell(t, d.new, `cd deep; i=0; while [ $i -lt 20 ]; do cd -P x*; i=$((i + 1)); done; test "$(cat f g)" = BC; rm f g`)
	shell(t, d.new, `rm -r deep`)
	stamp(t, d.new, x.want.Mtime)
	sameListing(t, "merged", d.want, d.new)
}

// makeDeep makes a chain of directories whose path is too long to be named.
func makeDeep(t *testing.T, dir string, n *tree.Node) {
	t.Helper()
	var script bytes.Buffer
	script.WriteString("mkdir deep; cd deep\n")
	for n.Len() == 1 && n.Child(n.Names()[0]).IsDir() {
		script.WriteString("mkdir " + n.Names()[0] + "; cd -P " + n.Names()[0] + "\n")
		n = n.Child(n.Names()[0])
	}
	for name, f := range n.Children() {
		script.WriteString("printf %s " + string(f.File.Inline) + " >" + name + "\n")
	}
	shell(t, dir, script.String())
}

// TestScenario holds the directory that the crash tests make against the tools.
func TestScenario(t *testing.T) {
	t.Parallel()
	d := onDisk(t, scenario())
	apply(t, d)
	sameListing(t, "merged", d.want, d.new)
}
