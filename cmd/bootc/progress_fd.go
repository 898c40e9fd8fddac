package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/progress"
	"github.com/bootc-go/bootc/pull"
)

// The protocol of --progress-fd is upstream's: a JSON object a line, described in
// docs/reference/progress.md.
const (
	wireVersion  = "0.1.0"
	wireInterval = time.Second / 5 // between two lines that may be left out
)

type wireStart struct {
	Type    string `json:"type" enum:"Start"`
	Version string `json:"version" doc:"of the protocol"`
}

type wireBytes struct {
	Type        string         `json:"type" enum:"ProgressBytes"`
	Task        string         `json:"task" doc:"pulling, importing or staging"`
	Description string         `json:"description" doc:"of the task, for humans"`
	ID          string         `json:"id" doc:"of what it is done to: the image, a layer"`
	BytesCached int64          `json:"bytesCached" minimum:"0" doc:"that were here before"`
	Bytes       int64          `json:"bytes" minimum:"0" doc:"that are through"`
	BytesTotal  int64          `json:"bytesTotal" minimum:"0" doc:"that are to be fetched; 0 if that is not known"`
	StepsCached int            `json:"stepsCached" minimum:"0" doc:"that were done before"`
	Steps       int            `json:"steps" minimum:"0" doc:"that are done"`
	StepsTotal  int            `json:"stepsTotal" minimum:"0" doc:"that are to be done"`
	Subtasks    []wireByteStep `json:"subtasks"`
}

type wireByteStep struct {
	Subtask     string `json:"subtask" doc:"its kind: layer, or a part of the task"`
	Description string `json:"description" doc:"of the task, for humans"`
	ID          string `json:"id" doc:"of what it is done to: the image, a layer"`
	BytesCached int64  `json:"bytesCached" minimum:"0" doc:"that were here before"`
	Bytes       int64  `json:"bytes" minimum:"0" doc:"that are through"`
	BytesTotal  int64  `json:"bytesTotal" minimum:"0" doc:"that are to be fetched; 0 if that is not known"`
}

type wireSteps struct {
	Type        string     `json:"type" enum:"ProgressSteps"`
	Task        string     `json:"task" doc:"pulling, importing or staging"`
	Description string     `json:"description" doc:"of the task, for humans"`
	ID          string     `json:"id" doc:"of what it is done to: the image, a layer"`
	StepsCached int        `json:"stepsCached" minimum:"0" doc:"that were done before"`
	Steps       int        `json:"steps" minimum:"0" doc:"that are done"`
	StepsTotal  int        `json:"stepsTotal" minimum:"0" doc:"that are to be done"`
	Subtasks    []wireStep `json:"subtasks"`
}

type wireStep struct {
	Subtask     string `json:"subtask" doc:"its kind: layer, or a part of the task"`
	Description string `json:"description" doc:"of the task, for humans"`
	ID          string `json:"id" doc:"of what it is done to: the image, a layer"`
	Completed   bool   `json:"completed" doc:"it is done"`
}

// The moments of an update after its layers, in their order.
type wireMoment int

const (
	momentPulled wireMoment = iota + 1
	momentImporting
	momentImported
	momentMerging
	momentDeploying
	momentCleaning
	momentEnd
)

// wire writes what happens to a program that wants to know. If that does not listen
// any more the work goes on.
type wire struct {
	mu     sync.Mutex
	w      io.Writer
	warn   func(error)
	now    func() time.Time
	broken bool
	last   time.Time

	id     string // the image
	pull   wireBytes
	layers map[string]int // task to subtask
	moment wireMoment     // the last that was told
}

// newWire begins the stream.
func newWire(w io.Writer, now func() time.Time, warn func(error)) *wire {
	x := &wire{w: w, now: now, warn: warn}
	x.send(wireStart{"Start", wireVersion})
	return x
}

// send writes a line.
func (x *wire) send(v any) {
	if x.broken {
		return
	}
	text, err := json.Marshal(v)
	if err == nil {
		_, err = x.w.Write(append(text, '\n'))
	}
	if err != nil {
		x.broken = true
		x.warn(err)
	}
}

// begin tells what will be pulled. A nil wire tells nobody, here and below.
func (x *wire) begin(id string, p *pull.Plan) {
	if x == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	indices, bytes := p.Fetch()
	x.id, x.layers = id, map[string]int{}
	x.pull = wireBytes{
		Type: "ProgressBytes", Task: "pulling", Description: "Pulling Image", ID: id,
		BytesTotal: bytes, StepsCached: len(p.Layers) - len(indices), StepsTotal: len(indices), Subtasks: []wireByteStep{},
	}
	for _, l := range p.Layers {
		if l.Present() {
			x.pull.BytesCached += max(l.Size, 0)
		}
	}
	for _, i := range indices {
		l := p.Layers[i]
		x.layers[string(l.Digest)] = len(x.pull.Subtasks)
		x.pull.Subtasks = append(x.pull.Subtasks, wireByteStep{
			Subtask: "layer", Description: fmt.Sprintf("layer %d of %d", i+1, len(p.Layers)), ID: string(l.Digest), BytesTotal: max(l.Size, 0),
		})
	}
	x.send(x.pull)
}

// report receives what bars show.
func (x *wire) report(ev progress.Event) {
	if x == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if i, ok := x.layers[ev.Task]; ok {
		x.layer(i, ev)
		return
	}
	switch {
	case x.id == "" || ev.Kind != progress.Started && ev.Kind != progress.Done:
	case ev.Task == "image" && ev.Kind == progress.Started:
		x.reach(momentImporting)
	case ev.Task == "image":
		x.reach(momentMerging) // of /etc, which comes next
	case ev.Unit == progress.Items && ev.Total == 0 && ev.Task != totalTask:
		x.reach(momentDeploying) // the steps of staging
	}
}

// layer advances a layer. What a layer ends with is never left out.
func (x *wire) layer(i int, ev progress.Event) {
	sub := &x.pull.Subtasks[i]
	done := ev.Done
	switch ev.Kind {
	case progress.Done:
		done = sub.BytesTotal
		x.pull.Steps++
	case progress.Started, progress.Advanced:
	default:
		return
	}
	x.pull.Bytes += done - sub.Bytes
	sub.Bytes = done
	if ev.Kind != progress.Done && x.now().Sub(x.last) < wireInterval {
		return
	}
	x.last = x.now()
	x.send(x.pull)
}

// end tells that the update is staged.
func (x *wire) end() {
	if x == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.id != "" {
		x.reach(momentEnd)
	}
}

// reach tells of all moments up to this one: what had not to be done is over as well.
func (x *wire) reach(m wireMoment) {
	for x.moment < m {
		x.moment++
		switch x.moment {
		case momentPulled:
			x.pull.Bytes, x.pull.Steps = x.pull.BytesTotal, x.pull.StepsTotal
			x.send(x.pull)
		case momentImporting:
			x.send(x.importing(0))
		case momentImported:
			x.send(x.importing(1))
		default:
			x.send(x.staging(int(x.moment - momentMerging)))
		}
	}
}

func (x *wire) importing(steps int) wireSteps {
	return wireSteps{
		Type: "ProgressSteps", Task: "importing", Description: "Importing Image", ID: x.id, Steps: steps, StepsTotal: 1,
		Subtasks: []wireStep{{"importing", "Importing Image", "importing", steps == 1}},
	}
}

func (x *wire) staging(steps int) wireSteps {
	return wireSteps{
		Type: "ProgressSteps", Task: "staging", Description: "Deploying Image", ID: x.id, Steps: steps, StepsTotal: 3,
		Subtasks: []wireStep{
			{"merging", "Merging Image", "merging", steps > 0},
			{"deploying", "Deploying Image", "deploying", steps > 1},
			{"bound_images", "Pulling Bound Images", "bound_images", steps > 1},
			{"cleanup", "Removing old images", "cleanup", steps > 2},
		},
	}
}

func progressFdFlag() cli.Flag {
	return &cli.IntFlag{Name: "progress-fd", Hidden: true, Usage: "write progress as JSON to the file descriptor `FD`, which is 3 or more"}
}

// progressFd begins the stream that --progress-fd asks for; nil if it does not.
func (e *env) progressFd(c *cli.Context) (*wire, func(), error) {
	if !c.IsSet("progress-fd") {
		return nil, func() {}, nil
	}
	fd := c.Int("progress-fd")
	if fd <= 2 {
		return nil, nil, usageError(c, "--progress-fd: %d is no descriptor for progress, which is 3 or more", fd)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
		return nil, nil, usageError(c, "--progress-fd: %d: %w", fd, err)
	}
	f := os.NewFile(uintptr(fd), fmt.Sprintf("file descriptor %d", fd))
	x := newWire(f, time.Now, func(err error) {
		fmt.Fprintf(e.stderr, "bootc: warning: progress is told no more: %v\n", err)
	})
	return x, func() { f.Close() }, nil
}
