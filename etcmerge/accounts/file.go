package accounts

import (
	"bytes"
	"slices"
	"strings"
)

// file is one account file in its three states, and what becomes of its
// entries.
type file struct {
	name    string
	p, c, n *table // pristine, current, new
	merged  bool   // both current and new have the file
	touched bool   // current is not pristine
	decided map[string][]string

	// What other entries have to say; each may be nil.
	locked func(key string) bool                               // the entry has an id that must stay
	fixed  func(key string, field int) (value string, ok bool) // what a field must be
	barred func(member string) bool                            // the image cannot put that name into a list
}

func newFile(name string, pristine, current, new Files) *file {
	f := formatOf(name)
	p, c, n := pristine[name], current[name], new[name]
	merged := c != nil && n != nil
	if !merged {
		p, c, n = fate(p, c, n)
	}
	return &file{
		name: name, p: parse(f, p), c: parse(f, c), n: parse(f, n),
		merged: merged, touched: !bytes.Equal(p, c),
		decided: map[string][]string{},
	}
}

// fate is what becomes of a file that current or new lacks, as three states of
// which that is the merge.
func fate(p, c, n []byte) (p2, c2, n2 []byte) {
	switch {
	case c == nil && p == nil:
		return n, n, n
	case c != nil && !bytes.Equal(p, c): // all of it is the administrator's now
		return nil, c, c
	}
	return nil, nil, nil
}

// changed says whether an entry is not what it was in the image.
func (f *file) changed(key string) bool {
	return !slices.Equal(f.c.entries[key], f.p.entries[key])
}

// keys are those of current, then those that only new has.
func (f *file) keys() []string {
	out := f.c.keys()
	for _, key := range f.n.keys() {
		if f.c.entries[key] == nil {
			out = append(out, key)
		}
	}
	return out
}

// write adds the merged file to out.
func (f *file) write(out Files) {
	switch {
	case !f.merged:
	case f.touched:
		out[f.name] = f.c.arrange(f.decided, f.n)
	default:
		out[f.name] = f.n.arrange(f.decided, f.c)
	}
}

// merge is what becomes of an entry that current and new have.
func (f *file) merge(key string) []string {
	p, c, n := f.p.entries[key], f.c.entries[key], f.fromImage(key)
	if f.isWhole(key) {
		if f.changed(key) || f.locked != nil && f.locked(key) {
			return c
		}
		return n
	}
	was := f.p.split(strings.Join(p, ""))
	out, theirs := f.c.split(c[0]), f.n.split(n[0])
	for _, u := range f.c.units {
		f.unit(key, u, was, out, theirs)
	}
	return []string{strings.Join(out, ":")}
}

// isWhole says whether an entry that current and new have is merged as one piece,
// because it is none, or stands in the file several times.
func (f *file) isWhole(key string) bool {
	return !isEntry(key) || len(f.p.entries[key]) > 1 || len(f.c.entries[key]) > 1 || len(f.n.entries[key]) > 1
}

// unit merges one unit of an entry into out, which is that of current; was is
// nil if pristine lacks the entry.
func (f *file) unit(key string, u unit, was, out, theirs []string) {
	mine, new := out[u.first:u.last+1], theirs[u.first:u.last+1]
	switch value, fixed := f.fix(key, u.first); {
	case fixed:
		mine[0] = value
	case was != nil && slices.Equal(mine, was[u.first:u.last+1]):
		copy(mine, new)
	case u.set:
		before := ""
		if was != nil {
			before = was[u.first]
		}
		mine[0] = mergeMembers(before, mine[0], new[0])
	}
}

func (f *file) fix(key string, field int) (string, bool) {
	if f.fixed == nil {
		return "", false
	}
	return f.fixed(key, field)
}

// fromImage is the entry in new, without the members that it cannot have here.
func (f *file) fromImage(key string) []string {
	lines := f.n.entries[key]
	if f.barred == nil || !isEntry(key) {
		return lines
	}
	mine := setOf(f.n.memberNames(f.c.entries[key]))
	out := make([]string, len(lines))
	for i, text := range lines {
		out[i] = f.n.without(text, func(name string) bool { return !mine[name] && f.barred(name) })
	}
	return out
}

// arrival is an entry that only new has, as it comes here.
func (f *file) arrival(key string) []string {
	lines := f.fromImage(key)
	if len(lines) != 1 || !isEntry(key) {
		return lines
	}
	out := f.n.split(lines[0])
	for _, u := range f.n.units {
		if value, fixed := f.fix(key, u.first); fixed {
			out[u.first] = value
		}
	}
	return []string{strings.Join(out, ":")}
}
