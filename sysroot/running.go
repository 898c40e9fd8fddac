package sysroot

import (
	"path/filepath"

	"github.com/bootc-go/bootc/composefs/verity"
)

// NextRoot is where systemd looks for the root file system of a soft reboot.
const NextRoot = "/run/nextroot"

// UsrOverlay tells whether an overlay lies over /usr, and whether it is read-only.
func (h *Host) UsrOverlay() (readOnly, there bool) {
	m, ok := h.table.At("/usr")
	return m.ReadOnly, ok && m.FSType == "overlay"
}

// Prepared is the deployment that is mounted for a soft reboot by now; zero if none is.
func (h *Host) Prepared() (verity.Digest, error) {
	if err := h.readTable(); err != nil {
		return verity.Digest{}, err
	}
	m, ok := h.table.At(NextRoot)
	if !ok {
		return verity.Digest{}, nil
	}
	id, err := parseSource(m.Source)
	if err == ErrNotBooted { //nolint:errorlint // it is never wrapped
		return verity.Digest{}, nil // somebody else's
	}
	return id, err
}

// HasSoftReboot tells whether the systemd that runs knows soft reboots.
func (h *Host) HasSoftReboot() bool {
	return exists(filepath.Join(h.root, "usr/lib/systemd/system/soft-reboot.target"))
}
