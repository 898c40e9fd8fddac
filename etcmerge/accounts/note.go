package accounts

import (
	"fmt"
	"slices"
	"strconv"
)

// notes tells of users and groups that did not come, stay, or have another id
// than one might expect.
func (m *merger) notes() []Note {
	return append(m.users.notes(), m.groups.notes()...)
}

func (d *database) notes() []Note {
	var out []Note
	for _, key := range d.main.keys() {
		if !isEntry(key) {
			continue
		}
		if text := d.note(key); text != "" {
			out = append(out, Note{d.main.name, d.noun + " " + strconv.Quote(key) + " " + text})
		}
	}
	return out
}

// note is what to tell of one entry, "" if there is nothing.
func (d *database) note(key string) string {
	f := d.main
	id, refused := d.refused[key]
	mine, now := d.ids(f.c, key), f.c.numbersAt(f.decided[key], idField)
	theirs, differs := unknown(d.ids(f.n, key), mine)
	switch {
	case d.added(key) && refused:
		return fmt.Sprintf("of the new image is left out: its %s %d is that of %s here", d.id, id, strconv.Quote(d.holder[id]))
	case d.added(key) && now == nil:
		return "of the new image is left out: its group is none of this host"
	case d.added(key):
		return ""
	case refused:
		return fmt.Sprintf("keeps its %s: %d, which the new image gives it, is that of %s here", d.id, id, strconv.Quote(d.holder[id]))
	case d.kept[key]:
		return "is not in the new image and stays: it was changed here, or is in use"
	case d.pinned[key] && differs:
		return fmt.Sprintf("keeps its %s: it is %d here and %d in the new image", d.id, mine[0], theirs)
	}
	if id, moved := unknown(now, mine); moved {
		return fmt.Sprintf("has the %s %d in the new image, after %d: files outside of the image keep the old one", d.id, id, mine[0])
	}
	return ""
}

// unknown is the first of ids that is none of others.
func unknown(ids, others []uint32) (id uint32, found bool) {
	i := slices.IndexFunc(ids, func(id uint32) bool { return !slices.Contains(others, id) })
	if i < 0 {
		return 0, false
	}
	return ids[i], true
}
