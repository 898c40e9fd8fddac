package layers

import (
	"bytes"
	"strings"
)

const (
	maxName   = 255  // bytes of a path's component: NAME_MAX
	maxPath   = 4095 // bytes of a path: PATH_MAX less a NUL
	maxTarget = 4095 // bytes of a symbolic link's target
)

// cleanPath makes a tar's name relative to the root, without empty components
// and dots: "./usr//bin/" is "usr/bin", "/" is "". A component ".." is refused:
// no tool writes it, and readers disagree on what it means. The result is part
// of name, or is appended to buf[:0], which is returned to be used again.
func cleanPath(buf, name []byte) (clean, _ []byte, err error) {
	if len(name) > maxPath {
		return nil, buf, unsupported("a name of more than %d bytes is not supported", maxPath)
	}
	simple := trimPath(name)
	if ok, err := isClean(simple); ok || err != nil {
		return simple, buf, err
	}
	buf = buf[:0]
	for part := range bytes.SplitSeq(simple, []byte{'/'}) {
		if len(part) == 0 || string(part) == "." {
			continue
		}
		if len(buf) > 0 {
			buf = append(buf, '/')
		}
		buf = append(buf, part...)
	}
	return buf, buf, nil
}

// trimPath drops what most names have in excess: "./" before, "/" behind.
func trimPath(name []byte) []byte {
	for {
		switch {
		case bytes.HasPrefix(name, []byte("./")):
			name = name[2:]
		case bytes.HasPrefix(name, []byte("/")):
			name = name[1:]
		case bytes.HasSuffix(name, []byte("/")):
			name = name[:len(name)-1]
		case string(name) == ".":
			return nil
		default:
			return name
		}
	}
}

// isClean reports whether no component is empty or a dot, and refuses those
// that no file can be called.
func isClean(name []byte) (clean bool, err error) {
	clean = true
	for len(name) > 0 {
		part, rest, more := bytes.Cut(name, []byte{'/'})
		name = rest
		switch {
		case len(part) > maxName:
			return false, unsupported("a name with a component of more than %d bytes is not supported", maxName)
		case len(part) > 2:
		case len(part) == 0, string(part) == ".", more && len(rest) == 0:
			clean = false
		case string(part) == "..":
			return false, unsupported(`a name with a component ".." is not supported`)
		}
	}
	return clean, nil
}

// splitPath cuts a clean path before its last component.
func splitPath(path []byte) (dir, base []byte) {
	i := bytes.LastIndexByte(path, '/')
	if i < 0 {
		return nil, path
	}
	return path[:i], path[i+1:]
}

// cutLast is splitPath of a string.
func cutLast(path string) (dir, base string) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}
