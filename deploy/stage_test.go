package deploy

import (
	"context"
	"errors"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/bootloader/bootloadertest"
	"github.com/bootc-go/bootc/etcmerge"
	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/osimage"
)

// TestRefusals: each is one error, and afterwards everything is as it was.
func TestRefusals(t *testing.T) {
	t.Parallel()
	layer := func(entries ...registrytest.Entry) func(*registrytest.Image) {
		return func(im *registrytest.Image) {
			im.Layers = append(im.Layers, registrytest.Layer{Entries: entries})
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*registrytest.Image)
		before func(m *machine)
		want   error
		text   string
	}{
		{name: "no kernel", change: layer(registrytest.Whiteout("usr/lib/modules/6.12", "vmlinuz")), want: osimage.ErrNoKernel},
		{name: "no initramfs", change: layer(registrytest.Whiteout("usr/lib/modules/6.12", "initramfs.img")), want: osimage.ErrNoInitrd},
		{name: "two kernels", want: osimage.ErrTwoKernels, change: layer(
			registrytest.Dir("usr/lib/modules/2.0"), registrytest.File("usr/lib/modules/2.0/vmlinuz", "x"),
			registrytest.File("usr/lib/modules/2.0/initramfs.img", "x"))},
		{name: "no /etc", want: osimage.ErrNotBootable, text: "/etc", change: layer(registrytest.Whiteout("", "etc"))},
		{name: "architecture", want: image.ErrNoPlatform, change: func(im *registrytest.Image) { im.Architecture = "s390x" }},
		{
			name: "conflicts", want: etcmerge.ErrConflict, text: "File 'a' now defaults to a directory in new etc",
			change: layer(registrytest.Dir("etc/a"), registrytest.File("etc/a/x", ""), registrytest.File("etc/b", "")),
			before: func(m *machine) {
				m.writeEtc("a", "a file here")
				m.must(mkdir(m.etcPath("b")))
				m.writeEtc("b/x", "a directory here")
			},
		},
		{name: "unit", text: "no systemd", before: func(m *machine) { m.noUnits = errors.New("no systemd") }},
		{name: "layer lost", want: image.ErrNotFound, before: func(m *machine) { m.reg.DeleteBlob(m.pushed.Layers[1].Digest) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := twoDeployments(t)
			m.push(osVersion{version: "3", kernel: "third", change: tt.change})
			if tt.before != nil {
				tt.before(m)
			}
			_, err := m.upgrade(StageOptions{})
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if err != nil {
				t.Log(err)
			}
			m.wantPicture("booted 2 | rollback 1")
			m.fsck()
			if res := m.gc(); !errors.Is(tt.want, image.ErrNotFound) && !res.Empty() {
				t.Errorf("garbage: %+v", res)
			}
		})
	}
}

// TestAllConflictsAreListed, and a staged deployment of before stays staged.
func TestAllConflictsAreListed(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.push(v("2"))
	m.mustUpgrade()
	m.writeEtc("a", "")
	m.writeEtc("b", "")
	m.push(osVersion{version: "3", extra: []registrytest.Entry{registrytest.Dir("etc/a"), registrytest.Dir("etc/b")}})
	_, err := m.upgrade(StageOptions{})
	if err == nil || !strings.Contains(err.Error(), "'a'") || !strings.Contains(err.Error(), "'b'") {
		t.Errorf("error %v", err)
	}
	m.wantPicture("staged 2 | booted 1")
	m.reboot()
	m.wantPicture("booted 2 | rollback 1")
}

// TestNoRoomForKernel on the boot loader's file system: refused before anything is
// written, and possible once what was staged gives way.
func TestNoRoomForKernel(t *testing.T) {
	t.Parallel()
	m, fake := fakeMachine(t, v("1"))
	m.push(osVersion{version: "2", kernel: "another"})
	fake.Room = 1000 // one of some 800 bytes is there
	if _, err := m.upgrade(StageOptions{}); !errors.Is(err, bootloader.ErrNoRoom) {
		t.Errorf("error %v", err)
	}
	m.wantPicture("booted 1")
	m.gcIsNoOp()
	fake.Room = 2000
	m.mustUpgrade()
	m.push(osVersion{version: "3", kernel: "third"})
	m.mustUpgrade()
	m.reboot()
	m.wantPicture("booted 3 | rollback 1")
	m.gcIsNoOp()
}

// TestNoRoomForImage is refused before a byte is fetched.
func TestNoRoomForImage(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	b := m.push(osVersion{version: "2", change: func(im *registrytest.Image) {
		im.Layers[1].Edit = func(d *v1.Descriptor) { d.Size = 999 << 40 }
	}})
	m.reg.Reset()
	_, err := m.upgrade(StageOptions{})
	if !errors.Is(err, ErrNoRoom) || !strings.Contains(err.Error(), "insufficient free space") {
		t.Errorf("error %v", err)
	}
	if n := len(m.reg.Requests(b.Layers[1].Digest.String())); n > 0 {
		t.Errorf("%d requests for the layer", n)
	}
	m.wantPicture("booted 1")
	m.gcIsNoOp()
}

// TestFullDisk is found out in the middle of a pull, whose estimate was too low: what
// it wrote is collected, and a smaller update fits.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mountTmpfs(t, dir, "size=4m")
	m := newMachineAt(t, bootloadertest.NewFake(), dir)
	m.install(v("1"))
	m.push(osVersion{version: "2", change: func(im *registrytest.Image) {
		im.Layers[1].Compression = registrytest.Gzip
		im.Layers[1].Entries = append(im.Layers[1].Entries, registrytest.File("usr/lib/zeros", strings.Repeat("0", 8<<20)))
	}})
	if _, err := m.upgrade(StageOptions{}); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("error %v", err)
	}
	m.wantPicture("booted 1")
	m.gcIsNoOp()
	m.push(v("3"))
	m.mustUpgrade()
	m.reboot()
	m.wantPicture("booted 3 | rollback 1")
	m.fsck()
}

// TestSwitch to another repository, to the same image there, and back.
func TestSwitch(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.pushAs("mine", osVersion{version: "1", extra: []registrytest.Entry{registrytest.File("usr/lib/mine", "x")}})
	m.pushAs("copy", v("1"))
	st, err := m.switchTo("mine")
	m.must(err)
	if st.Change != Available {
		t.Errorf("%+v", st)
	}
	if got := m.status().Spec.Image.Image; got != m.target("mine:latest").Ref.Name() {
		t.Errorf("spec: %s", got)
	}

	// What runs is the wanted image: nothing to stage, but another reference.
	st, err = m.switchTo("copy")
	m.must(err)
	if st.Change != Unstage || !st.Same {
		t.Errorf("the same image elsewhere: %+v", st)
	}
	m.wantPicture("booted 1")
	if got := m.status().Status.Booted.Image.Image.Image; got != m.target("copy:latest").Ref.Name() {
		t.Errorf("booted image: %s", got)
	}
	m.gcIsNoOp()

	_, err = m.switchTo("mine")
	m.must(err)
	m.reboot()
	if st, err = m.switchTo("mine"); err != nil || st.Change != Unchanged {
		t.Errorf("again: %+v, %v", st, err)
	}
	st, err = m.switchTo("copy")
	if err != nil || st.Change != Available {
		t.Errorf("to the image to roll back to: %+v, %v", st, err)
	}
	m.reboot()
	m.gcIsNoOp()
	m.fsck()
}

// TestAnotherManifest of the same content changes the origin only, once.
func TestAnotherManifest(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	b := m.push(osVersion{version: "1", change: func(im *registrytest.Image) { im.Labels["built"] = "again" }})
	st, err := m.upgrade(StageOptions{})
	if err != nil || st.Change != Unchanged || !st.Same {
		t.Errorf("%+v, %v", st, err)
	}
	if got := m.status().Status.Booted.Image.ImageDigest; got != b.Descriptor.Digest.String() {
		t.Errorf("booted digest %s", got)
	}
	if st, err = m.upgrade(StageOptions{}); err != nil || st.Same || st.Change != Unchanged {
		t.Errorf("again: %+v, %v", st, err)
	}
	if n := m.tags(); n != 1 {
		t.Errorf("%d tags", n)
	}
	m.gcIsNoOp()
}

// TestRegistryGoesBack to the image that runs: what is staged is dropped.
func TestRegistryGoesBack(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.push(v("2"))
	m.mustUpgrade()
	if st, err := m.upgrade(StageOptions{}); err != nil || st.Change != AlreadyStaged {
		t.Errorf("%+v, %v", st, err)
	}
	m.push(v("1"))
	if st, err := m.upgrade(StageOptions{}); err != nil || st.Change != Unstage {
		t.Errorf("%+v, %v", st, err)
	}
	m.wantPicture("booted 1")
	m.gcIsNoOp()
}

func TestDownloadOnly(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	unlock := func() error {
		return m.with(func(s *Sysroot) error { return s.Unlock(t.Context()) })
	}
	if err := unlock(); !errors.Is(err, ErrNotStaged) {
		t.Errorf("nothing staged: %v", err)
	}
	m.push(v("2"))
	st, err := m.upgrade(StageOptions{DownloadOnly: true})
	m.must(err)
	if !st.Entry.DownloadOnly {
		t.Errorf("%+v", st.Entry)
	}
	m.wantPicture("staged 2# | booted 1")
	m.reboot()
	m.wantPicture("booted 1")

	// The bits are still here.
	st, err = m.upgrade(StageOptions{DownloadOnly: true})
	m.must(err)
	if st.Stats.LayersFetched != 0 {
		t.Errorf("fetched again: %+v", st.Stats)
	}
	m.must(unlock())
	m.wantPicture("staged 2 | booted 1")
	for _, locked := range []bool{true, false} {
		st, err = m.upgrade(StageOptions{DownloadOnly: locked})
		if err != nil || st.Change != AlreadyStaged || m.status().Status.Staged.DownloadOnly != locked {
			t.Errorf("locked %t: %+v, %v", locked, st, err)
		}
	}
	m.reboot()
	m.wantPicture("booted 2 | rollback 1")
}

// TestCheckChangesNothing, tells what there is, and works beside another bootc.
func TestCheckChangesNothing(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	b := m.push(v("2"))
	check := func() *Update {
		s, err := OpenReadOnly(t.Context(), m.system())
		m.must(err)
		defer s.Close()
		target, err := s.Spec()
		m.must(err)
		u, err := s.Check(t.Context(), target)
		m.must(err)
		m.must(u.Close())
		return u
	}
	m.must(m.with(func(*Sysroot) error {
		// Another one collects garbage.
		m.must(unix.Flock(int(m.openDir(m.path(repoDir)).Fd()), unix.LOCK_EX))
		u := check()
		layers, _ := u.Plan.Fetch()
		if u.Change != Available || u.Version != "2" || u.ManifestDigest != b.Descriptor.Digest || len(layers) != 1 || u.Timestamp == nil || u.Architecture != "amd64" {
			t.Errorf("%+v", u)
		}
		return nil
	}))
	m, _ = fakeMachine(t, v("1"))
	m.push(v("2"))
	m.mustUpgrade()
	if u := check(); u.Change != AlreadyStaged {
		t.Errorf("%+v", u)
	}
}

// TestSignatureIsRequired by the target, and kept in the origin.
func TestSignatureIsRequired(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.push(v("2"))
	err := m.with(func(s *Sysroot) error {
		target := m.target("os:latest")
		target.Signature = &host.Signature{Kind: host.ContainerPolicy}
		_, err := m.checkAndStage(t.Context(), s, target, StageOptions{})
		return err
	})
	if !errors.Is(err, image.ErrSignature) {
		t.Errorf("error %v", err)
	}
	m.wantPicture("booted 1")
}

// TestInterruptedPull goes on with the layers that were fetched.
func TestInterruptedPull(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	b := m.push(osVersion{version: "2", change: func(im *registrytest.Image) {
		im.Layers = append(im.Layers, registrytest.Layer{Entries: []registrytest.Entry{registrytest.File("usr/lib/third", registrytest.Random(9, 3000))}})
	}})
	m.reg.Inject(registrytest.Fault{Path: b.Layers[2].Digest.String(), Do: registrytest.Status(404)})
	if _, err := m.upgrade(StageOptions{Parallel: 1}); !errors.Is(err, image.ErrNotFound) || strings.Count(err.Error(), "cannot") != 1 {
		t.Fatalf("error %v", err)
	}
	m.wantPicture("booted 1")
	m.fsck()
	m.reg.Heal()
	m.reg.Reset()
	if st := m.mustUpgrade(); st.Stats.LayersFetched != 1 {
		t.Errorf("fetched again: %+v", st.Stats)
	}
}

// TestContextEnds while another bootc is waited for.
func TestContextEnds(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.must(m.with(func(*Sysroot) error {
		sys := m.system()
		ctx, cancel := context.WithCancel(t.Context())
		waited := 0
		sys.Wait = func() { waited++; cancel() }
		if _, err := Open(ctx, sys); !errors.Is(err, context.Canceled) || waited != 1 {
			t.Errorf("error %v after %d waits", err, waited)
		}
		return nil
	}))
}
