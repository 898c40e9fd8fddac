package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/testimage"
	"github.com/bootc-go/bootc/internal/testshare"
)

// TestCollected upgrades five times, and boots two of these: only what the two
// deployments at the end need is there then.
func TestCollected(t *testing.T) {
	t.Parallel()
	testshare.SkipUnlessDue(t, 2)
	h := bootHost(t, platform{})
	var ids []string
	for i := range 5 {
		name := fmt.Sprint("update ", i)
		big := registrytest.File("usr/share/big", registrytest.Random(uint64(i), 1<<20))
		h.serve(testimage.Append(t, os1(t, platform{}), []registrytest.Entry{registrytest.File("usr/share/os-version", name+"\n"), big}, nil))
		h.Run("bootc upgrade --quiet")
		ids = append(ids, h.status().Staged.Composefs.Verity)
		if i == 1 || i == 4 { // the others are replaced before they run
			h.Reboot("systemctl reboot")
			h.wants("cat /usr/share/os-version", name)
		}
	}
	kept := []string{ids[1], ids[4]}
	h.checkQueue(kept[1], "", kept[0], false)
	sorted := kept
	if kept[0] > kept[1] {
		sorted = []string{kept[1], kept[0]}
	}
	h.wants("ls /sysroot/state/deploy", sorted...)
	h.wants("ls /sysroot/composefs/images | grep -v refs", sorted...)
	h.wants(onESP("ls loader/entries/*.conf | wc -l; ls EFI/Linux | wc -l"), "2", "1")
	if tags := strings.Fields(h.Run("bootc internals cfs --repo /sysroot/composefs oci images --json | tr , '\\n' | grep -c localhost/bootc-")); tags[0] != "2" {
		t.Errorf("%s images are tagged, want 2", tags[0])
	}
	h.wants("find /sysroot/composefs/objects -size 1024k -size -1100k | wc -l", "2") // of usr/share/big
	checkClean(t, h)
	h.PowerOff()
}
