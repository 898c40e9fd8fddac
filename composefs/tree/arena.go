package tree

import "strings"

const arenaChunk = 64 << 10

// arena hands out copies of small strings and byte slices from large pieces of
// memory, and the same copy for the same xattr name or value: a dump of a whole
// system has hundreds of thousands of them. A piece lives as long as anything
// in it.
type arena struct {
	text   strings.Builder
	bytes  []byte
	names  map[string]string
	values map[string][]byte
}

// string returns a copy of b.
func (a *arena) string(b []byte) string {
	if len(b) > arenaChunk/8 {
		return string(b)
	}
	if a.text.Cap()-a.text.Len() < len(b) {
		a.text = strings.Builder{}
		a.text.Grow(arenaChunk)
	}
	start := a.text.Len()
	a.text.Write(b)
	return a.text.String()[start:]
}

// slice returns a copy of b.
func (a *arena) slice(b []byte) []byte {
	if len(b) > arenaChunk/8 {
		return append([]byte(nil), b...)
	}
	if len(a.bytes) < len(b) {
		a.bytes = make([]byte, arenaChunk)
	}
	n := copy(a.bytes, b)
	out := a.bytes[:n:n]
	a.bytes = a.bytes[n:]
	return out
}

// Only so many names and values are looked for again, and only short ones, so
// that a dump with nothing in common costs no more.
const (
	maxShared    = 1 << 14
	maxSharedLen = 256
)

// name returns a copy of b that is shared.
func (a *arena) name(b []byte) string {
	if s, ok := a.names[string(b)]; ok {
		return s
	}
	s := a.string(b)
	if a.names == nil {
		a.names = map[string]string{}
	}
	if len(a.names) < maxShared {
		a.names[s] = s
	}
	return s
}

// value returns a copy of b that is shared.
func (a *arena) value(b []byte) []byte {
	if v, ok := a.values[string(b)]; ok {
		return v
	}
	v := a.slice(b)
	if a.values == nil {
		a.values = map[string][]byte{}
	}
	if len(v) <= maxSharedLen && len(a.values) < maxShared {
		a.values[string(v)] = v
	}
	return v
}

// slab hands out values from pieces of growing size.
type slab[T any] struct {
	free []T
	size int
}

// take returns n values side by side.
func (s *slab[T]) take(n int) []T {
	if len(s.free) < n {
		s.size = min(max(2*s.size, 16), 512)
		s.free = make([]T, max(s.size, n))
	}
	out := s.free[:n:n]
	s.free = s.free[n:]
	return out
}

func (s *slab[T]) one() *T { return &s.take(1)[0] }
