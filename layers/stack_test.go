package layers

import (
	"archive/tar"
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"
	"time"
)

// stackEntry is an entry of a generated layer. Name has no leading slash.
type stackEntry struct {
	tar.Header
	content []byte
}

func (e stackEntry) whiteout() bool { return strings.HasPrefix(path.Base(e.Name), whiteoutPrefix) }

// stackLayer is a generated layer, in the order in which tools write layers:
// parents before children, and in a directory the whiteouts first.
type stackLayer []stackEntry

// tar encodes the layer.
func (l stackLayer) tar(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range l {
		h := e.Header
		h.Format = tar.FormatPAX
		h.Size = int64(len(e.content))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatalf("%+v: %v", h, err)
		}
		if _, err := w.Write(e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// shuffled puts the whiteouts anywhere and keeps the order of the rest.
func (l stackLayer) shuffled(r *rand.Rand) stackLayer {
	var out stackLayer
	for _, e := range l {
		if !e.whiteout() {
			out = append(out, e)
		}
	}
	for _, e := range l {
		if e.whiteout() {
			out = slices.Insert(out, r.IntN(len(out)+1), e)
		}
	}
	return out
}

// stackMaker generates stacks of layers from few names, so that layers meet.
type stackMaker struct {
	*rand.Rand
	known map[string]tar.Header // files of lower layers, by the name that made them
	layer map[string]stackEntry // of the layer in work

	allParents bool // every entry's directory has an entry in the same layer
}

func makeStack(seed uint64, allParents bool) []stackLayer {
	m := &stackMaker{Rand: rand.New(rand.NewPCG(seed, 2)), known: map[string]tar.Header{}, allParents: allParents}
	stack := make([]stackLayer, m.IntN(4)+2)
	for i := range stack {
		stack[i] = m.makeLayer(i > 0)
	}
	return stack
}

func (m *stackMaker) makeLayer(whiteouts bool) stackLayer {
	m.layer = map[string]stackEntry{}
	for range m.IntN(12) + 2 {
		m.makeEntry(m.name(), whiteouts)
	}
	if m.IntN(3) == 0 {
		m.layer["./"] = stackEntry{Header: m.header("./", tar.TypeDir)}
	}
	names := slices.Sorted(maps.Keys(m.layer))
	var l stackLayer
	for _, name := range names {
		e := m.layer[name]
		l = append(l, e)
		switch {
		case e.whiteout():
		case e.Typeflag == tar.TypeDir:
			delete(m.known, name)
		default:
			m.known[name] = e.Header
		}
	}
	return l
}

func (m *stackMaker) name() string {
	parts := make([]string, m.IntN(3)+1)
	for i := range parts {
		parts[i] = pick(m.Rand, "a", "b", "c", "d")
	}
	return strings.Join(parts, "/")
}

func (m *stackMaker) header(name string, typeflag byte) tar.Header {
	h := tar.Header{
		Name: name, Typeflag: typeflag, Mode: pick[int64](m.Rand, 0o644, 0o755, 0o4755, 0o2711, 0o1777, 0o600),
		Uid: m.IntN(4) * 1000, Gid: m.IntN(4) * 7, ModTime: time.Unix(int64(m.IntN(1e9)+1), int64(m.IntN(1e9))),
	}
	if typeflag == tar.TypeDir {
		h.Mode &^= 0o2000 // see TestMergeUnlikeUmoci
	}
	switch typeflag {
	case tar.TypeSymlink:
		h.Mode = 0o777
	case tar.TypeReg, tar.TypeDir:
		for range m.IntN(3) {
			if h.PAXRecords == nil {
				h.PAXRecords = map[string]string{}
			}
			h.PAXRecords["SCHILY.xattr.user."+pick(m.Rand, "x", "y", "z")] = pick(m.Rand, "1", "two", "\x00\xff")
		}
	}
	return h
}

// makeEntry adds an entry, unless one is there, or something that makes none
// possible.
func (m *stackMaker) makeEntry(name string, whiteouts bool) {
	for other := range m.layer {
		if other == name || strings.HasPrefix(other, name+"/") {
			return
		}
	}
	if !m.makeParents(path.Dir(name)) {
		return
	}
	switch n := m.IntN(20); {
	case n < 4 && whiteouts:
		m.put(m.header(path.Join(path.Dir(name), whiteoutPrefix+path.Base(name)), tar.TypeReg), nil)
	case n == 4 && whiteouts:
		m.put(m.header(path.Join(path.Dir(name), opaqueName), tar.TypeReg), nil)
	case n < 11:
		content := bytes.Repeat([]byte{byte(m.IntN(256))}, pick(m.Rand, 0, 1, 64, 65, 600, 5000))
		m.put(m.header(name, tar.TypeReg), content)
	case n < 13:
		m.put(m.header(name, tar.TypeDir), nil)
	case n < 16:
		h := m.header(name, tar.TypeSymlink)
		h.Linkname = pick(m.Rand, "a", "b", "/a", "b", "c", "d", "/b", "/c", "/d", "/b/c", "../b", "c/d", "missing", "/", ".", "..", "../../../../a", "a/../d", "missing/../b", "./c/")
		m.put(h, nil)
	case n < 18:
		m.makeLink(name)
	default:
		h := m.header(name, pick[byte](m.Rand, tar.TypeFifo, tar.TypeChar, tar.TypeBlock))
		if h.Typeflag != tar.TypeFifo {
			h.Devmajor, h.Devminor = m.Int64N(300), m.Int64N(1000)
		}
		m.put(h, nil)
	}
}

func (m *stackMaker) put(h tar.Header, content []byte) {
	if h.Typeflag == tar.TypeDir {
		h.Name += "/"
	}
	m.layer[strings.TrimSuffix(h.Name, "/")] = stackEntry{h, content}
}

// makeParents gives most directories entries of their own. It reports whether
// the layer lets something be below dir.
func (m *stackMaker) makeParents(dir string) bool {
	if dir == "." {
		return true
	}
	if !m.makeParents(path.Dir(dir)) {
		return false
	}
	if e, ok := m.layer[dir]; ok {
		return e.Typeflag == tar.TypeDir
	}
	lower, ok := m.known[dir]
	if m.allParents || m.IntN(3) > 0 || ok && lower.Typeflag != tar.TypeSymlink && m.IntN(20) > 0 {
		m.put(m.header(dir, tar.TypeDir), nil)
	}
	return true
}

// makeLink adds a hard link to a file that comes before it. It says of the file
// what the file's own entry says.
func (m *stackMaker) makeLink(name string) {
	var targets []string
	for target := range m.known {
		if _, ok := m.layer[target]; !ok && target != name && !strings.HasPrefix(target, name+"/") {
			targets = append(targets, target)
		}
	}
	for target, e := range m.layer {
		if target < name && e.Typeflag != tar.TypeDir && !e.whiteout() {
			targets = append(targets, target)
		}
	}
	if len(targets) == 0 {
		return
	}
	slices.Sort(targets)
	target := pick(m.Rand, targets...)
	h, ok := m.known[target]
	if e, here := m.layer[target]; here {
		h, ok = e.Header, true
	}
	if !ok {
		return
	}
	h.Name, h.Linkname, h.Typeflag = name, target, tar.TypeLink
	m.put(h, nil)
}

// String shows a stack when a test fails.
func (l stackLayer) String() string {
	var b strings.Builder
	for _, e := range l {
		fmt.Fprintf(&b, "  %c %-12s", e.Typeflag, e.Name)
		if e.Linkname != "" {
			fmt.Fprintf(&b, " -> %s", e.Linkname)
		}
		b.WriteString("\n")
	}
	return b.String()
}
