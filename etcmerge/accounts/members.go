package accounts

import (
	"slices"
	"strings"
)

// members splits a list of names.
func members(list string) []string {
	return slices.DeleteFunc(strings.Split(list, ","), func(s string) bool { return s == "" })
}

// set is a set of names.
type set map[string]bool

func (s set) has(name string) bool { return s[name] }

func setOf(names []string) set {
	out := make(set, len(names))
	for _, name := range names {
		out[name] = true
	}
	return out
}

// memberNames are the names in all lists of an entry.
func (f *format) memberNames(lines []string) []string {
	var out []string
	for _, text := range lines {
		fields := f.split(text)
		for _, u := range f.units {
			if u.set && fields != nil {
				out = append(out, members(fields[u.first])...)
			}
		}
	}
	return out
}

// without is the line without the names in its lists that are barred. A line
// that has none of them stays as it is, to the byte.
func (f *format) without(text string, barred func(string) bool) string {
	fields := f.split(text)
	for _, u := range f.units {
		if u.set && slices.ContainsFunc(members(fields[u.first]), barred) {
			fields[u.first] = strings.Join(slices.DeleteFunc(members(fields[u.first]), barred), ",")
		}
	}
	return strings.Join(fields, ":")
}

// mergeMembers is the list mine, without those that new took out of before and
// with those that it put in.
func mergeMembers(before, mine, new string) string {
	was, is, have := setOf(members(before)), setOf(members(new)), setOf(members(mine))
	gone := func(name string) bool { return was[name] && !is[name] }
	var come []string
	for _, name := range members(new) {
		if !was[name] && !have[name] {
			come = append(come, name)
			have[name] = true
		}
	}
	if len(come) == 0 && !slices.ContainsFunc(members(mine), gone) {
		return mine
	}
	return strings.Join(append(slices.DeleteFunc(members(mine), gone), come...), ",")
}
