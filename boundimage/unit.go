package boundimage

import (
	"errors"
	"fmt"
	"strings"
)

// unit is a unit file of systemd (systemd.syntax(7)): by section and key the last
// assignment, which is the one that counts.
type unit map[[2]string]assignment

type assignment struct {
	value string
	row   int // of its first line
}

// parse reads a unit file strictly. Its errors begin with what follows the file's
// name.
func parse(text string) (unit, error) {
	u := unit{}
	section := ""
	for _, l := range joined(text) {
		switch {
		case strings.HasPrefix(l.text, "["):
			name, rest, closed := strings.Cut(l.text[1:], "]")
			if !closed || rest != "" || name == "" {
				return nil, fmt.Errorf(":%d: no name of a section: %q", l.row, l.text)
			}
			section = name
		case section == "":
			return nil, fmt.Errorf(":%d: %q stands before the first section", l.row, l.text)
		default:
			key, value, ok := strings.Cut(l.text, "=")
			if !ok || key == "" {
				return nil, fmt.Errorf(":%d: no assignment: %q", l.row, l.text)
			}
			u[[2]string{section, strings.TrimSpace(key)}] = assignment{strings.TrimSpace(value), l.row}
		}
	}
	return u, nil
}

// line is what systemd reads as one line.
type line struct {
	text string
	row  int // the first is 1
}

// joined returns the lines that say something. A backslash at the end of a line
// joins the next one to it, with a space between; comments among them go.
func joined(text string) []line {
	var lines []line
	open := false // the last line goes on
	row := 0
	for l := range strings.Lines(text) {
		row++
		l = strings.TrimRight(strings.TrimLeft(l, " \t"), "\r\n")
		if strings.HasPrefix(l, "#") || strings.HasPrefix(l, ";") {
			continue
		}
		part, more := strings.CutSuffix(l, `\`)
		switch {
		case open:
			lines[len(lines)-1].text += part
		case strings.TrimSpace(l) != "":
			lines = append(lines, line{part, row})
		}
		if more {
			lines[len(lines)-1].text += " "
		}
		open = more
	}
	for i := range lines {
		lines[i].text = strings.TrimSpace(lines[i].text)
	}
	return lines
}

// reference is the image that the section asks for.
func (u unit) reference(section string) (string, error) {
	if a, ok := u[[2]string{section, "AuthFile"}]; ok {
		return "", fmt.Errorf(":%d: AuthFile is not supported; bound images use the host's credentials, /etc/ostree/auth.json", a.row)
	}
	a := u[[2]string{section, "Image"}]
	if a.value == "" {
		return "", fmt.Errorf(": there is no Image= in the section [%s]", section)
	}
	ref, err := unescape(a.value)
	if err == nil {
		err = check(ref)
	}
	if err != nil {
		return "", fmt.Errorf(":%d: Image=%s: %w", a.row, a.value, err)
	}
	return ref, nil
}

// unescape returns the value that systemd sees: a percent sign is written twice. What
// else follows one, systemd would replace by something of the running host.
func unescape(value string) (string, error) {
	var out strings.Builder
	for rest := value; ; {
		before, after, found := strings.Cut(rest, "%")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		if after == "" {
			return "", errors.New("ends in a single %")
		}
		if after[0] != '%' {
			return "", errors.New("specifiers of systemd are not supported; a % is written %%")
		}
		out.WriteByte('%')
		rest = after[1:]
	}
}

// check refuses what is no reference to an image that can be pulled.
func check(ref string) error {
	switch {
	case strings.ContainsFunc(ref, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return errors.New("has blanks or control characters")
	case strings.ContainsAny(ref, `"'\`):
		return errors.New("has quotes or backslashes")
	case strings.HasPrefix(ref, "-"):
		return errors.New("begins like an option")
	case strings.HasSuffix(ref, ".image"), strings.HasSuffix(ref, ".build"):
		return errors.New("names another Quadlet file; link to one that has the reference")
	}
	return nil
}
