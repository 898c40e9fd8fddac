package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
)

// TestFsckNamesEveryDamage plants one damage at a time.
func TestFsckNamesEveryDamage(t *testing.T) {
	for _, d := range damages() {
		t.Run(d.name, func(t *testing.T) {
			s := newSpecimen(t, Config{Insecure: true}, noSync())
			check(t, s.Repo)
			d.do(t, s)
			report, err := s.Fsck(t.Context(), FsckOptions{})
			mustNil(t, err)
			if diff := cmp.Diff(d.want, s.findings(report)); diff != "" {
				t.Errorf("findings (-want +got):\n%s%s", diff, report)
			}
			again, err := s.Fsck(t.Context(), FsckOptions{Workers: 1})
			if err != nil || again.String() != report.String() {
				t.Errorf("with one worker it says\n%s, %v; with more\n%s", again, err, report)
			}
			checkReport(t, report)
		})
	}
}

// checkReport compares the three forms of a report with each other.
func checkReport(t *testing.T, report *FsckReport) {
	if report.OK() || !strings.Contains(report.String(), fmt.Sprintf("status: %d error(s)\n", len(report.Findings))) {
		t.Errorf("text %s", report)
	}
	data, err := json.Marshal(report)
	mustNil(t, err)
	var got struct {
		OK       bool
		Errors   []string
		Findings []struct{ Kind, Path string }
	}
	mustNil(t, json.Unmarshal(data, &got))
	if got.OK || len(got.Errors) != len(report.Findings) || len(got.Findings) != len(report.Findings) {
		t.Errorf("JSON %s", data)
	}
	for i, f := range report.Findings {
		if !strings.Contains(report.String(), "  - "+f.String()+"\n") || !strings.HasPrefix(f.String(), "fsck: "+string(f.Kind)+": "+f.Path) {
			t.Errorf("text %s lacks %s", report, f)
		}
		if got.Findings[i].Kind != string(f.Kind) {
			t.Errorf("JSON has kind %s, the report %s", got.Findings[i].Kind, f.Kind)
		}
	}
}

// TestRepair: what remains is that refs dangle, and that splitstreams without
// a link, but with a name in another, miss something; and the next pull heals
// that.
func TestRepair(t *testing.T) {
	for _, d := range damages() {
		if !d.repair {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			s := newSpecimen(t, Config{Insecure: true}, noSync())
			d.do(t, s)
			found, res, err := s.Repair(t.Context())
			mustNil(t, err)
			if found.OK() || res.Objects+res.Links == 0 && d.name != "ref to nothing" {
				t.Errorf("%+v of\n%s", res, found)
			}
			after, err := s.Fsck(t.Context(), FsckOptions{})
			mustNil(t, err)
			for _, f := range after.Findings {
				dangles := f.Kind == BrokenSymlink && strings.Contains(f.Path, "/refs/")
				if !dangles && !strings.HasPrefix(string(f.Kind), "missing-") {
					t.Errorf("still there: %s", f)
				}
			}
			again, res, err := s.Repair(t.Context())
			if err != nil || res != (RepairResult{}) || again.String() != after.String() {
				t.Errorf("the second time: %+v, %v of\n%s", res, err, again)
			}
			s.store(t)
			gc(t, s.Repo)
			check(t, s.Repo)
			for _, name := range []string{"layer", "refs/oci/tag"} {
				if _, ok, err := s.LookupStream(name); !ok || err != nil {
					t.Errorf("%s: %v, %v", name, ok, err)
				}
			}
		})
	}
}

func TestRepairOfNothing(t *testing.T) {
	s := newSpecimen(t, Config{Insecure: true}, noSync())
	before := files(t, s.Repo)
	report, res, err := s.Repair(t.Context())
	if err != nil || !report.OK() || res != (RepairResult{}) || !slices.Equal(before, files(t, s.Repo)) {
		t.Errorf("%+v, %v of\n%s", res, err, report)
	}
}

// TestFsckWithVerity plants what only fs-verity can lack.
func TestFsckWithVerity(t *testing.T) {
	for what, c := range map[string]struct {
		damage func(file string) error
		want   string
	}{
		"missing": {func(file string) error { return unix.Removexattr(file, verityXattr) }, "object-verity-missing"},
		"of another content": {func(file string) error {
			return unix.Setxattr(file, verityXattr, []byte(strings.Repeat("0", 128)), 0)
		}, "object-digest-mismatch"},
		"unreadable": {func(file string) error { return unix.Setxattr(file, verityXattr, []byte("?"), 0) }, "object-verity-failed"},
		// The real kernel would give an error for the damaged block.
		"not noticed by the kernel": {func(file string) error { return os.WriteFile(file, []byte("other"), 0o644) }, "object-digest-mismatch"},
	} {
		t.Run(what, func(t *testing.T) {
			r := initRepo(t, filepath.Join(t.TempDir(), "repo"), Config{}, fakeVerity(t))
			d := put(t, r.NewImporter(), []byte("data"))
			check(t, r)
			mustNil(t, c.damage(objectFile(r, d)))
			report, err := r.Fsck(t.Context(), FsckOptions{})
			mustNil(t, err)
			if len(report.Findings) != 1 || string(report.Findings[0].Kind) != c.want || report.Findings[0].Object != d {
				t.Errorf("want %s, got\n%s", c.want, report)
			}
		})
	}
}

// TestFsckOfTheirs compares with what cfsctl fsck said.
func TestFsckOfTheirs(t *testing.T) {
	fixtures(t, func(t *testing.T, name string, r *Repo) {
		report, err := r.Fsck(t.Context(), FsckOptions{})
		mustNil(t, err)
		if want := string(readFile(t, filepath.Join("testdata", name+".fsck.txt"))); report.String() != want {
			t.Errorf("report\n%s, cfsctl says\n%s", report, want)
		}
	})
}

// TestFsckJSON pins the document that cfsctl fsck --json prints, and ours
// besides.
func TestFsckJSON(t *testing.T) {
	d := verity.Sum(verity.SHA256, nil)
	report := &FsckReport{
		HasMetadata: true, ObjectsChecked: 2, ObjectsCorrupted: 1, ImagesChecked: 1, MissingObjects: 1,
		Findings: []Finding{
			{Kind: ObjectVerityMissing, Path: "objects/x"},
			{Kind: ImageMissingObject, Path: "images/y", Detail: d.String(), Object: d},
		},
	}
	got, err := json.MarshalIndent(report, "", "  ")
	mustNil(t, err)
	want := `{
  "ok": false,
  "has_metadata": true,
  "objects_checked": 2,
  "objects_corrupted": 1,
  "streams_checked": 0,
  "streams_corrupted": 0,
  "images_checked": 1,
  "images_corrupted": 0,
  "broken_links": 0,
  "missing_objects": 1,
  "errors": [
    "fsck: object-verity-missing: objects/x",
    "fsck: image-missing-object: images/y: DIGEST"
  ],
  "findings": [
    {
      "kind": "object-verity-missing",
      "path": "objects/x"
    },
    {
      "kind": "image-missing-object",
      "path": "images/y",
      "detail": "DIGEST",
      "object": "DIGEST"
    }
  ]
}`
	if diff := cmp.Diff(strings.ReplaceAll(want, "DIGEST", d.String()), string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	empty, err := json.Marshal(&FsckReport{})
	if err != nil || !strings.Contains(string(empty), `"errors":[],"findings":[]`) {
		t.Errorf("%s, %v", empty, err)
	}
}

func TestFsckMetadataOnly(t *testing.T) {
	s := newSpecimen(t, Config{Insecure: true}, noSync())
	s.rewrite(t, s.object, func(data []byte) []byte { data[0] ^= 1; return data })
	report, err := s.Fsck(t.Context(), FsckOptions{MetadataOnly: true})
	if err != nil || !report.OK() || report.ObjectsChecked != 0 || report.StreamsChecked != 2 {
		t.Errorf("%v, %s", err, report)
	}
	s.rewrite(t, s.object, func(data []byte) []byte { return data[1:] })
	report, err = s.Fsck(t.Context(), FsckOptions{MetadataOnly: true})
	if err != nil || report.OK() {
		t.Errorf("the sizes do not fit: %v, %s", err, report)
	}
}

func TestFsckCancelled(t *testing.T) {
	s := newSpecimen(t, Config{Insecure: true}, noSync())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Fsck(ctx, FsckOptions{})
	wantError(t, err, context.Canceled)
	_, _, err = s.Repair(ctx)
	wantError(t, err, context.Canceled)
}

// TestFsckDuringAPull stores an image between the listing of the objects and
// that of the names.
func TestFsckDuringAPull(t *testing.T) {
	s := newSpecimen(t, Config{Insecure: true}, noSync())
	for _, name := range []string{objectsName, streamsName, imagesName} {
		s.remove(t, name)
	}
	c := s.newChecker(FsckOptions{})
	mustNil(t, c.objects(t.Context()))
	s.store(t)
	names := c.steps()[1:]
	for _, step := range names {
		mustNil(t, step(t.Context()))
	}
	if c.err != nil || !c.report.OK() || c.report.StreamsChecked != 2 || c.report.ImagesChecked != 1 {
		t.Errorf("%v, %d names of streams\n%s", c.err, c.report.StreamsChecked, &c.report)
	}
}

// TestOpenDamaged: a repository can be checked although meta.json says nothing
// any more.
func TestOpenDamaged(t *testing.T) {
	for what, damage := range map[string]func(file string) error{
		"garbage": func(file string) error { return os.WriteFile(file, []byte("garbage"), 0o644) },
		"missing": os.Remove,
	} {
		s := newSpecimen(t, Config{Insecure: true, Algorithm: verity.SHA256}, noSync())
		s.Close()
		mustNil(t, damage(s.path(metaName)))
		if _, err := Open(t.Context(), s.Path(), OpenOptions{NoUpgrade: true}); !errors.Is(err, ErrBadMetadata) && !errors.Is(err, ErrOldFormat) {
			t.Errorf("%s: error %v", what, err)
		}
		r := openRepo(t, s.Path(), OpenOptions{Damaged: true})
		if r.Algorithm() != verity.SHA256 || !r.ReadOnly() {
			t.Errorf("%s: %s, read-only %v", what, r.Algorithm(), r.ReadOnly())
		}
		report, err := r.Fsck(t.Context(), FsckOptions{})
		if err != nil || len(report.Findings) != 1 || report.Findings[0].Kind != MetadataParseFailed || report.ObjectsChecked == 0 {
			t.Errorf("%s: %v\n%s", what, err, report)
		}
		if want := map[string]string{"garbage": "meta.json: error", "missing": "meta.json: error"}[what]; !strings.HasPrefix(report.String(), want) {
			t.Errorf("%s: %s", what, report)
		}
	}
}
