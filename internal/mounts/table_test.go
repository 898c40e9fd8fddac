package mounts

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/internal/testtool"
)

// The lines are examples of proc_pid_mountinfo(5) and what a host booted by
// bootc-initramfs has.
func TestParseLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line string
		want Mount
	}{
		{
			"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue",
			Mount{36, Device{98, 0}, "/mnt1", "/mnt2", "ext3", "/dev/root", "rw,errors=continue", false},
		},
		{
			"29 1 0:25 / / ro,relatime - overlay composefs:ab ro,lowerdir+=/a,datadir+=/b,verity=require",
			Mount{29, Device{0, 25}, "/", "/", "overlay", "composefs:ab", "ro,lowerdir+=/a,datadir+=/b,verity=require", true},
		},
		{
			`50 29 8:2 / /mnt/with\040space\134and rw shared:3 master:4 - ext4 /dev/disk\011x rw`,
			Mount{50, Device{8, 2}, "/", `/mnt/with space\and`, "ext4", "/dev/disk\tx", "rw", false},
		},
		{"60 29 0:7 / /x rw - tmpfs  rw", Mount{60, Device{0, 7}, "/", "/x", "tmpfs", "", "rw", false}},
	} {
		got, err := parseLine(tt.line)
		if err != nil || got != tt.want {
			t.Errorf("%q: %+v, %v", tt.line, got, err)
		}
	}
	for _, bad := range []string{
		"", " - ", "36 35 98:0 /mnt1 /mnt2 - ext3 x", "36 35 98 / / rw - ext3 x rw",
		"36 35 98:0 / / rw ext3 x rw", "36 35 98:0 / / rw - ext3", "36 35 98:0 / / rw - ext3 x", "36 35 x:0 / / rw - ext3 x rw", "x 35 8:0 / / rw - ext3 x rw",
	} {
		if m, err := parseLine(bad); err == nil {
			t.Errorf("%q: %+v", bad, m)
		}
	}
}

// findmnt(8) reads the same file.
func TestMountTableIsFindmnts(t *testing.T) {
	t.Parallel()
	table := t.TempDir() + "/mountinfo"
	text := `29 1 0:25 / / ro - overlay composefs:ab ro
30 29 8:2 / /sysroot ro - ext4 /dev/sda2 ro
31 29 8:1 / /with\040space rw shared:1 - vfat /dev/sda1 rw
32 29 0:40 /sub /d rw - btrfs /dev/vdb[1] rw
`
	if err := os.WriteFile(table, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(testtool.Path(t, "findmnt"), "--tab-file", table, "--noheadings", "--raw", "--output", "MAJ:MIN,FSROOT,TARGET,FSTYPE").Output()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for _, m := range got {
		fmt.Fprintf(&lines, "%d:%d %s %s %s\n", m.Major, m.Minor, m.Root, strings.ReplaceAll(m.Path, " ", `\x20`), m.FSType)
	}
	if diff := cmp.Diff(string(out), lines.String()); diff != "" {
		t.Errorf("-findmnt +ours\n%s", diff)
	}
}

func TestMountTableLookup(t *testing.T) {
	t.Parallel()
	table := Table{
		{Device: Device{0, 1}, Root: "/", Path: "/", FSType: "overlay", Source: "composefs:ab"},
		{Device: Device{0, 30}, Root: "/", Path: "/efi", FSType: "autofs", Source: "systemd-1"},
		{Device: Device{8, 1}, Root: "/", Path: "/efi", FSType: "vfat", Source: "/dev/sda1"},
		{Device: Device{8, 2}, Root: "/sub", Path: "/srv", FSType: "ext4", Source: "/dev/sda2"},
		{Device: Device{8, 3}, Root: "/", Path: "/hidden", FSType: "ext4", Source: "/dev/sda3"},
		{Device: Device{0, 31}, Root: "/", Path: "/hidden", FSType: "tmpfs", Source: "tmpfs"},
	}
	if m, ok := table.At("/efi"); !ok || m.FSType != "vfat" {
		t.Errorf("at /efi: %+v", m)
	}
	if m, ok := table.At("/boot"); ok {
		t.Errorf("at /boot: %+v", m)
	}
	if m, ok := table.Of(Device{8, 1}); !ok || m.Path != "/efi" {
		t.Errorf("of 8:1: %+v", m)
	}
	for _, minor := range []uint32{2, 3, 4} {
		if m, ok := table.Of(Device{8, minor}); ok {
			t.Errorf("of 8:%d, which is nowhere seen whole: %+v", minor, m)
		}
	}
}

// Our own mounts are read without an error.
func TestParseOwnMountInfo(t *testing.T) {
	t.Parallel()
	table, err := Read("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	m, ok := table.At("/proc")
	if !ok || m.FSType != "proc" {
		t.Errorf("/proc: %+v", m)
	}
	if same, ok := table.ByID(m.ID); !ok || same != m {
		t.Errorf("by the id: %+v", same)
	}
}

func FuzzLine(f *testing.F) {
	f.Add("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue")
	f.Add("36 35 98:0 / /mnt ro,noatime - ext3 /dev/root rw")
	f.Add(`1 2 3:4 \040 \134 - - \777 \0`)
	f.Fuzz(func(t *testing.T, line string) {
		m, err := parseLine(line)
		if err != nil {
			return
		}
		escape := strings.NewReplacer(`\`, `\134`, " ", `\040`).Replace
		access := "rw"
		if m.ReadOnly {
			access = "ro"
		}
		again, err := parseLine(fmt.Sprintf("%d 2 %s %s %s %s - %s %s %s", m.ID, m.Device, escape(m.Root), escape(m.Path), access, escape(m.FSType), escape(m.Source), m.Options))
		if err != nil || again != m {
			t.Errorf("%q: %+v, then %+v, %v", line, m, again, err)
		}
	})
}
