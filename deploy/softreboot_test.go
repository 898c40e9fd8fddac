package deploy

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/kargs"
)

// policy is an /etc with an SELinux policy.
func policy(content string) []registrytest.Entry {
	return []registrytest.Entry{
		registrytest.Dir("etc/selinux"), registrytest.File("etc/selinux/config", "# x\nSELINUX=permissive\nSELINUXTYPE=targeted\n"),
		registrytest.Dir("etc/selinux/targeted"), registrytest.Dir("etc/selinux/targeted/policy"),
		registrytest.File("etc/selinux/targeted/policy/policy.33", content),
		registrytest.Dir("etc/selinux/targeted/contexts"), registrytest.Dir("etc/selinux/targeted/contexts/files"),
		registrytest.File("etc/selinux/targeted/contexts/files/file_contexts", "/.* system_u:object_r:default_t:s0\n"),
	}
}

func (m *machine) softRebootable(id verity.Digest) error {
	m.t.Helper()
	return m.with(func(s *Sysroot) error {
		s.sys.SoftReboot = true
		return s.SoftRebootable(id)
	})
}

// TestSoftRebootable changes one thing after the other between what runs and what is
// staged.
func TestSoftRebootable(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		was, will osVersion
		want      string // "" is capable
	}{
		"only files":       {v("1"), v("2"), ""},
		"kernel":           {v("1"), osVersion{version: "2", kernel: "another"}, "another kernel or initramfs"},
		"new argument":     {v("1"), osVersion{version: "2", kargs: `["quiet", "x=1"]`}, "it has other kernel arguments: with quiet, with x=1"},
		"argument gone":    {osVersion{version: "1", kargs: `["quiet"]`}, v("2"), "it has other kernel arguments: without quiet"},
		"same policy":      {osVersion{version: "1", extra: policy("a")}, osVersion{version: "2", extra: policy("a")}, ""},
		"another policy":   {osVersion{version: "1", extra: policy("a")}, osVersion{version: "2", extra: policy("b")}, "another SELinux policy"},
		"policy at last":   {v("1"), osVersion{version: "2", extra: policy("a")}, "another SELinux policy"},
		"policy no longer": {osVersion{version: "1", extra: policy("a")}, v("2"), "another SELinux policy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, _ := fakeMachine(t, tt.was)
			m.push(tt.will)
			staged := m.mustUpgrade()
			m.wantCapable(staged.ID, tt.want)
			if m.status().Status.Staged.SoftRebootCapable {
				t.Error("without soft-reboot.target")
			}
			// The same holds on the way back.
			first := m.booted.ID
			m.reboot()
			back := m.softRebootable(first)
			if (back == nil) != (tt.want == "") {
				t.Errorf("back: %v", back)
			}
		})
	}
}

// wantCapable compares what SoftRebootable and the status say.
func (m *machine) wantCapable(id verity.Digest, want string) {
	m.t.Helper()
	err := m.softRebootable(id)
	switch {
	case want == "" && err != nil:
		m.t.Error(err)
	case want != "" && (!errors.Is(err, ErrNoSoftReboot) || !strings.Contains(err.Error(), want)):
		m.t.Errorf("got %v, want %q", err, want)
	}
	sys := m.system()
	sys.SoftReboot = true
	s, err := OpenReadOnly(m.t.Context(), sys)
	m.must(err)
	defer s.Close()
	h, err := s.Status(m.t.Context())
	m.must(err)
	if got := h.Status.Staged.SoftRebootCapable; got != (want == "") {
		m.t.Errorf("status says %t", got)
	}
}

// TestPrepareSoftReboot finalizes what is staged: whatever happens then, it runs.
func TestPrepareSoftReboot(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.push(v("2"))
	id := m.mustUpgrade().ID
	m.writeEtc("hostname", "edited\n")
	prepare := func(id verity.Digest) (root kargs.Root, err error) {
		err = m.with(func(s *Sysroot) error {
			s.sys.SoftReboot = true
			root, err = s.PrepareSoftReboot(t.Context(), id)
			return err
		})
		return root, err
	}
	first := m.booted.ID
	root, err := prepare(id)
	m.must(err)
	if root.ID != id {
		t.Errorf("root %s, want %s", root.ID, id)
	}
	m.wantPicture("booted 1 | rollback 2 | queued")
	m.boot() // no shutdown
	m.wantPicture("booted 2 | rollback 1")
	if got := m.readEtc("hostname"); got != "edited\n" {
		t.Errorf("/etc was not merged: %q", got)
	}

	// One that does not boot next boots next from then on, and what is staged goes.
	m.push(v("3"))
	m.mustUpgrade()
	_, err = prepare(first)
	m.must(err)
	m.wantPicture("booted 2 | rollback 1 | queued")
	m.reboot()
	m.wantPicture("booted 1 | rollback 2")
	m.gcIsNoOp()

	// What is only downloaded is not let through by the back door.
	if _, err := m.upgrade(StageOptions{DownloadOnly: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := prepare(m.id("3")); !errors.Is(err, ErrLocked) {
		t.Errorf("error %v, want %v", err, ErrLocked)
	}
	m.wantPicture("staged 3# | booted 1 | rollback 2")
	if _, err := prepare(verity.Sum(verity.SHA512, nil)); !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v, want %v", err, ErrNotFound)
	}
}

// TestSettled: only what boots next by itself is.
func TestSettled(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	settled := func(id verity.Digest) (yes bool) {
		m.must(m.with(func(s *Sysroot) error { yes = s.Settled(id); return nil }))
		return yes
	}
	first := m.booted.ID
	if !settled(first) {
		t.Error("what runs boots next")
	}
	m.push(v("2"))
	second := m.mustUpgrade().ID
	if settled(first) || settled(second) {
		t.Error("a staged deployment comes with the shutdown")
	}
	m.must(m.finalize())
	if settled(first) || !settled(second) {
		t.Error("the menu was exchanged")
	}
}

// TestUKICommandLine: that of a unified kernel image is known from its origin.
func TestUKICommandLine(t *testing.T) {
	t.Parallel()
	o := origin{cmdline: kargs.Parse(`quiet x="a b" composefs=?` + strings.Repeat("a", 128))}
	got, err := parseOrigin(o.encode())
	if err != nil && !strings.Contains(err.Error(), imageKey) {
		t.Fatal(err)
	}
	if got.cmdline.String() != o.cmdline.String() {
		t.Errorf("%q", got.cmdline)
	}
	if err := sameArguments(o.cmdline, kargs.Parse(`quiet x="a b" composefs=`+strings.Repeat("b", 128))); err != nil {
		t.Error(err)
	}
	if err := sameArguments(o.cmdline, nil); err == nil {
		t.Error("an unknown command line is the same")
	}
	if err := sameArguments(kargs.Parse("a b"), kargs.Parse("b a")); err == nil || !strings.Contains(err.Error(), "another order") {
		t.Errorf("another order: %v", err)
	}
}

// TestLocalPolicy: a policy that was built on the host is the one that the kernel has.
func TestLocalPolicy(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, osVersion{version: "1", extra: policy("a")})
	m.push(osVersion{version: "2", extra: policy("a")})
	id := m.mustUpgrade().ID
	m.writeEtc("selinux/targeted/policy/policy.33", "local")
	m.wantCapable(id, "another SELinux policy")
	m.must(os.Remove(filepath.Join(m.etcPath("selinux/targeted/policy/policy.33"))))
	m.wantCapable(id, "another SELinux policy")
}

// TestUnifiedKernels: their arguments count, which are in no entry; and are nobody's to set.
func TestUnifiedKernels(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	stage := func(version, kernel, line string) verity.Digest {
		id := m.bootID(m.ukiOf(version, kernel, line, verity.Sum(verity.SHA512, nil)))
		m.push(m.ukiOf(version, kernel, line, id))
		return m.mustUpgrade().ID
	}
	m.wantCapable(stage("2", "kernel", "rw"), "another kernel or initramfs")
	m.reboot()
	if _, err := m.setOptions("tuned", "x"); !errors.Is(err, ErrUnsupported) {
		t.Errorf("error %v, want %v", err, ErrUnsupported)
	}
	m.wantCapable(stage("3", "kernel", "rw quiet"), "it has other kernel arguments: with quiet")
	m.wantCapable(stage("4", "another", "rw"), "another kernel or initramfs")
	if e := m.status().Status.Staged.Composefs; e.BootType != string(host.UKI) || !e.MissingVerityAllowed {
		t.Errorf("status of composefs=?: %+v", e)
	}
	id := stage("5", "kernel", "rw")
	m.wantCapable(id, "")
	m.must(m.with(func(s *Sysroot) error {
		s.sys.SoftReboot = true
		root, err := s.PrepareSoftReboot(t.Context(), id)
		if want := (kargs.Root{ID: id, Optional: true}); root != want {
			t.Errorf("root %+v, want %+v", root, want)
		}
		return err
	}))
}
