package pkgdb

import (
	"cmp"
	"fmt"
	"slices"
)

// Change is a package that is there before and after, in another version.
type Change struct {
	Manager Manager `json:"manager" enum:"dpkg,rpm,apk"`
	Name    string  `json:"name"`
	Arch    string  `json:"arch,omitempty"` // afterwards
	From    string  `json:"from"`
	To      string  `json:"to"`
	// Direction is -1 if To is an older version than From, else 1; 0 if the manager
	// takes them for the same, or if only the architecture is another.
	Direction int `json:"direction" enum:"-1,0,1"`
}

// String is the change in one line.
func (c Change) String() string {
	return fmt.Sprintf("%s %s -> %s", c.Name, c.From, c.To)
}

// Diff is how two lists of packages differ, each part in the order of [Read].
type Diff struct {
	Added   []Package `json:"added"`
	Removed []Package `json:"removed"`
	Changed []Change  `json:"changed"`
}

// Empty says whether the lists were the same.
func (d *Diff) Empty() bool { return len(d.Added)+len(d.Removed)+len(d.Changed) == 0 }

// NewDiff compares two lists. A package that is once in each under the same name has
// changed. Of one that can be there several times, such as a kernel or a library for
// two architectures, those of the same architecture are compared; and if that leaves
// several, versions come and go.
func NewDiff(before, after []Package) *Diff {
	d := &Diff{Added: []Package{}, Removed: []Package{}, Changed: []Change{}}
	old, new := without(before, after), without(after, before)
	old, new = d.match(old, new, counts(before, name), counts(after, name), name)
	old, new = d.match(old, new, counts(before, nameAndArch), counts(after, nameAndArch), nameAndArch)
	d.Removed, d.Added = append(d.Removed, old...), append(d.Added, new...)
	slices.SortFunc(d.Changed, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.Manager, b.Manager), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Arch, b.Arch))
	})
	return d
}

// key is what makes two packages the same one in two versions.
type key struct {
	manager    Manager
	name, arch string
}

func name(p Package) key        { return key{p.Manager, p.Name, ""} }
func nameAndArch(p Package) key { return key{p.Manager, p.Name, p.Arch} }

func counts(ps []Package, of func(Package) key) map[key]int {
	m := map[key]int{}
	for _, p := range ps {
		m[of(p)]++
	}
	return m
}

// without is what is in a and not in b.
func without(a, b []Package) []Package {
	have := make(map[Package]bool, len(b))
	for _, p := range b {
		have[p] = true
	}
	var out []Package
	for _, p := range a {
		if !have[p] {
			out = append(out, p)
		}
	}
	return out
}

// match finds the packages that are once in each list, by their keys, and returns
// what is left.
func (d *Diff) match(old, new []Package, before, after map[key]int, of func(Package) key) (oldLeft, newLeft []Package) {
	once := func(p Package) bool { return before[of(p)] == 1 && after[of(p)] == 1 }
	from := map[key]Package{}
	for _, p := range old {
		if once(p) {
			from[of(p)] = p
		} else {
			oldLeft = append(oldLeft, p)
		}
	}
	for _, p := range new {
		if !once(p) {
			newLeft = append(newLeft, p)
			continue
		}
		o := from[of(p)]
		d.Changed = append(d.Changed, Change{p.Manager, p.Name, p.Arch, o.Version, p.Version, CompareVersions(p.Manager, p.Version, o.Version)})
	}
	return oldLeft, newLeft
}
