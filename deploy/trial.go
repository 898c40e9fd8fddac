package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/composefs/verity"
)

// A fresh deployment is on trial: its boots are counted until one of them is complete.
// docs/explanation/boot-safety.md argues the whole of it.

// Boot is the boot that a process is part of.
type Boot struct {
	ID  string // /proc/sys/kernel/random/boot_id
	Now time.Time
	// Watchdog reports whether a watchdog of the machine says that it reset it before
	// this boot. It is asked only where that matters, and may wait for devices. Nil: it
	// is not known.
	Watchdog func() bool
}

// Begun is what BeginBoot found.
type Begun struct {
	OnTrial bool // the deployment that runs has not proven yet that it boots
	Left    uint // tries that are left to it
	GivenUp []Failed
}

// BeginBoot is called once early in each boot. A deployment on trial has reached
// userspace with it. Deployments that have used up their tries, or whose kernel is gone,
// are given up: remembered, and taken out of the menu. It may be called again.
//
// The order is that of [begin.steps].
func (s *Sysroot) BeginBoot(ctx context.Context, boot Boot) (*Begun, error) {
	b, err := s.beginning(boot)
	if err == nil {
		err = s.run(ctx, b.steps())
	}
	if err != nil {
		return nil, fmt.Errorf("cannot take note of the boot: %w", err)
	}
	if b.menu != nil {
		s.collectOrWarn(ctx)
	}
	return &b.out, nil
}

// beginning is what there is to do when a boot begins.
type beginning struct {
	s       *Sysroot
	menus   menus
	memory  memory
	changed bool               // the memory is
	menu    []bootloader.Entry // the live menu from now on; nil if it stays
	out     Begun
}

func (s *Sysroot) beginning(boot Boot) (*beginning, error) {
	m, err := s.menus()
	if err != nil {
		return nil, err
	}
	booted, err := s.bootedEntry(m)
	if err != nil {
		return nil, err
	}
	b := &beginning{s: s, menus: m, memory: s.memoryOrWarn()}
	booted = b.countBoot(booted, boot)
	var menu, demoted []bootloader.Entry
	for _, e := range m.live {
		if e.ID == booted.ID {
			e = booted
		}
		verdict, err := b.judge(e, boot)
		if err != nil {
			return nil, err
		}
		switch verdict {
		case promoted:
			e.Tries = nil
			menu = append([]bootloader.Entry{e}, menu...)
		case keep:
			menu = append(menu, e)
		case demote:
			demoted = append(demoted, e)
		case drop:
		}
	}
	if menu = append(menu, demoted...); !sameMenu(menu, m.live) {
		b.menu = menu
	}
	return b, nil
}

// countBoot notes that a deployment on trial has reached userspace. Where the loader
// does not count, which shows in a boot that it has not counted, we do.
func (b *beginning) countBoot(e bootloader.Entry, boot Boot) bootloader.Entry {
	if e.Proven() {
		return e
	}
	t := b.memory.trial(e.ID)
	if _, known := t.boot(boot.ID); !known {
		if tries := *e.Tries; tries.Done <= uint(len(t.Boots)) {
			tries = bootloader.Tries{Left: max(tries.Left, 1) - 1, Done: tries.Done + 1}
			e.Tries = &tries
		}
		t.blameWatchdog(boot)
		t.setBoot(trialBoot{ID: boot.ID, Started: boot.Now})
		b.memory.setTrial(t)
		b.changed = true
	}
	b.out.OnTrial, b.out.Left = true, e.Tries.Left
	return e
}

// verdict is what becomes of an entry of the menu.
type verdict int

const (
	keep     verdict = iota
	promoted         // it passed all checks, only that was not written into the menu any more
	demote           // to the end
	drop
)

// judge says what becomes of an entry. That which runs is still trying.
func (b *beginning) judge(e bootloader.Entry, boot Boot) (verdict, error) {
	if e.Proven() || e.ID == b.s.sys.Booted.ID {
		if e.Bad() {
			return demote, nil // loaders that do not count know only the order
		}
		return keep, nil
	}
	whole, err := b.s.sys.Loader.HasKernel(e.Kernel)
	if err != nil {
		return keep, err
	}
	t := b.memory.trial(e.ID)
	switch {
	case e.Bad() && t.passed():
		return promoted, nil
	case !e.Bad() && whole:
		return keep, nil
	}
	b.giveUp(e, t, whole, boot)
	if o, _ := b.s.origin(e.ID); o.pinned {
		return demote, nil
	}
	return drop, nil
}

// giveUp remembers that a deployment failed. If that was done before, and only the menu
// was not put right any more, or the deployment is pinned, there is nothing to add.
func (b *beginning) giveUp(e bootloader.Entry, t trial, whole bool, boot Boot) {
	known := slices.ContainsFunc(b.memory.Failed, func(f Failed) bool { return f.ID == e.ID })
	if known && len(t.Boots) == 0 {
		return
	}
	t.blameWatchdog(boot)
	f := b.s.failure(e, t, boot)
	if !whole {
		f.Reason, f.Output = "its kernel is not there, or not whole", ""
	}
	b.memory.setFailed(f)
	b.memory.dropTrial(e.ID)
	b.changed = true
	b.out.GivenUp = append(b.out.GivenUp, f)
}

// blameWatchdog tells what ended the last boot, if nobody could take note of it.
func (t *trial) blameWatchdog(boot Boot) {
	n := len(t.Boots)
	if n == 0 || t.Boots[n-1].Passed || t.Boots[n-1].Reason != "" || boot.Watchdog == nil || !boot.Watchdog() {
		return
	}
	last := t.Boots[n-1]
	last.Reason = "the watchdog reset the machine"
	t.setBoot(last)
}

// failure is what is known of a deployment's failing.
func (s *Sysroot) failure(e bootloader.Entry, t trial, boot Boot) Failed {
	o, _ := s.origin(e.ID) // what is not known stays empty
	f := Failed{ID: e.ID, Digest: o.manifest, Version: o.version, Recorded: boot.Now}
	if !o.target.Ref.IsZero() {
		f.Image = o.target.name()
	}
	if e.Tries != nil {
		f.Tries = e.Tries.Done
	}
	f.Reason = "it never reached userspace"
	for i, b := range t.Boots {
		if i == 0 {
			f.Started = &b.Started
		}
		f.Boots = append(f.Boots, b.ID)
		if f.Reason, f.Output = b.Reason, b.Output; f.Reason == "" {
			f.Reason = "it reached userspace and stopped before the boot was complete: a hang, a reset or a power failure"
		}
	}
	return f
}

// sameMenu reports whether two menus say the same, tries included.
func sameMenu(a, b []bootloader.Entry) bool {
	return slices.EqualFunc(a, b, func(x, y bootloader.Entry) bool {
		switch {
		case x.ID != y.ID || (x.Tries == nil) != (y.Tries == nil):
			return false
		case x.Tries == nil:
			return true
		}
		return *x.Tries == *y.Tries
	})
}

// steps take note of the boot.
//
//  1. The memory: which deployments are given up, and why. After a power cut the menu
//     still has them, out of tries and behind all others, or without a kernel, so that
//     the same deployment boots as now, and finds the same once more.
//  2. The menu, in one exchange, without them.
//
// What is staged goes through its own steps again, see [Sysroot.setMenus].
func (b *beginning) steps() []step {
	var steps []step
	if b.changed {
		steps = append(steps, step{"remember the boot", func(context.Context) error { return b.s.writeMemory(b.memory) }})
	}
	if b.menu != nil {
		steps = append(steps, step{"put the boot menu right", func(ctx context.Context) error {
			return b.s.setMenus(ctx, b.menu, b.menus.staged, b.menus.as())
		}})
	}
	return steps
}

// CompleteBoot says that the boot is complete: the deployment that runs has proven that
// it boots, and is counted no longer. It returns whether it was on trial. It may be
// called again.
//
// What was there before a factory reset to which this system owes its state is given up,
// and collected.
func (s *Sysroot) CompleteBoot(ctx context.Context, boot Boot) (bool, error) {
	steps, err := s.completeSteps(boot)
	if err == nil {
		err = s.run(ctx, steps)
	}
	if err == nil {
		err = s.completeReset(ctx)
	}
	if err != nil {
		return false, fmt.Errorf("cannot mark the boot as complete: %w", err)
	}
	return len(steps) > 0, nil
}

// completeReset gives up what was before the factory reset and collects it, and nothing
// else: a boot must not wait until somebody else is done with the repository.
func (s *Sysroot) completeReset(ctx context.Context) error {
	if s.displaced() {
		return nil // what runs is not what boots next
	}
	if given, err := s.giveUpBefore(); !given || err != nil {
		return err
	}
	m, err := s.menus()
	if err == nil {
		err = s.sees(m)
	}
	if err == nil {
		_, err = s.collectStateroots(ctx, m, false)
	}
	if err != nil {
		s.warn("cannot collect what was before the factory reset: %v", err)
	}
	return nil
}

// completeSteps mark the deployment that runs as good.
//
//  1. The memory says that it passed. From here on it is a good one: if the power fails
//     before the menu says so and its tries are used up, the old deployment boots, reads
//     this, and puts it first again, see [beginning.judge].
//  2. The menu, in one exchange, in which it is not counted.
//  3. The memory forgets the trial, and that the image ever failed.
func (s *Sysroot) completeSteps(boot Boot) ([]step, error) {
	m, err := s.menus()
	if err != nil {
		return nil, err
	}
	booted, err := s.bootedEntry(m)
	if err != nil {
		return nil, err
	}
	mem := s.memoryOrWarn()
	t := mem.trial(booted.ID)
	if booted.Proven() && len(t.Boots) == 0 {
		return nil, nil
	}
	passed, clean := mem, mem
	b, _ := t.boot(boot.ID)
	b.ID, b.Passed = boot.ID, true
	t.setBoot(b)
	passed.setTrial(t)
	clean.dropTrial(booted.ID)
	if o, _ := s.origin(booted.ID); o.manifest != "" {
		clean.forgive(o.manifest)
	}
	menu := m.live
	if booted.Bad() { // its last try stood last
		menu = append([]bootloader.Entry{booted}, without(menu, booted.ID)...)
	}
	live, staged := proven(menu, booted.ID), proven(m.staged, booted.ID)
	return []step{
		{"remember that all is well", func(context.Context) error { return s.writeMemory(passed) }},
		{"stop counting", func(ctx context.Context) error {
			if booted.Proven() {
				return nil
			}
			return s.setMenus(ctx, live, staged, m.as())
		}},
		{"forget the trial", func(context.Context) error { return s.writeMemory(clean) }},
	}, nil
}

// proven is the menu with a deployment that is not counted.
func proven(menu []bootloader.Entry, id verity.Digest) []bootloader.Entry {
	menu = slices.Clone(menu)
	for i := range menu {
		if menu[i].ID == id {
			menu[i].Tries = nil
		}
	}
	return menu
}

// After is what is to be done after a boot failed.
type After int

// What is to be done.
const (
	// StayUp: the deployment that runs is not on trial, or there is nothing better to
	// boot. Whoever sees to the host sees it as it is.
	StayUp After = iota
	// TryAgain: reboot; it has tries left.
	TryAgain
	// GiveUp: reboot; it has none left, and another deployment boots.
	GiveUp
)

// FailBoot says that the boot failed, and why. Nothing but the memory changes: an entry
// that is out of tries stands behind the others already. So whatever the place of a
// power cut, what boots next is the same. A boot that failed before keeps its reason.
func (s *Sysroot) FailBoot(ctx context.Context, boot Boot, reason, output string) (After, error) {
	after, err := s.failBoot(ctx, boot, reason, output)
	if err != nil {
		err = fmt.Errorf("cannot take note of the failed boot: %w", err)
	}
	return after, err
}

func (s *Sysroot) failBoot(ctx context.Context, boot Boot, reason, output string) (After, error) {
	m, err := s.menus()
	if err != nil {
		return StayUp, err
	}
	booted, err := s.bootedEntry(m)
	if err != nil || booted.Proven() {
		return StayUp, err
	}
	mem := s.memoryOrWarn()
	t := mem.trial(booted.ID)
	b, known := t.boot(boot.ID)
	if b.Passed {
		return StayUp, nil
	}
	if b.Reason == "" {
		if b.Reason, b.Output = reason, tail(output, maxOutput); !known {
			b.ID, b.Started = boot.ID, boot.Now
		}
		t.setBoot(b)
		mem.setTrial(t)
	}
	after := TryAgain
	if booted.Bad() {
		if after = StayUp; m.live[0].ID != booted.ID && !m.live[0].Bad() {
			after = GiveUp
			mem.setFailed(s.failure(booted, t, boot))
		}
	}
	return after, s.run(ctx, []step{{"remember the failure", func(context.Context) error { return s.writeMemory(mem) }}})
}

// GiveUpBooted gives up the deployment that runs, which must be on trial, however many
// tries are left to it: the next boot starts the one that [Sysroot.Rollback] would. What
// is staged is dropped.
func (s *Sysroot) GiveUpBooted(ctx context.Context, boot Boot, reason string) (*RollbackResult, error) {
	res, err := s.giveUpBooted(ctx, boot, reason)
	if err != nil {
		return nil, fmt.Errorf("cannot roll back: %w", err)
	}
	return res, nil
}

// giveUpBooted writes the memory and then the menu: a power cut in between leaves the
// deployment its tries, and when one of them completes, the failure is forgotten.
func (s *Sysroot) giveUpBooted(ctx context.Context, boot Boot, reason string) (*RollbackResult, error) {
	m, err := s.menus()
	if err != nil {
		return nil, err
	}
	booted, err := s.bootedEntry(m)
	if err != nil {
		return nil, err
	}
	good := lastGood(m)
	switch {
	case booted.Proven():
		return nil, ErrProven
	case len(good) == 0:
		return nil, ErrNoRollback
	}
	mem := s.memoryOrWarn()
	t := mem.trial(booted.ID)
	b, _ := t.boot(boot.ID)
	b.ID, b.Reason = boot.ID, reason
	t.setBoot(b)
	mem.setTrial(t)
	mem.setFailed(s.failure(booted, t, boot))
	booted.Tries = &bootloader.Tries{Done: booted.Tries.Done}
	live := append(slices.Clone(good), without(without(m.live, good[0].ID), booted.ID)...)
	steps := []step{
		{"remember the failure", func(context.Context) error { return s.writeMemory(mem) }},
		{"put the boot menu right", func(ctx context.Context) error { return s.setMenus(ctx, append(live, booted), nil, marker{}) }},
	}
	if err := s.run(ctx, steps); err != nil {
		return nil, err
	}
	return &RollbackResult{Queued: true, Next: *s.bootEntry(good[0])}, nil
}

// tail is the end of s, of at most limit bytes.
func tail(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > limit {
		s = strings.ToValidUTF8(s[len(s)-limit:], "")
	}
	return s
}

// FailedBefore is the error for an image that was given up.
type FailedBefore struct{ Failed Failed }

func (e *FailedBefore) Error() string {
	return fmt.Sprintf("it was installed before, did not boot well and was given up on %s: %s",
		e.Failed.Recorded.UTC().Format(time.RFC3339), e.Failed.Reason)
}

// Is makes it an ErrFailedBefore.
func (e *FailedBefore) Is(target error) bool { return target == ErrFailedBefore }

// ErrFailedBefore means that an image was given up after it did not boot well. The error
// is a [FailedBefore].
var ErrFailedBefore = errors.New("the image was given up")

// forgetTrial forgets earlier boots of a deployment that is staged anew, if there were
// any: its tries are counted from the beginning.
func (s *Sysroot) forgetTrial(id verity.Digest) error {
	mem, err := s.memory()
	if err != nil || len(mem.trial(id).Boots) == 0 {
		return nil //nolint:nilerr // a damaged memory was told of, and knows no boots
	}
	mem.dropTrial(id)
	return s.writeMemory(mem)
}

// refused returns an error if the image was given up, unless it is forgiven.
func (s *Sysroot) refused(u *Update, forgive bool) error {
	mem, err := s.memory()
	if err != nil {
		s.warn("%v", err)
		return nil
	}
	f, ok := mem.failed(u.ManifestDigest)
	if !ok {
		return nil
	}
	if !forgive {
		return &FailedBefore{f}
	}
	mem.forgive(u.ManifestDigest)
	return s.writeMemory(mem)
}
