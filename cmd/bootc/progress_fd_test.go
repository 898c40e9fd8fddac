package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/internal/progress"
	"github.com/bootc-go/bootc/pull"
)

// TestWire: of what happens all the time at most five lines a second are told, and of
// what happens once all.
func TestWire(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	now := time.Unix(1000, 0)
	x := newWire(&out, func() time.Time { return now }, func(err error) { t.Error(err) })
	blob := digest.FromString("a layer")
	x.begin("quay.io/acme/os:1", &pull.Plan{Layers: []pull.Layer{{Digest: blob, Size: 1000}}})
	for i := range 100 { // in two seconds
		now = now.Add(20 * time.Millisecond)
		x.report(progress.Event{Kind: progress.Advanced, Task: string(blob), Done: int64(i * 10), Total: 1000})
	}
	x.report(progress.Event{Kind: progress.Done, Task: string(blob), Total: 1000})
	x.end()

	var pulling []wireBytes
	var rest []string
	for line := range strings.Lines(out.String()) {
		var b wireBytes
		if err := json.Unmarshal([]byte(line), &b); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if b.Task == "pulling" {
			pulling = append(pulling, b)
		} else {
			rest = append(rest, b.Type+" "+b.Task)
		}
	}
	if n := len(pulling); n < 8 || n > 13 { // 10, and the first, the end of the layer, and the last
		t.Errorf("%d lines in two seconds", n)
	}
	last := pulling[len(pulling)-1]
	if last.Bytes != 1000 || last.BytesTotal != 1000 || last.Steps != 1 || last.Subtasks[0].Bytes != 1000 {
		t.Errorf("at last: %+v", last)
	}
	want := "Start " + strings.Repeat(",ProgressSteps importing", 2) + strings.Repeat(",ProgressSteps staging", 4)
	if got := strings.Join(rest, ","); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

type brokenPipe struct{ writes int }

func (b *brokenPipe) Write([]byte) (int, error) { b.writes++; return 0, errors.New("broken pipe") }

// TestWireBroken: a reader that is gone costs a warning, one.
func TestWireBroken(t *testing.T) {
	t.Parallel()
	pipe, warnings := &brokenPipe{}, 0
	x := newWire(pipe, time.Now, func(error) { warnings++ })
	x.begin("x", &pull.Plan{})
	x.end()
	if pipe.writes != 1 || warnings != 1 {
		t.Errorf("%d writes, %d warnings", pipe.writes, warnings)
	}
}
