package testvm

import (
	"bytes"
	"regexp"
	"strings"
	"sync"
)

// console keeps what a machine prints, and notices when it dies.
type console struct {
	mu   sync.Mutex
	text []byte
	dead func(line string) // called once
}

// deadly are the words of a kernel that has given up. Emergency mode is not
// among them: tests provoke it.
var deadly = regexp.MustCompile(`Kernel panic - |double fault|Attempted to kill init`)

// escapes are what terminals understand and readers do not want.
var escapes = regexp.MustCompile("\x1b\\[[0-9;?=]*[a-zA-Z]|\x1b[c78]|\r")

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
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

// tail is the last lines of it.
func (c *console) tail(n int) string {
	lines := strings.Split(strings.TrimRight(c.String(), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
