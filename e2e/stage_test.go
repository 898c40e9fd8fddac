package e2e

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// stage is where the demo is shown: its steps, what each takes, and a word now and then when
// that is more than usual.
type stage struct {
	w    io.Writer
	bold bool // the terminal can do that

	mu      sync.Mutex
	what    string        // what goes on
	since   time.Time     // from when on
	usual   time.Duration // that it takes on a quiet machine
	told    time.Time     // when it was last said that it goes on
	steps   int
	curtain chan struct{} // closed at the end
}

// newStage returns a stage for somebody who watches, or for the log of a test.
func newStage(w io.Writer, watched, bold bool) *stage {
	s := &stage{w: w, bold: bold, curtain: make(chan struct{})}
	if watched {
		go s.reassure()
	}
	return s
}

// demoSteps is how many titles there are.
const demoSteps = 6

// title begins a step, which takes so many seconds on a quiet machine.
func (s *stage) title(text string, usual int) {
	s.begin(text, usual)
	s.steps++
	text = fmt.Sprintf("[%d/%d] %s (about %d s)", s.steps, demoSteps, text, usual)
	if s.bold {
		text = "\033[1m" + text + "\033[0m"
	}
	fmt.Fprintf(s.w, "\n%s\n", text)
}

// during says that something goes on, does it, and says how long it took.
func (s *stage) during(what string, usual int, do func()) {
	s.begin(what, usual)
	fmt.Fprintf(s.w, "  %s (about %d s)\n", what, usual)
	start := time.Now()
	do()
	if took := time.Since(start).Round(time.Second); took > time.Second {
		fmt.Fprintf(s.w, "  … took %v\n", took)
	} else {
		fmt.Fprintf(s.w, "  … is in build/cache\n")
	}
}

func (s *stage) begin(what string, usual int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.what, s.usual = what, time.Duration(usual)*time.Second
	s.since, s.told = time.Now(), time.Now()
}

// reassure says each half minute that what takes longer than usual goes on.
func (s *stage) reassure() {
	for {
		select {
		case <-s.curtain:
			return
		case <-time.After(time.Second):
		}
		s.mu.Lock()
		took := time.Since(s.since)
		if s.what != "" && took > 3*s.usual/2 && time.Since(s.told) > 30*time.Second {
			s.told = time.Now()
			fmt.Fprintf(s.w, "  … goes on: %v so far, about %v is usual; a slow or busy machine takes longer\n", took.Round(time.Second), s.usual)
		}
		s.mu.Unlock()
	}
}

// end closes the stage.
func (s *stage) end() { close(s.curtain) }

func (s *stage) prompt(sign, cmd string) { fmt.Fprintf(s.w, "%s %s\n", sign, cmd) }

func (s *stage) print(text string) {
	if text = strings.TrimRight(text, "\n"); text != "" {
		fmt.Fprintln(s.w, text)
	}
}
