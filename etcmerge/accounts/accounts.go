// Package accounts merges the files of /etc that say who the users and groups
// are, by their entries. What it decides, and why, is in
// docs/adr/0010-account-files.md.
package accounts

// Names are the files that Merge knows, below /etc.
var names = []string{"passwd", "shadow", "group", "gshadow", "subuid", "subgid"}

// Names returns the names of the files that [Merge] knows, relative to /etc.
func Names() []string { return names }

// Note is a decision that the administrator should know of.
type Note struct {
	File string // the name of the file, relative to /etc
	Text string // one sentence
}

// Triple is one file in its three states, nil where it does not exist. What
// Merge finds in Current and New is merged; a file that lacks one of these is
// not touched.
type Triple struct{ Pristine, Current, New []byte }

// Merge returns the merged content of each file of which that can be said.
func Merge(files map[string]Triple) (merged map[string][]byte, notes []Note) {
	return nil, nil
}
