package sysroot

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/internal/testtool"
)

// The lines are examples of proc_pid_mountinfo(5) and what a host booted by
// bootc-initramfs has.
func TestParseMountLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line string
		want mountPoint
	}{
		{
			"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue",
			mountPoint{98, 0, "/mnt1", "/mnt2", "ext3", "/dev/root"},
		},
		{
			"29 1 0:25 / / ro,relatime - overlay composefs:ab ro,lowerdir+=/a,datadir+=/b,verity=require",
			mountPoint{0, 25, "/", "/", "overlay", "composefs:ab"},
		},
		{
			`50 29 8:2 / /mnt/with\040space\134and rw shared:3 master:4 - ext4 /dev/disk\011x rw`,
			mountPoint{8, 2, "/", `/mnt/with space\and`, "ext4", "/dev/disk\tx"},
		},
		{"60 29 0:7 / /x rw - tmpfs  rw", mountPoint{0, 7, "/", "/x", "tmpfs", ""}},
	} {
		got, err := parseMountLine(tt.line)
		if err != nil || got != tt.want {
			t.Errorf("%q: %+v, %v", tt.line, got, err)
		}
	}
	for _, bad := range []string{
		"", " - ", "36 35 98:0 /mnt1 /mnt2 - ext3 x", "36 35 98 / / rw - ext3 x rw",
		"36 35 98:0 / / rw ext3 x rw", "36 35 98:0 / / rw - ext3", "36 35 x:0 / / rw - ext3 x",
	} {
		if m, err := parseMountLine(bad); err == nil {
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
	got, err := parseMountInfo(strings.NewReader(text))
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
	table := mountTable{
		{0, 1, "/", "/", "overlay", "composefs:ab"},
		{0, 30, "/", "/efi", "autofs", "systemd-1"},
		{8, 1, "/", "/efi", "vfat", "/dev/sda1"},
		{8, 2, "/sub", "/srv", "ext4", "/dev/sda2"},
		{8, 3, "/", "/hidden", "ext4", "/dev/sda3"},
		{0, 31, "/", "/hidden", "tmpfs", "tmpfs"},
	}
	if m, ok := table.at("/efi"); !ok || m.FSType != "vfat" {
		t.Errorf("at /efi: %+v", m)
	}
	if m, ok := table.at("/boot"); ok {
		t.Errorf("at /boot: %+v", m)
	}
	if m, ok := table.of(8, 1); !ok || m.Path != "/efi" {
		t.Errorf("of 8:1: %+v", m)
	}
	for _, minor := range []uint32{2, 3, 4} {
		if m, ok := table.of(8, minor); ok {
			t.Errorf("of 8:%d, which is nowhere seen whole: %+v", minor, m)
		}
	}
}

// Our own mounts are read without an error.
func TestParseOwnMountInfo(t *testing.T) {
	t.Parallel()
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, err := parseMountInfo(f)
	if err != nil {
		t.Fatal(err)
	}
	if m, ok := table.at("/proc"); !ok || m.FSType != "proc" {
		t.Errorf("/proc: %+v", m)
	}
}

func FuzzMountLine(f *testing.F) {
	f.Add("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue")
	f.Add(`1 2 3:4 \040 \134 - - \777 \0`)
	f.Fuzz(func(t *testing.T, line string) {
		m, err := parseMountLine(line)
		if err != nil {
			return
		}
		escape := strings.NewReplacer(`\`, `\134`, " ", `\040`).Replace
		again, err := parseMountLine(fmt.Sprintf("1 2 %d:%d %s %s rw - %s %s rw", m.Major, m.Minor, escape(m.Root), escape(m.Path), escape(m.FSType), escape(m.Source)))
		if err != nil || again != m {
			t.Errorf("%q: %+v, then %+v, %v", line, m, again, err)
		}
	})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
