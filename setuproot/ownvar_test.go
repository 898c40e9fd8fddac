package setuproot

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/kargs"
)

// The expectations are systemd-fstab-generator(8), by hand; e2e.TestOwnVar has it tell.
func TestMountExtra(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		"": false,
		"root=UUID=1 rw systemd.mount-extra=UUID=2:/var:ext4":                         true,
		"systemd.mount-extra=UUID=2:/boot:ext4:ro systemd.mount-extra=LABEL=v:/var/":  true,
		`systemd.mount-extra="LABEL=my var:/var:xfs:nodev,nosuid,x-systemd.growfs"`:   true,
		"systemd.mount-extra=UUID=2:/var:auto:noauto":                                 false,
		"systemd.mount-extra=UUID=2:/var:auto:noauto,ro,auto":                         true,
		"systemd.mount-extra=UUID=2:/var/log:ext4 systemd.mount-extra=UUID=2:/:/var":  false,
		"systemd.mount-extra=UUID=2 systemd.mount-extra systemd.mount-extra=":         false,
		"systemd.mount-extra=a:/var:ext4:ro:more":                                     false,
		"systemd.mount_extra=a:/var:ext4 rd.systemd.mount-extra=a:/sysroot/var:ext4":  false,
		"mount-extra=a:/var:ext4 systemd.swap-extra=a:/var systemd.volatile=overlay ": false,
	} {
		if got := MountsVar(kargs.Parse(line), ""); got != want {
			t.Errorf("%q: %t", line, got)
		}
	}
}

// TestFstab asks systemd's own generator of what it would mount.
func TestFstab(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		line, fstab string
		want        bool
	}{
		{"", "", false},
		{"", "# /var\n\nUUID=1 / ext4 ro 0 1\nUUID=2\t/var  ext4\tdefaults,nodev 0 2\n", true},
		{"", "/dev/vdb /var xfs", true},
		{"", "/dev/vdb /var/ xfs nofail", true},
		{"", "/dev/vdb /v\\141r xfs defaults", false},
		{"", "/dev/vdb //var/. xfs defaults", true},
		{"", "/dev/vdb /var xfs x-systemd.automount", true},
		{"", "/dev/vdb /var\\040 xfs defaults", false},
		{"", "#/dev/vdb /var xfs defaults", false},
		{"", "  # /var xfs defaults\n", false},
		{"", "/dev/vdb /var xfs ro,noauto 0 2", false},
		{"", "/dev/vdb /var xfs noauto,auto", true},
		{"", "/dev/vdb /var swap defaults", false},
		{"", "/dev/vdb none swap defaults\n/dev/vdc /variant ext4 defaults\n/dev/vdd /var/log ext4 defaults", false},
		{"", "/dev/vdb /srv ext4 defaults 0 0\nlabel /var/lib/x none bind 0 0\ntmpfs /var tmpfs size=1G 0 0", true},
		{"fstab=no quiet", "/dev/vdb /var xfs defaults", false},
		{"fstab=0", "/dev/vdb /var xfs defaults", false},
		{"fstab=yes", "/dev/vdb /var xfs defaults", true},
		{"fstab", "/dev/vdb /var xfs defaults", true},
	} {
		if got := MountsVar(kargs.Parse(test.line), test.fstab); got != test.want {
			t.Errorf("%q, fstab %q: %t", test.line, test.fstab, got)
		}
		if got := generated(t, test.line, test.fstab); got != test.want {
			t.Errorf("%q, fstab %q: to systemd %t", test.line, test.fstab, got)
		}
	}
}

// generated tells whether systemd-fstab-generator has /var mounted at boot.
func generated(t *testing.T, line, fstab string) bool {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "fstab")
	if err := os.WriteFile(file, []byte(fstab), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/lib/systemd/system-generators/systemd-fstab-generator", dir, dir, dir)
	cmd.Env = []string{"SYSTEMD_FSTAB=" + file, "SYSTEMD_PROC_CMDLINE=" + line, "SYSTEMD_SYSFS_CHECK=0", "SYSTEMD_LOG_TARGET=console", "SYSTEMD_LOG_LEVEL=debug", "SYSTEMD_IN_INITRD=0"}
	if out, err := cmd.CombinedOutput(); err != nil && !strings.Contains(string(out), "Failed to create unit file") {
		t.Fatalf("%v\n%s", err, out)
	}
	wanted, err := filepath.Glob(filepath.Join(dir, "*.target.*/var.*mount"))
	if err != nil {
		t.Fatal(err)
	}
	return len(wanted) > 0
}
