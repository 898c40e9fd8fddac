package selinux

import (
	"fmt"
	"regexp/syntax"
)

// Bounds on compiled patterns, in instructions. Common patterns need a dozen.
const (
	maxInstructions      = 20_000    // of one pattern
	maxTotalInstructions = 2_000_000 // of a policy
)

// A program is the code of all patterns compiled so far: a nondeterministic
// automaton that reads bytes.
type program struct {
	code    []instruction
	sets    []byteSet // what readers read
	numbers map[byteSet]uint32
}

type operation uint8

const (
	opFail  operation = iota
	opRead            // reads a byte of sets[arg], goes on at out
	opFork            // goes on at both out and arg
	opBegin           // goes on at out where the path begins
	opMatch           // the rest of the path is nothing: specification arg matches
)

type instruction struct {
	op       operation
	out, arg uint32
}

// compile adds the code for the part of a pattern after its stem and returns
// where it begins.
func (p *program) compile(s *spec) (uint32, error) {
	if s.pattern.rest == len(s.pattern.source) {
		return p.add(instruction{op: opMatch, arg: uint32(s.rank)}), nil
	}
	re, err := s.pattern.parse()
	if err != nil {
		return 0, err
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errDialect, err)
	}
	base := uint32(len(p.code))
	if len(p.code)+len(prog.Inst) > maxTotalInstructions {
		return 0, fmt.Errorf("%w: more than %d instructions", ErrTooComplex, maxTotalInstructions)
	}
	for i := range prog.Inst {
		p.translate(base, &prog.Inst[i], s.rank)
	}
	return base + uint32(prog.Start), nil
}

// check refuses early what cannot be compiled later. Only a counted repetition
// can still be at fault, so the time is not spent on others.
func (p *pattern) check() error {
	if !p.counted || p.backtrack {
		return nil
	}
	_, err := p.parse()
	return err
}

// parse reads what follows the stem, with a bound on its size.
func (p *pattern) parse() (*syntax.Regexp, error) {
	flags := syntax.Perl
	if p.dotNewline {
		flags |= syntax.DotNL
	}
	re, err := syntax.Parse(p.source[p.rest:], flags)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDialect, err)
	}
	if sizeOf(re) > maxInstructions {
		return nil, fmt.Errorf("%w: a pattern that repeats too much", ErrTooComplex)
	}
	return re, nil
}

// sizeOf estimates the instructions that re takes.
func sizeOf(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		n += sizeOf(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, maxInstructions+1)
}

// translate adds the instruction in, with base added to where it goes.
func (p *program) translate(base uint32, in *syntax.Inst, rank int) {
	next := instruction{op: opFork, out: base + in.Out, arg: base + in.Out}
	switch in.Op { //nolint:exhaustive // all others go on at out
	case syntax.InstAlt, syntax.InstAltMatch:
		next.arg = base + in.Arg
	case syntax.InstEmptyWidth:
		next.op = opFail
		if syntax.EmptyOp(in.Arg) == syntax.EmptyBeginText {
			next.op = opBegin
		}
		// The end of the text is never here: the file type comes after it.
	case syntax.InstMatch:
		next = instruction{op: opMatch, arg: uint32(rank)}
	case syntax.InstFail:
		next = instruction{op: opFail}
	case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
		next.op, next.arg = opRead, p.set(in)
	}
	p.add(next)
}

func (p *program) add(in instruction) uint32 {
	p.code = append(p.code, in)
	return uint32(len(p.code) - 1)
}

// set returns the number of the set that in reads.
func (p *program) set(in *syntax.Inst) uint32 {
	var set byteSet
	for b := range 256 {
		if in.MatchRune(rune(b)) {
			set.add(byte(b))
		}
	}
	n, ok := p.numbers[set]
	if !ok {
		n = uint32(len(p.sets))
		p.numbers[set] = n
		p.sets = append(p.sets, set)
	}
	return n
}
