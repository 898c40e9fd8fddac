package accounts

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strconv"
)

// ranges merges subuid or subgid, whose entries are ranges of ids.
type ranges struct {
	file *file
	held []span // those of the administrator, by start
}

// span is a range of ids and who has it. Ends are exclusive.
type span struct {
	start, end uint64
	owner      string
	reach      uint64 // the greatest end of this span and those before it
}

func newRanges(f *file) *ranges {
	r := &ranges{file: f}
	for _, key := range f.c.keys() {
		if isEntry(key) && f.changed(key) {
			r.held = append(r.held, spans(f.c, key)...)
		}
	}
	slices.SortStableFunc(r.held, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	var reach uint64
	for i := range r.held {
		reach = max(reach, r.held[i].end)
		r.held[i].reach = reach
	}
	return r
}

func spans(t *table, key string) []span {
	starts, counts := t.numbersAt(t.entries[key], 1), t.numbersAt(t.entries[key], 2)
	out := make([]span, len(starts))
	for i, start := range starts {
		out[i] = span{start: uint64(start), end: uint64(start) + uint64(counts[i]), owner: key}
	}
	return out
}

// merge decides about every entry. What the image gives must not overlap what
// the administrator gave to somebody else.
func (r *ranges) merge() []Note {
	f := r.file
	var notes []Note
	for _, key := range f.keys() {
		inP, inC, inN := f.p.entries[key] != nil, f.c.entries[key] != nil, f.n.entries[key] != nil
		comes := inN && !f.changed(key) && !slices.Equal(f.n.entries[key], f.c.entries[key])
		other, taken := "", false
		if comes && isEntry(key) {
			other, taken = r.overlap(key)
		}
		switch {
		case taken:
			f.decided[key] = f.c.entries[key]
			notes = append(notes, Note{f.name, fmt.Sprintf("the new image's range of %s is left out: it overlaps that of %s here",
				strconv.Quote(key), strconv.Quote(other))})
		case inN && !f.changed(key):
			f.decided[key] = f.n.entries[key]
		case inC && (inN || !inP || f.changed(key)):
			f.decided[key] = f.c.entries[key]
		}
	}
	return notes
}

// overlap names somebody else whose range overlaps that of key in new.
func (r *ranges) overlap(key string) (owner string, taken bool) {
	for _, s := range spans(r.file.n, key) {
		// Spans before i begin before the end of s; those that end after its
		// begin overlap it.
		i := sort.Search(len(r.held), func(i int) bool { return r.held[i].start >= s.end })
		for i--; i >= 0 && r.held[i].reach > s.start; i-- {
			if h := r.held[i]; h.end > s.start && h.end > h.start && h.owner != key {
				return h.owner, true
			}
		}
	}
	return "", false
}
