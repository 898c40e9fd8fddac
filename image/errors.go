package image

import (
	"context"
	"errors"
	"slices"
	"time"
)

// What callers tell apart with errors.Is. The text of the errors that Open and
// OpenLayer return says more.
var (
	// ErrUnauthorized: the registry wants credentials, or other ones.
	ErrUnauthorized = errors.New("not authorized")
	// ErrNotFound: the registry or the directory does not have it.
	ErrNotFound = errors.New("not found")
	// ErrUnreachable: no connection, or none that lasts.
	ErrUnreachable = errors.New("unreachable")
	// ErrUnavailable: the registry is there, but too busy or broken for now.
	ErrUnavailable = errors.New("unavailable")
	// ErrTLS: the registry's certificate is not trusted, or it speaks plain
	// http where https is demanded.
	ErrTLS = errors.New("no trusted connection")
	// ErrBlocked: registries.conf forbids this registry.
	ErrBlocked = errors.New("blocked")
	// ErrNoPlatform: the image is not for this machine.
	ErrNoPlatform = errors.New("no image for this platform")
	// ErrSignature: the signature policy refuses the image, or there is none.
	ErrSignature = errors.New("refused by the signature policy")
	// ErrCorrupt: bytes differ from the digest or size that names them.
	ErrCorrupt = errors.New("wrong bytes")
	// ErrUnsupported: what is there is no image of file system layers.
	ErrUnsupported = errors.New("not supported")
)

// failure is an error that is sorted into one of the classes above.
type failure struct {
	class
	text  string        // the whole sentence
	cause error         // what the sentence was made from, or nil
	after time.Duration // how long the registry asks to be left alone
}

// Error is the sentence, fit for a terminal: what registries and manifests say
// is quoted in many of them, and every one comes out here.
func (f *failure) Error() string { return printable(f.text) }

// Unwrap lets errors.Is find the class and the cause.
func (f *failure) Unwrap() []error {
	return slices.DeleteFunc([]error{f.kind, f.cause}, func(e error) bool { return e == nil })
}

// in puts the failure into a wider context: "layer 1 of 2 (…)".
func (f *failure) in(what string) *failure {
	g := *f
	g.text = what + ": " + f.text
	return &g
}

// named puts the image's name before a sentence about what is in it, unless it
// names it already.
func (r Reference) named(err error) error {
	if f, ok := errors.AsType[*failure](err); ok && !errors.Is(f.kind, ErrNoPlatform) {
		return f.in(r.human())
	}
	return err
}

// interrupted returns the error of a context that is over, nil otherwise.
// Whatever else went wrong then is a consequence.
func interrupted(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}
