package lint

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/rootdir"
)

// varRules are about /var, which hosts get once, when they are installed.
func varRules() []Rule {
	return []Rule{
		{
			Name: "package-database", Type: Warning, check: checkPackageDatabase,
			Description: "A package database in /var stays what it was when the host was installed. It belongs below\n" +
				"/usr, with a link in its place: then it is that of the image that runs.",
		},
		{
			Name: "var-log", Type: Warning, check: checkVarLog,
			Description: "Files of logs in /var/log are those of the build: no host needs them, they make each build\n" +
				"different, and may tell what should not be told.",
		},
		{
			Name: "var-tmpfiles", Type: Warning, RootType: Running, check: checkVarTmpfiles,
			Description: "What an image has in /var reaches hosts when they are installed, and never by an upgrade.\n" +
				"Directories and links in /var need lines in tmpfiles.d, which make them at each boot; files\n" +
				"do not belong there.",
		},
	}
}

func checkPackageDatabase(r *root) error {
	var bad []string
	for _, name := range []string{"var/lib/dpkg/status", "var/lib/rpm/rpmdb.sqlite", "var/lib/pacman/local", "var/lib/apk/db"} {
		inVar, err := r.below(name, "var")
		if err != nil {
			return err
		}
		if inVar {
			bad = append(bad, "/"+path.Dir(name))
		}
	}
	l := r.list()
	l.add("Found the database of a package manager in /var", quoted(bad))
	return l.finding()
}

// below says whether the file called name is, behind all links, in the directory dir.
func (r *root) below(name, dir string) (bool, error) {
	_, err := r.Stat(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for name != dir {
		link, err := r.isLink(name)
		if err != nil || link {
			return false, err
		}
		name = path.Dir(name)
	}
	return true, nil
}

func checkVarLog(r *root) error {
	var logs []string
	err := r.Walk("var/log", func(e *rootdir.Entry) error {
		if e.Type() == unix.S_IFREG && e.Stat.Size > 0 {
			logs = append(logs, quote(e.Path))
		}
		return nil
	})
	if err != nil {
		return err
	}
	l := r.list()
	l.add("Found non-empty logfiles", logs)
	return l.finding()
}

func checkVarTmpfiles(r *root) error {
	known, err := r.tmpfiles()
	if err != nil {
		return err
	}
	users, groups, err := r.accountNames()
	if err != nil {
		return err
	}
	var lines, files []string
	err = r.Walk("var", func(e *rootdir.Entry) error {
		place, err := r.placeOf(e.Path)
		if err != nil || known[place] {
			return err
		}
		switch e.Type() {
		case unix.S_IFDIR:
			lines = append(lines, fmt.Sprintf("d %s %04o %s %s - -", tmpfilesPath(e.Path), e.Stat.Mode&0o7777,
				nameOf(users, e.Stat.Uid), nameOf(groups, e.Stat.Gid)))
		case unix.S_IFLNK:
			target, err := e.ReadLink()
			if err != nil {
				return err
			}
			lines = append(lines, fmt.Sprintf("L %s - - - - %s", tmpfilesPath(e.Path), tmpfilesPath(target)))
		default:
			files = append(files, quote(strings.TrimPrefix(e.Path, "/")))
		}
		return nil
	})
	if err != nil {
		return err
	}
	l := r.list()
	l.add("Found content in /var missing systemd tmpfiles.d entries", lines)
	l.add("Found non-directory/non-symlink files in /var", files)
	return l.finding()
}

// place is a name in a directory, however that is reached.
type place struct {
	dev, ino uint64
	name     string
}

func (r *root) placeOf(name string) (place, error) {
	st, err := r.Stat(path.Dir(name))
	if err != nil {
		return place{}, err
	}
	sys, ok := st.Sys().(*unixStat)
	if !ok {
		return place{}, errors.New("internal error: no stat of a file")
	}
	return place{sys.Dev, sys.Ino, path.Base(name)}, nil
}

// tmpfiles are the places that tmpfiles.d has a line for.
func (r *root) tmpfiles() (map[place]bool, error) {
	known := map[place]bool{}
	err := r.confLines([]string{"usr/lib/tmpfiles.d", "etc/tmpfiles.d"}, func(words []string) {
		if len(words) < 2 {
			return
		}
		// There is nothing below a directory that is not there.
		if p, err := r.placeOf(words[1]); err == nil {
			known[p] = true
		}
	})
	return known, err
}

// confLines calls fn for the lines of all files *.conf in dirs, divided into words.
func (r *root) confLines(dirs []string, fn func(words []string)) error {
	for _, dir := range dirs {
		entries, err := r.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			if path.Ext(e.Name()) != ".conf" {
				continue
			}
			text, err := r.ReadFile(path.Join(dir, e.Name()), maxText)
			if err != nil {
				continue // a link to nothing or to /dev/null: systemd reads nothing either
			}
			for line := range strings.Lines(string(text)) {
				if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
					fn(splitWords(line))
				}
			}
		}
	}
	return nil
}

// tmpfilesPath is a path as tmpfiles.d has it.
func tmpfilesPath(name string) string {
	if rest, ok := strings.CutPrefix(name, "/var/run"); ok && (rest == "" || rest[0] == '/') {
		name = "/run" + rest
	}
	var b strings.Builder
	for _, c := range []byte(name) {
		switch {
		case c == '\\':
			b.WriteString(`\\`)
		case c > ' ' && c < 0x7f:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return b.String()
}

// splitWords divides a line of tmpfiles.d or sysusers.d into words, in quotes or not,
// with the escapes that systemd knows.
func splitWords(line string) []string {
	var words []string
	for line = strings.TrimLeft(line, " \t"); line != ""; line = strings.TrimLeft(line, " \t") {
		var word string
		word, line = firstWord(line)
		words = append(words, word)
	}
	return words
}

func firstWord(line string) (word, rest string) {
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote && quote != 0:
			quote = 0
		case quote == 0 && (c == ' ' || c == '\t'):
			return b.String(), line[i:]
		case c == '\\' && i+1 < len(line):
			n := unescape(&b, line[i+1:])
			i += n
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

// unescape writes what stands behind a backslash, and returns how many bytes that was.
func unescape(b *strings.Builder, s string) int {
	var c byte
	if n, err := fmt.Sscanf(s, "x%2x", &c); err == nil && n == 1 && len(s) >= 3 {
		b.WriteByte(c)
		return 3
	}
	switch s[0] {
	case 'n':
		b.WriteByte('\n')
	case 't':
		b.WriteByte('\t')
	case 'r':
		b.WriteByte('\r')
	default:
		b.WriteByte(s[0])
	}
	return 1
}
