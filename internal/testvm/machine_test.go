package testvm_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/testcache"
	"github.com/bootc-go/bootc/internal/testimage"
	"github.com/bootc-go/bootc/internal/testshare"
	"github.com/bootc-go/bootc/internal/testtool"
	"github.com/bootc-go/bootc/internal/testvm"
)

// rootUUID is that of the plain disk's root file system.
const rootUUID = "5d4b3c8e-93a5-4b0c-9a4f-2f3e6d1c0b01"

// TestMachine boots the image as a plain Debian, without bootc: what fails here
// is the harness or the image, not the product.
func TestMachine(t *testing.T) {
	t.Parallel()
	disk := plainDisk(t, testimage.OS(t, "initramfs-tools"))
	m := testvm.Start(t, testvm.Options{Disks: []testvm.Disk{{Path: disk}}})
	first := m.WaitBoot()
	if got := m.Run("cat /proc/sys/kernel/random/boot_id"); strings.TrimSpace(got) != first {
		t.Errorf("the boot id is %q, and the agent says %q", got, first)
	}
	if r := m.TryInput("cat; echo oops >&2; exit 3", "input"); r.Status != 3 || r.Stdout != "input" || r.Stderr != "oops\n" {
		t.Errorf("the script's result is %+v", r)
	}
	m.Run("echo kept >/var/lib/kept; sync; echo lost >/var/lib/lost")
	if second := m.Reboot("systemctl reboot"); second == first {
		t.Errorf("the boot id is %s again", second)
	}
	if got := m.Run("cat /var/lib/kept /var/lib/lost"); got != "kept\nlost\n" {
		t.Errorf("after an orderly reboot the files hold %q", got)
	}
	t.Logf("%s", m.Run("systemd-analyze"))
	boot := m.Run("cat /proc/sys/kernel/random/boot_id; echo before >/dev/shm/before")
	snapshot := filepath.Join(testcache.TempDir(t), "snapshot")
	m.Save(snapshot)
	for range 2 { // the second one knows nothing of the first
		m = testvm.Resume(t, snapshot, testvm.Options{Disks: []testvm.Disk{{}}})
		if got := m.Run("cat /proc/sys/kernel/random/boot_id /dev/shm/before /var/lib/kept /var/lib/lost"); got != boot+"before\nkept\nlost\n" {
			t.Errorf("the machine that goes on has %q", got)
		}
		m.Run("echo other >/var/lib/kept; sync")
		m.Kill()
	}
}

// TestPowerLoss pulls the plug: what the guest has flushed stays, what it had in memory does
// not.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	testshare.SkipUnlessDue(t, 6)
	disk := plainDisk(t, testimage.OS(t, "initramfs-tools"))
	m := testvm.Start(t, testvm.Options{Disks: []testvm.Disk{{Path: disk}}})
	m.WaitBoot()
	m.Run("echo kept >/var/lib/kept; sync; echo lost >/var/lib/lost")
	m.Kill()
	m = testvm.Start(t, testvm.Options{Disks: []testvm.Disk{{Path: disk}}})
	m.WaitBoot()
	if got := m.Run("cat /var/lib/kept; cat /var/lib/lost || :"); got != "kept\n" {
		t.Errorf("after the power cut the files hold %q", got)
	}
	m.PowerOff()
}

// plainDisk makes a disk with the image unpacked on ext4, and systemd-boot.
func plainDisk(t *testing.T, image testimage.Image) string {
	t.Helper()
	dir := testcache.TempDir(t)
	bundle := filepath.Join(dir, "bundle")
	tool(t, "", "umoci", "unpack", "--image", image.Layout+":"+testimage.Tag, bundle)
	root := filepath.Join(bundle, "rootfs")
	modules, err := filepath.Glob(filepath.Join(root, "usr/lib/modules/*"))
	if err != nil || len(modules) != 1 {
		t.Fatalf("kernels: %v, %v", modules, err)
	}
	disk := testvm.Blank(t, 1200<<20)
	tool(t, "label: gpt\nstart=1MiB, size=128MiB, type=U\nstart=129MiB, size=1070MiB, type=L\n", "sfdisk", "-q", disk)
	tool(t, "", "mke2fs", "-q", "-t", "ext4", "-U", rootUUID, "-E", fmt.Sprintf("offset=%d", 129<<20), "-d", root, disk, "1070M")

	esp := disk + "@@1M"
	entry := filepath.Join(dir, "plain.conf")
	text := "title plain\nlinux /vmlinuz\ninitrd /initrd\noptions root=UUID=" + rootUUID +
		" rw console=ttyS0 quiet systemd.show_status=0\n"
	if err := os.WriteFile(entry, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	tool(t, "", "mformat", "-i", esp, "-F", "-T", fmt.Sprint(128<<20/512), "-h", "255", "-s", "63", "-H", "2048", "::")
	tool(t, "", "mmd", "-i", esp, "::/EFI", "::/EFI/BOOT", "::/loader", "::/loader/entries")
	for from, to := range map[string]string{
		filepath.Join(root, "usr/lib/systemd/boot/efi/systemd-bootx64.efi"): "EFI/BOOT/BOOTX64.EFI",
		filepath.Join(modules[0], "vmlinuz"):                                "vmlinuz",
		filepath.Join(modules[0], "initramfs.img"):                          "initrd",
		entry: "loader/entries/plain.conf",
	} {
		tool(t, "", "mcopy", "-i", esp, from, "::/"+to)
	}
	return disk
}

func tool(t *testing.T, stdin, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(testtool.Path(t, name), args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "MTOOLS_SKIP_CHECK=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}
