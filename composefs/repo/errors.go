package repo

import "errors"

// Errors that callers branch on.
var (
	// ErrNotRepository means that the directory holds no repository.
	ErrNotRepository = errors.New("not a composefs repository")
	// ErrOldFormat means that the repository is older than meta.json.
	ErrOldFormat = errors.New("the repository has no meta.json")
	// ErrBadMetadata means that meta.json is damaged.
	ErrBadMetadata = errors.New("meta.json is damaged")
	// ErrUnsupported means that only newer programs may open the repository.
	ErrUnsupported = errors.New("the repository needs a newer program")
	// ErrReadOnly means that the repository must not be written to.
	ErrReadOnly = errors.New("the repository is read-only")
	// ErrVerityRequired means that fs-verity was asked for and is not there.
	ErrVerityRequired = errors.New("the repository has no fs-verity")
	// ErrNotFound means that the repository has no such object or name.
	ErrNotFound = errors.New("not in the repository")
	// ErrDamaged means that an object is not what its name says.
	ErrDamaged = errors.New("damaged")
)
