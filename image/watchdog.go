package image

import (
	"context"
	"time"
)

// watchdog ends a request when nothing comes for a while.
type watchdog struct {
	limit  time.Duration
	timer  Timer
	cancel context.CancelCauseFunc
}

// watch returns a context that ends with errStalled when [watchdog.wait] was
// called and, for the limit's time, neither [watchdog.came] nor wait again.
func watch(ctx context.Context, clock Clock, limit time.Duration) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watchdog{limit: limit, cancel: cancel}
	w.timer = clock.AfterFunc(limit, func() { cancel(errStalled) })
	w.timer.Stop()
	return ctx, w
}

func (w *watchdog) wait() { w.timer.Reset(w.limit) }

func (w *watchdog) came() { w.timer.Stop() }

// end frees the context.
func (w *watchdog) end() {
	w.timer.Stop()
	w.cancel(nil)
}
