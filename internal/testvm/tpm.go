package testvm

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/bootc-go/bootc/internal/testcache"
	"github.com/bootc-go/bootc/internal/testtool"
)

// TPM returns the directory of a new TPM 2.0, in which it keeps its keys: the machines
// that have it, one after the other, are one machine.
func TPM(t testing.TB) string {
	t.Helper()
	return testcache.TempDir(t)
}

// tpmArguments start the TPM and connect it. It ends with the machine.
func tpmArguments(t testing.TB, dir, state string) []string {
	t.Helper()
	socket := filepath.Join(dir, "tpm")
	cmd := exec.Command(testtool.Path(t, "swtpm"), "socket", "--tpm2", "--terminate", "--tpmstate", "dir="+state, "--ctrl", "type=unixio,path="+socket)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("swtpm: %v", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	for _, err := os.Stat(socket); errors.Is(err, fs.ErrNotExist); _, err = os.Stat(socket) {
		select {
		case err := <-ended:
			t.Fatalf("swtpm ended at once: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return []string{
		"-chardev", "socket,id=tpm,path=" + socket,
		"-tpmdev", "emulator,id=tpm,chardev=tpm", "-device", "tpm-tis,tpmdev=tpm",
	}
}
