package etcmerge

import "github.com/aymanbagabas/go-udiff"

// unified is the difference of two texts.
func unified(from, to, a, b string) (string, error) {
	return udiff.ToUnified(from, to, a, udiff.Lines(a, b), udiff.DefaultContextLines)
}
