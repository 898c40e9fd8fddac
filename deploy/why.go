package deploy

import (
	"context"
	"fmt"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/host"
)

// Why explains what the host runs and will run, in sentences.
type Why struct {
	Booted []string // why it runs what it runs
	Next   []string // why the next boot will be what it will be
	Update []string // why an update is not applied; none if nothing stands in the way
}

// Why finds out. It changes nothing, as Status does.
func (s *Sysroot) Why(ctx context.Context) (*Why, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("cannot explain: %w", err)
	}
	m, err := s.menus()
	if err != nil {
		return nil, fmt.Errorf("cannot explain: %w", err)
	}
	booted, err := s.bootedEntry(m)
	if err != nil {
		return nil, fmt.Errorf("cannot explain: %w", err)
	}
	mem := s.memoryOrWarn()
	return &Why{s.whyBooted(booted, mem), s.whyNext(m, booted), s.whyNoUpdate(m, mem)}, nil
}

// name is how a deployment is called in a sentence.
func (s *Sysroot) name(e bootloader.Entry) string {
	o, _ := s.origin(e.ID)
	name := "the deployment " + e.ID.String()[:16]
	if !o.target.Ref.IsZero() {
		name = o.target.name()
	}
	if o.version != "" {
		name += " version " + o.version
	}
	if o.manifest != "" {
		name += " (" + o.manifest.String() + ")"
	}
	return name
}

func (s *Sysroot) whyBooted(booted bootloader.Entry, mem memory) []string {
	out := []string{"This host runs " + s.name(booted) + ", by the source of its root mount."}
	switch {
	case booted.Bad():
		out = append(out, "It makes its last try: unless this boot is completed, the next one starts another deployment.")
	case !booted.Proven():
		out = append(out, fmt.Sprintf("It is on trial: %d tries were made, %d are left until it must have completed a boot.", booted.Tries.Done, booted.Tries.Left))
	default:
		out = append(out, "It has completed a boot.")
	}
	if s.hasBefore(booted.ID) {
		out = append(out, "It was reset to its factory state, and has not completed a boot since: 'bootc rollback' brings back the /etc and /var of before.")
	}
	if n := len(mem.Failed); n > 0 && booted.Proven() {
		f := mem.Failed[n-1]
		out = append(out, fmt.Sprintf("The last update that failed is %s (%s), given up on %s: %s.", f.Image, f.Digest, host.Seconds(f.Recorded), f.Reason))
	}
	return out
}

func (s *Sysroot) whyNext(m menus, booted bootloader.Entry) []string {
	next, staged := m.live[0], len(m.staged) > 0 && !m.locked
	if staged {
		next = m.staged[0]
	}
	out := []string{"The next boot starts " + s.name(next) + "."}
	switch {
	case staged:
		out = append(out, "It is staged, and takes its place at the head of the boot menu when the host shuts down in good order. After a power cut "+s.name(m.live[0])+" starts instead.")
	case next.ID == booted.ID && next.Proven():
		out = append(out, "It is the first of the boot menu.")
	case next.ID == booted.ID && next.Bad():
		out = append(out, "It has no tries left, but there is no other deployment that has.")
	case booted.Bad():
		out = append(out, "It is the first of those behind the deployment that runs, which has used up its tries.")
	default:
		out = append(out, "It is the first of the boot menu.")
	}
	switch {
	case staged && m.reset != "":
		out = append(out, "It is a factory reset: it has the /etc of its image, and a /var as on the day of installation.")
	case s.displaced():
		out = append(out, "It has another /etc and /var than what runs, for a factory reset was put in place, or taken back.")
	}
	if t := next.Tries; t != nil && t.Left > 0 && next.ID != booted.ID {
		out = append(out, fmt.Sprintf("It has %d tries to complete a boot.", t.Left))
	}
	return out
}

func (s *Sysroot) whyNoUpdate(m menus, mem memory) []string {
	var out []string
	if len(m.staged) > 0 && m.locked {
		out = append(out, s.name(m.staged[0])+" is staged, but only downloaded: 'bootc upgrade --from-downloaded' lets the next shutdown apply it.")
	}
	if m.reset != "" {
		out = append(out, "A factory reset is staged, and updates wait for it: 'bootc delete-deployment staged' drops it.")
	}
	if f := mem.Missed; f != nil && f.Reset {
		out = append(out, fmt.Sprintf("A factory reset was staged, and the shutdown on %s could not put it in place: %s. It has to be asked for again.",
			host.Seconds(f.Recorded), f.Reason))
	} else if f != nil {
		out = append(out, fmt.Sprintf("%s (%s) was staged, and the shutdown on %s could not put it in place: %s. The next update tries again.",
			f.Image, f.Digest, host.Seconds(f.Recorded), f.Reason))
	}
	for _, f := range mem.Failed {
		out = append(out, fmt.Sprintf("%s (%s) is not installed again, for it was given up on %s: %s. "+
			"Another digest is installed as ever; 'bootc upgrade --allow-failed' installs this one.", f.Image, f.Digest, host.Seconds(f.Recorded), f.Reason))
	}
	return out
}
