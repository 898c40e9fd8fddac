package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

const (
	// checkUnit is the unit that waits, and is not waited for.
	checkUnit = "bootc-boot-check.service"
	// poll is the time between two looks at systemd's jobs.
	poll = time.Second
)

// waitStarted waits until systemd has started all that it will start before this check
// is over, and returns why that failed, or "".
//
// Jobs that wait may wait for boot-complete.target, and so for us. So what counts is
// that none is running any more, at two looks, for between two jobs there may be a gap;
// and that the default target has been reached, or waits.
func (e *env) waitStarted(ctx context.Context, limit time.Duration) string {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var jobs []job
	var err error
	for quiet := 0; quiet < 2; {
		select {
		case <-ctx.Done():
			return fmt.Sprintf("the system has not started within %s: %s", limit, describeJobs(jobs, err))
		case <-time.After(poll):
		}
		latest, err2 := e.jobs(ctx)
		if ctx.Err() != nil {
			continue
		}
		jobs, err = latest, err2
		if quiet++; err != nil || len(running(jobs)) > 0 {
			quiet = 0
		}
	}
	text, err := e.systemctl(ctx, "show", "--property=Id,ActiveState", "default.target")
	if err != nil {
		return fmt.Sprintf("the state of the system is unknown: %v", err)
	}
	unit, state := property(text, "Id"), property(text, "ActiveState")
	for _, j := range jobs {
		if j.unit == unit {
			return ""
		}
	}
	if state != "active" {
		return fmt.Sprintf("%s is %s", unit, state)
	}
	return ""
}

// job is a job of systemd's.
type job struct{ unit, kind, state string }

// jobs are systemd's jobs but for our own.
func (e *env) jobs(ctx context.Context) ([]job, error) {
	text, err := e.systemctl(ctx, "list-jobs", "--no-legend", "--no-pager", "--full")
	var jobs []job
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 4 && f[1] != checkUnit {
			jobs = append(jobs, job{f[1], f[2], f[3]})
		}
	}
	return jobs, err
}

// running are the units that are being started.
func running(jobs []job) []string {
	var units []string
	for _, j := range jobs {
		if j.state == "running" && j.kind != "stop" {
			units = append(units, j.unit)
		}
	}
	return units
}

func describeJobs(jobs []job, err error) string {
	if err != nil {
		return err.Error()
	}
	return "it still starts " + strings.Join(running(jobs), ", ")
}

func property(text, name string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok {
			return value
		}
	}
	return ""
}

// systemctl asks systemd something.
func (e *env) systemctl(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "systemctl", args...)
	cmd.Stderr = e.stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w", cmd, err)
	}
	return string(out), err
}

// unitState is the state of a unit: "active" is well. systemctl ends with a status that
// is not zero for all others.
func (e *env) unitState(ctx context.Context, unit string) (string, error) {
	out, err := e.systemctl(ctx, "is-active", "--", unit)
	if state := strings.TrimSpace(out); state != "" && errors.As(err, new(*exec.ExitError)) {
		return state, nil
	}
	return strings.TrimSpace(out), err
}
