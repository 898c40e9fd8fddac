package erofs

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/internal/testtool"
)

// impossible are trees that an image cannot hold, each made of a good one, and
// what the error must say.
var impossible = map[string]struct {
	do   func(root *tree.Node)
	want string
}{
	"root is a file":       {func(r *tree.Node) { *r = *inline("x") }, "/: not a directory"},
	"long name":            {func(r *tree.Node) { r.SetChild(strings.Repeat("n", 256), inline("")) }, "name of 256 bytes"},
	"empty name":           {func(r *tree.Node) { r.SetChild("", inline("")) }, "empty name"},
	"dot":                  {func(r *tree.Node) { r.SetChild(".", inline("")) }, `name "."`},
	"dots":                 {func(r *tree.Node) { r.SetChild("..", inline("")) }, `name ".."`},
	"slash":                {func(r *tree.Node) { r.SetChild("a/b", inline("")) }, "slash"},
	"NUL":                  {func(r *tree.Node) { r.SetChild("a\x00", inline("")) }, "NUL"},
	"long symlink":         {func(r *tree.Node) { r.SetChild("l", symlink(text(4096))) }, "/l: symbolic link with a target of 4096 bytes"},
	"empty symlink":        {func(r *tree.Node) { r.SetChild("l", symlink("")) }, "symbolic link to nothing"},
	"NUL in symlink":       {func(r *tree.Node) { r.SetChild("l", symlink("a\x00")) }, "NUL"},
	"large file":           {func(r *tree.Node) { r.SetChild("f", external(1<<53+1, "x")) }, "/f: file of 9007199254740993 bytes"},
	"large inline file":    {func(r *tree.Node) { r.SetChild("f", inline(text(5001))) }, "inline content of 5001 bytes"},
	"sizes differ":         {func(r *tree.Node) { r.Child("d").Child("f").File.Size++ }, "/d/f: inline content of 1 bytes in a file of 2"},
	"payload out":          {func(r *tree.Node) { r.Child("x").File.Payload = "a/../../b" }, "leaves the objects"},
	"long payload":         {func(r *tree.Node) { r.Child("x").File.Payload = text(4096) }, "payload path of 4096 bytes"},
	"NUL in payload":       {func(r *tree.Node) { r.Child("x").File.Payload = "a\x00" }, "NUL"},
	"long xattr name":      {func(r *tree.Node) { with(r, "user."+text(251), "") }, "xattr with a name of 256 bytes"},
	"long xattr":           {func(r *tree.Node) { with(r, "user.a", text(65536)) }, "xattr user.a with a value of 65536 bytes"},
	"xattr without a name": {func(r *tree.Node) { with(r, "", "x") }, "without a name"},
	"NUL in xattr name":    {func(r *tree.Node) { with(r, "user.\x00", "x") }, "NUL"},
	"many xattrs": {func(r *tree.Node) {
		with(r, "user.a", text(65000), "user.b", text(65000), "user.c", text(65000), "user.d", text(65000))
	}, "xattrs of 260"},
	"unsorted xattrs":   {func(r *tree.Node) { r.Xattrs = []tree.Xattr{{Name: "user.b"}, {Name: "user.a"}} }, "not sorted"},
	"xattr twice":       {func(r *tree.Node) { r.Xattrs = []tree.Xattr{{Name: "user.b"}, {Name: "user.b"}} }, "twice"},
	"no type":           {func(r *tree.Node) { r.Child("x").Mode = 0o644 }, "unknown file type"},
	"large mode":        {func(r *tree.Node) { r.Child("x").Mode |= 1 << 16 }, "mode 0300755"},
	"nanoseconds":       {func(r *tree.Node) { r.Child("x").Mtime.Nsec = 1e9 }, "1000000000 nanoseconds"},
	"file with entries": {func(r *tree.Node) { r.Child("x").SetChild("y", inline("")) }, "/x: not a directory, but with entries"},
	"directory twice":   {func(r *tree.Node) { r.SetChild("e", r.Child("d")) }, "/e: directory under two names"},
	"loop":              {func(r *tree.Node) { r.Child("d").SetChild("r", r) }, "/d/r: directory under two names"},
	"too deep":          {deepen, "directories deep"},
}

func deepen(dir *tree.Node) {
	for range maxDepth {
		dir.SetChild("d", directory(0o755))
		dir = dir.Child("d")
	}
}

func TestWriteRefusesWhatCannotBe(t *testing.T) {
	for name, c := range impossible {
		t.Run(name, func(t *testing.T) {
			root := holding(directory(0o755), "d", holding(directory(0o755), "f", inline("f")), "x", external(5000, "x"))
			c.do(root)
			var b bytes.Buffer
			err := Write(&b, root, Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "cannot write a composefs image: /") {
				t.Errorf("err = %v, want one with %q", err, c.want)
			}
			if b.Len() > 0 {
				t.Errorf("%d bytes were written", b.Len())
			}
			if _, err := Digest(root, Options{Algorithm: verity.SHA512}); err == nil {
				t.Error("Digest takes it")
			}
		})
	}
}

func TestWriteAtTheLimits(t *testing.T) {
	root := with(directory(0o755), "user.a", text(65535), "user.b", text(65535), "user.c", text(65535), "trusted.overlay."+text(239), text(50000))
	dir := root
	for range maxDepth - 1 {
		dir.SetChild("d", directory(0o755))
		dir = dir.Child("d")
	}
	setDirLinks(root)
	sameTree(t, readImage(t, image(t, root, Options{})), root)
}

func TestOptions(t *testing.T) {
	for _, opts := range []Options{{Version: 2}, {MaxVersion: 2}, {Version: 2, Algorithm: verity.SHA256}} {
		if err := Write(io.Discard, directory(0o755), opts); err == nil {
			t.Errorf("Write takes %+v", opts)
		}
		if _, err := Digest(directory(0o755), opts); err == nil {
			t.Errorf("Digest takes %+v", opts)
		}
	}
}

// limitedWriter fails after some bytes.
type limitedWriter int

var errFull = errors.New("disk full")

func (w *limitedWriter) Write(b []byte) (int, error) {
	if *w -= limitedWriter(len(b)); *w < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestWriteReportsTheWritersError(t *testing.T) {
	root := cases["big directory"]()
	for _, limit := range []limitedWriter{0, 300_000, 500_000} {
		if err := Write(&limit, root, Options{}); !errors.Is(err, errFull) {
			t.Errorf("err = %v", err)
		}
	}
}

// The table of shared xattrs must be right whatever its hashes are.
func TestSharedXattrsWhenAllHashesAreEqual(t *testing.T) {
	for _, name := range []string{"shared xattrs", "many shared xattrs", "external", "hard links"} {
		root := cases[name]()
		s, err := takeSurvey(root)
		if err != nil {
			t.Fatal(err)
		}
		p := s.plan(root, Options{})
		p.shared.hash = func(*xattr) uint64 { return 7 << 40 }
		if err := p.build(); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := p.write(&b); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.Bytes(), image(t, root, Options{})) {
			t.Errorf("%s: another image", name)
		}
	}
}

// fsck.erofs is asked about every image; this shows that it would object.
func TestFsckFindsDamage(t *testing.T) {
	v := newVictim(t)
	v.put64(v.dirent("a", "b"), 1<<40)
	out, err := exec.Command(testtool.Path(t, "fsck.erofs"), "-d1", tempImage(t, v.img)).CombinedOutput()
	if err == nil {
		t.Errorf("fsck.erofs has nothing to say: %s", out)
	}
}
