package repo

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// specimen is a repository to be damaged: manifest → layer → object, an image
// of the object, and refs to both.
type specimen struct {
	*Repo
	object, layer, manifest, image verity.Digest
}

func newSpecimen(t testing.TB, c Config, k kernel) *specimen {
	s := &specimen{Repo: initRepo(t, filepath.Join(t.TempDir(), "repo"), c, k)}
	s.store(t)
	return s
}

// store is the pull that makes the specimen, or heals it.
func (s *specimen) store(t testing.TB) {
	s.object = put(t, s.NewImporter(), randomBytes(1, 5000))
	s.layer = putStream(t, s.Repo, 1)
	s.manifest = putStream(t, s.Repo, 2, NamedRef{"layer", s.layer})
	mustNil(t, s.LinkStream("layer", s.layer))
	mustNil(t, s.LinkStream("manifest", s.manifest))
	mustNil(t, s.SetStreamRef("oci/tag", "manifest"))
	root := tree.NewDir(0o755)
	file := &tree.Node{Mode: unix.S_IFREG | 0o644, File: &tree.File{Size: 5000, Payload: s.object.ObjectPath(), Digest: s.object}}
	root.SetChild("file", file)
	tree.SetLinks(root)
	var err error
	s.image, err = s.WriteImage(root, "some/image")
	mustNil(t, err)
}

func (s *specimen) path(name string) string { return filepath.Join(s.Path(), name) }

// rewrite changes an object behind the repository's back.
func (s *specimen) rewrite(t *testing.T, d verity.Digest, edit func(data []byte) []byte) {
	mustNil(t, os.WriteFile(objectFile(s.Repo, d), edit(readFile(t, objectFile(s.Repo, d))), 0o644))
}

func (s *specimen) remove(t *testing.T, name string) { mustNil(t, os.RemoveAll(s.path(name))) }

func (s *specimen) link(t *testing.T, target, name string) {
	mustNil(t, os.RemoveAll(s.path(name)))
	mustNil(t, os.Symlink(target, s.path(name)))
}

// damage is one thing that can go wrong, and what Fsck must say: "kind path"
// with the names of the specimen's parts for their digests.
type damage struct {
	name   string
	do     func(t *testing.T, s *specimen)
	want   []string
	repair bool // whether Repair can help
}

func damages() []damage {
	flip := func(at int) func([]byte) []byte {
		return func(data []byte) []byte { data[at] ^= 1; return data }
	}
	truncate := func(n int) func([]byte) []byte { return func(data []byte) []byte { return data[:n] } }
	other := strings.Repeat("0", 126)
	return []damage{
		{
			"flipped bit in a file", func(t *testing.T, s *specimen) { s.rewrite(t, s.object, flip(4999)) },
			[]string{"object-digest-mismatch objects/OBJECT"},
			true,
		},
		{
			"truncated file", func(t *testing.T, s *specimen) { s.rewrite(t, s.object, truncate(4096)) },
			[]string{
				"image-object-size-mismatch images/IMAGE", "object-digest-mismatch objects/OBJECT",
				"stream-read-failed streams/layer",
			},
			true,
		},
		{
			"empty file", func(t *testing.T, s *specimen) { s.rewrite(t, s.object, truncate(0)) },
			[]string{"image-object-size-mismatch images/IMAGE", "object-digest-mismatch objects/OBJECT", "stream-read-failed streams/layer"},
			true,
		},
		{
			"missing file", func(t *testing.T, s *specimen) { s.remove(t, objectPath(s.object)) },
			[]string{"image-missing-object images/IMAGE", "missing-object-ref streams/layer"},
			true,
		},
		{"file with another name", func(t *testing.T, s *specimen) {
			mustNil(t, os.Rename(s.path(objectPath(s.object)), s.path(objectPath(s.object)[:10]+"/name")))
		}, []string{"image-missing-object images/IMAGE", "missing-object-ref streams/layer", "object-invalid-name objects/OB/name"}, true},
		{"file with another digest's name", func(t *testing.T, s *specimen) {
			mustNil(t, os.MkdirAll(s.path("objects/00"), 0o755))
			mustNil(t, os.Rename(s.path(objectPath(s.object)), s.path("objects/00/"+other)))
		}, []string{"image-missing-object images/IMAGE", "missing-object-ref streams/layer", "object-digest-mismatch objects/00/" + other}, true},
		{"file with a name of the other algorithm", func(t *testing.T, s *specimen) {
			mustNil(t, os.WriteFile(s.path(objectPath(s.object)[:10]+"/"+other[:62]), nil, 0o644))
		}, []string{"object-invalid-name objects/OB/" + other[:62]}, true},
		{"file among the directories", func(t *testing.T, s *specimen) {
			mustNil(t, os.WriteFile(s.path("objects/stray"), nil, 0o644))
		}, []string{"object-invalid-name objects/stray"}, true},
		{"directory in place of a file", func(t *testing.T, s *specimen) {
			s.remove(t, objectPath(s.object))
			mustNil(t, os.Mkdir(s.path(objectPath(s.object)), 0o755))
		}, []string{"image-missing-object images/IMAGE", "missing-object-ref streams/layer", "unexpected-file-type objects/OBJECT"}, false},
		{"fifo in place of a file", func(t *testing.T, s *specimen) {
			s.remove(t, objectPath(s.object))
			mustNil(t, unix.Mkfifo(s.path(objectPath(s.object)), 0o644))
		}, []string{"image-missing-object images/IMAGE", "missing-object-ref streams/layer", "unexpected-file-type objects/OBJECT"}, true},
		{
			"link in place of a file", func(t *testing.T, s *specimen) { s.link(t, "/etc/passwd", objectPath(s.object)) },
			[]string{"image-missing-object images/IMAGE", "missing-object-ref streams/layer", "unexpected-file-type objects/OBJECT"},
			true,
		},
		{"file that anybody can write to", func(t *testing.T, s *specimen) {
			mustNil(t, os.Chmod(s.path(objectPath(s.object)), 0o666))
		}, []string{"object-wrong-mode objects/OBJECT"}, true},

		{
			"flipped bit in a splitstream", func(t *testing.T, s *specimen) { s.rewrite(t, s.layer, flip(180)) },
			[]string{"object-digest-mismatch objects/LAYER", "stream-open-failed streams/layer"},
			true,
		},
		{
			"truncated splitstream", func(t *testing.T, s *specimen) { s.rewrite(t, s.layer, truncate(20)) },
			[]string{"object-digest-mismatch objects/LAYER", "stream-open-failed streams/layer"},
			true,
		},
		{
			"missing splitstream", func(t *testing.T, s *specimen) { s.remove(t, objectPath(s.layer)) },
			[]string{"broken-symlink streams/layer", "missing-named-ref streams/manifest"},
			true,
		},
		{"no splitstream under the name", func(t *testing.T, s *specimen) {
			s.link(t, objectTarget(s.object), "streams/layer")
		}, []string{"stream-open-failed streams/layer"}, true},
		{"splitstream without link, its object missing", func(t *testing.T, s *specimen) {
			s.remove(t, "streams/layer")
			s.remove(t, "images")
			s.remove(t, objectPath(s.object))
		}, []string{"missing-object-ref objects/LAYER"}, false},
		{"splitstream of wrong size", func(t *testing.T, s *specimen) {
			im := s.NewImporter()
			w := s.NewStream(im, 0)
			mustNil(t, w.WriteExternal(s.object, 5001))
			d, err := w.Commit()
			mustNil(t, err)
			mustNil(t, s.LinkStream("wrong", d))
		}, []string{"stream-read-failed streams/wrong"}, true},
		{"splitstream with broken chunks", func(t *testing.T, s *specimen) {
			raw := sound()
			raw.header[14], raw.named, raw.refs = 2, nil, nil
			d := put(t, s.NewImporter(), raw.encode(nil))
			mustNil(t, s.LinkStream("chunks", d))
		}, []string{"stream-read-failed streams/chunks"}, true},

		{
			"missing image", func(t *testing.T, s *specimen) { s.remove(t, objectPath(s.image)) },
			[]string{"broken-symlink images/IMAGE", "broken-symlink images/refs/some/image"},
			true,
		},
		{
			"flipped bit in an image", func(t *testing.T, s *specimen) { s.rewrite(t, s.image, flip(1100)) },
			[]string{"image-invalid images/IMAGE", "object-digest-mismatch objects/IMAGE"},
			true,
		},
		{
			"no image under the name", func(t *testing.T, s *specimen) { mustNil(t, s.LinkImage(s.object)) },
			[]string{"image-invalid images/OBJECT"},
			true,
		},
		{"image under another digest", func(t *testing.T, s *specimen) {
			s.link(t, objectTarget(s.image), "images/"+s.object.String())
		}, []string{"symlink-wrong-target images/OBJECT"}, true},
		{
			"image under no digest", func(t *testing.T, s *specimen) { s.link(t, objectTarget(s.image), "images/name") },
			[]string{"symlink-wrong-target images/name"},
			true,
		},

		{
			"link to elsewhere", func(t *testing.T, s *specimen) { s.link(t, "/etc/passwd", "streams/passwd") },
			[]string{"symlink-wrong-target streams/passwd"},
			true,
		},
		{
			"link to meta.json", func(t *testing.T, s *specimen) { s.link(t, "../meta.json", "streams/layer") },
			[]string{"symlink-wrong-target streams/layer"},
			true,
		},
		{"stream under another digest", func(t *testing.T, s *specimen) {
			s.link(t, objectTarget(s.layer), "streams/"+s.manifest.String())
		}, []string{"symlink-wrong-target streams/MANIFEST"}, true},
		{"file in place of a link", func(t *testing.T, s *specimen) {
			s.remove(t, "streams/layer")
			mustNil(t, os.WriteFile(s.path("streams/layer"), nil, 0o644))
		}, []string{"entry-not-symlink streams/layer"}, true},
		{
			"dangling link", func(t *testing.T, s *specimen) { s.link(t, "../objects/00/"+other, "streams/gone") },
			[]string{"broken-symlink streams/gone"},
			true,
		},
		{
			"ref to nothing", func(t *testing.T, s *specimen) { s.link(t, "../../gone", "streams/refs/oci/gone") },
			[]string{"broken-symlink streams/refs/oci/gone"},
			true,
		},
		{
			"ref past its link", func(t *testing.T, s *specimen) { s.link(t, "../layer", "streams/refs/oci/wrong") },
			[]string{"symlink-wrong-target streams/refs/oci/wrong"},
			false,
		},
		{
			"ref to elsewhere", func(t *testing.T, s *specimen) { s.link(t, "/", "images/refs/root") },
			[]string{"symlink-wrong-target images/refs/root"},
			false,
		},
		{"file in place of a ref", func(t *testing.T, s *specimen) {
			mustNil(t, os.WriteFile(s.path("images/refs/file"), nil, 0o644))
		}, []string{"unexpected-file-type images/refs/file"}, false},
		{
			"ref that is not UTF-8", func(t *testing.T, s *specimen) { s.link(t, "../layer", "streams/refs/\xff") },
			[]string{"name-invalid streams/refs/\xff"},
			false,
		},

		{"damaged meta.json", func(t *testing.T, s *specimen) {
			mustNil(t, os.WriteFile(s.path(metaName), []byte(`{"version": 1,`), 0o644))
		}, []string{"metadata-parse-failed meta.json"}, false},
		{
			"missing meta.json", func(t *testing.T, s *specimen) { s.remove(t, metaName) },
			[]string{"metadata-parse-failed meta.json"},
			false,
		},
		{"meta.json of another algorithm", func(t *testing.T, s *specimen) {
			data := bytes.ReplaceAll(readFile(t, s.path(metaName)), []byte("sha512"), []byte("sha256"))
			mustNil(t, os.WriteFile(s.path(metaName), data, 0o644))
		}, []string{"metadata-algorithm-mismatch meta.json"}, false},
	}
}

// findings are "kind path", with the specimen's names for the digests.
func (s *specimen) findings(report *FsckReport) []string {
	var pairs []string
	for name, d := range map[string]verity.Digest{"OBJECT": s.object, "LAYER": s.layer, "MANIFEST": s.manifest, "IMAGE": s.image} {
		pairs = append(pairs, d.String(), name, d.ObjectPath(), name)
	}
	pairs = append(pairs, s.object.String()[:2]+"/", "OB/")
	var all []string
	for _, f := range report.Findings {
		all = append(all, strings.NewReplacer(pairs...).Replace(string(f.Kind)+" "+f.Path))
	}
	slices.Sort(all)
	return all
}
