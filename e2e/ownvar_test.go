package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/testimage"
	"github.com/bootc-go/bootc/internal/testshare"
	"github.com/bootc-go/bootc/internal/testtool"
	"github.com/bootc-go/bootc/internal/testvm"
)

// TestOwnVar installs, from a running host, into file systems that others made, of which
// one is for /var. It is the new host's through an upgrade that is booted softly, and also
// when /etc/fstab mounts it.
func TestOwnVar(t *testing.T) {
	t.Parallel()
	testshare.SkipUnlessDue(t, 3)
	p := platform{}.withDefaults()
	target := partitioned(t)
	h := bootHostWith(t, p, target)
	h.serve(os1(t, p))
	h.Run(`set -e
blockdev --rereadpt ` + secondDisk + `
udevadm settle
part=` + secondDisk + `-part
mkdir /run/target
mount ${part}2 /run/target
mkdir -p /run/target/boot/efi /run/target/var
mount ${part}1 /run/target/boot/efi
mount ${part}3 /run/target/var
bootc install to-filesystem --bootloader systemd --karg ` + strings.Join(kargs, " --karg ") + ` --source-imgref docker://` + followed + ` /run/target`)
	h.PowerOff()

	h = bootDisk(t, p, target)
	checkHost(t, h, p)
	checkOwnVar(t, h)
	h.wants("grep -c systemd.mount-extra=UUID=$(findmnt -no UUID /var):/var:ext4 /proc/cmdline", "1")
	h.wants("systemctl show -P FragmentPath var.mount", "/run/systemd/generator/var.mount")
	h.refused("bootc install reset --acknowledge-destructive", "/var is a file system of its own, /dev/vda3")
	h.waitVerity()
	h.Run("echo mine >/var/lib/mine")
	v2 := testimage.Append(t, os1(t, p), []registrytest.Entry{
		registrytest.File("usr/share/os-version", "2\n"), registrytest.File("var/lib/seed", "seed of v2\n"),
	}, nil)
	h.serve(v2)
	h.Reboot("bootc upgrade --quiet --soft-reboot=required --apply")
	h.wants("cat /usr/share/os-version /var/lib/seed /var/lib/mine", "2", "seed of v1", "mine")
	checkOwnVar(t, h)

	h.Run(`echo "UUID=$(findmnt -no UUID /var) /var ext4 defaults,nodev 0 2" >>/etc/fstab`)
	h.Run(onESP(`sed -i 's/systemd.mount-extra=[^ ]*//' loader/entries/*.conf`))
	h.Reboot("systemctl reboot")
	h.wants("grep -c systemd.mount-extra /proc/cmdline || :", "0")
	h.wants("cat /usr/share/os-version /var/lib/seed /var/lib/mine", "2", "seed of v1", "mine")
	checkOwnVar(t, h)
	h.wants("findmnt -no OPTIONS /var | tr , '\\n' | grep nodev", "nodev")
	checkClean(t, h)
	h.PowerOff()
}

// partitioned returns a disk with empty file systems: an EFI system partition, one for the
// root, one for /var.
func partitioned(t *testing.T) string {
	t.Helper()
	disk := testvm.Blank(t, 4<<30)
	sfdisk := exec.Command(testtool.Path(t, "sfdisk"), "--quiet", disk)
	sfdisk.Stdin = strings.NewReader("label: gpt\nstart=1MiB, size=512MiB, type=U\nsize=3072MiB, type=L\nsize=480MiB, type=L\n")
	if out, err := sfdisk.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v\n%s", err, out)
	}
	tool(t, "mformat", "-i", disk+"@@1M", "-v", "EFI-SYSTEM", "-F", "-T", "1048576", "-h", "255", "-s", "63", "-H", "2048", "::")
	tool(t, "mke2fs", "-q", "-t", "ext4", "-O", "verity", "-E", "offset=537919488", disk, "3072M")
	tool(t, "mke2fs", "-q", "-t", "ext4", "-E", "offset=3759144960", disk, "480M")
	return disk
}

// checkOwnVar checks that /var is the file system that is made for it, and not the
// directory on the root.
func checkOwnVar(t *testing.T, h *testHost) {
	t.Helper()
	h.wants("findmnt -rno SOURCE,FSROOT,FSTYPE /var", "/dev/vda3 / ext4")
	h.wants("ls -A /sysroot/state/os/default/var")
	h.wants("systemctl is-active var.mount systemd-journal-flush.service", "active", "active")
	h.status()
}
