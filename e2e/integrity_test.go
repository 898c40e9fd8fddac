package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/testshare"
)

// TestIntegrity flips bytes on the disk, below the file system: the kernel
// refuses them, fsck names them, and a pull heals them.
func TestIntegrity(t *testing.T) {
	t.Parallel()
	testshare.SkipUnlessDue(t, 6)
	h := bootHost(t, platform{})
	h.serve(os1(t, platform{}))
	h.waitVerity()
	repository := "bootc internals cfs --repo /sysroot/composefs "

	// An object. The file is one that nothing reads.
	const file = "/usr/share/numbers"
	h.Run("test -e " + file)
	object := objectOf(h, file)
	want := h.Run("sha256sum " + file)
	h.flip(object, 5000)
	h.refused("cat "+file, "Input/output error")
	h.refused(repository+"fsck", strings.TrimPrefix(object, "/sysroot/composefs/"))
	h.Run(writableSysroot(repository + "fsck --repair"))
	h.refused("cat "+file, "")
	h.Run(writableSysroot(repository + "oci pull docker://" + followed + " localhost/healed && " + repository + "oci untag localhost/healed"))
	h.Run("echo 3 >/proc/sys/vm/drop_caches") // overlayfs remembers the object that is gone
	h.Run("echo 3 >/proc/sys/vm/drop_caches") // what has been open goes on reading the bad one
	h.wants("sha256sum "+file, strings.TrimSpace(want))
	h.Run(repository + "fsck")

	// The image of the host, at its start: the next boot stops and says why.
	id := h.booted().Composefs.Verity
	h.flip("/sysroot/composefs/objects/"+id[:2]+"/"+id[2:], 1024)
	h.refused(repository+"fsck", id[:2]+"/"+id[2:])
	h.Go("systemctl reboot")
	h.WaitConsole("cannot set up the root file system")
	if console := h.Console(); !strings.Contains(console, "image "+id) {
		t.Error("the console does not name the image")
	}
	h.Kill()
}

// objectOf is the object that holds the content of a file.
func objectOf(h *testHost, file string) string {
	h.t.Helper()
	hex := strings.TrimSpace(h.Run("bootc internals fsverity digest --compact --hash-alg sha512 " + file))
	return "/sysroot/composefs/objects/" + hex[:2] + "/" + hex[2:]
}

// flip changes the byte at an offset of a file on the device, past the file
// system, and has the kernel forget what it has in memory.
func (h *testHost) flip(file string, offset int64) {
	h.t.Helper()
	h.Run(fmt.Sprintf(`set -e
sync
block=$(filefrag -b4096 -v %[1]s | awk '$1 ~ /^[0-9]+:$/ && $2 + 0 <= %[2]d && $3 + 0 >= %[2]d { split($4, p, "[.]"); print p[1] + %[2]d - $2 }')
test -n "$block"
device=$(findmnt -no SOURCE /sysroot)
at=$((block * 4096 + %[3]d))
byte=$(dd if=$device bs=1 skip=$at count=1 status=none | od -An -tu1)
printf "\\$(printf %%03o $((byte ^ 1)))" | dd of=$device bs=1 seek=$at conv=notrunc,fsync status=none
echo 3 >/proc/sys/vm/drop_caches`, file, offset/4096, offset%4096))
}

// writableSysroot is a script that runs where /sysroot is writable, in a mount
// namespace of its own.
func writableSysroot(script string) string {
	return "unshare -m sh -ec 'mount -o remount,bind,rw /sysroot; " + script + "'"
}
