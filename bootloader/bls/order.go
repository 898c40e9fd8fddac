package bls

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
)

// Name is what the name of an entry's file says.
type Name struct {
	ID string // without ".conf" and tries
	// Counted tells whether boots are counted: Left are still granted, Done were made.
	Counted    bool
	Left, Done uint
}

// ParseName reads the name of a file in loader/entries: "<id>[+<left>[-<done>]].conf".
// It reports false for files that are no entries.
func ParseName(file string) (Name, bool) {
	id, ok := strings.CutSuffix(file, ".conf")
	if !ok || id == "" {
		return Name{}, false
	}
	m := regexp.MustCompile(`^(.+)\+([0-9]{1,9})(?:-([0-9]{1,9}))?$`).FindStringSubmatch(id)
	if m == nil {
		return Name{ID: id}, true
	}
	left, _ := strconv.Atoi(m[2]) // nine digits at most
	done, _ := strconv.Atoi(m[3]) // none is 0
	return Name{ID: m[1], Counted: true, Left: uint(left), Done: uint(done)}, true
}

// String is the name of the file.
func (n Name) String() string {
	if !n.Counted {
		return n.ID + ".conf"
	}
	return n.ID + "+" + strconv.FormatUint(uint64(n.Left), 10) + "-" + strconv.FormatUint(uint64(n.Done), 10) + ".conf"
}

// Compare orders two entries as systemd-boot's menu does: negative if a stands before b.
func Compare(a Entry, an Name, b Entry, bn Name) int {
	ak, bk := a.Value("sort-key"), b.Value("sort-key")
	c := cmp.Or(
		compareBool(an.Counted && an.Left == 0, bn.Counted && bn.Left == 0), // out of tries: to the end
		compareBool(ak == "", bk == ""),
	)
	if c == 0 && ak != "" {
		c = cmp.Or(
			strings.Compare(ak, bk),
			strings.Compare(a.Value("machine-id"), b.Value("machine-id")),
			CompareVersions(b.Value("version"), a.Value("version")),
		)
	}
	c = cmp.Or(c, CompareVersions(bn.ID, an.ID))
	if c == 0 && an.Counted && bn.Counted {
		c = cmp.Or(cmp.Compare(bn.Left, an.Left), cmp.Compare(an.Done, bn.Done))
	}
	return c
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
