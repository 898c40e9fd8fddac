package host

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// HumanOptions say how much WriteHuman tells.
type HumanOptions struct {
	Verbose bool // say more about each deployment
}

// WriteHuman writes the document for humans: the deployments with an empty line
// between two, each a few rows whose titles end in one column.
func (h *Host) WriteHuman(w io.Writer, o HumanOptions) error {
	var text bytes.Buffer
	if h.Status.Booted == nil {
		text.WriteString("System is not deployed via bootc.\n")
	} else {
		h.writeSlots(&text, o)
	}
	_, err := w.Write(text.Bytes())
	return err
}

func (h *Host) writeSlots(text *bytes.Buffer, o HumanOptions) {
	slots := []slot{
		{title: "  Staged", entry: h.Status.Staged, staged: true},
		{title: "● Booted", entry: h.Status.Booted, overlay: h.Status.UsrOverlay},
		{title: "  Rollback", entry: h.Status.Rollback, queued: h.Status.RollbackQueued},
	}
	for i := range h.Status.OtherDeployments {
		slots = append(slots, slot{title: "   Other", entry: &h.Status.OtherDeployments[i]})
	}
	for _, s := range slots {
		if s.entry == nil {
			continue
		}
		if text.Len() > 0 {
			text.WriteByte('\n')
		}
		writeRows(text, s.rows(o))
	}
	for _, f := range h.Status.FailedUpdates {
		text.WriteByte('\n')
		writeRows(text, f.rows(o))
	}
	if m := h.Status.MissedUpdate; m != nil {
		text.WriteByte('\n')
		writeRows(text, m.rows())
	}
}

// rows are those of an update that a shutdown could not apply.
func (m MissedUpdate) rows() []row {
	rows := []row{{"    Missed image", m.Image}, {"Digest", m.ImageDigest}}
	if m.Version != nil {
		rows = append(rows, row{"Version", *m.Version})
	}
	return append(rows, row{"Reason", m.Reason}, row{"Missed at", Seconds(m.Recorded)})
}

// rows are those of an image that was given up.
func (f FailedUpdate) rows(o HumanOptions) []row {
	rows := []row{{"    Failed image", f.Image}, {"Digest", f.ImageDigest}}
	if f.Version != nil {
		rows = append(rows, row{"Version", *f.Version})
	}
	rows = append(rows, row{"Reason", f.Reason}, row{"Given up", fmt.Sprintf("%s, after %d tries", Seconds(f.Recorded), f.Tries)})
	if o.Verbose && f.Output != nil {
		for line := range strings.Lines(*f.Output) {
			rows = append(rows, row{"Output", strings.TrimRight(line, "\n")})
		}
	}
	return rows
}

// slot is a deployment in its role.
type slot struct {
	title   string // with its marker
	entry   *BootEntry
	staged  bool
	queued  bool
	overlay *FilesystemOverlay
}

// row is a title and what stands behind it.
type row struct{ title, value string }

// writeRows writes the rows with their titles as wide as the first one's.
func writeRows(text *bytes.Buffer, rows []row) {
	width := utf8.RuneCountInString(rows[0].title)
	for _, r := range rows {
		fmt.Fprintf(text, "%*s", width, r.title)
		if r.value != "" {
			text.WriteString(": " + printable(r.value))
		}
		text.WriteByte('\n')
	}
}

// printable takes out of s what would move the cursor of a terminal: names and
// versions come from image labels.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

func (s slot) rows(o HumanOptions) []row {
	var rows []row
	add := func(title, value string) { rows = append(rows, row{title, value}) }
	e := s.entry
	switch {
	case e.Image != nil:
		add(s.title+" image", e.Image.Image.String())
		rows = append(rows, e.imageRows()...)
	case e.Ostree != nil:
		add(s.title+" ostree", "")
		add("Commit", e.Ostree.Checksum)
	case e.Composefs != nil:
		add(s.title+" composefs", "")
		add("Verity", e.Composefs.Verity)
	default:
		return []row{{s.title, "unknown"}}
	}
	if e.Pinned {
		add("Pinned", "yes")
	}
	if e.FactoryReset {
		add("Factory reset", "yes")
	}
	if s.queued {
		add("Queued", "yes")
	}
	if t := e.Trial; t != nil {
		add("On trial", fmt.Sprintf("%d tries made, %d left", t.TriesDone, t.TriesLeft))
	}
	rows = append(rows, e.updateRows()...)
	if s.overlay != nil {
		add("/usr overlay", s.overlay.String())
	}
	if o.Verbose {
		rows = append(rows, s.verboseRows()...)
	}
	return rows
}

// imageRows are those of an entry whose image is known.
func (e *BootEntry) imageRows() []row {
	rows := []row{{"Digest", fmt.Sprintf("%s (%s)", e.Image.ImageDigest, e.Image.Architecture)}}
	if e.Composefs != nil {
		rows = append(rows, row{"Verity", e.Composefs.Verity})
	}
	switch i := e.Image; {
	case i.Version != nil:
		rows = append(rows, row{"Version", i.versionAndTime()})
	case i.Timestamp != nil:
		rows = append(rows, row{"Timestamp", Seconds(*i.Timestamp)})
	}
	return rows
}

// updateRows say what the last look for an update found, if that is something else.
func (e *BootEntry) updateRows() []row {
	u := e.CachedUpdate
	if e.Image == nil || u == nil || u.ImageDigest == e.Image.ImageDigest {
		return nil
	}
	digest := row{"UpdateDigest", u.ImageDigest}
	if u.Version == nil {
		return []row{{"Update", "Available"}, digest}
	}
	return []row{{"UpdateVersion", u.versionAndTime()}, digest}
}

func (s slot) verboseRows() []row {
	var rows []row
	add := func(title, value string) { rows = append(rows, row{title, value}) }
	e := s.entry
	if e.Ostree != nil {
		add("StateRoot", e.Ostree.Stateroot)
		add("Deploy serial", fmt.Sprint(e.Ostree.DeploySerial))
		add("Staged", yes(s.staged))
		if e.Image != nil {
			add("Commit", e.Ostree.Checksum)
		}
	}
	if e.Image != nil && e.Image.Image.Signature != nil {
		add("Signature", e.Image.Image.Signature.String())
	}
	add("Soft-reboot", yes(e.SoftRebootCapable))
	if e.Composefs != nil {
		enforced := "Enforced"
		if e.Composefs.MissingVerityAllowed {
			enforced = "Not Enforced"
		}
		add("FsVerity", enforced)
		if len(e.Composefs.UKIAddons) > 0 {
			add("UKI addons", strings.Join(e.Composefs.UKIAddons, ", "))
		}
	}
	if s.staged {
		add("Download-only", yes(e.DownloadOnly))
	}
	return rows
}

func (i *ImageStatus) versionAndTime() string {
	if i.Timestamp == nil {
		return *i.Version
	}
	return fmt.Sprintf("%s (%s)", *i.Version, Seconds(*i.Timestamp))
}

// Seconds is a time in RFC 3339, in UTC and without fractions.
func Seconds(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// String is the overlay for humans: "transient, read/write".
func (o FilesystemOverlay) String() string {
	mode := "read-only"
	if o.AccessMode == AccessReadWrite {
		mode = "read/write"
	}
	return o.Persistence + ", " + mode
}

// String is the signature for humans: "container-policy".
func (s Signature) String() string {
	switch s.Kind {
	case OstreeRemote:
		return "ostree-remote:" + s.Remote
	case ContainerPolicy:
		return "container-policy"
	default:
		return string(s.Kind)
	}
}
