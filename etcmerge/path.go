package etcmerge

import (
	"slices"
	"strconv"

	"github.com/bootc-go/bootc/composefs/tree"
)

// here is the path of /etc itself.
const here = "."

// join is the path of the entry called name in the directory dir.
func join(dir, name string) string {
	if dir == here {
		return name
	}
	return dir + "/" + name
}

// relative is a path as tree.Walk gives it, relative to /etc.
func relative(path string) string {
	if path == "/" {
		return here
	}
	return path[1:]
}

// show is a path as it stands in a sentence: quoted only if it must be.
func show(path string) string {
	if quoted := strconv.Quote(path); quoted != `"`+path+`"` {
		return quoted
	}
	return path
}

// names are the entries of all the directories, each once, in byte order; what
// is nil or no directory has none.
func names(dirs ...*tree.Node) []string {
	var out []string
	for _, dir := range dirs {
		if isDir(dir) {
			out = append(out, dir.Names()...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func child(dir *tree.Node, name string) *tree.Node {
	if !isDir(dir) {
		return nil
	}
	return dir.Child(name)
}
