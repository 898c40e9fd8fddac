package main

import (
	"io"
	"os"

	"golang.org/x/term"
)

// answer is standard output. It remembers that a write failed, so that a
// command whose answer was lost does not end as if all were well, wherever in
// it the answer was written.
type answer struct {
	w   io.Writer
	err error
}

func (a *answer) Write(p []byte) (int, error) {
	n, err := a.w.Write(p)
	if err != nil && a.err == nil {
		a.err = err
	}
	return n, err
}

// isTerminal reports whether w shows what is written to a person.
func isTerminal(w io.Writer) bool {
	if a, ok := w.(*answer); ok {
		w = a.w
	}
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
