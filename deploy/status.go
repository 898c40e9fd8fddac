package deploy

import (
	"context"
	"fmt"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/kargs"
)

// Status says what there is. What is damaged is left out or lacks what cannot be
// known of it, and a message of Progress says so. It reads no repository, so that
// nothing that is done to one holds it up. UsrOverlay and ReadOnly are the caller's
// to fill in.
func (s *Sysroot) Status(ctx context.Context) (*host.Host, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("cannot read the status: %w", err)
	}
	m, err := s.menus()
	if err != nil {
		s.warn("%v", err)
	}
	known := err == nil // what boots next
	h := host.New()
	if !s.sys.Booted.ID.IsZero() {
		kind := host.BootcHost
		h.Status.Type = &kind
		e, ok := byID(m.live, s.sys.Booted.ID)
		known = known || ok
		if !ok {
			e = bootloader.Entry{ID: s.sys.Booted.ID, Root: s.sys.Booted}
		}
		h.Status.Booted = s.bootEntry(e)
	}
	if len(m.staged) > 0 {
		o, err := s.stagedOrigin(m)
		if err != nil {
			s.warn("%v", err)
		}
		h.Status.Staged = s.entryOf(m.staged[0], o)
		h.Status.Staged.FactoryReset = m.reset != ""
		h.Status.Staged.DownloadOnly = m.locked
		h.Status.Staged.SoftRebootCapable = s.softRebootable(m, m.staged[0], true) == nil
	}
	if h.Status.RollbackQueued = known && s.rollbackQueued(m); h.Status.RollbackQueued {
		h.Spec.BootOrder = host.BootRollback
	}
	rollback, ok := s.rollback(m)
	if ok {
		h.Status.Rollback = s.liveEntry(m, rollback)
	}
	if !s.sys.Booted.ID.IsZero() {
		for _, other := range without(without(m.live, s.sys.Booted.ID), rollback.ID) {
			h.Status.OtherDeployments = append(h.Status.OtherDeployments, *s.liveEntry(m, other))
		}
	}
	mem := s.memoryOrWarn()
	for _, f := range mem.Failed {
		h.Status.FailedUpdates = append(h.Status.FailedUpdates, f.document())
	}
	h.Status.MissedUpdate = mem.Missed.document()
	for _, e := range []*host.BootEntry{h.Status.Staged, h.Status.Booted} {
		if h.Spec.Image == nil && e != nil && e.Image != nil {
			ref := e.Image.Image
			h.Spec.Image = &ref
		}
	}
	return h, nil
}

// liveEntry is a deployment of the live menu that does not run.
func (s *Sysroot) liveEntry(m menus, e bootloader.Entry) *host.BootEntry {
	out := s.bootEntry(e)
	out.SoftRebootCapable = s.softRebootable(m, e, false) == nil
	return out
}

// bootEntry is a deployment as the status document has it.
func (s *Sysroot) bootEntry(e bootloader.Entry) *host.BootEntry {
	o, err := s.origin(e.ID)
	if err != nil {
		s.warn("%v", err)
	}
	return s.entryOf(e, o)
}

// entryOf is the same, with an origin that is known.
func (s *Sysroot) entryOf(e bootloader.Entry, o origin) *host.BootEntry {
	bootType := o.bootType
	if bootType == "" {
		bootType = host.BLS
		if e.UKI {
			bootType = host.UKI
		}
	}
	root, _ := o.rootOf(e) // what is not known is not allowed
	out := &host.BootEntry{
		Pinned: o.pinned,
		Composefs: &host.ComposefsStatus{
			Verity:               e.ID.String(),
			BootType:             string(bootType),
			Bootloader:           string(s.sys.Loader.Kind()),
			BootDigest:           optional(o.bootDigest),
			MissingVerityAllowed: root.Optional,
			UKIAddons:            o.addons,
		},
	}
	if e.Tries != nil {
		out.Trial = &host.Trial{TriesLeft: e.Tries.Left, TriesDone: e.Tries.Done}
	}
	if !o.target.Ref.IsZero() {
		out.Image = &host.ImageStatus{
			Image:        o.target.reference(),
			Version:      optional(o.version),
			Timestamp:    o.timestamp,
			ImageDigest:  o.manifest.String(),
			Architecture: o.arch,
		}
	}
	if e.ID == s.sys.Booted.ID {
		out.CachedUpdate = s.remembered(o)
	}
	return out
}

// rootOf is what the command line of a deployment says of its root. That of a unified
// kernel image is in the origin.
func (o origin) rootOf(e bootloader.Entry) (kargs.Root, error) {
	if !e.UKI {
		return e.Root, nil
	}
	return kargs.FindRoot(o.cmdline)
}

// document is the failure as the status document has it.
func (f Failed) document() host.FailedUpdate {
	return host.FailedUpdate{
		Image: f.Image, ImageDigest: f.Digest.String(), Version: optional(f.Version), Verity: f.ID.String(),
		Reason: f.Reason, Output: optional(f.Output), Tries: f.Tries,
		FirstBoot: f.Started, Recorded: f.Recorded, BootIDs: f.Boots,
	}
}

// optional is nil for an empty text.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
