package conform

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// codes are those of the findings, each once, sorted.
func codes(r *Report) []Code {
	set := map[Code]bool{}
	for _, f := range r.Findings {
		set[f.Code] = true
	}
	return slices.Sorted(maps.Keys(set))
}

func wantCodes(t *testing.T, r *Report, want ...Code) {
	t.Helper()
	if diff := gocmp.Diff(want, codes(r)); diff != "" {
		t.Errorf("%s\n%+v", diff, r.Findings)
	}
}

// source gives blobs by their digests, with an error behind some.
type source struct {
	blobs map[digest.Digest]string
	err   error
}

func (s source) Blob(_ context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	data, ok := s.blobs[d.Digest]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(io.MultiReader(strings.NewReader(data), failing{s.err})), nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, cmp.Or(f.err, io.EOF) }

func (s source) put(data string) v1.Descriptor {
	d := digest.FromString(data)
	s.blobs[d] = data
	return v1.Descriptor{MediaType: v1.MediaTypeImageIndex, Digest: d, Size: int64(len(data))}
}

func TestSources(t *testing.T) {
	t.Parallel()
	const index = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`
	s := source{blobs: map[digest.Digest]string{}}
	top := s.put(index)
	run := func(s Source, top v1.Descriptor) *Report {
		r, err := Check(t.Context(), s, top, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	wantCodes(t, run(s, top))
	wantCodes(t, run(source{blobs: s.blobs, err: errors.New("the line is cut")}, top), "blob-unreadable")
	wantCodes(t, run(source{}, top), "blob-unreadable")
	s.blobs[top.Digest] = strings.Replace(index, "[]", "{}", 1)
	wantCodes(t, run(s, top), "descriptor-digest-content")
	s.blobs[top.Digest] = index + " "
	wantCodes(t, run(s, top), "descriptor-size-content")
	top.Size = maxDocument + 1
	wantCodes(t, run(s, top), "limit-document")
	other := v1.Descriptor{MediaType: "application/xml", Digest: "blake3:" + digest.Digest(strings.Repeat("a", 64)), Size: 1}
	s.blobs[other.Digest] = "x"
	wantCodes(t, run(s, other), "descriptor-digest-unverified")
}

// TestEndless: of a source that does not end no more is read than the descriptor says.
func TestEndless(t *testing.T) {
	t.Parallel()
	top := v1.Descriptor{MediaType: v1.MediaTypeImageIndex, Digest: sha256a, Size: 1000}
	r, err := Check(t.Context(), endless{}, top, Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantCodes(t, r, "descriptor-size-content")
}

type endless struct{}

func (endless) Blob(context.Context, v1.Descriptor) (io.ReadCloser, error) {
	return io.NopCloser(endless{}), nil
}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// index is an index of entries.
func index(entries ...string) string {
	return `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[` + strings.Join(entries, ",") + `]}`
}

func entryOf(d v1.Descriptor, rest string) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d%s}`, d.MediaType, d.Digest, d.Size, rest)
}

func TestNesting(t *testing.T) {
	t.Parallel()
	for depth, want := range map[int][]Code{0: nil, maxNesting: nil, maxNesting + 1: {"limit-nesting"}} {
		s := source{blobs: map[digest.Digest]string{}}
		top := s.put(index())
		for range depth {
			top = s.put(index(entryOf(top, "")))
		}
		r, err := Check(t.Context(), s, top, Options{})
		if err != nil {
			t.Fatal(err)
		}
		wantCodes(t, r, want...)
	}
}

func TestManyManifests(t *testing.T) {
	t.Parallel()
	s := source{blobs: map[digest.Digest]string{}}
	var entries []string
	for i := range maxManifests + 5 {
		d := s.put(strings.Replace(index(), "[]", "[]"+strings.Repeat(" ", i), 1))
		entries = append(entries, entryOf(d, ""))
	}
	r, err := Check(t.Context(), s, s.put(index(entries...)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantCodes(t, r, "limit-manifests")
}

// TestLargeDocuments: within the size of a document there is room for more than is read.
func TestLargeDocuments(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]string{
		"values": `{"a":[0` + strings.Repeat(",0", maxValues) + `]}`,
		"depth":  `{"a":` + strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1) + `}`,
	} {
		s := source{blobs: map[digest.Digest]string{}}
		r, err := Check(t.Context(), s, s.put(data), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff([]Code{"limit-document"}, codes(r)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	deep := strings.Repeat(`{"`+strings.Repeat("k", 300)+`":`, maxDepth-2) + `{"a":1,"a":2}` + strings.Repeat("}", maxDepth-2)
	s := source{blobs: map[digest.Digest]string{}}
	r, err := Check(t.Context(), s, s.put(deep), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		if f.Code == "json-duplicate" && len(f.Path) < 2*maxPath {
			return
		}
	}
	t.Errorf("no duplicate in %+v", r.Findings)
}

func TestPlatformTwice(t *testing.T) {
	t.Parallel()
	s := source{blobs: map[digest.Digest]string{}}
	const platform = `,"platform":{"os":"linux","architecture":"amd64"}`
	const attestation = `,"platform":{"os":"unknown","architecture":"unknown"}`
	d := s.put(index())
	r, err := Check(t.Context(), s, s.put(index(entryOf(d, platform), entryOf(d, platform))), Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantCodes(t, r, "index-platform-twice")
	r, err = Check(t.Context(), s, s.put(index(entryOf(d, attestation), entryOf(d, attestation))), Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantCodes(t, r, "platform-architecture", "platform-os")
}

// TestChoice: what is not chosen is not read.
func TestChoice(t *testing.T) {
	t.Parallel()
	good := valid()
	fsys := good.write(t)
	bad := valid()
	bad.entry["annotations"] = obj{keyRef: "bad"}
	bad.entry["platform"] = obj{"os": "linux", "architecture": "arm64"}
	bad.config["architecture"] = "arm64"
	bad.layers[0].diffID = sha256a
	fsys2 := bad.write(t)
	for name, f := range fsys2 {
		if fsys[name] == nil {
			fsys[name] = f
		}
	}
	both := valid()
	both.index["manifests"] = []any{good.entry, bad.entry}
	fsys["index.json"] = &fstest.MapFile{Data: encode(t, both.index, nil)}
	for _, c := range []struct {
		o      Options
		images int
		want   []Code
	}{
		{Options{}, 2, []Code{"layer-diff-id"}},
		{Options{Ref: "quay.io/acme/os:44"}, 1, nil},
		{Options{Ref: "bad"}, 1, []Code{"layer-diff-id"}},
		{Options{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}, 1, nil},
		{Options{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}, 1, []Code{"layer-diff-id"}},
		{Options{Platform: &v1.Platform{OS: "linux", Architecture: "s390x"}}, 0, nil},
	} {
		r := check(t, fsys, c.o)
		wantCodes(t, r, c.want...)
		if len(r.Images) != c.images {
			t.Errorf("%+v: %d images", c.o, len(r.Images))
		}
	}
	if _, err := Layout(t.Context(), fsys, Options{Ref: "nobody"}); err == nil || !strings.Contains(err.Error(), `"nobody"`) {
		t.Error(err)
	}
}

func TestLayoutThatIsNone(t *testing.T) {
	t.Parallel()
	if _, err := Layout(t.Context(), fstest.MapFS{".": {}}, Options{}); err == nil {
		t.Error("a file was checked as a layout")
	}
	wantCodes(t, check(t, fstest.MapFS{}, Options{}), "layout-blobs-missing", "layout-index-missing", "layout-marker-missing")
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Layout(ctx, valid().write(t), Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestDockerImage: docker's documents are like OCI's, and only their types are wrong.
func TestDockerImage(t *testing.T) {
	t.Parallel()
	f := valid()
	for _, l := range f.layers {
		l.mediaType = "application/vnd.docker.image.rootfs.diff.tar.gzip"
	}
	f.manifest["mediaType"] = dockerManifest
	f.entry["mediaType"] = dockerManifest
	f.manifest["config"] = func(o obj) { o["mediaType"] = dockerConfig }
	r := check(t, f.write(t), Options{})
	wantCodes(t, r, "index-manifest-media-type", "manifest-media-type")
	if len(r.Images) != 1 {
		t.Errorf("%+v", r.Images)
	}
}

// TestManyFindings: a hostile layer cannot fill the memory with findings.
func TestManyFindings(t *testing.T) {
	t.Parallel()
	f := valid()
	for i := range 1000 {
		f.layers[0].entries = append(f.layers[0].entries, reg(fmt.Sprintf("/%d", i), ""))
	}
	r := check(t, f.write(t), Options{})
	if len(r.Findings) != maxSame+1 || r.Findings[maxSame].Text != "there is more of this kind" {
		t.Errorf("%d findings, the last %+v", len(r.Findings), r.Findings[len(r.Findings)-1])
	}
}

func TestManyEntries(t *testing.T) {
	t.Parallel()
	e := newEntryChecker(&layer{})
	e.n = maxEntries - 1
	if err := e.entry(&tar.Header{Name: "a", Typeflag: tar.TypeReg}); err != nil {
		t.Error(err)
	}
	if err := e.entry(&tar.Header{Name: "b", Typeflag: tar.TypeReg}); err == nil {
		t.Error("one entry too many")
	}
}

// TestLicenses has expressions from the examples of SPDX 2.3, annex D.
func TestLicenses(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"CDDL-1.0", "CDDL-1.0+", "LicenseRef-23", "DocumentRef-spdx-tool-1.2:LicenseRef-MIT-Style-2", "LGPL-2.1-only OR MIT",
		"LGPL-2.1-only AND MIT AND BSD-2-Clause", "GPL-2.0-or-later WITH Bison-exception-2.2", "LGPL-2.1-only OR BSD-3-Clause AND MIT",
		"MIT AND (LGPL-2.1-or-later OR BSD-3-Clause)", "((MIT))",
	} {
		if !isLicense(s) {
			t.Errorf("%q is one", s)
		}
	}
	for _, s := range []string{"", "()", "MIT Apache-2.0", "MIT,", "AND MIT", "MIT AND OR MIT", "(MIT", "MIT)", ")MIT(", "MIT and MIT", "GPL v2"} {
		if isLicense(s) {
			t.Errorf("%q is none", s)
		}
	}
}

func TestSyntax(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		ok        func(string) bool
		good, bad []string
	}{
		{"time", isTime, []string{"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456789+01:00", "2026-01-02t03:04:05z"}, []string{"", "2026-01-02", "2026-01-02 03:04:05Z", "2026-13-02T03:04:05Z", "2026-01-02T03:04:05", "2026-01-02T03:04:05,1Z"}},
		{"ref", refName.MatchString, []string{"v1.0", "a/b:c@d", "a--b", "1+2"}, []string{"", "-a", "a-", "a---b", "a//b", "a..b", "ä"}},
		{"uri", isURI, []string{"https://a.b/c?d#e", "urn:x:y", "http://[::1]/"}, []string{"", "a/b", "https://a b", "https://ä", "https://a/%zz", "1http://a"}},
		{"type", mediaType.MatchString, []string{"application/vnd.oci.image.layer.v1.tar+gzip", "a/b"}, []string{"", "a", "a/", "/b", "a/b/c", "a/b c", ".a/b", "a/" + strings.Repeat("b", 128)}},
		{"base", qualified.MatchString, []string{"quay.io/a/b:1", "localhost/a", "a.b:5000/c@" + sha256a, "127.0.0.1:5000/a", "host:1/a"}, []string{"", "a", "a/b", "quay.io", "quay.io/A", "quay.io/a:"}},
		{"signal", stopSignal.MatchString, []string{"SIGKILL", "SIGRTMIN+3", "9", "SIGUSR1"}, []string{"", "KILL", "sigkill", "SIG", "SIGRTMIN+", "900"}},
	} {
		for _, s := range c.good {
			if !c.ok(s) {
				t.Errorf("%s: %q is one", c.name, s)
			}
		}
		for _, s := range c.bad {
			if c.ok(s) {
				t.Errorf("%s: %q is none", c.name, s)
			}
		}
	}
}
