package etcmerge

import (
	"context"
	"errors"
	"os"
)

// Apply turns the directory target, which holds the new image's /etc, into the
// Result of the plan, taking local files from the directory current. When it
// returns nil the result is on disk.
//
// The power may fail at any instant, and an error may come anywhere: what the
// target then holds is no system to boot, but Apply of the same plan finishes
// it. An error that is ErrChanged means that current is no more what the plan
// was made of; the target then needs a fresh copy of the new image's /etc and a
// new plan, unless nothing has been written yet, which is the rule: every local
// file is looked at before the first change.
func (p *Plan) Apply(ctx context.Context, current, target *os.File) error {
	return errors.New("internal error: not there yet")
}
