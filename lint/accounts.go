package lint

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

type unixStat = syscall.Stat_t

// accounts reads a file of accounts, passwd(5) or group(5), by name. A file that is not
// there has none.
func (r *root) accounts(name string) (map[string]uint32, error) {
	text, err := r.ReadFile(name, maxText)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ids := map[string]uint32{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) < 3 || strings.HasPrefix(line, "#") {
			continue
		}
		if id, err := strconv.ParseUint(fields[2], 10, 32); err == nil {
			ids[fields[0]] = uint32(id)
		}
	}
	return ids, nil
}

// accountNames are the names of users and groups by their numbers.
func (r *root) accountNames() (users, groups map[uint32]string, err error) {
	names := func(file string) map[uint32]string {
		ids, err1 := r.accounts(file)
		err = errors.Join(err, err1)
		names := map[uint32]string{}
		for _, name := range slices.Backward(slices.Sorted(maps.Keys(ids))) {
			names[ids[name]] = name
		}
		return names
	}
	users, groups = names("etc/passwd"), names("etc/group")
	return users, groups, err
}

// nameOf is the name of an account, its number if it has none.
func nameOf(names map[uint32]string, id uint32) string {
	if name, ok := names[id]; ok {
		return name
	}
	return strconv.FormatUint(uint64(id), 10)
}

func checkSysusers(r *root) error {
	users, err := r.accounts("etc/passwd")
	if err != nil || users == nil {
		return err
	}
	groups, err := r.accounts("etc/group")
	if err != nil {
		return err
	}
	err = r.confLines([]string{"usr/lib/sysusers.d"}, func(words []string) {
		if len(words) < 2 {
			return
		}
		switch words[0] {
		case "u", "u!":
			// A user has a group of the same name.
			delete(users, words[1])
			delete(groups, words[1])
		case "g":
			delete(groups, words[1])
		}
	})
	if err != nil {
		return err
	}
	l := r.list()
	l.add("Found /etc/passwd entry without corresponding systemd sysusers.d", quoted(slices.Collect(maps.Keys(users))))
	l.add("Found /etc/group entry without corresponding systemd sysusers.d", quoted(slices.Collect(maps.Keys(groups))))
	return l.finding()
}
