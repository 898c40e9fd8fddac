package selinux

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dlclark/regexp2"
)

// Bounds on what needs backtracking, which can take time exponential in the
// length of a path. No policy in use has more than a few such patterns.
const (
	maxBacktracking = 500
	matchTimeout    = time.Second / 4
	totalTimeout    = 10 * time.Second // of all matches of a policy
)

// A backtracker matches the specifications that the automaton cannot express.
type backtracker struct {
	specs  []*spec // highest rank first
	exprs  []*regexp2.Regexp
	spent  time.Duration
	buffer []rune
}

func newBacktracker(specs []*spec) (*backtracker, error) {
	b := &backtracker{}
	for _, s := range slices.Backward(specs) {
		if !s.pattern.backtrack {
			continue
		}
		if len(b.specs) == maxBacktracking {
			return nil, fmt.Errorf("%s: %w: more than %d patterns with lookaround", s.source, ErrTooComplex, maxBacktracking)
		}
		re, err := compileBacktracking(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.source, err)
		}
		b.specs, b.exprs = append(b.specs, s), append(b.exprs, re)
	}
	return b, nil
}

// compileBacktracking compiles the whole expression as composefs-rs builds it,
// with the file type at the end, so that back references count its groups.
func compileBacktracking(s *spec) (*regexp2.Regexp, error) {
	last := "."
	if s.kind != anyKind {
		last = string(appendByte(nil, kindCodes[s.kind]))
	}
	re, err := regexp2.Compile("^("+s.pattern.source+")"+last+"$", regexp2.None)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDialect, err)
	}
	re.MatchTimeout = matchTimeout
	return re, nil
}

// lookup returns the rank of the specification for path, which is at least
// best, the rank of the one that the automaton found.
func (b *backtracker) lookup(path string, k kind, best int) (int, error) {
	for i, s := range b.specs {
		if s.rank < best {
			break
		}
		if s.kind != anyKind && s.kind != k || !strings.HasPrefix(path, s.pattern.stem) {
			continue
		}
		ok, err := b.match(b.exprs[i], path, k)
		if err != nil {
			return -1, fmt.Errorf("%s: %s: %w: %w", s.source, path, ErrTooComplex, err)
		}
		if ok {
			return s.rank, nil
		}
	}
	return best, nil
}

// match matches the path and the letter of its file type, a rune for a byte.
func (b *backtracker) match(re *regexp2.Regexp, path string, k kind) (bool, error) {
	if b.spent > totalTimeout {
		return false, fmt.Errorf("patterns with lookaround took %v", b.spent.Round(time.Second))
	}
	b.buffer = b.buffer[:0]
	for i := range len(path) {
		b.buffer = append(b.buffer, rune(path[i]))
	}
	b.buffer = append(b.buffer, rune(kindCodes[k]))
	start := time.Now()
	ok, err := re.MatchRunes(b.buffer)
	b.spent += time.Since(start)
	return ok, err
}
