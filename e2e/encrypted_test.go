package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/testimage"
	"github.com/bootc-go/bootc/internal/testshare"
	"github.com/bootc-go/bootc/internal/testvm"
)

// TestEncryptedRoot installs from a running host onto a disk with an encrypted root, and
// boots that: with the machine's TPM it opens, and nobody is asked. GRUB reads /boot, which
// is a partition of its own.
func TestEncryptedRoot(t *testing.T) {
	t.Parallel()
	testshare.SkipUnlessDue(t, 2)
	p := platform{Initramfs: "dracut", Encrypted: true, TPM: testvm.TPM(t)}.withDefaults()
	target, image := testvm.Blank(t, 4<<30), os1(t, p)
	h := bootDisk(t, p, testvm.Overlay(t, installed(t, p)), testvm.Disk{Path: target, Serial: "target"})
	h.serve(image)
	p.Loader = "grub"
	install := "bootc install to-disk --block-setup tpm2-luks --filesystem ext4 --bootloader " + p.Loader + " --karg " + strings.Join(kargs, " --karg ") +
		" --source-imgref docker://" + followed + " /dev/disk/by-id/virtio-target"
	h.Run(install + killed)
	h.Run(install + " --wipe")
	h.wants("ls /sys/block | grep ^dm- || :", "")
	h.PowerOff()

	h = bootDisk(t, p, target)
	checkHost(t, h, p)
	checkEncrypted(t, h)
	h.serve(testimage.Append(t, image, []registrytest.Entry{registrytest.File("usr/share/os-version", "2\n")}, nil))
	h.Run("bootc upgrade; echo 'data LABEL=data none noauto' >>/etc/crypttab")
	h.Reboot("systemctl reboot")
	h.wants("cat /usr/share/os-version", "2")
	checkEncrypted(t, h)
	h.wants("systemctl show -P LoadState systemd-cryptsetup@data.service", "loaded") // a volume of the user's own
	changeKeys(h)
	h.PowerOff()
}

// killed lets an installation begin, kills it as soon as it has the root mounted, and
// waits until nothing of it is left.
const killed = ` & pid=$!
until [ -e /sys/fs/ext4/dm-0 ]; do kill -0 $pid || exit 1; sleep 0.2; done
kill -KILL $pid
wait $pid
for _ in $(seq 3000); do [ -e /sys/block/dm-0 ] || exit 0; sleep 0.2; done
exit 1`

// changeKeys does what docs/howto/install.md says of other keys: a recovery key, a binding
// to Secure Boot, and a TPM that is not the old one.
func changeKeys(h *testHost) {
	h.t.Helper()
	const device = " /dev/disk/by-partlabel/root"
	key := strings.TrimSpace(h.Run("systemd-cryptenroll --unlock-tpm2-device=auto --recovery-key" + device))
	h.Run("systemd-cryptenroll --unlock-tpm2-device=auto --wipe-slot=tpm2 --tpm2-device=auto --tpm2-pcrs=7" + device)
	h.Run("PASSWORD=" + key + " systemd-cryptenroll --wipe-slot=tpm2 --tpm2-device=auto --tpm2-pcrs=" + device)
	h.wants("systemd-cryptenroll"+device+" | awk 'NR > 1 { print $2 }' | sort", "recovery", "tpm2")
}

// checkEncrypted checks that the root is on a volume that has one key, the TPM's, which
// is bound to nothing else.
func checkEncrypted(t *testing.T, h *testHost) {
	t.Helper()
	h.wants("lsblk -no TYPE $(findmnt -no SOURCE /sysroot)", "crypt")
	h.wants("findmnt -no FSTYPE,OPTIONS /boot | cut -c1-7", "ext4 ro")
	h.wants("blkid -s TYPE -o value /dev/disk/by-partlabel/root", "crypto_LUKS")
	var volume struct {
		Keyslots map[string]any
		Tokens   map[string]struct {
			Type string
			PCRs []int `json:"tpm2-pcrs"`
		}
	}
	if err := json.Unmarshal([]byte(h.Run("cryptsetup luksDump --dump-json-metadata /dev/disk/by-partlabel/root")), &volume); err != nil {
		t.Fatal(err)
	}
	if len(volume.Keyslots) != 1 || len(volume.Tokens) != 1 {
		t.Errorf("there are other keys: %+v", volume)
	}
	for _, token := range volume.Tokens {
		if token.Type != "systemd-tpm2" || len(token.PCRs) != 0 {
			t.Errorf("a key of another kind: %+v", token)
		}
	}
	h.wants("systemctl --failed --no-legend", "")
}
