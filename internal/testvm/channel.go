package testvm

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"sync"

	"github.com/bootc-go/bootc/internal/testvm/control"
)

// errReset ends requests that the machine will not answer any more.
var errReset = errors.New("the machine was reset or ended before it answered")

// channel is the test's end of the line to the agent.
type channel struct {
	conn io.ReadWriteCloser

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when boots or ended change
	boots   []string      // boot ids, the oldest first
	ended   bool
	next    int
	pending map[int]chan control.Message
}

func newChannel(conn io.ReadWriteCloser) *channel {
	c := &channel{conn: conn, changed: make(chan struct{}), pending: map[int]chan control.Message{}}
	go c.read()
	return c
}

// read takes messages until the machine is gone.
func (c *channel) read() {
	in := bufio.NewReader(c.conn)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			break
		}
		var m control.Message
		if json.Unmarshal(line, &m) == nil {
			c.take(m)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	c.change()
}

func (c *channel) take(m control.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.BootID != "" {
		c.boots = append(c.boots, m.BootID)
		c.change()
		return
	}
	if answer := c.pending[m.ID]; answer != nil {
		delete(c.pending, m.ID)
		answer <- m
	}
}

// change wakes those who wait for boots, and drops the requests of the boot
// before. The lock is held.
func (c *channel) change() {
	close(c.changed)
	c.changed = make(chan struct{})
	for id, answer := range c.pending {
		delete(c.pending, id)
		close(answer)
	}
}

// state returns the boots so far, whether there will be more, and what ends
// when that changes.
func (c *channel) state() (boots []string, ended bool, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.boots, c.ended, c.changed
}

// ask sends a request and returns where its answer will be; a machine that is
// reset closes that without one.
func (c *channel) ask(m control.Message) (<-chan control.Message, error) {
	answer := make(chan control.Message, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return nil, errReset
	}
	c.next++
	m.ID = c.next
	line, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	c.pending[m.ID] = answer
	_, err = c.conn.Write(append(line, '\n'))
	return answer, err
}
