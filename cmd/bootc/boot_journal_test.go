package main

import (
	"encoding/hex"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTell is a message as journald wants it (systemd's page "Native Journal
// Protocol"), and without journald a line for whoever looks.
func TestTell(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	var stderr strings.Builder
	e := &env{root: root, stderr: &stderr}
	e.tell(givenUpID, "no journal", nil)
	if stderr.String() != "no journal\n" {
		t.Errorf("standard error: %q", &stderr)
	}
	socket := filepath.Join(root, "run/systemd/journal/socket")
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	e.tell(givenUpID, "gave up", map[string]string{"BOOTC_REASON": "two\nlines"})
	got := make([]byte, 1000)
	n, err := conn.Read(got)
	if err != nil {
		t.Fatal(err)
	}
	want := "BOOTC_REASON\n\x09\x00\x00\x00\x00\x00\x00\x00two\nlines\nMESSAGE=gave up\nMESSAGE_ID=" + givenUpID +
		"\nPRIORITY=4\nSYSLOG_IDENTIFIER=bootc\n"
	if string(got[:n]) != want {
		t.Errorf("%q, want %q", got[:n], want)
	}
	for _, id := range []string{givenUpID, bootFailedID, completedID} {
		if raw, err := hex.DecodeString(id); err != nil || len(raw) != 16 || id != strings.ToLower(id) {
			t.Errorf("%s is no id of 128 bits", id)
		}
	}
}
