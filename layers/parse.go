package layers

import (
	"bytes"
	"context"

	"github.com/bootc-go/bootc/composefs/tree"
)

// parser reads a layer's splitstream back to entries.
type parser struct {
	chunks
	headers headerReader
	checker checker
	budget  *budget
	nodes   nodes
}

func newParser(src chunkSource, b *budget) *parser {
	p := &parser{chunks: chunks{src: src}, budget: b}
	p.headers.src = &p.chunks
	return p
}

// next returns the next entry and its node, which a hard link has not. At the
// end it is io.EOF. After an error the parser must not be used again.
func (p *parser) next() (rawEntry, *tree.Node, error) {
	h, err := p.headers.next()
	if err != nil {
		return rawEntry{}, nil, err
	}
	e, err := p.checker.check(h)
	if err != nil {
		return e, nil, err
	}
	if err := p.budget.spend(&e); err != nil {
		return e, nil, err
	}
	if e.typeflag == typeLink {
		return e, nil, nil
	}
	return e, p.nodes.node(&e), nil
}

// content reads the content of the file that next returned, whose slices it
// makes invalid.
func (p *parser) content(size int64, padding int) (f *tree.File, err error) {
	if size == 0 {
		return nil, nil
	}
	f = p.nodes.files.new()
	f.Size = uint64(size)
	if size <= maxInline {
		b, err := p.block()
		if err != nil {
			return nil, noEOF(err)
		}
		f.Inline = bytes.Clone(b[:size])
		return f, nil
	}
	if f.Digest, err = p.external(); err != nil {
		return nil, err
	}
	f.Payload = objectPath(f.Digest)
	return f, p.skip(padding)
}

// layerEntry is one entry of a parsed layer. A whole layer of them is kept, so
// they are small: consecutive entries share the string of their directory.
type layerEntry struct {
	dir, name string     // both empty for the root
	link      string     // the target of a hard link, clean
	node      *tree.Node // nil for a hard link
}

func (e *layerEntry) path() string {
	if e.dir == "" {
		return e.name
	}
	return e.dir + "/" + e.name
}

// parsedLayer is a layer ready to be applied.
type parsedLayer struct {
	entries   []layerEntry // without the whiteouts
	whiteouts []layerEntry // name is what is hidden; empty hides all in dir
}

// parseLayer reads the whole layer.
func parseLayer(ctx context.Context, src chunkSource, b *budget) (*parsedLayer, error) {
	p, l := newParser(src, b), &parsedLayer{}
	dir := ""
	for {
		raw, node, err := p.next()
		if isEnd(err) {
			return l, nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		parent, base := splitPath(raw.path)
		if string(parent) != dir {
			dir = string(parent)
		}
		e := layerEntry{dir: dir, name: string(base), link: string(raw.target), node: node}
		l.note(e, raw.whiteout)
		if raw.size > 0 {
			if node.File, err = p.content(raw.size, raw.padding()); err != nil {
				return nil, entryError([]byte(e.path()), err)
			}
		}
	}
}

// note adds an entry.
func (l *parsedLayer) note(e layerEntry, whiteout bool) {
	if !whiteout {
		l.entries = append(l.entries, e)
		return
	}
	if e.name == opaqueName {
		e.name = ""
	} else {
		e.name = e.name[len(whiteoutPrefix):]
	}
	e.node = nil
	l.whiteouts = append(l.whiteouts, e)
}
