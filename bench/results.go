package main

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// results are all that a run found out.
type results struct {
	Mode       string
	Rounds     int
	Began      time.Time
	Machine    machine
	Image      facts
	Phases     map[phase][]outcome
	NewObjects int64 // bytes in blocks of what our update added to the objects
	Inodes     int
	Writers    outcomes
	ByFiles    []point
	ByLayers   []point
	Profile    []bucket
	Floor      []part
}

// outcome is what one step of one contender cost, round by round.
type outcome struct {
	Contender string
	Step      string
	Rounds    []sample
}

type outcomes []outcome

// add records a sample of a step. Several commands of one step in one round add
// up.
func (o *outcomes) add(contender, step string, round int, s sample) {
	i := slices.IndexFunc(*o, func(x outcome) bool { return x.Contender == contender && x.Step == step })
	if i < 0 {
		i = len(*o)
		*o = append(*o, outcome{Contender: contender, Step: step})
	}
	out := &(*o)[i]
	if round < len(out.Rounds) {
		out.Rounds[round] = out.Rounds[round].add(s)
		return
	}
	out.Rounds = append(out.Rounds, s)
}

// total is what all steps of a contender cost in the round in which that took
// least time; ok is false if it did not take part.
func (o outcomes) total(contender string) (best sample, ok bool) {
	var sums []sample
	for _, x := range o {
		if x.Contender != contender {
			continue
		}
		for i, s := range x.Rounds {
			if i == len(sums) {
				sums = append(sums, sample{})
			}
			sums[i] = sums[i].add(s)
		}
	}
	for i, s := range sums {
		if i == 0 || s.Wall < best.Wall {
			best = s
		}
	}
	return best, len(sums) > 0
}

// names lists the contenders in order of appearance.
func (o outcomes) names() []string {
	var names []string
	for _, x := range o {
		if !slices.Contains(names, x.Contender) {
			names = append(names, x.Contender)
		}
	}
	return names
}

// steps are the outcomes of one contender.
func (o outcomes) steps(contender string) outcomes {
	return slices.Collect(func(yield func(outcome) bool) {
		for _, x := range o {
			if x.Contender == contender && !yield(x) {
				return
			}
		}
	})
}

func (r *results) add(p phase, contender, step string, round int, s sample) {
	o := outcomes(r.Phases[p])
	o.add(contender, step, round, s)
	r.Phases[p] = o
}

// phase returns the outcomes of a phase.
func (r *results) phase(p phase) outcomes { return r.Phases[p] }

// machine is where a run took place.
type machine struct {
	CPU        string
	Cores      int
	MemoryGB   int64
	Kernel     string
	FileSystem string
	System     string
	Go         string
	Commit     string
	LoadBefore string
	LoadAfter  string
	Tools      []string
}

func thisMachine(ctx context.Context, dir string) machine {
	output := func(args ...string) string {
		out, err := exec.CommandContext(ctx, args[0], args[1:]...).Output()
		if err != nil {
			return "unknown"
		}
		return strings.TrimSpace(string(out))
	}
	m := machine{
		CPU: field("/proc/cpuinfo", "model name", ":"), Cores: runtime.NumCPU(), MemoryGB: available() >> 30,
		Kernel: output("uname", "-r"), FileSystem: output("sh", "-c", `df --output=fstype "$1" | tail -n 1`, "sh", dir), Go: runtime.Version(),
		System: strings.Trim(field("/etc/os-release", "PRETTY_NAME", "="), `"`),
		Commit: output("git", "describe", "--always", "--dirty", "--abbrev=12"), LoadBefore: loadAverage(),
	}
	for _, pkg := range []string{"skopeo", "umoci", "podman", "ostree"} {
		m.Tools = append(m.Tools, pkg+" "+output("dpkg-query", "-W", "-f", "${Version}", pkg))
	}
	return m
}

// field is the value behind key in the first line of a file that starts with it.
func field(path, key, separator string) string {
	data, _ := os.ReadFile(path)
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			_, value, _ := strings.Cut(rest, separator)
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// loadAverage is the number of runnable processes over 1, 5 and 15 minutes.
func loadAverage() string {
	data, _ := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(data))
	return strings.Join(fields[:min(3, len(fields))], " ")
}
