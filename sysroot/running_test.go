package sysroot

import (
	"strings"
	"testing"
)

func TestRunning(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	got := h.open(t, false)
	if _, ok := got.UsrOverlay(); ok {
		t.Error("there is nothing over /usr")
	}
	if prepared, err := got.Prepared(); err != nil || !prepared.IsZero() {
		t.Errorf("prepared for a soft reboot: %s, %v", prepared, err)
	}
	h.table = []string{
		"50 29 0:50 /usr /usr ro,relatime - overlay transient:composefs=" + id + " rw,verity=require\n",
		"51 29 0:51 / /run/nextroot ro,relatime - overlay composefs:" + strings.Repeat("a", 128) + " ro\n",
	}
	h.source(t, "composefs:"+id)
	if prepared, err := got.Prepared(); err != nil || prepared.String() != strings.Repeat("a", 128) {
		t.Errorf("prepared for a soft reboot: %s, %v", prepared, err)
	}
	if readOnly, ok := got.UsrOverlay(); !ok || !readOnly {
		t.Error("there is a read-only overlay over /usr")
	}
	h.table = []string{"50 29 0:50 /usr /usr rw,relatime - overlay x rw\n51 29 0:51 / /run/nextroot rw - tmpfs x rw\n"}
	h.source(t, "composefs:"+id)
	if prepared, err := got.Prepared(); err != nil || !prepared.IsZero() {
		t.Errorf("somebody else's root counts as prepared: %s, %v", prepared, err)
	}
	if readOnly, ok := got.UsrOverlay(); !ok || readOnly {
		t.Error("there is a writable overlay over /usr")
	}
}
