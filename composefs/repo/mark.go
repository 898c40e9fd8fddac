package repo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/bootc-go/bootc/composefs/erofs"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

type digestSet map[verity.Digest]struct{}

func (s digestSet) has(d verity.Digest) bool { _, ok := s[d]; return ok }

// add reports whether d is new.
func (s digestSet) add(d verity.Digest) bool {
	n := len(s)
	s[d] = struct{}{}
	return len(s) > n
}

// marker finds what the roots reach. What it cannot read it does not guess
// at: a reference that is not seen would cost the objects behind it.
type marker struct {
	r       *Repo
	objects digestSet       // all that is reached
	named   digestSet       // reached by a name, so what they refer to is reached as well
	queue   []verity.Digest // of named, still to be followed
}

func (r *Repo) mark(ctx context.Context, roots []string) (*marker, error) {
	m := &marker{r: r, objects: digestSet{}, named: digestSet{}}
	for _, c := range []category{streams, images} {
		if err := m.refs(c, ""); err != nil {
			return nil, err
		}
	}
	for _, name := range roots {
		if err := m.root(name); err != nil {
			return nil, err
		}
	}
	for len(m.queue) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		d := m.queue[len(m.queue)-1]
		m.queue = m.queue[:len(m.queue)-1]
		if err := m.visit(d); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// refs marks everything below the directory prefix of refs.
func (m *marker) refs(c category, prefix string) error {
	entries, err := m.r.list(strings.TrimSuffix(refPath(c, prefix), "/"))
	for _, e := range entries {
		name := prefix + e.Name()
		switch {
		case err != nil:
		case e.IsDir():
			err = m.refs(c, name+"/")
		case e.Type() != os.ModeSymlink:
			err = fmt.Errorf("%s is no symbolic link", refPath(c, name))
		default:
			err = m.name(c, refsName+"/"+name)
		}
	}
	return err
}

// root marks what a name stands for that the caller wants to keep: the name of
// a stream or an image or, as names may be the same, both.
func (m *marker) root(name string) error {
	known := false
	for _, c := range []category{streams, images} {
		_, ok, err := m.r.lookup(c, name)
		if err == nil && ok {
			known, err = true, m.name(c, name)
		}
		if err != nil {
			return err
		}
	}
	if !known {
		return fmt.Errorf("root %s: %w", name, ErrNotFound)
	}
	return nil
}

// name marks the object of a link or ref. One that dangles keeps nothing.
func (m *marker) name(c category, name string) error {
	d, err := m.r.resolve(c, name)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s/%s: %w", c, name, err)
	}
	m.push(d)
	return nil
}

func (m *marker) push(d verity.Digest) {
	m.objects.add(d)
	if m.named.add(d) {
		m.queue = append(m.queue, d)
	}
}

// visit marks what d refers to, if it is a splitstream or an image.
func (m *marker) visit(d verity.Digest) error {
	what, err := m.r.sniff(d)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil // nothing to keep
	case err != nil:
		return fmt.Errorf("object %s: %w", d, err)
	case what == splitstream:
		return m.visitStream(d)
	case what == image:
		return m.visitImage(d)
	}
	return m.visitPlain(d)
}

// visitPlain makes sure that d is not a splitstream or image that was damaged
// in its first bytes.
func (m *marker) visitPlain(d verity.Digest) error {
	f, _, err := m.r.openVerified(d)
	if err != nil {
		return fmt.Errorf("object %s: %w", d, err)
	}
	return f.Close()
}

// visitStream keeps the objects of the stream as they are: only what a name
// leads to is followed, not what a file happens to contain.
func (m *marker) visitStream(d verity.Digest) error {
	s, err := m.r.OpenStreamObject(d)
	if err != nil {
		return err
	}
	defer s.release()
	for _, ref := range s.NamedRefs() {
		m.push(ref.Digest)
	}
	for _, o := range s.ObjectRefs() {
		m.objects.add(o)
	}
	return nil
}

func (m *marker) visitImage(d verity.Digest) error {
	root, err := m.r.readImage(d)
	if err != nil {
		return err
	}
	for _, path := range erofs.Objects(root) {
		if o, err := parseObjectTarget("../"+objectsName+"/"+path, m.r.alg); err == nil {
			m.objects.add(o)
		}
	}
	return nil
}

// readImage reads an image after checking its digest.
func (r *Repo) readImage(d verity.Digest) (*tree.Node, error) {
	f, size, err := r.openVerified(d)
	if err != nil {
		return nil, fmt.Errorf("cannot open image %s: %w", d, err)
	}
	defer f.Close()
	root, err := erofs.Read(f, size)
	if err != nil {
		return nil, fmt.Errorf("cannot read image %s: %w: %w", d, ErrDamaged, err)
	}
	return root, nil
}
