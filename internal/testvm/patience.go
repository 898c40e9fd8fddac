package testvm

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The limits of a wait, for a machine that is as quick as those on which they were found;
// see patience.
const (
	idleLimit = 10 * time.Minute // of rest: a host that sleeps, or waits for something that never comes
	busyLimit = 10 * time.Minute // of processor time: a boot takes 20 seconds of it, a pull of the whole image 40
	tick      = time.Second

	// loaderTime is how long a quick machine takes until its console shows the loader.
	loaderTime = 3 * time.Second
	// restful is the share of a processor below which a machine rests: one without work
	// takes a twentieth, one with work a fifth even when ten others want the processor.
	restful = 0.1
)

// patience tells a machine that hangs from one that is slow. A machine that works uses its
// processor, prints, reads and writes: it is given processor time, however long that takes
// by the clock. Only a machine that rests is given time by the clock.
type patience struct {
	machine    *Machine
	ticks      *time.Ticker
	last       effort
	idle, busy time.Duration
}

// effort is what a machine has done since it was turned on.
type effort struct {
	processor time.Duration
	console   int   // bytes that it printed
	disk      int64 // bytes that it read and wrote
}

// patience begins a wait. Stop ends it.
func (m *Machine) patience() *patience {
	return &patience{machine: m, ticks: time.NewTicker(tick), last: m.effort()}
}

func (p *patience) Stop() { p.ticks.Stop() }

// spent takes a tick into account, and returns why the machine is taken for hung, or "".
// A tick that comes late counts once: this process was held up, and perhaps the machine,
// too.
func (p *patience) spent() string {
	now := p.machine.effort()
	used := now.processor - p.last.processor
	p.busy += used
	switch {
	case used < time.Duration(restful*float64(tick)) && now.console == p.last.console && now.disk-p.last.disk < 1<<16:
		p.idle += tick
	default:
		p.idle = 0
	}
	p.last = now
	slow := p.machine.slowness()
	switch {
	case p.idle > time.Duration(slow*float64(idleLimit)):
		return fmt.Sprintf("it has done nothing for %v", p.idle)
	case p.busy > time.Duration(slow*float64(busyLimit)):
		return fmt.Sprintf("it has used %v of processor time", p.busy.Round(time.Second))
	default:
		return ""
	}
}

// slowness is how many times as long as a quick machine this one took to its loader; 1 for
// one that was not slower.
func (m *Machine) slowness() float64 {
	first := m.console.firstAfter(m.started)
	if first == 0 { // has not come so far
		first = time.Since(m.started)
	}
	return max(1, float64(first)/float64(loaderTime))
}

// effort reads what the kernel of this host knows of QEMU. A machine that is gone has made
// none.
func (m *Machine) effort() effort {
	e := effort{console: m.console.size()}
	dir := fmt.Sprintf("/proc/%d", m.cmd.Process.Pid)
	if stat, err := os.ReadFile(filepath.Join(dir, "stat")); err == nil {
		_, rest, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(rest); len(fields) > 12 { // proc(5): utime and stime, in hundredths of a second
			e.processor = 10 * time.Millisecond * time.Duration(number(fields[11])+number(fields[12]))
		}
	}
	if io, err := os.ReadFile(filepath.Join(dir, "io")); err == nil {
		for line := range strings.Lines(string(io)) {
			if name, value, _ := strings.Cut(line, ": "); name == "rchar" || name == "wchar" {
				e.disk += number(strings.TrimSpace(value))
			}
		}
	}
	return e
}

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
