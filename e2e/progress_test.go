package e2e

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// progress prints the steps of the demo, how long each should take and took, and a reminder
// when one is slow.
type progress struct {
	w    io.Writer
	bold bool // the terminal can do that

	mu    sync.Mutex
	what  string        // what goes on
	since time.Time     // from when on
	usual time.Duration // that it takes on a quiet machine
	told  time.Time     // when it was last said that it goes on
	steps int
	done  chan struct{} // closed at the end
}

// newProgress prints for somebody who watches, or for the log of a test.
func newProgress(w io.Writer, watched, bold bool) *progress {
	p := &progress{w: w, bold: bold, done: make(chan struct{})}
	if watched {
		go p.remind()
	}
	return p
}

// demoSteps is how many titles there are.
const demoSteps = 6

// title begins a step, which takes so many seconds on a quiet machine.
func (p *progress) title(text string, usual int) {
	p.begin(text, usual)
	p.steps++
	text = fmt.Sprintf("[%d/%d] %s (about %d s)", p.steps, demoSteps, text, usual)
	if p.bold {
		text = "\033[1m" + text + "\033[0m"
	}
	fmt.Fprintf(p.w, "\n%s\n", text)
}

// timed says what it does, does it, and says how long it took.
func (p *progress) timed(what string, usual int, do func()) {
	p.begin(what, usual)
	fmt.Fprintf(p.w, "  %s (about %d s)\n", what, usual)
	start := time.Now()
	do()
	if took := time.Since(start).Round(time.Second); took > time.Second {
		fmt.Fprintf(p.w, "  … took %v\n", took)
	} else {
		fmt.Fprintf(p.w, "  … already in build/cache\n")
	}
}

func (p *progress) begin(what string, usual int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.what, p.usual = what, time.Duration(usual)*time.Second
	p.since, p.told = time.Now(), time.Now()
}

// remind says each half minute that what takes longer than usual goes on.
func (p *progress) remind() {
	for {
		select {
		case <-p.done:
			return
		case <-time.After(time.Second):
		}
		p.mu.Lock()
		took := time.Since(p.since)
		if p.what != "" && took > 3*p.usual/2 && time.Since(p.told) > 30*time.Second {
			p.told = time.Now()
			fmt.Fprintf(p.w, "  … goes on: %v so far, about %v is usual; a slow or busy machine takes longer\n", took.Round(time.Second), p.usual)
		}
		p.mu.Unlock()
	}
}

// end stops the reminders.
func (p *progress) end() { close(p.done) }

func (p *progress) prompt(sign, cmd string) { fmt.Fprintf(p.w, "%s %s\n", sign, cmd) }

func (p *progress) print(text string) {
	if text = strings.TrimRight(text, "\n"); text != "" {
		fmt.Fprintln(p.w, text)
	}
}
