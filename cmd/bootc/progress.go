package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/bootc-go/bootc/internal/progress"
)

// totalTask is the task that sums up the others.
const totalTask = "total"

// reporter shows progress on standard error: bars on a terminal, a line for
// what is done elsewhere, nothing if quiet. The caller calls done once the work
// has ended, however it ended.
func (e *env) reporter(quiet bool) (report progress.Func, done func()) {
	if quiet {
		return nil, func() {}
	}
	if f, ok := e.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		b := newBars(f)
		return b.report, b.close
	}
	l := &lines{w: e.stderr}
	return l.report, func() {}
}

// warnings shows what went wrong without doing harm, and no progress.
func (e *env) warnings() progress.Func {
	l := &lines{w: e.stderr}
	return func(ev progress.Event) {
		if ev.Kind == progress.Message {
			l.report(ev)
		}
	}
}

// lines reports to a log: one line for each task that ended. What was here
// already gets none, a message sums it up; nor do steps without a size of their own,
// which are quick.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lines) report(ev progress.Event) {
	text := ""
	switch ev.Kind {
	case progress.Message:
		text = ev.Text
	case progress.Done:
		text = ev.Text + ": done"
		if ev.Total > 0 {
			text += ", " + quantity(ev.Unit, ev.Total)
		}
	default:
		return
	}
	if step := ev.Unit == progress.Items && ev.Total == 0; ev.Task == totalTask || step && ev.Kind == progress.Done {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.w, "bootc: %s\n", printable(text))
}

// bars draws one bar a running task and one for the sum of bytes.
type bars struct {
	mu    sync.Mutex
	out   *mpb.Progress
	tasks map[string]*mpb.Bar
	last  map[string]int64
	total *mpb.Bar
}

func newBars(w io.Writer) *bars {
	return &bars{
		out:   mpb.New(mpb.WithOutput(w), mpb.WithWidth(80)),
		tasks: map[string]*mpb.Bar{}, last: map[string]int64{},
	}
}

func (b *bars) report(ev progress.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch ev.Kind {
	case progress.Started:
		b.start(ev)
	case progress.Advanced:
		b.advance(ev)
	case progress.Done:
		b.end(ev)
	case progress.Message:
		fmt.Fprintf(b.out, "%s\n", printable(ev.Text))
	case progress.Reused: // a message sums these up
	}
}

func (b *bars) start(ev progress.Event) {
	if b.tasks[ev.Task] != nil || ev.Total == 0 && ev.Task == totalTask {
		return
	}
	if ev.Total == 0 { // of unknown length: a sign of life
		spinner := mpb.SpinnerStyle().PositionLeft()
		b.tasks[ev.Task] = b.out.New(1, spinner, mpb.BarRemoveOnComplete(), mpb.PrependDecorators(decor.Name(fmt.Sprintf("%-24.24s ", ev.Text))))
		return
	}
	opts := []mpb.BarOption{
		mpb.PrependDecorators(decor.Name(fmt.Sprintf("%-24.24s", ev.Text))),
		mpb.AppendDecorators(counters(ev), decor.Name(" "), decor.OnComplete(rate(ev), "")),
	}
	if ev.Task == totalTask {
		opts = append(opts, mpb.BarPriority(1<<20))
	} else {
		opts = append(opts, mpb.BarRemoveOnComplete())
	}
	bar := b.out.AddBar(ev.Total, opts...)
	b.tasks[ev.Task] = bar
	if ev.Task == totalTask {
		b.total = bar
	}
}

func counters(ev progress.Event) decor.Decorator {
	if ev.Unit == progress.Items {
		return decor.CountersNoUnit("%d / %d")
	}
	return decor.Any(func(s decor.Statistics) string { return bytesText(s.Current) + " / " + bytesText(s.Total) })
}

func rate(ev progress.Event) decor.Decorator {
	if ev.Unit == progress.Items {
		return decor.AverageSpeed(nil, "%.0f/s")
	}
	start := time.Now()
	return decor.Any(func(s decor.Statistics) string {
		return bytesText(int64(float64(s.Current)/max(time.Since(start).Seconds(), 0.1))) + "/s"
	})
}

func (b *bars) advance(ev progress.Event) {
	if bar := b.tasks[ev.Task]; bar != nil {
		bar.SetCurrent(ev.Done)
	}
	if b.total != nil && ev.Unit == progress.Bytes && ev.Task != totalTask {
		b.total.IncrInt64(ev.Done - b.last[ev.Task])
		b.last[ev.Task] = ev.Done
	}
}

func (b *bars) end(ev progress.Event) {
	ev.Done = ev.Total
	b.advance(ev)
	if bar := b.tasks[ev.Task]; bar != nil && ev.Task != totalTask {
		bar.Abort(true) // at once: a bar that is complete stays for a while
		delete(b.tasks, ev.Task)
	}
}

// close ends the drawing and leaves the terminal clean.
func (b *bars) close() {
	b.mu.Lock()
	for _, bar := range b.tasks {
		bar.Abort(true)
	}
	b.mu.Unlock()
	b.out.Wait()
}

// quantity prints n in its unit: "41.9 MB", "12 items".
func quantity(u progress.Unit, n int64) string {
	if u == progress.Items {
		return fmt.Sprintf("%d", n)
	}
	return bytesText(n)
}

// bytesText prints a number of bytes as people read it: "41.9 MB".
func bytesText(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n), -1
	for v >= 1000 && unit < 4 {
		v, unit = v/1000, unit+1
	}
	return fmt.Sprintf("%.1f %cB", v, "kMGTP"[unit])
}
