package accounts

import "slices"

// database is the users, or the groups: the file with names and ids, and the
// file with what is secret about them.
type database struct {
	noun, id     string // "user" and "uid", "group" and "gid"
	main, secret *file

	kept    set               // gone from the image and needed here
	pinned  set               // with an id that is the administrator's matter
	refused map[string]uint32 // this id of the image is somebody else's here
	holder  map[uint32]string // who has an id that the image cannot have
}

func newDatabase(noun, id string, main, secret *file) *database {
	d := &database{noun: noun, id: id, main: main, secret: secret}
	main.locked = d.locked
	return d
}

// locked says whether an entry keeps the id that it has here.
func (d *database) locked(key string) bool {
	_, refused := d.refused[key]
	return refused || d.pinned[key]
}

// ids are the ids of an entry.
func (d *database) ids(t *table, key string) []uint32 {
	return t.numbersAt(t.entries[key], idField)
}

// keep finds out which entries stay although the image dropped them: those that
// were changed here, be it in the secret file alone, and those that needed
// names.
func (d *database) keep(needed func(key string) bool) {
	d.kept = set{}
	for _, key := range d.main.c.keys() {
		dropped := d.main.p.entries[key] != nil && d.main.n.entries[key] == nil
		if dropped && (d.main.changed(key) || d.secret.changed(key) || needed(key)) {
			d.kept[key] = true
		}
	}
}

// pin finds out whose ids are the administrator's: of entries that were added
// here, given another id here, or that stay against the image or by need.
func (d *database) pin(needed func(key string) bool) {
	d.pinned = set{}
	for _, key := range d.main.c.keys() {
		if !isEntry(key) {
			continue
		}
		before := d.ids(d.main.p, key)
		moved := before == nil || !slices.Equal(before, d.ids(d.main.c, key))
		if moved || d.kept[key] || needed(key) || d.main.isWhole(key) && d.main.changed(key) {
			d.pinned[key] = true
		}
	}
}

// refuse finds out which ids of the image would be those of two names. A name
// that must keep its old id for that may be in the way of a third one, and so
// on.
func (d *database) refuse() {
	d.refused, d.holder = map[string]uint32{}, map[uint32]string{}
	introduced := d.introduced()
	var queue []uint32
	hold := func(key string) {
		for _, id := range d.ids(d.main.c, key) {
			if _, held := d.holder[id]; !held {
				d.holder[id] = key
				queue = append(queue, id)
			}
		}
	}
	for _, key := range d.main.c.keys() {
		if d.pinned[key] {
			hold(key)
		}
	}
	for len(queue) > 0 {
		id := queue[0]
		queue = queue[1:]
		for _, key := range introduced[id] {
			if _, done := d.refused[key]; !done {
				d.refused[key] = id
				hold(key)
			}
		}
	}
}

// introduced are the names that get an id from the image which they do not have
// here, by that id.
func (d *database) introduced() map[uint32][]string {
	out := map[uint32][]string{}
	for _, key := range d.main.n.keys() {
		if !isEntry(key) || d.pinned[key] || d.removedHere(key) {
			continue
		}
		have := d.ids(d.main.c, key)
		for _, id := range d.ids(d.main.n, key) {
			if !slices.Contains(have, id) {
				out[id] = append(out[id], key)
			}
		}
	}
	return out
}

// removedHere says whether the administrator removed an entry of the image.
func (d *database) removedHere(key string) bool {
	return d.main.c.entries[key] == nil && d.main.p.entries[key] != nil
}

// added says whether only the image has an entry.
func (d *database) added(key string) bool {
	f := d.main
	return f.n.entries[key] != nil && f.c.entries[key] == nil && f.p.entries[key] == nil
}

// decide says what becomes of each entry of the main file. Arrivals that are
// barred do not come.
func (d *database) decide(barred func(key string) bool) {
	f := d.main
	f.decided = map[string][]string{}
	for _, key := range f.keys() {
		_, refused := d.refused[key]
		switch inC, inN := f.c.entries[key] != nil, f.n.entries[key] != nil; {
		case inC && inN:
			f.decided[key] = f.merge(key)
		case inC && (f.p.entries[key] == nil || d.kept[key]):
			f.decided[key] = f.c.entries[key]
		case d.added(key) && !refused && !barred(key):
			f.decided[key] = f.arrival(key)
		}
	}
}

// decideSecrets does the same for the secret file. An entry goes where that of
// the main file goes: it stays if that one is here against the image, and does
// not come if that one did not.
func (d *database) decideSecrets() {
	f := d.secret
	f.decided = map[string][]string{}
	for _, key := range f.keys() {
		inP, inC, inN := f.p.entries[key] != nil, f.c.entries[key] != nil, f.n.entries[key] != nil
		here, there := d.main.decided[key] != nil, d.main.n.entries[key] != nil
		switch {
		case inC && inN:
			f.decided[key] = f.merge(key)
		case inC && (!inP || f.changed(key) || here && !there):
			f.decided[key] = f.c.entries[key]
		case inN && !inC && (here && d.added(key) || !inP && (here || !there)):
			f.decided[key] = f.fromImage(key)
		}
	}
}

// idOf is the id that an entry keeps, if it must.
func (d *database) idOf(key string, field int) (string, bool) {
	f := d.main
	if field != idField || f.c.entries[key] == nil || !d.locked(key) {
		return "", false
	}
	return f.c.split(f.c.entries[key][0])[idField], true
}

// decidedIDs are the ids of the entries as decided, by name and all together.
func (d *database) decidedIDs() (byName map[string][]uint32, all map[uint32]bool) {
	byName, all = make(map[string][]uint32, len(d.main.decided)), make(map[uint32]bool, len(d.main.decided))
	for key, lines := range d.main.decided {
		if !isEntry(key) || lines == nil {
			continue
		}
		byName[key] = d.main.c.numbersAt(lines, idField)
		for _, id := range byName[key] {
			all[id] = true
		}
	}
	return byName, all
}
