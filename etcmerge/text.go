package etcmerge

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bootc-go/bootc/composefs/tree"
)

// WriteText writes a line for each change, the kind and the quoted path, and
// after those a line for each conflict.
func (d *Diff) WriteText(w io.Writer) error {
	var out strings.Builder
	for _, list := range []struct {
		kind    string
		changes []tree.Change
	}{{"Added", d.Added}, {"Modified", d.Modified}, {"Removed", d.Removed}} {
		for _, c := range list.changes {
			fmt.Fprintf(&out, "%s %s\n", list.kind, strconv.Quote(c.Path))
		}
	}
	for _, c := range d.Unmergable {
		fmt.Fprintf(&out, "Unmergable %s\n", c)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// The JSON form of a diff.
type (
	diffJSON struct {
		Added      []changeJSON   `json:"added"`
		Modified   []changeJSON   `json:"modified"`
		Removed    []changeJSON   `json:"removed"`
		Unmergable []conflictJSON `json:"unmergable"`
	}
	pathJSON struct {
		Path  string `json:"path"`
		Bytes []byte `json:"pathBytes,omitempty"` // the path itself, if it is not UTF-8
	}
	changeJSON struct {
		pathJSON
		What []string `json:"what,omitempty" enum:"type,mode,owner,xattrs,content,target,device"`
	}
	conflictJSON struct {
		pathJSON
		Reason string `json:"reason"`
	}
)

// MarshalJSON is the diff as docs/explanation/etc-merge.md describes it.
func (d *Diff) MarshalJSON() ([]byte, error) {
	out := diffJSON{changesJSON(d.Added), changesJSON(d.Modified), changesJSON(d.Removed), []conflictJSON{}}
	for _, c := range d.Unmergable {
		out.Unmergable = append(out.Unmergable, conflictJSON{newPathJSON(c.Path), c.String()})
	}
	return json.Marshal(out)
}

// JSONAs says as what a diff is encoded.
func (d *Diff) JSONAs() any { return diffJSON{} }

func changesJSON(changes []tree.Change) []changeJSON {
	out := make([]changeJSON, 0, len(changes))
	for _, c := range changes {
		out = append(out, changeJSON{newPathJSON(c.Path), aspects(c.What)})
	}
	return out
}

func newPathJSON(path string) pathJSON {
	if utf8.ValidString(path) {
		return pathJSON{Path: path}
	}
	return pathJSON{strings.ToValidUTF8(path, "\ufffd"), []byte(path)}
}

// aspects are the names of what a change is about.
func aspects(what tree.Aspect) []string {
	var out []string
	for _, a := range []struct {
		aspect tree.Aspect
		name   string
	}{
		{tree.TypeAspect, "type"},
		{tree.ModeAspect, "mode"},
		{tree.OwnerAspect, "owner"},
		{tree.XattrsAspect, "xattrs"},
		{tree.ContentAspect, "content"},
		{tree.TargetAspect, "target"},
		{tree.DeviceAspect, "device"},
	} {
		if what&a.aspect != 0 {
			out = append(out, a.name)
		}
	}
	return out
}
