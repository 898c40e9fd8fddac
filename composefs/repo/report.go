package repo

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/bootc-go/bootc/composefs/verity"
)

// Kind says what sort of damage a finding is. The names are those of
// composefs-rs, which has no word for the last four.
type Kind string

// The kinds of damage.
const (
	MetadataParseFailed       Kind = "metadata-parse-failed"
	MetadataAlgorithmMismatch Kind = "metadata-algorithm-mismatch"
	ObjectInvalidName         Kind = "object-invalid-name"
	ObjectOpenFailed          Kind = "object-open-failed"
	ObjectDigestMismatch      Kind = "object-digest-mismatch"
	ObjectVerityFailed        Kind = "object-verity-failed"
	ObjectVerityMissing       Kind = "object-verity-missing"
	EntryNotSymlink           Kind = "entry-not-symlink"
	BrokenSymlink             Kind = "broken-symlink"
	UnexpectedFileType        Kind = "unexpected-file-type"
	StreamOpenFailed          Kind = "stream-open-failed"
	StreamReadFailed          Kind = "stream-read-failed"
	MissingObjectRef          Kind = "missing-object-ref"
	MissingNamedRef           Kind = "missing-named-ref"
	ImageOpenFailed           Kind = "image-open-failed"
	ImageInvalid              Kind = "image-invalid"
	ImageMissingObject        Kind = "image-missing-object"

	ImageObjectSizeMismatch Kind = "image-object-size-mismatch"
	ObjectWrongMode         Kind = "object-wrong-mode"
	SymlinkWrongTarget      Kind = "symlink-wrong-target"
	NameInvalid             Kind = "name-invalid"
)

// Finding is one kind of damage at one place.
type Finding struct {
	Kind   Kind
	Path   string        // below the repository
	Detail string        // for the reader; may be empty
	Object verity.Digest // the object that is damaged or missing, if it is one
}

// String is the finding as cfsctl fsck prints it.
func (f Finding) String() string {
	s := fmt.Sprintf("fsck: %s: %s", f.Kind, f.Path)
	if f.Detail != "" {
		s += ": " + f.Detail
	}
	return s
}

// MarshalJSON is the finding as data.
func (f Finding) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Kind   Kind   `json:"kind"`
		Path   string `json:"path"`
		Detail string `json:"detail,omitempty"`
		Object string `json:"object,omitempty"`
	}{f.Kind, f.Path, f.Detail, f.Object.String()})
}

// FsckReport is the outcome of Fsck.
type FsckReport struct {
	HasMetadata      bool
	ObjectsChecked   int64 // whose content was read
	ObjectsCorrupted int64
	StreamsChecked   int64 // names of splitstreams
	StreamsCorrupted int64
	ImagesChecked    int64 // names of images
	ImagesCorrupted  int64
	BrokenLinks      int64
	MissingObjects   int64
	Findings         []Finding
}

// OK reports whether nothing was found.
func (f *FsckReport) OK() bool { return len(f.Findings) == 0 }

// String is the report as cfsctl fsck prints it.
func (f *FsckReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "meta.json: %s\n", f.metadata())
	line := func(what string, checked, corrupted int64) {
		fmt.Fprintf(&b, "%s: %d/%d ok\n", what, max(checked-corrupted, 0), checked)
	}
	line("objects", f.ObjectsChecked, f.ObjectsCorrupted)
	line("streams", f.StreamsChecked, f.StreamsCorrupted)
	line("images", f.ImagesChecked, f.ImagesCorrupted)
	if f.BrokenLinks > 0 {
		fmt.Fprintf(&b, "broken symlinks: %d\n", f.BrokenLinks)
	}
	if f.MissingObjects > 0 {
		fmt.Fprintf(&b, "missing objects: %d\n", f.MissingObjects)
	}
	if f.OK() {
		b.WriteString("status: ok\n")
		return b.String()
	}
	fmt.Fprintf(&b, "status: %d error(s)\n", len(f.Findings))
	for _, finding := range f.Findings {
		fmt.Fprintf(&b, "  - %s\n", finding)
	}
	return b.String()
}

func (f *FsckReport) metadata() string {
	for _, finding := range f.Findings {
		if finding.Kind == MetadataParseFailed || finding.Kind == MetadataAlgorithmMismatch {
			return "error"
		}
	}
	if !f.HasMetadata {
		return "absent"
	}
	return "ok"
}

// MarshalJSON is the report as cfsctl fsck --json prints it, with the findings
// as data besides.
func (f *FsckReport) MarshalJSON() ([]byte, error) {
	errs := make([]string, 0, len(f.Findings))
	for _, finding := range f.Findings {
		errs = append(errs, finding.String())
	}
	return json.Marshal(struct {
		OK               bool      `json:"ok"`
		HasMetadata      bool      `json:"has_metadata"`
		ObjectsChecked   int64     `json:"objects_checked"`
		ObjectsCorrupted int64     `json:"objects_corrupted"`
		StreamsChecked   int64     `json:"streams_checked"`
		StreamsCorrupted int64     `json:"streams_corrupted"`
		ImagesChecked    int64     `json:"images_checked"`
		ImagesCorrupted  int64     `json:"images_corrupted"`
		BrokenLinks      int64     `json:"broken_links"`
		MissingObjects   int64     `json:"missing_objects"`
		Errors           []string  `json:"errors"`
		Findings         []Finding `json:"findings"`
	}{
		f.OK(), f.HasMetadata, f.ObjectsChecked, f.ObjectsCorrupted, f.StreamsChecked, f.StreamsCorrupted,
		f.ImagesChecked, f.ImagesCorrupted, f.BrokenLinks, f.MissingObjects, errs, append([]Finding{}, f.Findings...),
	})
}
