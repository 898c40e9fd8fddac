package layers

import (
	"iter"

	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/tree"
)

// Entry is an entry of one layer as its tar has it. Whiteouts are entries too.
type Entry struct {
	Path string     // absolute and clean; "/" is the root
	Link string     // the target of a hard link, as Path; empty for all else
	Node *tree.Node // without children; nil for a hard link
}

// Entries reads the entries of a layer's splitstream in their order. After an
// error it ends.
func Entries(s *repo.StreamReader) iter.Seq2[Entry, error] { return entries(s) }

func entries(src chunkSource) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		p := newParser(src, newBudget())
		for {
			e, err := p.entry()
			if isEnd(err) {
				return
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// entry returns the next entry with its content.
func (p *parser) entry() (Entry, error) {
	raw, node, err := p.next()
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Path: "/" + string(raw.path), Node: node}
	if node == nil {
		e.Link = "/" + string(raw.target)
	}
	if raw.size > 0 {
		if node.File, err = p.content(raw.size, raw.padding()); err != nil {
			return Entry{}, entryError([]byte(e.Path), err)
		}
	}
	return e, nil
}
