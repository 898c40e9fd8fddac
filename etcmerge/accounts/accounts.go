// Package accounts merges the files of /etc that say who the users and groups
// are, entry by entry: the lines that the administrator changed stay, the lines
// that the image brings arrive, and no merge makes two accounts share an id.
// What it decides, and why, is in docs/adr/0010-account-files.md.
package accounts

// Files is the content of account files by name. A file that is missing, or is
// no regular one, has no content.
type Files map[string][]byte

// Names returns the names of all account files, relative to /etc.
func Names() []string {
	return []string{"passwd", "shadow", "group", "gshadow", "subuid", "subgid"}
}

// Note is a decision that the administrator should know of.
type Note struct {
	File string `json:"file"` // its name, relative to /etc
	Text string `json:"text"` // one sentence without a full stop
}

// Merge returns the content of those files that both current and new have, with
// what changed from pristine to current and what changed from pristine to new.
// Of other files it returns nothing: they come and go as any file of /etc does.
//
// A file that nobody changed locally is that of new, byte for byte, and one that
// new does not change is that of current, unless two files of the same merge
// would contradict each other. Merging the outcome once more, in the place of
// new, changes nothing.
func Merge(pristine, current, new Files) (Files, []Note) {
	m := newMerger(pristine, current, new)
	m.settle()
	m.secrets()
	out := m.outcome()
	notes := m.notes()
	for _, name := range []string{"subuid", "subgid"} {
		r := newRanges(newFile(name, pristine, current, new))
		notes = append(notes, r.merge()...)
		r.file.write(out)
	}
	return out, notes
}
