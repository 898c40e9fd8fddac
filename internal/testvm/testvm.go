// Package testvm runs real machines for tests: QEMU without hardware help, from
// the firmware on, with a console that is kept and a way to run commands inside.
//
//	m := testvm.Start(t, testvm.Options{Disks: []testvm.Disk{{Path: testvm.Overlay(t, installed)}}})
//	m.WaitBoot()
//	m.Run("bootc upgrade")
//	m.Reboot("systemctl reboot")
//
// The images that it boots are as a user would build them. The agent that runs
// the commands is brought in from outside: its unit is a systemd credential in
// the machine's SMBIOS tables, its program lies on a small disk of its own.
//
// Two machines run at once, see takeSlot. A machine that does nothing hangs, one that works
// is only slow, see patience. A test that fails prints the end of the console.
package testvm

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/testcache"
	"github.com/bootc-go/bootc/internal/testtool"
)

// Firmware is what starts the boot loader.
type Firmware string

// The firmwares.
const (
	UEFI Firmware = "uefi"
	BIOS Firmware = "bios"
)

// Options say what a machine is made of.
type Options struct {
	Firmware Firmware // UEFI, if empty
	Disks    []Disk   // the first is booted from
	Memory   int      // MiB; 2048, if 0
	Panics   bool     // a kernel that panics is part of the test
	Watchdog bool     // the machine has one, an Intel 6300ESB
	Watched  bool     // somebody watches: it runs beside the two machines of tests
	TPM      string   // the directory of its TPM 2.0, see TPM; "" for none

	// Terminal is where the console is, instead of being kept. Root is logged in there, and
	// Ctrl-a x ends the machine.
	Terminal *os.File
}

// Disk is a disk of a machine.
type Disk struct {
	Path   string // see Overlay and Blank, or CutDisk.URL
	Serial string // names it /dev/disk/by-id/virtio-SERIAL
}

// Overlay returns a new disk whose content is that of the disk base, which must
// not change while a test uses the overlay.
func Overlay(t testing.TB, base string) string {
	t.Helper()
	path := filepath.Join(testcache.TempDir(t), "overlay.qcow2")
	qemuImg(t, "create", "-q", "-f", "qcow2", "-F", format(base), "-b", base, path)
	return path
}

// Blank returns a new disk of size bytes, all zeros.
func Blank(t testing.TB, size int64) string {
	t.Helper()
	path := filepath.Join(testcache.TempDir(t), "blank.raw")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

// Raw copies what is on a disk to a raw image, for looking into with the tools
// of this host.
func Raw(t testing.TB, disk string) string {
	t.Helper()
	path := filepath.Join(testcache.TempDir(t), "disk.raw")
	qemuImg(t, "convert", "-f", format(disk), "-O", "raw", disk, path)
	return path
}

func format(disk string) string {
	if strings.HasSuffix(disk, ".qcow2") {
		return "qcow2"
	}
	return "raw"
}

func qemuImg(t testing.TB, args ...string) {
	t.Helper()
	run(t, exec.Command(testtool.Path(t, "qemu-img"), args...))
}

func run(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
}

// arguments are those of QEMU. What they say is measured: older versions, other
// processors and hardware help that is not there crash guests or cost time. With AES in
// the processor (+aes) self-tests of the kernel's ciphers fail now and then.
func (m *Machine) arguments(snapshot string) []string {
	m.t.Helper()
	o := m.options
	memory := o.Memory
	if memory == 0 {
		memory = 2048
	}
	args := []string{
		"-machine", "q35", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "qemu64,+rdrand",
		"-smp", "1", "-m", fmt.Sprint(memory), "-nodefaults", "-display", "none", "-serial", serial(o),
		"-qmp", "unix:" + filepath.Join(m.dir, "qmp") + ",server=on,wait=off",
		"-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile=",
	}
	if o.Terminal != nil {
		args = append(args, "-smbios", credential("systemd.unit-dropin.serial-getty@ttyS0.service", loggedIn))
	}
	if o.Watchdog {
		args = append(args, "-device", "i6300esb")
	}
	if o.Firmware != BIOS {
		args = append(args, m.firmware(snapshot)...)
	}
	for i, d := range o.Disks {
		cache := "unsafe" // what was written survives Kill, but not the host
		if strings.HasPrefix(d.Path, "nbd+unix:") {
			cache = "writeback" // flushes arrive
		}
		args = append(args, "-drive", fmt.Sprintf("if=none,id=disk%d,format=%s,file=%s,cache=%s", i, format(d.Path), d.Path, cache),
			"-device", fmt.Sprintf("virtio-blk-pci,drive=disk%d,serial=%s,bootindex=%d", i, d.Serial, i+1))
	}
	if o.TPM != "" {
		args = append(args, tpmArguments(m.t, m.dir, o.TPM)...)
	}
	if snapshot != "" {
		m.agent = filepath.Join(snapshot, agentFile)
		return append(append(args, m.agentArguments()...), "-incoming", "file:"+filepath.Join(snapshot, memoryFile))
	}
	m.agent = agentProgram(m.t)
	return append(args, m.agentArguments()...)
}

// loggedIn has the console log root in.
const loggedIn = "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root --keep-baud 115200,57600,38400,9600 - $TERM\n"

// serial is where the machine's serial port is.
func serial(o Options) string {
	if o.Terminal != nil {
		return "mon:stdio"
	}
	return "stdio"
}

// ovmf is the directory of the firmware that goes with QEMU.
func ovmf(t testing.TB) string {
	t.Helper()
	return filepath.Join(filepath.Dir(filepath.Dir(testtool.Path(t, "qemu-system-x86_64"))), "ovmf")
}

// firmware makes the machine one of UEFI, with variables of its own that survive resets.
func (m *Machine) firmware(snapshot string) []string {
	m.t.Helper()
	from := filepath.Join(ovmf(m.t), "OVMF_VARS_4M.fd")
	if snapshot != "" {
		from = filepath.Join(snapshot, varsFile)
	}
	vars, err := os.ReadFile(from)
	if err != nil {
		m.t.Fatalf("the firmware is missing (run make setup): %v", err)
	}
	file := filepath.Join(m.dir, varsFile)
	if err := os.WriteFile(file, vars, 0o644); err != nil {
		m.t.Fatal(err)
	}
	return []string{
		"-drive", "if=pflash,format=raw,unit=0,readonly=on,file=" + filepath.Join(ovmf(m.t), "OVMF_CODE_4M.fd"),
		"-drive", "if=pflash,format=raw,unit=1,file=" + file,
	}
}
