package conform

import (
	"context"
	"fmt"
	"io"
	"unicode/utf8"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootc-go/bootc/internal/progress"
)

// Severity says how bad a finding is.
type Severity uint8

// The severities.
const (
	Info    Severity = iota // worth knowing, and allowed
	Warning                 // against a SHOULD, or against a form that is described without a keyword
	Error                   // against a MUST, or it cannot be read
)

// String is the severity in documents: "error".
func (s Severity) String() string { return [...]string{"info", "warning", "error"}[s] }

// MarshalText implements encoding.TextMarshaler.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Finding is something that is wrong with an image, or worth knowing.
type Finding struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	Section  string   `json:"section"`          // "manifest.md: Image Manifest Property Descriptions"
	Document string   `json:"document"`         // what it is in: "index.json", "manifest", "config", "layer", …
	Digest   string   `json:"digest,omitempty"` // of the document, unless it is a file of the layout
	Path     string   `json:"path,omitempty"`   // within it: "layers[2].size", or the name of a tar's entry
	Text     string   `json:"text"`             // one sentence
}

// Report is what a check found.
type Report struct {
	Findings []Finding // in the order in which the image is read
	Images   []Image   // that were checked, artifacts not included
}

// Image is an image that was checked.
type Image struct {
	Descriptor v1.Descriptor // of the manifest, as what led to it describes it
	Platform   v1.Platform   // says the configuration
	Indexes    int           // that led to it; that of a layout is not counted
	Layers     int
	Labels     map[string]string
}

// Count returns how many findings have the severity.
func (r *Report) Count(s Severity) int {
	n := 0
	for _, f := range r.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// Source gives the bytes of an image.
type Source interface {
	// Blob opens the content that d describes. It need not be verified. The error
	// is fs.ErrNotExist if the source does not have it.
	Blob(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error)
}

// Options say what is checked.
type Options struct {
	Platform *v1.Platform // of an index, check only this; an empty field is any
	Ref      string       // of a layout, check only what has this name
	Progress progress.Func
}

// The limits.
const (
	maxDocument  = 4 << 20 // bytes of a document, as registries must take them
	maxManifests = 1000    // in all
	maxNesting   = 8       // of indexes
	maxSame      = 10      // findings of one code in one document that are kept
	maxFindings  = 10_000  // in all
)

// place is where something is: in a document, at a path.
type place struct {
	document, digest string
	path             string
}

// maxPath bounds what paths take in a document that is all nesting.
const maxPath = 1000

func (p place) key(name string) place {
	if len(p.path) > maxPath {
		return p
	}
	if p.path != "" {
		p.path += "."
	}
	p.path += shorten(name)
	return p
}

func (p place) index(i int) place {
	if len(p.path) > maxPath {
		return p
	}
	p.path += fmt.Sprintf("[%d]", i)
	return p
}

func (p place) at(path string) place {
	p.path = shorten(path)
	return p
}

// shorten bounds what an image's own words take in a message.
func shorten(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	n := most
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// findings collects what is found, with a bound.
type findings struct {
	list []Finding
	same map[sameKey]int
}

type sameKey struct {
	code             Code
	document, digest string
}

// add reports what stands in the rules under code.
func (f *findings) add(code Code, p place, format string, args ...any) {
	f.addFor(rules[code].section, code, p, format, args...)
}

// addFor is add for a rule that several sections have.
func (f *findings) addFor(section string, code Code, p place, format string, args ...any) {
	if f.same == nil {
		f.same = map[sameKey]int{}
	}
	k := sameKey{code, p.document, p.digest}
	f.same[k]++
	n := f.same[k]
	if n > maxSame+1 || len(f.list) >= maxFindings {
		return
	}
	text := fmt.Sprintf(format, args...)
	if n > maxSame {
		p.path, text = "", "there is more of this kind"
	}
	f.list = append(f.list, Finding{
		Code: code, Severity: rules[code].severity, Section: section,
		Document: p.document, Digest: p.digest, Path: p.path, Text: text,
	})
}

// take adds what another collector has.
func (f *findings) take(other *findings) {
	f.list = append(f.list, other.list[:min(len(other.list), maxFindings-len(f.list))]...)
}
