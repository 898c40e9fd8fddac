package deploy

import (
	"strings"
	"testing"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/composefs/verity"
)

// problems are those of a check; a check that there is not is an error.
func (m *machine) problems(check string) []string {
	m.t.Helper()
	var found []Check
	m.must(m.with(func(s *Sysroot) (err error) {
		found, err = s.Fsck(m.t.Context())
		return err
	}))
	for _, c := range found {
		if c.Name == check {
			return c.Problems
		}
	}
	m.t.Fatalf("there is no check %s: %v", check, found)
	return nil
}

// A unified kernel image has the digest of the kernel and the initramfs in it; one that is
// lost, or that is another one under the same name, is found.
func TestFsckOfUnifiedKernels(t *testing.T) {
	t.Parallel()
	m, fake := fakeMachine(t, v("1"))
	id := m.bootID(m.uki("2", verity.Sum(verity.SHA512, nil)))
	m.push(m.uki("2", id))
	m.mustUpgrade()
	for _, check := range []string{checkEntries, checkDeployments, checkImages, checkVerity} {
		if p := m.problems(check); len(p) > 0 {
			t.Errorf("%s: %q", check, p)
		}
	}
	m.reboot()
	fake.Break(bootloader.UKIName(id))
	if p := m.problems(checkEntries); len(p) != 1 || !strings.Contains(p[0], "is not there, or not whole") {
		t.Errorf("broken: %q", p)
	}
	other, err := fake.OpenKernel(bootloader.KernelName(m.id("1")))
	m.must(err)
	m.must(fake.AddKernel(t.Context(), bootloader.Kernel{Name: bootloader.UKIName(id), UKI: other.Linux, Size: 1}))
	if p := m.problems(checkEntries); len(p) != 1 || !strings.Contains(p[0], "not a unified kernel image") {
		t.Errorf("another one: %q", p)
	}
}
