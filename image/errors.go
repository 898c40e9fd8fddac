package image

import "errors"

// What callers tell apart with errors.Is. The text of the errors that Open and
// OpenLayer return says more.
var (
	ErrUnauthorized = errors.New("not authorized")
	ErrNotFound     = errors.New("not found")
	ErrUnreachable  = errors.New("unreachable")
	ErrBusy         = errors.New("registry is busy")
	ErrNoPlatform   = errors.New("no image for this platform")
	ErrSignature    = errors.New("refused by the signature policy")
	ErrCorrupt      = errors.New("wrong bytes")
	ErrUnsupported  = errors.New("not supported")
	ErrBlocked      = errors.New("registry is blocked")
)
