// Package selinux labels a file system tree by the SELinux policy that the
// tree itself contains.
//
// The labels are part of an image and so of its id, so the package follows
// composefs-rs to the letter and not libselinux where the two differ: the last
// listed specification that matches wins, whatever its form, and a path
// substitution applies to exactly one path and what is below it.
package selinux

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// XattrName is the extended attribute that holds a file's label.
const XattrName = "security.selinux"

// MaxFileSize is the size in bytes beyond which no policy file is read. The
// largest in use have half a mebibyte.
const MaxFileSize = 16 << 20

// ErrTooComplex is wrapped by the errors of policies that would take an
// unreasonable time or memory to evaluate.
var ErrTooComplex = errors.New("the policy is too complex")

const configDir = "/etc/selinux/"

// Policy is the file labelling part of an SELinux policy: the specifications
// of file_contexts(5) and the path substitutions beside them. It caches what
// it learns, so it is not safe for concurrent use.
type Policy struct {
	specs     []*spec
	subs      map[string]string
	automaton *automaton
	backtrack *backtracker
}

// Load reads the policy that /etc/selinux/config names, through read, which
// returns the content of the regular file at an absolute path and whether there
// is one. It returns nil without an error if there is no such configuration, or
// if it names no policy; a policy that is named and missing is an error, and so
// is one that composefs-rs would refuse. Errors name the file and the line.
func Load(read func(path string) ([]byte, bool, error)) (*Policy, error) {
	config, ok, err := read(configDir + "config")
	if err != nil || !ok {
		return nil, err
	}
	name, ok, err := policyName(config)
	if err != nil || !ok {
		return nil, err
	}
	p := &Policy{subs: map[string]string{}}
	dir := path.Join(configDir, name, "contexts/files")
	if err := p.loadSpecs(read, dir); err != nil {
		return nil, err
	}
	if err := p.loadSubs(read, dir); err != nil {
		return nil, err
	}
	p.automaton = newAutomaton(p.specs)
	p.backtrack, err = newBacktracker(p.specs)
	return p, err
}

func (p *Policy) loadSpecs(read func(string) ([]byte, bool, error), dir string) error {
	for _, suffix := range []string{"", ".local", ".homedirs"} {
		file := path.Join(dir, "file_contexts"+suffix)
		data, ok, err := read(file)
		if err != nil {
			return err
		}
		if !ok && suffix == "" {
			return fmt.Errorf("%s: the policy that %sconfig names is missing", file, configDir)
		}
		if err := p.addSpecs(file, data); err != nil {
			return err
		}
	}
	return nil
}

func (p *Policy) loadSubs(read func(string) ([]byte, bool, error), dir string) error {
	for _, suffix := range []string{".subs", ".subs_dist"} {
		file := path.Join(dir, "file_contexts"+suffix)
		data, _, err := read(file)
		if err != nil {
			return err
		}
		if err := p.addSubs(file, data); err != nil {
			return err
		}
	}
	return nil
}

// Label returns the label of the file called name, an absolute path, whose type mode gives as in
// st_mode(7), and whether the policy gives it one. Path substitutions belong to
// the walk over a tree and are not applied here: see [Policy.Relabel]. An error
// means that the policy defeats evaluation, never that a path has no label.
func (p *Policy) Label(name string, mode uint32) (string, bool, error) {
	kind := kindOf(mode)
	best, err := p.automaton.lookup(name, kind)
	if err != nil {
		return "", false, err
	}
	best, err = p.backtrack.lookup(name, kind, best)
	if err != nil || best < 0 {
		return "", false, err
	}
	context := p.specs[best].context
	if context == noContext {
		return "", false, nil
	}
	return context, true, nil
}

// A kind is an index into kindCodes: one of the file types that a
// specification can be restricted to.
type kind uint8

const (
	kindCodes = "-bcdpls"
	kinds     = len(kindCodes)
	anyKind   = kind(kinds)
)

func kindOf(mode uint32) kind {
	switch mode & unix.S_IFMT {
	case unix.S_IFBLK:
		return 1
	case unix.S_IFCHR:
		return 2
	case unix.S_IFDIR:
		return 3
	case unix.S_IFIFO:
		return 4
	case unix.S_IFLNK:
		return 5
	case unix.S_IFSOCK:
		return 6
	}
	return 0
}

// policyName reads SELINUXTYPE of /etc/selinux/config, as a relative path that
// leads nowhere else, and reports whether it is set.
func policyName(config []byte) (name string, ok bool, err error) {
	err = eachLine(configDir+"config", config, func(line string) (bool, error) {
		key, value, isSetting := strings.Cut(line, "=")
		if !isSetting || !isKey(strings.TrimSpace(key), "SELINUXTYPE") {
			return true, nil
		}
		var err error
		name, err = cleanName(strings.TrimSpace(value))
		ok = err == nil
		return false, err
	})
	return name, ok, err
}

// isKey compares ASCII letters regardless of case.
func isKey(s, key string) bool { return len(s) == len(key) && strings.EqualFold(s, key) }

// cleanName takes the empty and the "." components out of a policy's name. What
// could leave the directory is refused.
func cleanName(name string) (string, error) {
	var parts []string
	for i, part := range strings.Split(name, "/") {
		switch {
		case part == "..", part == "." && i == 0:
			return "", fmt.Errorf("SELINUXTYPE is not a name: %q", name)
		case part != "" && part != ".":
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "/"), nil
}
