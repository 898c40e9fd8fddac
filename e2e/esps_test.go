package e2e

import (
	"strings"
	"testing"

	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/testshare"
	"github.com/bootc-go/bootc/internal/testvm"
)

// What the scripts of TestManyESPs have in common.
const espFunctions = `set -eu
# disk NAME TYPE...: make a disk with a partition of each type, all but the last of 64 MiB
disk() {
	name=$1; shift
	truncate -s 700M "/var/tmp/$name"
	for type; do
		[ "$type" = "${@: -1}" ] && echo "type=$type" || echo "size=64M, type=$type"
	done | sed '1i label: gpt' | sfdisk --quiet "/var/tmp/$name"
	loop=$(losetup --find --show --partscan "/var/tmp/$name")
	if [ "$1" = U ]; then udevadm settle; mkfs.vfat "${loop}p1" >/dev/null; fi
	echo "$loop"
}
# volume PARTITION...: mount a logical volume on them at /run/target
volume() {
	vgcreate --quiet --yes target "$@" && lvcreate --quiet --yes --extents 100%FREE --name root target
	root /dev/target/root
}
root() {
	mkfs.ext4 -q -O verity "$1" && mkdir -p /run/target && mount "$1" /run/target
}
install() {
	bootc install to-filesystem --bootloader grub --source-imgref docker://registry.test/acme/small:latest /run/target
}
# with LOOP...: fail unless each of the disks has GRUB, which was made for this root
with() {
	for loop; do
		mount -o ro "${loop}p1" /mnt
		test -s /mnt/EFI/BOOT/BOOTX64.EFI && grep -q "$(findmnt -no UUID /run/target)" /mnt/EFI/BOOT/BOOTX64.EFI
		umount /mnt
	done
}
end() {
	umount /run/target
	! vgs target 2>/dev/null || vgremove --quiet --yes target
	losetup --detach-all && rm -f /var/tmp/disk*
}
`

// TestManyESPs installs onto roots that lie on several disks, of which nobody has
// mounted the EFI system partitions: all get the boot loader. The last root is one that
// outlives a disk, and boots from the other one.
func TestManyESPs(t *testing.T) {
	t.Parallel()
	testshare.SkipUnlessDue(t, 1)
	p := platform{RAID: true}.withDefaults()
	a, b := testvm.Blank(t, 4<<30), testvm.Blank(t, 4<<30)
	h := bootDisk(t, p, testvm.Overlay(t, installed(t, p)), testvm.Disk{Path: a, Serial: "a"}, testvm.Disk{Path: b, Serial: "b"})
	h.serve(os1(t, p))
	h.registry.Push("acme/small", "latest", registrytest.Build(t, registrytest.Image{Layers: []registrytest.Layer{{Entries: []registrytest.Entry{
		registrytest.File("usr/lib/os-release", "ID=small\nVERSION_ID=1\n"),
		registrytest.File("usr/lib/modules/6/vmlinuz", "kernel"), registrytest.File("usr/lib/modules/6/initramfs.img", "initramfs"),
		registrytest.File("etc/hostname", "small\n"), registrytest.Dir("var"), registrytest.Dir("boot"), registrytest.Dir("sysroot"),
	}}}}))
	for name, script := range map[string]string{
		"one of two disks":   `a=$(disk disk1 U V); b=$(disk disk2 V); volume ${a}p2 ${b}p1; install; with $a`,
		"both disks":         `a=$(disk disk1 U V); b=$(disk disk2 U V); volume ${a}p2 ${b}p2; install; with $a $b`,
		"two of three disks": `a=$(disk disk1 U V); b=$(disk disk2 V); c=$(disk disk3 U V); volume ${a}p2 ${b}p1 ${c}p2; install; with $a $c`,
		"no logical volume":  `a=$(disk disk1 U L); root ${a}p2; install; with $a`,
		"what is there is kept": `a=$(disk disk1 U L); mount ${a}p1 /mnt; mkdir -p /mnt/EFI/other; echo kept >/mnt/EFI/other/file; umount /mnt; ` +
			`root ${a}p2; install; with $a; mount ${a}p1 /mnt; grep -q kept /mnt/EFI/other/file; umount /mnt`,
		"none": `a=$(disk disk1 V); b=$(disk disk2 V); volume ${a}p1 ${b}p1; ! install 2>/run/said; ` +
			`grep -q 'GRUB needs an EFI system partition (ESP): none is mounted on boot/efi of the target, nor is one on the disks below it' /run/said`,
	} {
		if r := h.Try("bash -c '" + strings.ReplaceAll(espFunctions+script+"; end", "'", `'\''`) + "'"); r.Err != nil || r.Status != 0 {
			t.Errorf("%s: %+v", name, r)
			h.Run("bash -c '" + strings.ReplaceAll(espFunctions+"umount /mnt || :; end", "'", `'\''`) + "'")
		}
	}
	h.Run(`bash -c 'set -eu
		for disk in a b; do
			printf "label: gpt\nsize=1M, type=21686148-6449-6E6F-744E-656564454649\nsize=200M, type=U\ntype=R\n" |
				sfdisk --quiet /dev/disk/by-id/virtio-$disk
		done
		udevadm settle
		for disk in a b; do mkfs.vfat /dev/disk/by-id/virtio-$disk-part2 >/dev/null; done
		mdadm --create /dev/md/raid --run --quiet --level=1 --metadata=1.2 --raid-devices=2 --assume-clean /dev/disk/by-id/virtio-[ab]-part3
		vgcreate --quiet --yes host /dev/md/raid && lvcreate --quiet --yes --extents 100%FREE --name root host
		mkfs.ext4 -q -O verity /dev/host/root && mkdir -p /run/target && mount /dev/host/root /run/target'`)
	h.Run("bootc install to-filesystem --bootloader grub --karg " + strings.Join(kargs, " --karg ") +
		" --source-imgref docker://" + followed + " /run/target && umount /run/target && vgchange --quiet -an host && mdadm --stop /dev/md/raid")
	h.PowerOff()

	p.Loader = "grub"
	h = bootDisk(t, p, b) // the first is gone
	checkHost(t, h, p)
	h.wants("lsblk --noheadings --list --inverse --output TYPE $(findmnt -no SOURCE /sysroot)", "lvm", "raid1", "part", "disk")
	h.serve(version(t, p, "2"))
	h.Run("bootc upgrade --quiet")
	h.Reboot("systemctl reboot")
	h.wants("cat /usr/share/os-version", "2")
	h.PowerOff()
}
