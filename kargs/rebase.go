package kargs

import "slices"

// Rebase is the line with the arguments of one image, old, exchanged for those of
// the next, new. All else was put there on this machine and stays:
//
//   - An argument that new lacks goes away, once for each time that old had it.
//   - An argument of old that the line lacks was removed on this machine; new does
//     not bring it back.
//   - The image's arguments of one key stand in the order that new gives them, and
//     before this machine's own ones of that key, so that the latter still win. With
//     none of the key in the line, they go to its end.
//   - Keys whose arguments are the same in old and new are left as they are.
func (l Line) Rebase(old, new Line) Line {
	l = slices.Clone(l)
	seen := make([]string, 0, len(old)+len(new))
	for _, a := range slices.Concat(old, new) {
		key := a.Key()
		if slices.ContainsFunc(seen, func(s string) bool { return sameKey(s, key) }) {
			continue
		}
		seen = append(seen, key)
		l = l.rebaseKey(key, old.of(key), new.of(key))
	}
	return l
}

// rebaseKey is Rebase for lines old and new in which all arguments are called key.
func (l Line) rebaseKey(key string, old, new Line) Line {
	if slices.EqualFunc(old, new, Arg.Equal) {
		return l
	}
	at := slices.IndexFunc(l, func(a Arg) bool { return sameKey(a.Key(), key) })
	if at < 0 {
		at = len(l)
	}
	var removedHere Line
	first := -1
	for _, a := range old {
		i := slices.IndexFunc(l, a.Equal)
		if i < 0 {
			removedHere = append(removedHere, a)
			continue
		}
		l = slices.Delete(l, i, i+1)
		if first < 0 || i < first {
			first = i
		}
	}
	if first >= 0 {
		at = first
	}
	for _, a := range removedHere {
		if i := slices.IndexFunc(new, a.Equal); i >= 0 {
			new = slices.Delete(new, i, i+1)
		}
	}
	return slices.Insert(l, at, new...)
}

// of is those arguments of the line that are called key, in a slice of their own.
func (l Line) of(key string) Line {
	var found Line
	for _, a := range l {
		if sameKey(a.Key(), key) {
			found = append(found, a)
		}
	}
	return found
}
