package testvm

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/bootc-go/bootc/internal/testcache"
	"github.com/bootc-go/bootc/internal/testtool"
)

// The files of a snapshot, beside the disks.
const (
	memoryFile = "memory"
	varsFile   = "vars"
	agentFile  = "agent"
	bootFile   = "boot" // the id of the boot
)

func diskFile(i int) string { return fmt.Sprintf("disk%d.qcow2", i) }

// Save ends the machine as it runs and keeps it in the new directory dir, from which
// Resume goes on. What Overlays are based on must stay as it is.
func (m *Machine) Save(dir string) {
	m.t.Helper()
	if m.options.TPM != "" {
		m.fatalf("a machine with a TPM cannot be saved: the TPM's state is not in the snapshot")
	}
	m.Run("sync")
	boots, _, _ := m.channel.state()
	if err := os.Mkdir(dir, 0o755); err != nil {
		m.t.Fatal(err)
	}
	q, err := dialQMP(filepath.Join(m.dir, "qmp"))
	if err == nil {
		defer q.conn.Close()
		err = q.save(filepath.Join(dir, memoryFile))
	}
	if err != nil {
		m.fatalf("cannot save the machine: %v", err)
	}
	m.Wait()
	if !m.cmd.ProcessState.Success() {
		m.fatalf("cannot save the machine: qemu: %v", m.cmd.ProcessState)
	}
	if err := os.WriteFile(filepath.Join(dir, bootFile), []byte(boots[len(boots)-1]), 0o644); err != nil {
		m.t.Fatal(err)
	}
	copies := map[string]string{m.agent: agentFile}
	if m.options.Firmware != BIOS {
		copies[filepath.Join(m.dir, varsFile)] = varsFile
	}
	for i, d := range m.options.Disks {
		if format(d.Path) == "qcow2" {
			copies[d.Path] = diskFile(i)
			continue
		}
		qemuImg(m.t, "convert", "-f", "raw", "-O", "qcow2", d.Path, filepath.Join(dir, diskFile(i)))
	}
	for from, to := range copies {
		run(m.t, exec.Command(testtool.Path(m.t, "cp"), "--sparse=always", from, filepath.Join(dir, to)))
	}
}

// Resume goes on from what Save kept in dir. The options are those of the machine that was
// saved; a disk without a path has what it had then. What the guest believes of the time
// is as old as the snapshot.
func Resume(t testing.TB, dir string, o Options) *Machine {
	t.Helper()
	for i, d := range o.Disks {
		if d.Path == "" {
			o.Disks[i].Path = Overlay(t, filepath.Join(dir, diskFile(i)))
		}
	}
	return start(t, o, dir)
}

// Recipe stands for all that a snapshot depends on besides its options and disks: this
// package, QEMU and its firmware.
func Recipe(t testing.TB) []byte {
	t.Helper()
	version := exec.Command(testtool.Path(t, "qemu-system-x86_64"), "--version")
	out, err := version.Output()
	if err != nil {
		t.Fatalf("%s: %v", version, err)
	}
	sources, err := filepath.Glob(filepath.Join(testcache.ModuleRoot(t), "internal/testvm/*.go"))
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	h.Write(out)
	for _, file := range append(sources, agentProgram(t), filepath.Join(ovmf(t), "OVMF_CODE_4M.fd")) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		h.Write(data)
	}
	return h.Sum(nil)
}
