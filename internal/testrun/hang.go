package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// The limits for a test that hangs. Time passes only while it makes no progress.
const (
	lookEvery = 10 * time.Second
	hungAfter = 30 * time.Minute

	// What all tests together do at least when they make progress: processor time, as a share
	// of a processor, and bytes read and written in lookEvery. A machine that only waits
	// uses a twentieth, and two run.
	idleBelow = 0.15
	quietIO   = 1 << 20
)

// watch waits for tests that hang, until ctx ends: for half an hour they have said nothing
// and computed nothing. Then it has them print their goroutines, which ends them. A slow
// machine computes, so that no slowness is taken for a hang.
func watch(ctx context.Context, events *atomic.Int64, group int, stderr io.Writer) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	last, lastUse, rested := events.Load(), useOf(group), time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		now, nowUse := events.Load(), useOf(group)
		if now == last && nowUse.processor-lastUse.processor < time.Duration(idleBelow*float64(lookEvery)) && nowUse.io-lastUse.io < quietIO {
			rested += lookEvery // a look that comes late counts once: perhaps the whole host stood still
		} else {
			rested = 0
		}
		last, lastUse = now, nowUse
		if rested >= hungAfter {
			fmt.Fprintf(stderr, "testrun: the tests have done nothing for %v; their goroutines follow\n", rested)
			quit(group)
			rested = 0
		}
	}
}

// use is what processes have done.
type use struct {
	processor time.Duration
	io        int64 // bytes read and written
}

// useOf is what the living processes of the group have done.
func useOf(group int) use {
	var sum use
	for _, p := range members(group) {
		sum.processor += p.used.processor
		sum.io += p.used.io
	}
	return sum
}

// quit has the test programs of the group print their goroutines and end.
func quit(group int) {
	for _, p := range members(group) {
		program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.pid))
		if err == nil && strings.HasSuffix(program, ".test") {
			_ = unix.Kill(p.pid, unix.SIGQUIT)
		}
	}
}

// member is a process of a group.
type member struct {
	pid  int
	used use
}

// members lists the processes of a group, as proc(5) describes them. Those that end
// meanwhile are left out.
func members(group int) []member {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		panic(err) // the pattern is a good one
	}
	var all []member
	for _, dir := range dirs {
		stat, err := os.ReadFile(dir + "/stat")
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:])) // from the third, state, on
		if len(fields) < 13 || fields[2] != strconv.Itoa(group) {
			continue
		}
		ticks := number(fields[11]) + number(fields[12]) // utime and stime, in hundredths of a second
		used := use{time.Duration(ticks * float64(10*time.Millisecond)), readIO(dir)}
		all = append(all, member{int(number(filepath.Base(dir))), used})
	}
	return all
}

// readIO is how many bytes a process has read and written; 0 if that cannot be told.
func readIO(dir string) int64 {
	data, err := os.ReadFile(dir + "/io")
	if err != nil {
		return 0
	}
	var sum int64
	for line := range strings.Lines(string(data)) {
		if name, value, _ := strings.Cut(line, ": "); name == "rchar" || name == "wchar" {
			sum += int64(number(strings.TrimSpace(value)))
		}
	}
	return sum
}
