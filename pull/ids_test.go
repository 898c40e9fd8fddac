package pull_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/composefs/erofs"
	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/layers"
	"github.com/bootc-go/bootc/pull"
)

// known is a row of testdata/images/ids.tsv: what cfsctl computed.
type known struct {
	image    string
	alg      verity.Algorithm
	version  erofs.Version
	bootable bool
	xattrs   layers.XattrFilter
	id       string
}

func knownIDs(t *testing.T) []known {
	t.Helper()
	data, err := os.ReadFile("testdata/images/ids.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var rows []known
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if strings.HasPrefix(line, "#") {
			continue
		}
		alg, err := verity.ParseAlgorithm(f[1])
		if err != nil || len(f) != 6 {
			t.Fatalf("row %q: %v", line, err)
		}
		k := known{image: f[0], alg: alg, version: erofs.V0, bootable: f[3] == "bootable", id: f[5]}
		if f[2] == "1" {
			k.version = erofs.V1
		}
		if f[4] == "keep-user-xattrs" {
			k.xattrs = layers.KeepUserXattrs
		}
		rows = append(rows, k)
	}
	return rows
}

// fixtures is a repository with all images of testdata, tagged by their names.
func fixtures(t *testing.T, alg verity.Algorithm) *puller {
	t.Helper()
	p := newPuller(t, newRepoOf(t, alg))
	for _, image := range []string{"everything", "zstd", "bootable", "selinux"} {
		p.mustPull(t, fixture(t, image), image)
	}
	return p
}

func newRepoOf(t *testing.T, alg verity.Algorithm) *repo.Repo {
	t.Helper()
	r, _, err := repo.Init(t.Context(), filepath.Join(t.TempDir(), "repo"), repo.Config{Algorithm: alg, Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// fixture is the reference of an image of testdata.
func fixture(t *testing.T, image string) string {
	t.Helper()
	dir, err := filepath.Abs("testdata/images/" + image)
	if err != nil {
		t.Fatal(err)
	}
	return "oci:" + dir + ":latest"
}

// TestKnownIDs computes ids from the stored layers.
func TestKnownIDs(t *testing.T) {
	t.Parallel()
	rows := knownIDs(t)
	for _, alg := range []verity.Algorithm{verity.SHA256, verity.SHA512} {
		t.Run(alg.String(), func(t *testing.T) {
			t.Parallel()
			p := fixtures(t, alg)
			for _, k := range rows {
				if k.alg != alg {
					continue
				}
				if got := computeID(t, p.repo, k); got != k.id {
					t.Errorf("%+v: got %s", k, got)
				}
			}
			fsckClean(t, p.repo)
		})
	}
}

func computeID(t *testing.T, r *repo.Repo, k known) string {
	t.Helper()
	img, err := oci.OpenTag(r, k.image)
	if err != nil {
		t.Fatal(err)
	}
	root, err := pull.Tree(t.Context(), r, img, k.bootable, k.xattrs)
	if err != nil {
		t.Fatal(err)
	}
	d, err := erofs.Digest(root, erofs.Options{Algorithm: k.alg, Version: k.version})
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

// TestPulledIDs compares the images that a pull makes, plain and to boot, in one
// go and one after the other.
func TestPulledIDs(t *testing.T) {
	t.Parallel()
	want := map[known]string{}
	for _, k := range knownIDs(t) {
		id := k.id
		k.id = ""
		want[k] = id
	}
	for _, alg := range []verity.Algorithm{verity.SHA256, verity.SHA512} {
		for _, image := range []string{"everything", "zstd", "bootable", "selinux"} {
			t.Run(alg.String()+"/"+image, func(t *testing.T) {
				t.Parallel()
				checkPulledIDs(t, alg, image, want, layers.AllowlistOnly, layers.KeepUserXattrs)
				checkPulledIDs(t, alg, image, want, layers.KeepUserXattrs, layers.AllowlistOnly)
			})
		}
	}
}

// checkPulledIDs pulls an image once for each filter.
func checkPulledIDs(t *testing.T, alg verity.Algorithm, image string, want map[known]string, filters ...layers.XattrFilter) {
	t.Helper()
	p := newPuller(t, newRepoOf(t, alg))
	for _, x := range filters {
		p.opts.Bootable, p.opts.Xattrs = true, x
		res := p.mustPull(t, fixture(t, image), image)
		k := known{image: image, alg: alg, version: erofs.V1}
		if res.Image.String() != want[k] {
			t.Errorf("the plain image is %s, not %s", res.Image, want[k])
		}
		k.bootable, k.xattrs = true, x
		if res.BootImage.String() != want[k] {
			t.Errorf("the boot image with xattrs %d is %s, not %s", x, res.BootImage, want[k])
		}
	}
}

// TestBootImageAlone pulls what a host needs that boots the image: the boot image
// is the one that cfsctl computed, and a plain one comes only when it is asked for.
func TestBootImageAlone(t *testing.T) {
	t.Parallel()
	for _, row := range knownIDs(t) {
		if !row.bootable || row.version != erofs.V1 || row.image != "selinux" {
			continue
		}
		p := newPuller(t, newRepoOf(t, row.alg))
		p.opts = pull.Options{Bootable: true, NoPlain: true, Xattrs: row.xattrs}
		res := p.mustPull(t, fixture(t, row.image), row.image)
		if !res.Image.IsZero() || res.BootImage.String() != row.id {
			t.Errorf("%v, xattrs %d: plain image %q, boot image %s, want %s alone", row.alg, row.xattrs, res.Image, res.BootImage, row.id)
		}
		fsckClean(t, p.repo)
		p.opts.NoPlain = false
		if res := p.mustPull(t, fixture(t, row.image), row.image); res.Image.IsZero() || res.BootImage.String() != row.id {
			t.Errorf("with the plain image: %+v", res)
		}
		fsckClean(t, p.repo)
	}
}
