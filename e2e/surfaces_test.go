package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/testimage"
	"github.com/bootc-go/bootc/internal/testshare"
)

// TestSurfaces is what hosts of upstream's have beside the verbs: units that are told of
// changes, shadow files without orphans, images that an OS image is bound to, and the
// files of an earlier system, which go once.
func TestSurfaces(t *testing.T) {
	t.Parallel()
	testshare.SkipUnlessDue(t, 4)
	const (
		app  = "registry.test/acme/app:v1"
		unit = "usr/share/containers/systemd/app.container"
		told = "usr/lib/systemd/system/told.service"
	)
	p := platform{}
	h := bootHost(t, p)
	h.wants("systemctl is-active bootc-status-updated.path bootc-sysusers-shadow-sync.service", "active", "active")
	h.wants("readlink /run/systemd/generator/sysinit.target.wants/bootc-sysusers-shadow-sync.service", "/usr/lib/systemd/system/bootc-sysusers-shadow-sync.service")
	h.registry.Push("acme/app", "v1", registrytest.Build(t, registrytest.Image{Layers: []registrytest.Layer{
		{Entries: []registrytest.Entry{registrytest.File("app", "the app\n")}, Compression: registrytest.Gzip},
	}}))
	v2 := testimage.Append(t, os1(t, p), []registrytest.Entry{
		registrytest.File("usr/share/os-version", "2\n"),
		registrytest.File(unit, "[Container]\nImage="+app+"\n"),
		registrytest.Symlink("usr/lib/bootc/bound-images.d/app.container", "/"+unit),
		registrytest.File(told, "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo told >>/var/told'\n"),
		registrytest.Symlink("usr/lib/systemd/system/bootc-status-updated.target.wants/told.service", "/"+told),
		registrytest.Symlink("usr/lib/systemd/system/bootc-status-updated-onboot.target.wants/told.service", "/"+told),
	}, nil)
	h.serve(v2)

	// Orphans, and the mark of an installation over another system.
	h.Run("echo 'ghost:!::' >>/etc/gshadow; echo 'ghost:!:1::::::' >>/etc/shadow")
	h.Run("mount -o remount,bind,rw /sysroot && mkdir -p /sysroot/etc /sysroot/usr/bin /sysroot/home/me && touch /sysroot/usr/bin/old /sysroot/home/me/file /sysroot/etc/bootc-destructive-cleanup && mount -o remount,bind,ro /sysroot")

	h.wants("bootc upgrade --quiet --check --full | grep -c '^  Bound image: "+app+", [0-9]* B$'", "1")
	h.wants("test -e /sysroot/composefs/bootc/storage || echo none", "none")
	h.Run("bootc upgrade --quiet")
	const storage = "/usr/lib/bootc/storage"
	h.wants("cat "+storage+"/overlay/*/diff/app", "the app")
	h.wants("grep -o 'acme/app:v1' "+storage+"/overlay-images/images.json | sort -u", "acme/app:v1")
	h.wants("findmnt -no OPTIONS /sysroot | cut -d, -f1", "ro")
	h.Reboot("systemctl reboot")

	h.wants("cat /usr/share/os-version", "2")
	before := strings.Count(h.Run("cat /var/told"), "told") // of the boot, and perhaps of its being complete
	if before == 0 {
		t.Error("nobody was told of the boot")
	}
	h.wants("grep -c ghost /etc/shadow /etc/gshadow || :", "/etc/shadow:0", "/etc/gshadow:0")
	h.wants("for i in $(seq 60); do test -e /sysroot/etc/bootc-destructive-cleanup || break; sleep 1; done; ls -d /sysroot/usr /sysroot/etc/bootc-destructive-cleanup /sysroot/home/me/file 2>/dev/null || :", "/sysroot/home/me/file")
	h.wants("cat "+storage+"/overlay/*/diff/app", "the app")

	// What is here is not fetched again. Nothing is staged without what it is bound to; a
	// rollback is told of.
	h.serve(testimage.Append(t, v2, []registrytest.Entry{registrytest.File("usr/share/os-version", "3\n")}, nil))
	h.wants("bootc upgrade --quiet --check --full | grep -c '^  Bound image: "+app+", is here$'", "1")
	h.serve(testimage.Append(t, v2, []registrytest.Entry{
		registrytest.File(unit, "[Container]\nImage=registry.test/acme/missing:v1\n"),
	}, nil))
	h.refused("bootc upgrade --quiet", "registry.test/acme/missing:v1")
	if s := h.status(); s.Staged != nil {
		t.Errorf("staged: %+v", s.Staged)
	}
	h.Run(fmt.Sprintf("bootc rollback && for i in $(seq 60); do test $(wc -l </var/told) -gt %d && exit; sleep 1; done; exit 1", before))
	checkClean(t, h)
	h.PowerOff()
}
