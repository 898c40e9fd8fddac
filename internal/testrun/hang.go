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
	idleBelow = 0.02 // of a processor, used by all tests together
)

// watch waits for tests that hang, until ctx ends: for half an hour they have said nothing
// and computed nothing. Then it has them print their goroutines, which ends them. A slow
// machine computes, so that no slowness is taken for a hang.
func watch(ctx context.Context, events *atomic.Int64, group int, stderr io.Writer) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	last, lastTime, rested := events.Load(), processorTime(group), time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		now, nowTime := events.Load(), processorTime(group)
		if now == last && nowTime-lastTime < time.Duration(idleBelow*float64(lookEvery)) {
			rested += lookEvery // a look that comes late counts once: perhaps the whole host stood still
		} else {
			rested = 0
		}
		last, lastTime = now, nowTime
		if rested >= hungAfter {
			fmt.Fprintf(stderr, "testrun: the tests have done nothing for %v; their goroutines follow\n", rested)
			quit(group)
			rested = 0
		}
	}
}

// processorTime is what the living processes of the group have used.
func processorTime(group int) time.Duration {
	var sum time.Duration
	for _, p := range members(group) {
		sum += p.used
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
	used time.Duration
}

// members lists the processes of a group, as proc(5) describes them. Those that end
// meanwhile are left out.
func members(group int) []member {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		panic(err) // the pattern is a good one
	}
	var all []member
	for _, file := range stats {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		open, end := strings.IndexByte(string(data), '('), strings.LastIndexByte(string(data), ')')
		if open < 0 || end < open {
			continue
		}
		fields := strings.Fields(string(data[end+1:])) // from the third, state, on
		if len(fields) < 13 || fields[2] != strconv.Itoa(group) {
			continue
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(data[:open])))
		if err != nil {
			continue
		}
		var ticks int64
		for _, f := range fields[11:13] { // utime, stime
			n, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				continue
			}
			ticks += n
		}
		all = append(all, member{pid, time.Duration(ticks) * 10 * time.Millisecond})
	}
	return all
}
