package layers

import (
	"errors"
	"fmt"
)

// Errors that callers branch on.
var (
	// ErrDiffID says that a layer's tar is not the one that the image's config
	// names.
	ErrDiffID = errors.New("the uncompressed data does not match the diff_id")
	// ErrUnsupported says that a layer is well-formed but holds something that
	// is refused: a sparse file, a compression that is not known, too much of
	// anything.
	ErrUnsupported = errors.New("not supported")
	// ErrMalformed says that a layer is damaged.
	ErrMalformed = errors.New("malformed")
)

// refusal is an error whose text does not repeat the sentinel that it is.
type refusal struct {
	text string
	is   error
}

func (e *refusal) Error() string        { return e.text }
func (e *refusal) Is(target error) bool { return target == e.is }

func malformed(format string, args ...any) error {
	return &refusal{fmt.Sprintf(format, args...), ErrMalformed}
}

func unsupported(format string, args ...any) error {
	return &refusal{fmt.Sprintf(format, args...), ErrUnsupported}
}

// maxShown is how many bytes of a name an error message shows.
const maxShown = 200

// shorten keeps hostile names from filling the user's terminal.
func shorten(b []byte) []byte {
	if len(b) <= maxShown {
		return b
	}
	return append(b[:maxShown:maxShown], "…"...)
}

// entryError names the entry that err is about.
func entryError(name []byte, err error) error {
	return fmt.Errorf("entry %q: %w", shorten(name), err)
}

// targetError names the target of the hard link that err is about.
func targetError(target []byte, err error) error {
	return fmt.Errorf("the target %q of the hard link: %w", shorten(target), err)
}
