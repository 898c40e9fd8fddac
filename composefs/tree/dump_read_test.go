package tree

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/testtool"
)

const (
	rootLine = "/ 0 40755 2 0 0 0 0.0 - - -\n"
	digest   = "35d02f81325122d77ec1d11baba655bc9bf8a891ab26119a41c50fa03ddfb408"
)

func TestReadDumpFields(t *testing.T) {
	root, err := ReadDump(strings.NewReader(rootLine +
		`/a\x20b 9007199254740992 104755 2 1 4294967295 0 -7.999999999 35/d0 - ` + digest + ` user.b=x\x3d= user.a=` + "\n" +
		`/inline 3 100644 1 0 0 0 1.5 - \x2d\n= -` + "\n" +
		`/minus 1 100644 1 0 0 0 1.5 - \x2d -` + "\n" +
		`/tty 0 20620 1 0 5 1025 0.0 - - -` + "\n" +
		`/link 99 120777 1 0 0 0 0.0 ../\\a - -` + "\n" +
		`/hard 0 @120000 - - - - 0.0 /a\x20b`)) // the final newline may lack
	if err != nil {
		t.Fatal(err)
	}
	a := root.Child("a b")
	if a.Mode != 0o104755 || a.Nlink != 2 || a.UID != 1 || a.GID != 1<<32-1 || a.Mtime != (Time{-7, 999_999_999}) {
		t.Errorf("attributes: %+v", a)
	}
	if a.File.Size != 1<<53 || a.File.Payload != "35/d0" || a.File.Digest.String() != digest {
		t.Errorf("file: %+v", a.File)
	}
	if v, ok := a.Xattr("user.b"); len(a.Xattrs) != 2 || !ok || string(v) != "x==" || a.Xattrs[0].Name != "user.a" {
		t.Errorf("xattrs: %q", a.Xattrs)
	}
	if c := root.Child("inline").File; string(c.Inline) != "-\n=" || c.Size != 3 {
		t.Errorf("inline: %+v", c)
	}
	if c := root.Child("minus").File; string(c.Inline) != "-" {
		t.Errorf("minus: %+v", c)
	}
	if root.Child("tty").Rdev != 1025 || root.Child("link").Target != `../\a` || root.Child("hard") != a {
		t.Error("device, link or hard link is wrong")
	}
}

// badDumps are what ReadDump refuses, with a part of the error. Where
// mkcomposefs accepts it, because says why we do not.
var badDumps = []struct{ name, dump, want, because string }{
	{"nothing", "", "no files", ""},
	{"empty line", rootLine + "\n", "line 2: path", ""},
	{"root is a file", "/ 0 100644 1 0 0 0 0.0 - - -\n", "line 1", ""},
	{"two roots", rootLine + rootLine, "line 2", ""},
	{"no root", "/a 0 100644 1 0 0 0 0.0 - - -\n", "before the root", ""},
	{"no parent", rootLine + "/a/b 0 100644 1 0 0 0 0.0 - - -\n", `its directory "/a" is missing`, ""},
	{"parent is a file", rootLine + "/a 0 100644 1 0 0 0 0.0 - - -\n/a/b 0 100644 1 0 0 0 0.0 - - -\n", `"/a" is not a directory`, ""},
	{"parent is a hard link", rootLine + "/a 0 @100644 1 0 0 0 0.0 /c - -\n/a/b 0 100644 1 0 0 0 0.0 - - -\n", `"/a" is not a directory`, ""},
	{"twice", rootLine + "/a 0 100644 1 0 0 0 0.0 - - -\n/a 0 100644 1 0 0 0 0.0 - - -\n", "line 3", ""},
	{"twice, one a hard link", rootLine + "/a 0 100644 1 0 0 0 0.0 - - -\n/a 0 @100644 1 0 0 0 0.0 /a - -\n", "line 3", ""},
	{"dot", rootLine + "/. 0 100644 1 0 0 0 0.0 - - -\n", `"."`, ""},
	{"parent", rootLine + "/.. 0 100644 1 0 0 0 0.0 - - -\n", `".."`, ""},
	{"parent inside", rootLine + "/a 0 40755 1 0 0 0 0.0 - - -\n/a/../b 0 100644 1 0 0 0 0.0 - - -\n", `".."`, ""},
	{"trailing slash", rootLine + "/a 0 40755 1 0 0 0 0.0 - - -\n/a/ 0 40755 1 0 0 0 0.0 - - -\n", "empty name", ""},
	{"long name", rootLine + "/" + strings.Repeat("a", 256) + " 0 100644 1 0 0 0 0.0 - - -\n", "255", ""},
	{"NUL in the line", rootLine + "/a\x00 0 100644 1 0 0 0 0.0 - - -\n", "NUL", ""},
	{"no type", rootLine + "/a 0 644 1 0 0 0 0.0 - - -\n", "type", ""},
	{"no mode", rootLine + "/a 0  1 0 0 0 0.0 - - -\n", "mode", ""},
	{"mode is not octal", rootLine + "/a 0 100648 1 0 0 0 0.0 - - -\n", "mode", ""},
	{"size is no number", rootLine + "/a x 100644 1 0 0 0 0.0 - - -\n", "size", ""},
	{"no fraction", rootLine + "/a 0 100644 1 0 0 0 0 - - -\n", "mtime", ""},
	{"only a path", rootLine + "/a\n", "missing", ""},
	{"bad escape", rootLine + "/a 0 100644 1 0 0 0 0.0 - \\q -\n", "escape", ""},
	{"short escape", rootLine + "/a 0 100644 1 0 0 0 0.0 - \\x1 -\n", "hexadecimal", ""},
	{"backslash at the end", rootLine + "/a\\ 0 100644 1 0 0 0 0.0 - x -\n", "backslash", ""},
	{"content too short", rootLine + "/a 5 100644 1 0 0 0 0.0 - abcd -\n", "4 bytes of content", ""},
	{"content too long", rootLine + "/a 5001 100644 1 0 0 0 0.0 - " + strings.Repeat("x", 5001) + " -\n", "5000", ""},
	{"link without target", rootLine + "/a 0 120777 1 0 0 0 0.0 - - -\n", "target", ""},
	{"target too long", rootLine + "/a 0 120777 1 0 0 0 0.0 " + strings.Repeat("x", 4096) + " - -\n", "4095", ""},
	{"file too big", rootLine + "/a 9007199254740993 100644 1 0 0 0 0.0 - - -\n", "2^53", ""},
	{"hard link to itself", rootLine + "/a 0 @100644 1 0 0 0 0.0 /a - -\n", "line 2: hard link to itself", ""},
	{"hard link to nothing", rootLine + "/a 0 @100644 1 0 0 0 0.0 /b - -\n", "line 2", ""},
	{"hard link without target", rootLine + "/a 0 @100644 1 0 0 0 0.0 - - -\n", "target", ""},
	{"hard link of a directory", rootLine + "/a 0 @40755 1 0 0 0 0.0 /b - -\n", "mode", ""},
	{"xattr without value", rootLine + "/a 0 100644 1 0 0 0 0.0 - - - user.x\n", "equals", ""},
	{"xattr without name", rootLine + "/a 0 100644 1 0 0 0 0.0 - - - =x\n", "0 bytes", ""},
	{"xattr with a long name", rootLine + "/a 0 100644 1 0 0 0 0.0 - - - user." + strings.Repeat("x", 251) + "=x\n", "255", ""},
	{"xattrs too large", rootLine + "/a 0 100644 1 0 0 0 0.0 - - - user.x=" + strings.Repeat("x", 32767-6-7-12+1) + "\n", "32768", ""},
	{"xattrs as text too large", rootLine + "/a 0 100644 1 0 0 0 0.0 - - - user.x=" + strings.Repeat("\\x00", 16500) + "\n", "65535", ""},

	{"links in a circle", rootLine + "/a 0 @100644 1 0 0 0 0.0 /b - -\n/b 0 @100644 1 0 0 0 0.0 /a - -\n", "itself", ""},
	{"hard link to a directory", rootLine + "/d 0 40755 2 0 0 0 0.0 - - -\n/a 0 @100644 1 0 0 0 0.0 /d - -\n", "directory", "it makes a directory with two names"},
	{"relative path", rootLine + "a 0 100644 1 0 0 0 0.0 - - -\n", "absolute", "composefs-rs refuses"},
	{"two slashes", rootLine + "//a 0 100644 1 0 0 0 0.0 - - -\n", "empty name", "composefs-rs refuses"},
	{"NUL in a path", rootLine + "/a\\x00b 0 100644 1 0 0 0 0.0 - - -\n", "NUL", "it cuts the name"},
	{"NUL in a target", rootLine + "/a 0 120777 1 0 0 0 0.0 a\\x00b - -\n", "NUL", "it cuts the target"},
	{"NUL in a payload", rootLine + "/a 9 100644 1 0 0 0 0.0 a\\x00b - -\n", "NUL", "it cuts the payload"},
	{"NUL in an xattr name", rootLine + "/a 0 100644 1 0 0 0 0.0 - - - a\\x00b=x\n", "NUL", "it cuts the name"},
	{"fields are missing", rootLine + "/a 0 100644 1 0 0 0 0.0\n", "missing", "composefs-rs refuses"},
	{"gid is no number", rootLine + "/a 0 100644 1 1 x 0 0.0 - - -\n", "gid", "it takes 0"},
	{"uid is too large", rootLine + "/a 0 100644 1 4294967296 0 0 0.0 - - -\n", "uid", "it takes the lower 32 bits"},
	{"a sign", rootLine + "/a 0 100644 1 -1 0 0 0.0 - - -\n", "uid", "it takes 2^32-1"},
	{"nanoseconds", rootLine + "/a 0 100644 1 0 0 0 0.1000000000 - - -\n", "mtime", "more than a second"},
	{"device number of a file", rootLine + "/a 0 100644 1 0 0 5 0.0 - - -\n", "device number", "composefs-rs refuses"},
	{"size of a fifo", rootLine + "/a 5 10644 1 0 0 0 0.0 - - -\n", "size", "composefs-rs ignores it, mkcomposefs may make a longer inode"},
	{"content of a directory", rootLine + "/a 1 40755 1 0 0 0 0.0 - x -\n", "no regular file", "composefs-rs refuses"},
	{"payload of a fifo", rootLine + "/a 0 10644 1 0 0 0 0.0 x - -\n", "payload", "it has no meaning"},
	{"content and payload", rootLine + "/a 1 100644 1 0 0 0 0.0 35/d0 x -\n", "both", "composefs-rs prefers the payload, mkcomposefs the content"},
	{"short digest", rootLine + "/a 9 100644 1 0 0 0 0.0 35/d0 - 35d0\n", "digest", "it takes what is in memory for the rest"},
	{"xattr twice", rootLine + "/a 0 100644 1 0 0 0 0.0 - - - user.x=1 user.x=2\n", "twice", "it takes the last"},
	{"trailing space", rootLine + "/a 0 100644 1 0 0 0 0.0 - - - \n", "equals", "composefs-rs refuses"},
}

func TestReadDumpRefuses(t *testing.T) {
	for _, c := range badDumps {
		_, err := ReadDump(strings.NewReader(c.dump))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one about %s", c.name, err, c.want)
		}
	}
}

// TestMkcomposefsAgrees keeps the list above honest.
func TestMkcomposefsAgrees(t *testing.T) {
	in := filepath.Join(t.TempDir(), "dump")
	for _, c := range badDumps {
		if err := os.WriteFile(in, []byte(c.dump), 0o600); err != nil {
			t.Fatal(err)
		}
		err := exec.Command(testtool.Path(t, "mkcomposefs"), "--from-file", "--print-digest-only", in).Run()
		if accepts := err == nil; accepts != (c.because != "") {
			t.Errorf("%s: mkcomposefs accepts it: %v", c.name, accepts)
		}
	}
}

func TestReadDumpLimitsAreInclusive(t *testing.T) {
	xattr := strings.Repeat("x", 32767-6-7-12)
	for _, line := range []string{
		"/" + strings.Repeat("a", 255) + " 0 100644 1 0 0 0 0.0 - - -",
		"/a 5000 100644 1 0 0 0 0.0 - " + strings.Repeat("x", 5000) + " -",
		"/a 0 120777 1 0 0 0 0.0 " + strings.Repeat("x", 4095) + " - -",
		"/a 0 100644 1 0 0 0 0.0 - - - user.x=" + xattr,
		"/a 0 100644 1 0 0 0 0.0 - - - user." + strings.Repeat("x", 250) + "=",
	} {
		if _, err := ReadDump(strings.NewReader(rootLine + line)); err != nil {
			t.Errorf("%.200v", err)
		}
		if !strings.HasPrefix(line, "/a 0 120777") { // mkcomposefs has a lower limit in the image
			throughTheirImage(t, []byte(rootLine+line))
		}
	}
}

func TestChainsOfHardLinks(t *testing.T) {
	root, err := ReadDump(strings.NewReader(rootLine +
		"/a 0 @100644 - - - - 0.0 /b\n/b 0 @100644 - - - - 0.0 /c\n/c 7 100644 3 0 0 0 0.0 - - -\n/d 0 @100644 - - - - 0.0 /a\n"))
	if err != nil {
		t.Fatal(err)
	}
	c := root.Child("c")
	for name, n := range root.Children() {
		if n != c {
			t.Errorf("%s is another inode than c", name)
		}
	}
	want := "/a 7 100644 3 0 0 0 0.0 - - -\n/b 0 @120000 - - - - 0.0 /a - -\n"
	if got := string(dumpOf(t, root)); !strings.HasPrefix(got, rootLine+want) {
		t.Errorf("the first name in order is not the owner:\n%s", got)
	}
}

// endless yields one line that does not end.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	e.read += len(p)
	return len(p), nil
}

func TestReadDumpIsBounded(t *testing.T) {
	var e endless
	if _, err := ReadDump(io.MultiReader(strings.NewReader(rootLine+"/"), &e)); err == nil || !strings.Contains(err.Error(), "line 2: longer") {
		t.Errorf("an endless line: %.200v", err)
	}
	if e.read > 1<<20 {
		t.Errorf("read %d bytes of it", e.read)
	}
	deep := rootLine
	for i := 1; i < 2046; i++ {
		deep += strings.Repeat("/a", i) + " 0 40755 2 0 0 0 0.0 - - -\n"
	}
	root, err := ReadDump(strings.NewReader(deep))
	if err != nil {
		t.Fatal(err)
	}
	if string(dumpOf(t, root)) != deep {
		t.Error("deep directories do not survive")
	}
	if _, err := ReadDump(strings.NewReader(rootLine + strings.Repeat("/a", 2048) + " 0")); err == nil {
		t.Error("a path of 4096 bytes is accepted")
	}
}

func TestReadDumpMemory(t *testing.T) {
	dump := systemDump(t, 20_000)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	root, err := ReadDump(strings.NewReader(dump))
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > uint64(4*len(dump)) {
		t.Errorf("%d bytes for a dump of %d", got, len(dump))
	}
	runtime.KeepAlive(root)
}

type brokenReader struct{}

var errBroken = errors.New("broken")

func (brokenReader) Read([]byte) (int, error)  { return 0, errBroken }
func (brokenReader) Write([]byte) (int, error) { return 0, errBroken }

func TestDumpPassesErrorsOn(t *testing.T) {
	if _, err := ReadDump(io.MultiReader(strings.NewReader(rootLine), brokenReader{})); !errors.Is(err, errBroken) {
		t.Errorf("ReadDump: %v", err)
	}
	if err := WriteDump(brokenReader{}, NewDir(0o755)); !errors.Is(err, errBroken) {
		t.Errorf("WriteDump: %v", err)
	}
}

func TestWriteDumpRefusesWhatItCannotSay(t *testing.T) {
	for _, name := range []string{"", ".", "..", "a\x00", strings.Repeat("x", 256), "a/b"} {
		root := NewDir(0o755)
		root.SetChild(name, NewDir(0o755))
		if err := WriteDump(io.Discard, root); err == nil {
			t.Errorf("a file called %q is written", name)
		}
	}
	for _, n := range []*Node{
		{Mode: 0o120777},
		{Mode: 0o120777, Target: "a\x00"},
		{Mode: 0o644},
		{Mode: 0o100644, File: &File{Size: 1, Inline: []byte("ab")}},
	} {
		root := NewDir(0o755)
		root.SetChild("n", n)
		if err := WriteDump(io.Discard, root); err == nil {
			t.Errorf("%+v is written", n)
		}
	}
}

func FuzzReadDump(f *testing.F) {
	for _, c := range badDumps {
		f.Add([]byte(c.dump))
	}
	for seed := range uint64(10) {
		f.Add(dumpOf(f, randomTree(seed)))
	}
	f.Add([]byte(systemDump(f, 30)))
	f.Fuzz(func(t *testing.T, dump []byte) {
		root, err := ReadDump(strings.NewReader(string(dump)))
		if err != nil {
			return
		}
		once := dumpOf(t, root)
		back, err := ReadDump(strings.NewReader(string(once)))
		if err != nil {
			t.Fatalf("we cannot read what we wrote: %v\n%s", err, once)
		}
		for c := range Diff(root, back) {
			t.Error(c)
		}
		if twice := dumpOf(t, back); string(twice) != string(once) {
			t.Errorf("written again it is\n%s\nnot\n%s", twice, once)
		}
	})
}
