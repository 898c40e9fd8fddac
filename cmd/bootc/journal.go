package main

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"

	"github.com/bootc-go/bootc/deploy"
)

// journal tells the journal of the host what was done, in its native protocol
// (https://systemd.io/JOURNAL_NATIVE_PROTOCOL). Where there is none, or it does not
// listen, nothing is told: the program says it anyway.
func (e *env) journal(ev deploy.Event) {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: filepath.Join(e.root, "run/systemd/journal/socket"), Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close() //nolint:errcheck // nothing is left to send
	var b strings.Builder
	for _, f := range [][2]string{
		{"MESSAGE", ev.Text},
		{"MESSAGE_ID", ev.ID},
		{"PRIORITY", "6"},
		{"SYSLOG_IDENTIFIER", "bootc"},
		{"BOOTC_DEPLOYMENT", ev.Deployment.String()},
		{"BOOTC_IMAGE", ev.Image},
		{"BOOTC_DIGEST", ev.Digest},
	} {
		if f[1] != "" {
			fmt.Fprintf(&b, "%s=%s\n", f[0], printable(f[1]))
		}
	}
	_, _ = conn.Write([]byte(b.String()))
}
