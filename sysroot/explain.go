package sysroot

import (
	"fmt"
	"os"
	"strings"
)

// Explain makes an error name files as people know them: who works with the files
// of a host by the paths of their descriptors, /proc/self/fd/N, gets errors with
// those. nil stays nil.
func (h *Host) Explain(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for _, dir := range []*os.File{h.Root, h.Run, h.Etc, h.Files.Boot, h.Files.ESP} {
		if dir != nil {
			text = strings.ReplaceAll(text, fmt.Sprintf("/proc/self/fd/%d/", dir.Fd()), dir.Name()+"/")
		}
	}
	return &explained{err, text}
}

type explained struct {
	err  error
	text string
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.err }
