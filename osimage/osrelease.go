package osimage

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

const (
	osReleasePath = "usr/lib/os-release"
	osReleaseMax  = 1 << 16 // bytes
)

// OSRelease are the fields of os-release(5) that name the image; all are empty if it
// has no usr/lib/os-release.
type OSRelease struct {
	ID           string
	PrettyName   string // PRETTY_NAME, else NAME, else ID
	VersionID    string
	Version      string
	BuildID      string
	ImageVersion string
}

func readOSRelease(fsys fs.FS) (OSRelease, error) {
	st, err := fs.Stat(fsys, osReleasePath)
	if errors.Is(err, fs.ErrNotExist) {
		return OSRelease{}, nil
	}
	if err != nil {
		return OSRelease{}, err
	}
	if st.Size() > osReleaseMax {
		return OSRelease{}, fmt.Errorf("/%s has more than %d bytes", osReleasePath, osReleaseMax)
	}
	data, err := fs.ReadFile(fsys, osReleasePath)
	if err != nil {
		return OSRelease{}, err
	}
	return parseOSRelease(string(data)), nil
}

// parseOSRelease reads what a shell would: assignments, of which the last of a name
// counts. What is no assignment of one word is passed over.
func parseOSRelease(text string) OSRelease {
	var o OSRelease
	var name string
	fields := map[string]*string{
		"ID": &o.ID, "NAME": &name, "PRETTY_NAME": &o.PrettyName, "VERSION_ID": &o.VersionID,
		"VERSION": &o.Version, "BUILD_ID": &o.BuildID, "IMAGE_VERSION": &o.ImageVersion,
	}
	for line := range strings.Lines(text) {
		key, word, ok := strings.Cut(strings.TrimSpace(line), "=")
		field := fields[key]
		if !ok || field == nil {
			continue
		}
		if value, ok := unquote(word); ok {
			*field = value
		}
	}
	o.PrettyName = cmp.Or(o.PrettyName, name, o.ID)
	return o
}

// unquote is the value of one word of a shell, and whether it is one: quotes can
// stand anywhere in it, and must be closed.
func unquote(word string) (string, bool) {
	var value strings.Builder
	quote := byte(0)
	for i := 0; i < len(word); i++ {
		c := word[i]
		switch {
		case c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && (c == ' ' || c == '\t'):
			return value.String(), strings.HasPrefix(strings.TrimLeft(word[i:], " \t"), "#")
		case c == '\\' && quote != '\'':
			i++
			if i == len(word) {
				return "", false
			}
			if quote == '"' && !strings.ContainsRune("$`\"\\", rune(word[i])) {
				value.WriteByte(c)
			}
			value.WriteByte(word[i])
		default:
			value.WriteByte(c)
		}
	}
	return value.String(), quote == 0
}
