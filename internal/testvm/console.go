package testvm

import (
	"bytes"
	"regexp"
	"strings"
	"sync"
	"time"
)

// console keeps what a machine prints, and notices when it dies.
type console struct {
	mu      sync.Mutex
	text    []byte
	first   time.Time         // when it printed for the first time
	changed chan struct{}     // closed when more is printed; made when somebody waits
	dead    func(line string) // called once
}

// deadly are the words of a kernel that has given up. Emergency mode is not
// among them: tests provoke it.
var deadly = regexp.MustCompile(`Kernel panic - |double fault|Attempted to kill init`)

// escapes are what terminals understand and readers do not want.
var escapes = regexp.MustCompile("\x1b\\[[0-9;?=]*[a-zA-Z]|\x1b[c78]|\r")

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first.IsZero() {
		c.first = time.Now()
	}
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
	from := bytes.LastIndexByte(c.text, '\n') + 1
	c.text = append(c.text, p...)
	if m := deadly.FindIndex(c.text[from:]); m != nil && c.dead != nil {
		line, _, _ := strings.Cut(string(c.text[from+m[0]:]), "\n")
		go c.dead(strings.TrimSpace(line))
		c.dead = nil
	}
	return len(p), nil
}

// String is all that was printed so far, without the escapes of terminals.
func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return escapes.ReplaceAllString(string(c.text), "")
}

// state is all that was printed so far, and what ends when there is more.
func (c *console) state() (text string, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	return escapes.ReplaceAllString(string(c.text), ""), c.changed
}

// size is how many bytes were printed so far.
func (c *console) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.text)
}

// firstAfter is how long after start something was printed for the first time; 0 if
// nothing was so far.
func (c *console) firstAfter(start time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first.IsZero() {
		return 0
	}
	return c.first.Sub(start)
}

// tail is the last lines of it.
func (c *console) tail(n int) string {
	lines := strings.Split(strings.TrimRight(c.String(), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
