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
	idleLimit = 10 * time.Minute // without any work
	busyLimit = 10 * time.Minute // of processor time: a boot takes 25 seconds of it, a pull of the whole image 40
	tick      = time.Second

	// loaderTime is how long a quick machine takes until its console shows the loader, and
	// restoreTime until it goes on from a snapshot.
	loaderTime  = 3 * time.Second
	restoreTime = time.Second
	maxSlowness = 6

	// idleBelow is the share of a processor below which a machine does no work. A machine
	// that only waits uses a twentieth. One that works gets a sixth even when ten others want
	// two processors.
	idleBelow = 0.15
)

// patience tells a machine that hangs from one that is slow. A machine that works uses its
// processor, prints, reads and writes: its limit is processor time, however long that takes
// by the clock. Time on the clock counts only while the machine does nothing.
type patience struct {
	machine    *Machine
	ticks      *time.Ticker
	last       usage
	idle, busy time.Duration
}

// usage is what a machine has done since it was turned on.
type usage struct {
	processor time.Duration
	console   int   // bytes that it printed
	disk      int64 // bytes that QEMU read and wrote
}

// patience begins a wait. Stop ends it.
func (m *Machine) patience() *patience {
	return &patience{machine: m, ticks: time.NewTicker(tick), last: m.usage()}
}

func (p *patience) Stop() { p.ticks.Stop() }

// hung counts a tick, and returns why the machine is taken for hung, or "". A tick that
// comes late counts once: this process was held up, and perhaps the machine, too.
func (p *patience) hung() string {
	now := p.machine.usage()
	used := now.processor - p.last.processor
	p.busy += used
	if used >= time.Duration(idleBelow*float64(tick)) || now.console != p.last.console || now.disk-p.last.disk >= 1<<16 {
		p.idle = max(0, p.idle-tick) // and not 0: what waits for ever has a timer that ticks now and then
	} else {
		p.idle += tick
	}
	p.last = now
	slowness := p.machine.slowness()
	switch {
	case p.idle > time.Duration(slowness*float64(idleLimit)):
		return fmt.Sprintf("it has done nothing for %v", p.idle)
	case p.busy > time.Duration(slowness*float64(busyLimit)):
		return fmt.Sprintf("it has used %v of processor time", p.busy.Round(time.Second))
	default:
		return ""
	}
}

// slowness is by what factor this machine was slower than a quick one until its console
// showed the loader, or until it went on from a snapshot: from 1 to maxSlowness, which
// stands also for a machine that has shown nothing so far.
func (m *Machine) slowness() float64 {
	took, quick := m.restored, restoreTime
	if !m.resumed {
		took, quick = m.console.firstAfter(m.started), loaderTime
	}
	if took == 0 {
		return maxSlowness
	}
	return min(max(1, float64(took)/float64(quick)), maxSlowness)
}

// usage reads what the kernel of this host knows of QEMU. A machine that has ended uses
// nothing.
func (m *Machine) usage() usage {
	u := usage{console: m.console.size()}
	dir := fmt.Sprintf("/proc/%d", m.cmd.Process.Pid)
	if stat, err := os.ReadFile(filepath.Join(dir, "stat")); err == nil {
		rest := string(stat[strings.LastIndexByte(string(stat), ')')+1:])
		if fields := strings.Fields(rest); len(fields) > 12 { // proc(5): utime and stime, in hundredths of a second
			u.processor = 10 * time.Millisecond * time.Duration(number(fields[11])+number(fields[12]))
		}
	}
	if io, err := os.ReadFile(filepath.Join(dir, "io")); err == nil {
		for line := range strings.Lines(string(io)) {
			if name, value, _ := strings.Cut(line, ": "); name == "rchar" || name == "wchar" {
				u.disk += number(strings.TrimSpace(value))
			}
		}
	}
	return u
}

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
