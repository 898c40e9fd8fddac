package layers

import "strings"

// gone knows what of the lower layers a layer takes away. It is filled when it
// is first asked, which is rarely.
type gone struct {
	layer  *parsedLayer
	dirs   map[string]bool // directories that the layer has
	hidden map[string]bool // what its whiteouts name
	opaque map[string]bool // directories in which all is hidden
}

// has reports whether the layer has a directory of its own at path, or hides
// path or a directory that it is in.
func (g *gone) has(path string) bool {
	if g.dirs == nil {
		g.fill()
	}
	if g.dirs[path] {
		return true
	}
	for path != "" {
		dir, _ := cutLast(path)
		if g.hidden[path] || g.opaque[dir] {
			return true
		}
		path = dir
	}
	return false
}

// cost is about what it takes to ask has, in the unit of maxWalked: each
// directory on the way is looked up by its whole path.
func (g *gone) cost(path string) int {
	return (strings.Count(path, "/") + 1) * (len(path)/16 + 1)
}

func (g *gone) fill() {
	g.dirs, g.hidden, g.opaque = map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i := range g.layer.entries {
		if e := &g.layer.entries[i]; e.node != nil && e.node.IsDir() {
			g.dirs[e.path()] = true
		}
	}
	for _, w := range g.layer.whiteouts {
		if w.name == "" {
			g.opaque[w.dir] = true
		} else {
			g.hidden[w.path()] = true
		}
	}
}
