package image

import (
	"context"
	"time"
)

// Clock is the time that waits and time limits are measured by.
type Clock interface {
	Now() time.Time
	// Sleep waits for d, or until ctx is over; then it returns ctx's cause.
	Sleep(ctx context.Context, d time.Duration) error
	// AfterFunc calls f once, after d, unless the timer is stopped before.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is what AfterFunc returns; [time.Timer] documents its methods.
type Timer interface {
	Stop() bool
	Reset(d time.Duration) bool
}

// wallClock is the real time.
type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

func (wallClock) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }

func (wallClock) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
