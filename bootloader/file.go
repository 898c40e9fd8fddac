package bootloader

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/bootc-go/bootc/bootloader/bls"
	"github.com/bootc-go/bootc/kargs"
)

// ourPrefix begins the names of our entries' files.
const ourPrefix = "bootc_"

// fileName is the name of entry i of n, the first being 0. Loaders that sort by names
// have the highest number first. The names of two entries differ in the number, so
// they differ whatever became of the rest, on FAT as well.
func (e Entry) fileName(i, n int) bls.Name {
	name := bls.Name{ID: fmt.Sprintf("%s%s-%s-%0*d", ourPrefix, fileWord(e.OSID, 32), fileWord(e.Version, 64), width(n), n-1-i)}
	if e.Tries != nil {
		name.Counted, name.Left, name.Done = true, e.Tries.Left, e.Tries.Done
	}
	return name
}

// width is how many digits make n numbers sort like strings.
func width(n int) int { return len(strconv.Itoa(n - 1)) }

// fileWord makes s a part of a file name: of characters that FAT and the Boot Loader
// Specification have, but for '-', which stands between the parts, and '+', which
// begins the tries.
func fileWord(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '.' {
			return r
		}
		return '_'
	}, s)
	if s == "" {
		return "unknown"
	}
	return s[:min(len(s), limit)]
}

// sortKey puts entry i of n in its place. All entries of a menu have the osID of its
// first, for two systems must not be sorted by their names.
func sortKey(osID string, i, n int) string {
	osID = strings.Join(strings.FieldsFunc(osID, func(r rune) bool { return r <= ' ' || r > '~' }), "_")
	if osID == "" {
		osID = "unknown"
	}
	return fmt.Sprintf("bootc-%s-%0*d", osID, width(n), i)
}

// keys that an Entry has fields for; others are in Extra.
func knownKey(key string) bool {
	return slices.Contains([]string{"title", "version", "sort-key", "linux", "initrd", "options", "efi", "uki"}, key)
}

// format is the content of the entry's file.
func (e Entry) format(sortKey string, linux, uki area) ([]byte, error) {
	var f bls.Entry
	add := func(key, value string) {
		if value != "" {
			f = append(f, bls.Field{Key: key, Value: value})
		}
	}
	add("title", oneLine(e.Title))
	add("version", oneLine(e.Version))
	if e.UKI {
		add("efi", uki.file(e.Kernel))
	} else {
		add("linux", linux.file(e.Kernel, linuxFile))
		add("initrd", linux.file(e.Kernel, initrdFile))
		add("options", options(e.Options))
	}
	add("sort-key", sortKey)
	return append(f, e.Extra...).Format()
}

// file is the path of a file as entries have it, from the top of the file system.
func (a area) file(elem ...string) string {
	return path.Join("/", a.path, path.Join(elem...))
}

// oneLine makes text of what os-release may hold.
func oneLine(s string) string {
	words := strings.FieldsFunc(strings.ToValidUTF8(s, "?"), func(r rune) bool { return r <= ' ' || r == 0x7f })
	return strings.Trim(strings.Join(words, " "), `" `)
}

// options writes a command line so that its first argument does not begin with a quote:
// loaders take quotes away that stand around a whole line.
func options(l kargs.Line) string {
	if len(l) > 0 && strings.HasPrefix(string(l[0]), `"`) {
		if value, ok := l[0].Value(); ok {
			l = slices.Concat(kargs.Line{kargs.Arg(l[0].Key() + `="` + value + `"`)}, l[1:])
		}
	}
	return l.String()
}

// parseEntry reads one of our entries.
func parseEntry(file string, name bls.Name, f bls.Entry) (Entry, error) {
	e := Entry{
		Title:   f.Value("title"),
		Version: f.Value("version"),
		OSID:    osID(name.ID, f.Value("sort-key")),
		Options: kargs.Parse(strings.Join(f.Values("options"), " ")),
		File:    file,
	}
	if name.Counted {
		e.Tries = &Tries{Left: name.Left, Done: name.Done}
	}
	for _, field := range f {
		if !knownKey(field.Key) {
			e.Extra = append(e.Extra, field)
		}
	}
	boots := slices.Concat(f.Values("linux"), f.Values("efi"), f.Values("uki"))
	if len(boots) != 1 || len(f.Values("initrd")) > 1 {
		return Entry{}, errors.New("not one line for a kernel and at most one for an initrd")
	}
	e.UKI = f.Value("linux") == ""
	e.Kernel = path.Base(boots[0])
	if !e.UKI {
		e.Kernel = path.Base(path.Dir(boots[0]))
	}
	id, err := kernelID(e.Kernel)
	if err != nil {
		return Entry{}, err
	}
	e.Root = kargs.Root{ID: id}
	if !e.UKI {
		if e.Root, err = kargs.FindRoot(e.Options); err != nil {
			return Entry{}, err
		}
	}
	e.ID = e.Root.ID
	return e, e.Check()
}

// osID has the name that a file's name and sort key were made of, as well as they tell.
func osID(id, sortKey string) string {
	word, _, _ := strings.Cut(strings.TrimPrefix(id, ourPrefix), "-")
	key := strings.TrimPrefix(sortKey, "bootc-")
	key = key[:max(0, strings.LastIndexByte(key, '-'))]
	if key != "" && fileWord(key, len(word)) == word {
		return key
	}
	return word
}
