package e2e

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/testimage"
)

// TestRefusals asks a host for what it must refuse: each time it says one sentence
// that names the trouble, and changes nothing.
func TestRefusals(t *testing.T) {
	t.Parallel()
	base := os1(t, platform{})
	vmlinuz, _ := base.File(t, "usr/lib/modules/*/vmlinuz")
	kernel := strings.TrimSuffix(vmlinuz, "/vmlinuz")
	images := map[string]testimage.Image{
		"no-kernel":    testimage.Append(t, base, []registrytest.Entry{registrytest.Whiteout(kernel, "vmlinuz")}, nil),
		"no-initramfs": testimage.Append(t, base, []registrytest.Entry{registrytest.Whiteout(kernel, "initramfs.img")}, nil),
		"two-kernels": testimage.Append(t, base, []registrytest.Entry{
			registrytest.Dir("usr/lib/modules/9.9.9"), registrytest.File("usr/lib/modules/9.9.9/vmlinuz", "a"),
			registrytest.File("usr/lib/modules/9.9.9/initramfs.img", "b"),
		}, nil),
		"foreign": testimage.Append(t, base, nil, func(c *v1.Image) { c.Architecture = "arm64" }),
		"conflict": testimage.Append(t, base, []registrytest.Entry{
			registrytest.Dir("etc/conflict"), registrytest.File("etc/conflict/file", "x"),
		}, nil),
		"new-kernel": testimage.Append(t, base, []registrytest.Entry{
			registrytest.File(kernel+"/initramfs.img", registrytest.Random(1, 30<<20)),
		}, nil),
	}
	h := bootHost(t, platform{})
	for name, image := range images {
		h.serveAs("refused/"+name, image)
	}
	h.serve(base)
	h.Run("echo a file >/etc/conflict")
	h.waitVerity() // which changes entries
	before := h.state()

	for _, tt := range []struct{ name, prepare, script, undo, text string }{
		{"no kernel", "", "bootc switch registry.test/refused/no-kernel", "", "no kernel"},
		{"no initramfs", "", "bootc switch registry.test/refused/no-initramfs", "", "initramfs"},
		{"two kernels", "", "bootc switch registry.test/refused/two-kernels", "", "9.9.9"},
		{"another architecture", "", "bootc switch registry.test/refused/foreign", "", "arm64"},
		{"a conflict in etc", "", "bootc switch registry.test/refused/conflict", "", "conflict"},
		{"no such image", "", "bootc switch registry.test/refused/nothing", "", "refused/nothing"},
		{"no registry", "", "bootc switch 10.0.2.2:1/os", "", "10.0.2.2:1"},
		{"not root", "", "setpriv --reuid=1000 --clear-groups --bounding-set=-all bootc upgrade", "", "root"},
		{
			"a full EFI system partition", "mkdir /run/esp && mount LABEL=EFI-SYSTEM /run/esp && " +
				"head -c $(($(stat -fc '%a*%S' /run/esp) - (8 << 20))) /dev/zero >/run/esp/full",
			"bootc switch registry.test/refused/new-kernel", "rm /run/esp/full && umount /run/esp && rmdir /run/esp", "not enough room for the kernel",
		},
		{
			"a full disk", "fallocate -l $(($(stat -fc '%a*%S' /var) - (8 << 20))) /var/full",
			"bootc switch registry.test/refused/new-kernel", "rm /var/full", "insufficient free space",
		},
	} {
		h.Run(tt.prepare)
		r := h.Try(tt.script + " --quiet")
		h.Run(tt.undo)
		said, _, _ := strings.Cut(r.Stderr, "\nbootc: hint: ")
		lines := strings.Split(strings.TrimSpace(said), "\n") // before the last there may be warnings
		sentence := lines[len(lines)-1]
		if r.Status != 1 || !strings.Contains(sentence, tt.text) || !strings.HasPrefix(sentence, "bootc: ") || r.Stdout != "" {
			t.Errorf("%s: exit status %d\n%s%s\nwant 1 and a sentence with %q", tt.name, r.Status, r.Stdout, r.Stderr, tt.text)
		}
		if diff := cmp.Diff(before, h.state()); diff != "" {
			t.Errorf("%s: something has changed:\n%s", tt.name, diff)
		}
		t.Log(sentence)
	}
	checkClean(t, h)
	h.PowerOff()
}

// state is all that a refusal must leave as it is, by lines.
func (h *testHost) state() []string {
	h.t.Helper()
	return strings.Split(h.Run("bootc status --format yaml; cd /sysroot; find boot state/deploy composefs/images composefs/streams -maxdepth 2 | sort; "+
		onESP("find . -type f -size -10M | sort")), "\n")
}
