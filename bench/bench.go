package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// bench is one run of the harness.
type bench struct {
	suite       suite
	bootc       string // the binary, or "" for none
	mkcomposefs string
	dir         string
	docs        string
	rounds      int
	keep        bool
	stderr      io.Writer

	meter *meter
	began time.Time
}

func (b *bench) images() string { return filepath.Join(b.dir, "images") }

// say tells the user how far things are.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.stderr, "bench: %6.1fs "+format+"\n", append([]any{time.Since(b.began).Seconds()}, args...)...)
}

// run measures everything and writes the report.
func (b *bench) run(ctx context.Context) (err error) {
	b.began = time.Now()
	if err := b.absolute(); err != nil {
		return err
	}
	if err := b.setUp(ctx); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(b.dir, "commands.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	if b.meter, err = newMeter(ctx, b.images(), log); err != nil {
		return err
	}
	defer func() {
		if stopErr := b.meter.stop(); err == nil && stopErr != nil {
			err = fmt.Errorf("the server: %w", stopErr)
		}
	}()
	r, err := b.measure(ctx)
	if err != nil {
		return fmt.Errorf("%w (the output of all commands is in %s)", err, log.Name())
	}
	if err := b.report(r); err != nil || b.keep {
		return err
	}
	b.say("removing what the runs made")
	return b.deletions().remove(b.work())
}

// work is where the runs take place.
func (b *bench) work() string { return filepath.Join(b.dir, "work") }

func (b *bench) deletions() deletions { return deletions{filepath.Join(b.dir, "deleted")} }

// absolute makes the paths fit for any working directory.
func (b *bench) absolute() error {
	for _, path := range []*string{&b.bootc, &b.mkcomposefs, &b.dir, &b.docs} {
		if *path == "" {
			continue
		}
		abs, err := filepath.Abs(*path)
		if err != nil {
			return err
		}
		*path = abs
	}
	return os.MkdirAll(b.images(), 0o755)
}

// setUp makes the images, an empty work directory, and the machine warm.
func (b *bench) setUp(ctx context.Context) error {
	b.say("removing what an interrupted run may have left")
	if err := b.deletions().remove(b.work()); err != nil {
		return err
	}
	free, err := freeDisk(b.dir)
	if err != nil {
		return err
	}
	if free < b.suite.need {
		return fmt.Errorf("%s has %d GB free, and the runs need up to %d GB", b.dir, free/1e9, b.suite.need/1e9)
	}
	b.say("generating what images are missing")
	if err := b.self(ctx, "generate", b.suite.mode, b.images()); err != nil {
		return err
	}
	if err := b.self(ctx, "pretouch", strconv.FormatInt(min(available()/2, b.suite.touch), 10)); err != nil {
		return err
	}
	if b.suite.rest {
		b.deletions().rest(b.say)
	}
	return os.MkdirAll(b.work(), 0o755)
}

// self runs this program for a subcommand.
func (b *bench) self(ctx context.Context, args ...string) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, exe, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", args[0], err, strings.TrimSpace(string(out)))
	}
	return nil
}

// measure is the whole of the measuring.
func (b *bench) measure(ctx context.Context) (*results, error) {
	r := &results{Mode: b.suite.mode, Rounds: b.rounds, Began: b.began.UTC().Truncate(time.Second), Machine: thisMachine(ctx, b.dir)}
	if err := readJSON(filepath.Join(b.images(), b.suite.os.repository(), "facts.json"), &r.Image); err != nil {
		return nil, err
	}
	for _, part := range []func(context.Context, *results) error{b.pulls, b.writers, b.floor, b.scaling, b.profile} {
		if err := part(ctx, r); err != nil {
			return nil, err
		}
	}
	r.Machine.LoadAfter = loadAverage()
	return r, nil
}

// contenders are the peers and, if there is a binary, ours.
func (b *bench) contenders() []contender {
	all := contenders()
	if b.bootc != "" {
		all = append(all, ours())
	}
	return all
}

// pulls lets every contender pull the image, round by round.
func (b *bench) pulls(ctx context.Context, r *results) error {
	r.Phases = map[phase][]outcome{}
	for round := range b.rounds {
		for _, c := range b.contenders() {
			if err := b.pullOnce(ctx, r, round, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// pullOnce lets one contender go through its phases, in a fresh directory.
func (b *bench) pullOnce(ctx context.Context, r *results, round int, c contender) error {
	s, err := b.scene(fmt.Sprintf("round%d-%s", round, strings.ReplaceAll(c.name, " ", "")), b.suite.os)
	if err != nil {
		return err
	}
	if s.short, err = os.MkdirTemp("", "bench"); err != nil {
		return err
	}
	defer os.RemoveAll(s.short) //nolint:errcheck // some lock files in the directory for such
	if err := b.prepare(ctx, c, s); err != nil {
		return err
	}
	for _, p := range []phase{cold, again, update} {
		stamp := s.path("stamp-" + string(p))
		if err := os.WriteFile(stamp, nil, 0o644); err != nil {
			return err
		}
		for _, st := range c.phases[p] {
			sample, err := b.meter.run(ctx, s.dir, st.commands(s))
			if err != nil {
				return err
			}
			b.say("round %d: %s: %s (%s): %.2f s, %.2f CPU s", round+1, c.name, st.name, p, sample.Wall.Seconds(), sample.CPU.Seconds())
			r.add(p, c.name, st.name, round, sample)
		}
		if p == update && c.check != nil {
			if r.NewObjects, err = newObjects(ctx, s.path("repo", "objects"), stamp); err != nil {
				return err
			}
		}
	}
	if c.check == nil {
		return nil
	}
	return b.silent(ctx, s, c.check(s))
}

// scene makes a fresh directory for a run with that image.
func (b *bench) scene(name string, p params) (scene, error) {
	s := scene{dir: filepath.Join(b.work(), name), server: b.meter.address, image: p.repository(), bootc: b.bootc}
	return s, os.Mkdir(s.dir, 0o755)
}

func (b *bench) prepare(ctx context.Context, c contender, s scene) error {
	if c.prepare == nil {
		return nil
	}
	return b.silent(ctx, s, c.prepare(s))
}

// silent runs commands that are not measured.
func (b *bench) silent(ctx context.Context, s scene, commands []command) error {
	for _, c := range commands {
		if _, err := b.meter.one(ctx, s.dir, c); err != nil {
			return err
		}
	}
	return nil
}

// newObjects sums the blocks of the objects in dir that are newer than stamp.
func newObjects(ctx context.Context, dir, stamp string) (int64, error) {
	find := exec.CommandContext(ctx, "find", dir, "-type", "f", "-cnewer", stamp, "-printf", `%s\n`)
	out, err := find.Output()
	if err != nil {
		return 0, fmt.Errorf("find %s: %w", dir, err)
	}
	var sum int64
	for line := range strings.Lines(string(out)) {
		n, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
		if err != nil {
			return 0, err
		}
		sum += (n + 4095) &^ 4095
	}
	return sum, nil
}

// writers lets mkcomposefs and bootc write the image of a dump, by turns, and
// compares the bytes.
func (b *bench) writers(ctx context.Context, r *results) error {
	g := generator{dir: b.images()}
	dump, err := g.dump(b.suite.dumpInodes)
	if err != nil {
		return err
	}
	tools := []struct {
		name string
		args []string
	}{{"mkcomposefs", []string{b.mkcomposefs}}}
	if b.bootc != "" {
		tools = append(tools, struct {
			name string
			args []string
		}{"bootc internals mkcomposefs", []string{b.bootc, "internals", "mkcomposefs"}})
	}
	r.Inodes = b.suite.dumpInodes
	for round := range 2*b.rounds + 1 {
		s, err := b.scene(fmt.Sprintf("write%d", round), b.suite.os)
		if err != nil {
			return err
		}
		for i, tool := range tools {
			out := s.path(fmt.Sprintf("%d.cfs", i))
			sample, err := b.meter.run(ctx, s.dir, []command{argv(append(tool.args, "--from-file", dump, out)...)})
			if err != nil {
				return err
			}
			r.Writers.add(tool.name, "", round, sample)
		}
		if len(tools) == 2 {
			if err := b.silent(ctx, s, []command{argv("cmp", s.path("0.cfs"), s.path("1.cfs"))}); err != nil {
				return err
			}
		}
	}
	b.say("wrote images of %d inodes", r.Inodes)
	return nil
}
