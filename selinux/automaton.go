package selinux

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Bounds on the automaton. A policy of Fedora's size makes some thousand states
// for all the paths of a system.
const (
	maxStates   = 1 << 14 // kept at a time
	maxElements = 1 << 22 // sum of the lengths of all kept states
	maxWork     = 1 << 27 // instructions looked at to make states, over a policy's life
)

// An automaton finds, for all specifications at once and in one pass over the
// path, the highest-ranking one that matches: a deterministic automaton whose
// states are made when a path first needs them. A pattern is compiled when a
// path first begins with its literal stem.
type automaton struct {
	program
	specs  []*spec // by rank
	byStem []*spec // sorted by stem, without those that need backtracking
	starts []int64 // by place in byStem: where the code begins, or -1

	states []*state // by number; none has number 0
	index  map[string]int32
	length int // sum of the lengths of the states
	work   int

	// What makes states, kept for reuse.
	mark    []uint32 // by instruction: the last generation that saw it
	current uint32   // generation
	stack   []uint32
	key     []byte
	scratch state
}

const (
	unknownState = 0
	deadState    = 1
	startState   = 2
	firstState   = 3 // the first one that is made on the way
)

// A state is what is left to match after some path: the stems in
// byStem[low:high], of which depth bytes are read, and the readers of code.
type state struct {
	low, high, depth int
	readers          []uint32
	best             [kinds]int32 // by file type, if the path ends here: the rank of the specification, or -1
	next             [256]int32   // by byte: the number of the state after it
}

// none is the state in which nothing matches.
var none = [kinds]int32{-1, -1, -1, -1, -1, -1, -1}

func newAutomaton(specs []*spec) *automaton {
	a := &automaton{
		program: program{numbers: map[byteSet]uint32{}},
		specs:   specs,
		index:   map[string]int32{},
	}
	for _, s := range specs {
		if !s.pattern.backtrack {
			a.byStem = append(a.byStem, s)
		}
	}
	slices.SortStableFunc(a.byStem, func(x, y *spec) int { return strings.Compare(x.pattern.stem, y.pattern.stem) })
	a.starts = slices.Repeat([]int64{-1}, len(a.byStem))
	return a
}

// lookup returns the rank of the specification for path, or -1.
func (a *automaton) lookup(path string, k kind) (int, error) {
	if a.states == nil {
		if err := a.makeStart(); err != nil {
			return -1, err
		}
	}
	s := a.states[startState]
	for i := range len(path) {
		n := s.next[path[i]]
		if n == unknownState {
			var err error
			if n, err = a.step(s, path[i]); err != nil {
				return -1, err
			}
		}
		if n == deadState {
			return -1, nil
		}
		s = a.states[n]
	}
	return int(s.best[k]), nil
}

func (a *automaton) makeStart() error {
	s := &state{high: len(a.byStem), best: none}
	a.current++
	if err := a.enter(s, true); err != nil {
		return err
	}
	a.states = []*state{deadState: {best: none}, startState: s}
	return nil
}

// step makes the state after s and the byte b, and remembers it in s.
func (a *automaton) step(s *state, b byte) (int32, error) {
	next := &a.scratch
	next.low, next.high, next.depth = a.narrow(s, b)
	next.readers, next.best = next.readers[:0], none
	a.current++
	for _, pc := range s.readers {
		in := &a.code[pc]
		if a.sets[in.arg].contains(b) {
			a.follow(next, in.out, false)
		}
	}
	a.work += len(s.readers)
	if err := a.enter(next, false); err != nil {
		return 0, err
	}
	if a.work > maxWork {
		return 0, fmt.Errorf("%w: labelling takes too long", ErrTooComplex)
	}
	n := a.number(next)
	s.next[b] = n
	return n, nil
}

// narrow returns the stems of s that go on with b, and how much of them is read.
func (a *automaton) narrow(s *state, b byte) (low, high, depth int) {
	stems := a.byStem[s.low:s.high]
	low = sort.Search(len(stems), func(i int) bool {
		stem := stems[i].pattern.stem
		return len(stem) > s.depth && stem[s.depth] >= b
	})
	high = sort.Search(len(stems), func(i int) bool {
		stem := stems[i].pattern.stem
		return len(stem) > s.depth && stem[s.depth] > b
	})
	if low == high {
		return 0, 0, 0
	}
	return s.low + low, s.low + high, s.depth + 1
}

// enter adds to s the code of the patterns whose stems end in it.
func (a *automaton) enter(s *state, begin bool) error {
	for i := s.low; i < s.high && len(a.byStem[i].pattern.stem) == s.depth; i++ {
		if a.starts[i] < 0 {
			pc, err := a.compile(a.byStem[i])
			if err != nil {
				return fmt.Errorf("%s: %w", a.byStem[i].source, err)
			}
			a.starts[i] = int64(pc)
			a.mark = append(a.mark, make([]uint32, len(a.code)-len(a.mark))...)
		}
		a.follow(s, uint32(a.starts[i]), begin)
	}
	return nil
}

// follow adds to s what can be reached from pc without reading. It says with
// begin whether the path begins here.
func (a *automaton) follow(s *state, pc uint32, begin bool) {
	a.stack = append(a.stack[:0], pc)
	for len(a.stack) > 0 {
		pc := a.stack[len(a.stack)-1]
		a.stack = a.stack[:len(a.stack)-1]
		if a.mark[pc] == a.current {
			continue
		}
		a.mark[pc] = a.current
		a.work++
		in := &a.code[pc]
		switch in.op {
		case opRead:
			s.readers = append(s.readers, pc)
		case opFork:
			a.stack = append(a.stack, in.arg, in.out)
		case opBegin:
			if begin {
				a.stack = append(a.stack, in.out)
			}
		case opMatch:
			s.match(a.specs[in.arg])
		case opFail:
		}
	}
}

// match records in s that a specification matches if the path ends here.
func (s *state) match(sp *spec) {
	for k := range s.best {
		if sp.kind == anyKind || sp.kind == kind(k) {
			s.best[k] = max(s.best[k], int32(sp.rank))
		}
	}
}

func (s *state) dead() bool {
	return s.low == s.high && len(s.readers) == 0 && s.best == none
}

// number returns the number of the kept state that equals s; a copy of s becomes
// one if there is none.
func (a *automaton) number(s *state) int32 {
	if s.dead() {
		return deadState
	}
	a.key = s.appendKey(a.key[:0])
	if n, ok := a.index[string(a.key)]; ok {
		return n
	}
	if len(a.states) >= maxStates || a.length+len(s.readers) > maxElements {
		a.forget()
	}
	n := int32(len(a.states))
	a.states = append(a.states, &state{low: s.low, high: s.high, depth: s.depth, best: s.best, readers: slices.Clone(s.readers)})
	a.index[string(a.key)] = n
	a.length += len(s.readers)
	return n
}

// forget drops all states that were made on the way.
func (a *automaton) forget() {
	clear(a.states[firstState:])
	a.states = a.states[:firstState]
	clear(a.index)
	a.length = 0
	clear(a.states[startState].next[:])
}

// appendKey appends what tells s from other states.
func (s *state) appendKey(b []byte) []byte {
	for _, v := range []int{s.low, s.high, s.depth} {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	for _, v := range s.best {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	for _, v := range s.readers {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}
