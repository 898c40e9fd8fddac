package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
)

// The ids of our messages in the journal, by which journalctl finds them, see
// docs/explanation/boot-safety.md.
const (
	givenUpID    = "1e7b0c52f8a94d0b9c6f3a57d2e84b61" // a deployment was given up
	bootFailedID = "6a0d9c3b5e1742c8b7f4e2819d35a0fc" // a boot is not well
	completedID  = "c35f1b7e90d24a6fa8e05b93147cd28e" // a deployment has proven that it boots
)

// tell writes a message to the journal, and to standard error where there is none.
func (e *env) tell(id, message string, fields map[string]string) {
	socket := &net.UnixAddr{Name: filepath.Join(e.root, "run/systemd/journal/socket"), Net: "unixgram"}
	conn, err := net.DialUnix("unixgram", nil, socket)
	if err == nil {
		_, err = conn.Write(journalEntry(id, message, fields))
		err = errors.Join(err, conn.Close())
	}
	if err != nil {
		fmt.Fprintln(e.stderr, printable(message))
	}
}

// journalEntry is a message in journald's native protocol: a line for each field, or,
// if its value has several lines, its name, its length and its value.
func journalEntry(id, message string, fields map[string]string) []byte {
	all := map[string]string{"MESSAGE_ID": id, "MESSAGE": message, "PRIORITY": "4", "SYSLOG_IDENTIFIER": "bootc"}
	maps.Copy(all, fields)
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(all)) {
		value := all[name]
		if !strings.Contains(value, "\n") {
			fmt.Fprintf(&b, "%s=%s\n", name, value)
			continue
		}
		b.WriteString(name + "\n")
		b.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(value))))
		b.WriteString(value + "\n")
	}
	return b.Bytes()
}
