package accounts

import (
	"slices"
	"strconv"
)

// merger merges users and groups at once, for each leans on the other: a user
// on the id of a group, a group on the names of users.
type merger struct {
	users, groups *database

	groupsHere, groupsNew map[uint32]string   // the first name with each id, in current and new
	ids                   map[string][]uint32 // of the groups as decided
	taken                 map[uint32]bool     // ids of groups as decided
	stay                  set                 // users who must keep the group id they have
}

func newMerger(pristine, current, new Files) *merger {
	file := func(name string) *file { return newFile(name, pristine, current, new) }
	m := &merger{
		users:  newDatabase("user", "uid", file("passwd"), file("shadow")),
		groups: newDatabase("group", "gid", file("group"), file("gshadow")),
		stay:   set{},
	}
	m.groupsHere, m.groupsNew = byID(m.groups.main.c), byID(m.groups.main.n)
	m.users.main.fixed, m.groups.main.fixed = m.userField, m.groups.idOf
	m.groups.main.barred, m.groups.secret.barred = m.absent, m.absent
	return m
}

// byID is the first name with each id.
func byID(t *table) map[uint32]string {
	out := map[uint32]string{}
	for _, key := range t.keys() {
		for _, id := range t.numbersAt(t.entries[key], idField) {
			if _, taken := out[id]; !taken {
				out[id] = key
			}
		}
	}
	return out
}

// settle decides about passwd and group. A user who cannot have the group that
// the image gives stays in the one of before, which the image may have dropped
// then; so what was decided is looked at, and decided again as long as such a
// user is found. Every round finds others.
func (m *merger) settle() {
	m.users.keep(setOf(m.localMembers()).has)
	for {
		m.round()
		more := m.stranded()
		if len(more) == 0 {
			return
		}
		for _, name := range more {
			m.stay[name] = true
		}
	}
}

func (m *merger) round() {
	needed := m.neededGroups()
	m.groups.keep(needed)
	m.groups.pin(needed)
	m.groups.refuse()
	nobody := func(string) bool { return false }
	m.groups.decide(nobody)
	m.ids, m.taken = m.groups.decidedIDs()
	m.users.pin(nobody)
	m.users.refuse()
	m.users.decide(m.withoutGroup)
	m.groups.decide(nobody) // once more, for now it is known which members there are
}

// secrets decides about shadow and gshadow.
func (m *merger) secrets() {
	m.users.decideSecrets()
	m.groups.decideSecrets()
}

// outcome is the content of all four files.
func (m *merger) outcome() Files {
	out := Files{}
	for _, d := range []*database{m.users, m.groups} {
		d.main.write(out)
		d.secret.write(out)
	}
	return out
}

// absent says whether a user of the image is none of this host.
func (m *merger) absent(name string) bool {
	return m.users.main.n.entries[name] != nil && m.users.main.decided[name] == nil
}

// localMembers are the users whom the administrator put into groups.
func (m *merger) localMembers() []string {
	var out []string
	for _, f := range []*file{m.groups.main, m.groups.secret} {
		for _, key := range f.c.keys() {
			if !isEntry(key) || !f.changed(key) {
				continue
			}
			was := setOf(f.p.memberNames(f.p.entries[key]))
			out = append(out, slices.DeleteFunc(f.c.memberNames(f.c.entries[key]), was.has)...)
		}
	}
	return out
}

// neededGroups tells the groups that users have as their first one by a
// decision of the administrator.
func (m *merger) neededGroups() func(key string) bool {
	f := m.users.main
	ids := map[uint32]bool{}
	for _, key := range f.c.keys() {
		if !isEntry(key) {
			continue
		}
		mine, was := f.c.numbersAt(f.c.entries[key], gidField), f.p.numbersAt(f.p.entries[key], gidField)
		if was == nil || m.users.kept[key] || m.stay[key] || !slices.Equal(mine, was) {
			for _, id := range mine {
				ids[id] = true
			}
		}
	}
	return func(key string) bool {
		return isEntry(key) && slices.ContainsFunc(m.groups.ids(m.groups.main.c, key), func(id uint32) bool { return ids[id] })
	}
}

// withoutGroup says whether the first group of a new user is none of this host,
// or has an id there that is another group's here.
func (m *merger) withoutGroup(user string) bool {
	f := m.users.main
	return slices.ContainsFunc(f.n.numbersAt(f.n.entries[user], gidField), func(gid uint32) bool {
		_, ok := m.here(gid)
		return !ok
	})
}

// here is the id that a group of the image has here, by its id there.
func (m *merger) here(gid uint32) (uint32, bool) {
	name, ok := m.groupsNew[gid]
	if !ok {
		_, held := m.groups.holder[gid]
		return gid, !held
	}
	return m.idNow(name, gid)
}

// idNow is the id of a group as decided, which may be the one it had.
func (m *merger) idNow(name string, before uint32) (uint32, bool) {
	ids := m.ids[name]
	switch {
	case len(ids) == 0:
		return 0, false
	case slices.Contains(ids, before):
		return before, true
	}
	return ids[0], true
}

// userField is what the ids of a user must be, if not what a merge of just that
// field gives.
func (m *merger) userField(name string, field int) (string, bool) {
	if field == gidField {
		return m.firstGroup(name)
	}
	return m.users.idOf(name, field)
}

// firstGroup translates the group of a user whose group is the image's matter:
// what counts is the group, and only then its number.
func (m *merger) firstGroup(user string) (string, bool) {
	f := m.users.main
	was, mine, theirs := firstGID(f.p, user), firstGID(f.c, user), firstGID(f.n, user)
	if mine != nil && (was == nil || *was != *mine || *mine == *theirs && !m.lost(*mine)) {
		return "", false
	}
	id, ok := m.here(*theirs)
	if !ok && mine != nil {
		id = *mine
		if now, ok := m.idNow(m.groupsHere[id], id); ok {
			id = now
		}
	}
	return strconv.FormatUint(uint64(id), 10), id != *theirs
}

// lost says whether an id that is a group's here is none any more.
func (m *merger) lost(gid uint32) bool { return m.groupsHere[gid] != "" && !m.taken[gid] }

// firstGID is the group of a user, nil if there is no such user.
func firstGID(t *table, user string) *uint32 {
	ids := t.numbersAt(t.entries[user], gidField)
	if len(ids) == 0 {
		return nil
	}
	return &ids[0]
}

// stranded are the users who stay in a group that the image drops, because they
// cannot have the one that it gives.
func (m *merger) stranded() []string {
	f := m.users.main
	var out []string
	for _, key := range f.c.keys() {
		mine, theirs := firstGID(f.c, key), firstGID(f.n, key)
		if mine == nil || theirs == nil || m.stay[key] || !m.lost(*mine) {
			continue
		}
		if *mine == *theirs && m.groupsNew[*mine] == "" { // the image wants it that way
			continue
		}
		if now := firstGID(&table{format: f.c.format, entries: f.decided}, key); now != nil && *now == *mine {
			out = append(out, key)
		}
	}
	return out
}
