package testvm

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/bootc-go/bootc/internal/testcache"
)

// agentUnit copies the agent from its disk, because what runs from a disk of
// zeros at its end must not be mounted, and starts it. It stays until the very
// end of a shutdown, so that a test can look at that too; but not of a soft reboot,
// which would leave it alive as a unit and dead as a process.
const agentUnit = `[Unit]
Description=Agent of a test outside
DefaultDependencies=no
Conflicts=soft-reboot.target
Requires=dev-disk-by\x2did-virtio\x2dagent.device dev-virtio\x2dports-agent.device
After=dev-disk-by\x2did-virtio\x2dagent.device dev-virtio\x2dports-agent.device local-fs.target
[Service]
ExecStartPre=/bin/sh -c 'cat /dev/disk/by-id/virtio-agent >/dev/shm/agent && chmod 755 /dev/shm/agent'
ExecStart=/dev/shm/agent /dev/virtio-ports/agent
`

// agentWanted starts the agent with the system.
const agentWanted = `[Unit]
Wants=testvm-agent.service
`

// agentArguments bring the agent into the machine, and connect it.
func (m *Machine) agentArguments() []string {
	return []string{
		"-smbios", credential("systemd.extra-unit.testvm-agent.service", agentUnit),
		"-smbios", credential("systemd.unit-dropin.multi-user.target", agentWanted),
		"-drive", "if=none,id=agent,format=raw,readonly=on,file=" + m.agent,
		"-device", "virtio-blk-pci,drive=agent,serial=agent",
		"-device", "virtio-serial-pci",
		"-chardev", "socket,id=agent,path=" + filepath.Join(m.dir, "control") + ",server=on,wait=on",
		"-device", "virtserialport,chardev=agent,name=agent",
	}
}

// agent is built once in a process.
var agent struct {
	sync.Mutex
	path string
}

// agentProgram returns the file of the agent.
func agentProgram(t testing.TB) string {
	t.Helper()
	agent.Lock()
	defer agent.Unlock()
	if agent.path == "" {
		built := filepath.Join(t.TempDir(), agentFile)
		build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", built, "./internal/testvm/agent")
		build.Dir = testcache.ModuleRoot(t)
		run(t, build)
		content, err := os.ReadFile(built)
		if err != nil {
			t.Fatal(err)
		}
		agent.path = testcache.Open(t, "agent", content).Entry(t, agentFile, func(t testing.TB, path string) {
			run(t, exec.Command("cp", built, path))
		})
	}
	return agent.path
}

// credential is a value of systemd's that PID 1 finds in the SMBIOS tables.
func credential(name, value string) string {
	return "type=11,value=io.systemd.credential.binary:" + name + "=" + base64.StdEncoding.EncodeToString([]byte(value))
}
