package deploy

import (
	"os"
	"slices"
	"testing"

	"github.com/bootc-go/bootc/bootloader/bootloadertest"
)

// TestUpgrade is the life of a host: installed, upgraded, upgraded again.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	fake := bootloadertest.NewFake()
	m := newMachineAt(t, fake, t.TempDir()) // on a real disk
	m.install(osVersion{version: "1", kargs: `["quiet", "old=1"]`})
	m.wantPicture("booted 1")
	if got := m.readEtc("release"); got != "of 1\n" {
		t.Errorf("/etc/release: %q", got)
	}
	m.writeEtc("hostname", "mine\n")
	m.must(os.WriteFile(m.path(stateDir, m.booted.ID.String(), "var/lib/data"), []byte("mine"), 0o600))
	first := m.booted.ID

	m.push(osVersion{version: "2", kargs: `["quiet", "new=2"]`, passwd: "daemon:x:2:2::/:/bin/false\n"})
	st := m.mustUpgrade()
	if !st.SharedKernel || st.Stats.LayersFetched != 1 {
		t.Errorf("staged %+v: want the same kernel shared and one layer fetched", st)
	}
	if len(m.units) == 0 || m.units[0] != "start bootc-finalize-staged.service" {
		t.Errorf("units: %v", m.units)
	}
	m.wantPicture("staged 2 | booted 1")
	m.writeEtc("late", "after staging\n")
	m.reboot()
	m.wantPicture("booted 2 | rollback 1")
	for name, want := range map[string]string{
		"hostname": "mine\n", "release": "of 2\n", "late": "after staging\n",
		"passwd": "root:x:0:0::/root:/bin/sh\ndaemon:x:2:2::/:/bin/false\n",
	} {
		if got := m.readEtc(name); got != want {
			t.Errorf("/etc/%s: %q, want %q", name, got, want)
		}
	}
	if data, _ := os.ReadFile(m.path(stateDir, m.booted.ID.String(), "var/lib/data")); string(data) != "mine" {
		t.Errorf("/var/lib/data: %q", data)
	}
	e, _ := fake.Boot()
	if got, want := e.Options.String(), "root=UUID=x rw quiet local composefs=?"+m.booted.ID.String()+" new=2"; got != want {
		t.Errorf("kernel arguments: %s\n want %s", got, want)
	}
	if e.Kernel != "bootc_composefs-"+first.String() {
		t.Errorf("kernel %s is not that of the first deployment", e.Kernel)
	}
	m.fsck()
	m.gcIsNoOp()

	m.push(osVersion{version: "3", kernel: "newer"})
	if st := m.mustUpgrade(); st.SharedKernel {
		t.Error("another kernel was shared")
	}
	m.wantPicture("staged 3 | booted 2 | rollback 1")
	m.reboot()
	m.wantPicture("booted 3 | rollback 2")
	if got := m.states(); !slices.Equal(got, []string{"2", "3"}) {
		t.Errorf("states: %v", got)
	}
	if n := m.tags(); n != 2 {
		t.Errorf("%d tags", n)
	}
	if got := fake.Kernels(); len(got) != 2 {
		t.Errorf("kernels: %v", got)
	}
	m.fsck()
	m.gcIsNoOp()
}
