package image

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/bootc-go/bootc/internal/progress"
)

// Retry says how stubbornly to try. Zero fields take their defaults.
type Retry struct {
	Attempts int           // in a row without progress; default 6
	Base     time.Duration // the first wait; it doubles each time; default 1 s
	Max      time.Duration // the longest wait of our own choice; default 30 s
	Obey     time.Duration // the longest wait that a registry may ask for; default 5 min
	Stall    time.Duration // silence after which a request is given up; default 30 s

	// Jitter shortens a wait at random, so that a thousand machines whose
	// registry restarts do not return at once. The default is d/2 to d.
	Jitter func(d time.Duration) time.Duration
}

func (r Retry) withDefaults() Retry {
	if r.Attempts <= 0 {
		r.Attempts = 6
	}
	r.Base = orDefault(r.Base, time.Second)
	r.Max = orDefault(r.Max, 30*time.Second)
	r.Obey = orDefault(r.Obey, 5*time.Minute)
	r.Stall = orDefault(r.Stall, 30*time.Second)
	if r.Jitter == nil {
		r.Jitter = func(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }
	}
	return r
}

func orDefault(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}

// wait is how long to wait after the n-th failure in a row, n from 1.
func (r Retry) wait(n int) time.Duration {
	d := r.Base
	for ; n > 1 && d < r.Max; n-- {
		d *= 2
	}
	return r.Jitter(min(d, r.Max))
}

// retrier decides after each failure whether and when to try again.
type retrier struct {
	Retry
	clock    Clock
	progress progress.Func
	failures int // in a row
}

func newRetrier(o Options) retrier {
	return retrier{Retry: o.Retry, clock: o.Clock, progress: o.Progress}
}

// failed takes note of f and sleeps until the next attempt. It returns the
// error to report instead if there is none.
func (r *retrier) failed(ctx context.Context, f *failure) error {
	r.failures++
	switch {
	case !f.temporary:
		return f
	case f.after > r.Obey:
		return f.appended(fmt.Sprintf(" and asks to come back in %s", f.after))
	case r.failures >= r.Attempts:
		return f.appended(fmt.Sprintf(" (%d attempts)", r.failures))
	}
	d := r.wait(r.failures)
	if f.after > 0 {
		d = f.after
	}
	r.progress.Report(progress.Event{
		Kind: progress.Message,
		Text: fmt.Sprintf("%s; trying again in %s", f, d.Round(time.Second/10)),
	})
	return r.clock.Sleep(ctx, d)
}

// appended adds to the end of the sentence.
func (f *failure) appended(s string) *failure {
	g := *f
	g.text += s
	return &g
}
