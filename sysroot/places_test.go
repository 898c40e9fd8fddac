package sysroot

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/mounts"
)

// table is that of a host whose root is a subvolume, as btrfs has them, after a factory
// reset. It is from such a host, but for the lines that do not matter here.
const resetTable = `29 1 0:25 / / ro,relatime shared:1 - overlay composefs:abc ro
30 29 0:31 /root /sysroot ro,relatime shared:2 - btrfs /dev/vda3 rw,subvol=/root
31 29 0:31 /root/state/deploy/abc/etc /etc rw,relatime shared:3 - btrfs /dev/vda3 rw,subvol=/root
32 29 0:31 /root/state/os/s2026-0/var /var rw,relatime shared:4 - btrfs /dev/vda3 rw,subvol=/root
33 32 254:16 / /var/home rw,relatime shared:5 - ext4 /dev/vdb rw
34 29 254:32 /root/state/os/other/var /mnt rw,relatime shared:6 - ext4 /dev/vdc rw
`

func TestPlaces(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write(t, filepath.Join(root, "proc/self/mountinfo"), resetTable)
	h := &Host{root: root}
	for dir, want := range map[string]bool{
		"state/os/s2026-0": true, "state/os/s2026-0/var": true, "state/os/s2026": false, "state/os/default": false, "state/os/other": false,
	} {
		if got, err := h.MountedFrom(dir); got != want || err != nil {
			t.Errorf("%s: %v, %v", dir, got, err)
		}
	}
	for name, want := range map[string]string{
		"/var/home": "/dev/vdb", "/var/home/a/b": "/dev/vdb", "/var/lib": "", "/var": "", "/etc/ssh": "", "relative": "", "/": "",
	} {
		if m, ok := h.MountOver(name); m.Source != want || ok != (want != "") {
			t.Errorf("%s: %+v, %v", name, m, ok)
		}
	}
}

func TestOwnVar(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		"": false,
		"32 29 8:3 /state/os/default/var /var rw - ext4 /dev/sda3 rw": false,
		"32 29 8:3 /state/os/s2026-0/var /var rw - ext4 /dev/sda3 rw": false,
		"32 29 8:3 /@var /var rw - btrfs /dev/sda3 rw":                true,
		"32 29 8:4 / /var rw - xfs /dev/sda4 rw":                      true,
		"32 29 0:50 / /var rw - tmpfs none rw":                        false,
		"32 29 0:51 / /var rw - overlay state rw":                     false,
	} {
		root := t.TempDir()
		write(t, filepath.Join(root, "proc/self/mountinfo"), "30 29 8:3 / /sysroot ro - ext4 /dev/sda3 ro\n"+line+"\n")
		h := &Host{root: root}
		var err error
		if line == "" {
			h.table = mounts.Table{}
		} else {
			err = h.readTable()
		}
		if _, got := h.OwnVar(); got != want || err != nil {
			t.Errorf("%q: %v, %v", line, got, err)
		}
		if got, want := h.HasStateVar(), strings.Contains(line, "/state/os/"); got != want {
			t.Errorf("%q: of a stateroot: %v", line, got)
		}
	}
}
