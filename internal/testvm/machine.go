package testvm

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bootc-go/bootc/internal/testtool"
	"github.com/bootc-go/bootc/internal/testvm/control"
)

// Machine is a running machine. Its methods end the test when the machine does
// not do what they promise, and must be called from the test's own goroutine;
// those that may be called from others say so.
type Machine struct {
	t       testing.TB
	console *console
	channel *channel
	cmd     *exec.Cmd
	exited  chan struct{}
	seen    int // boots that WaitBoot has returned for
}

// Start turns a machine on. It is turned off, at the latest, at the end of the
// test.
func Start(t testing.TB, o Options) *Machine {
	t.Helper()
	release := takeSlot(t)
	dir, err := os.MkdirTemp("", "testvm") // t.TempDir makes names too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	m := &Machine{t: t, exited: make(chan struct{})}
	m.console = &console{dead: m.died}
	if o.Panics {
		m.console.dead = nil
	}
	m.cmd = exec.Command(testtool.Path(t, "qemu-system-x86_64"), arguments(t, dir, o)...)
	m.cmd.Stdout, m.cmd.Stderr = m.console, m.console
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test process that is killed cleans nothing up
	if err := m.cmd.Start(); err != nil {
		release()
		t.Fatalf("qemu: %v", err)
	}
	go func() {
		_ = m.cmd.Wait()
		release() // not at the end of the test, which may start another one
		close(m.exited)
	}()
	t.Cleanup(func() {
		m.Kill()
		os.RemoveAll(dir)
		if t.Failed() {
			t.Logf("the end of the console:\n%s", m.console.tail(60))
		}
	})
	m.channel = newChannel(m.dial(filepath.Join(dir, "control")))
	return m
}

// dial connects to the agent's port, which QEMU opens soon.
func (m *Machine) dial(socket string) net.Conn {
	m.t.Helper()
	for {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			return conn
		}
		select {
		case <-m.exited:
			m.t.Fatalf("qemu ended at once:\n%s", m.console)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// died ends a machine whose kernel has.
func (m *Machine) died(line string) {
	time.Sleep(time.Second) // for the rest of what it says
	_ = m.cmd.Process.Kill()
	m.console.Write([]byte("\ntestvm: ended, because of: " + line + "\n"))
}

// Kill pulls the plug, and returns when the machine is dead. What the guest had
// in memory is lost; what its disk had in its cache is not, but see CutDisk. An
// Overlay is lost altogether. Any goroutine may call it.
func (m *Machine) Kill() {
	_ = m.cmd.Process.Kill()
	<-m.exited
}

// Wait waits until the machine has turned itself off.
func (m *Machine) Wait() {
	m.t.Helper()
	select {
	case <-m.exited:
	case <-time.After(patience):
		m.fatalf("the machine does not turn off")
	}
}

// PowerOff shuts the system down in an orderly way.
func (m *Machine) PowerOff() {
	m.t.Helper()
	m.Try("systemctl poweroff")
	m.Wait()
}

// WaitBoot waits until a system that this method has not seen yet is up, and
// returns the id of its boot. A unit that failed fails the test.
func (m *Machine) WaitBoot() string {
	m.t.Helper()
	id := m.WaitAgent()
	m.WaitWell()
	return id
}

// WaitWell waits until the system that runs has started everything. A unit that failed
// fails the test.
func (m *Machine) WaitWell() {
	m.t.Helper()
	if r := m.Try("systemctl is-system-running --wait"); strings.TrimSpace(r.Stdout) != "running" {
		failed := m.Try("systemctl --failed --no-legend; systemctl list-jobs --no-legend; journalctl -b -p warning --no-pager -n 40")
		m.fatalf("the system is %q, not running:\n%s", strings.TrimSpace(r.Stdout+r.Stderr), failed.Stdout)
	}
}

// WaitAgent is WaitBoot for a system that need not be well.
func (m *Machine) WaitAgent() string {
	m.t.Helper()
	limit := time.After(patience)
	for {
		boots, ended, changed := m.channel.state()
		if len(boots) > m.seen {
			m.seen = len(boots)
			return boots[m.seen-1]
		}
		if ended {
			m.fatalf("the machine ended instead of booting")
		}
		select {
		case <-changed:
		case <-limit:
			m.fatalf("no system came up")
		}
	}
}

// WaitConsole waits until the console has shown the text, which may be from any
// boot.
func (m *Machine) WaitConsole(text string) {
	m.t.Helper()
	limit := time.After(patience)
	for !strings.Contains(m.console.String(), text) {
		select {
		case <-m.exited:
			m.fatalf("the machine ended and never said %q", text)
		case <-limit:
			m.fatalf("the console never said %q", text)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Console is what the machine has printed so far. Any goroutine may call it.
func (m *Machine) Console() string { return m.console.String() }

// Reboot runs a script that reboots the machine and waits for the next system.
func (m *Machine) Reboot(script string) string {
	m.t.Helper()
	before, _, _ := m.channel.state()
	m.seen = len(before)
	ctx, cancel := context.WithCancel(m.t.Context())
	defer cancel()
	answer := m.start(ctx, script, "")
	boots, ended, changed := m.channel.state()
	for limit := time.After(patience); len(boots) == len(before) && !ended; boots, ended, changed = m.channel.state() {
		select {
		case r := <-answer:
			if r.Status > 0 { // not when the shutdown killed it
				m.fatalf("%s: exit status %d\n%s%s", script, r.Status, r.Stdout, r.Stderr)
			}
			answer = nil
		case <-changed:
		case <-limit:
			m.fatalf("%s: the machine does not reboot", script)
		}
	}
	return m.WaitBoot()
}

// Result is what became of a script.
type Result struct {
	Status         int // exit status
	Stdout, Stderr string
	Err            error // the machine did not answer
}

// Run runs a script in the machine and returns its standard output. It must end
// well.
func (m *Machine) Run(script string) string {
	m.t.Helper()
	r := m.Try(script)
	if r.Err != nil || r.Status != 0 {
		m.fatalf("%s: exit status %d, %v\n%s%s", script, r.Status, r.Err, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// Try runs a script in the machine.
func (m *Machine) Try(script string) Result {
	m.t.Helper()
	return m.TryInput(script, "")
}

// TryInput runs a script in the machine, with something to read.
func (m *Machine) TryInput(script, stdin string) Result {
	m.t.Helper()
	select {
	case r := <-m.start(m.t.Context(), script, stdin):
		return r
	case <-time.After(patience):
		m.fatalf("%s: no answer", script)
		return Result{}
	}
}

// Go runs a script in the machine and returns at once. Any goroutine may call
// it.
func (m *Machine) Go(script string) <-chan Result { return m.start(m.t.Context(), script, "") }

func (m *Machine) start(ctx context.Context, script, stdin string) <-chan Result {
	result := make(chan Result, 1)
	answer, err := m.channel.ask(control.Message{Script: script, Stdin: []byte(stdin)})
	if err != nil {
		result <- Result{Status: -1, Err: err}
		return result
	}
	go func() {
		select {
		case a, ok := <-answer:
			r := Result{Status: a.Status, Stdout: string(a.Stdout), Stderr: string(a.Stderr)}
			if !ok {
				r = Result{Status: -1, Err: errReset}
			}
			result <- r
		case <-ctx.Done():
			result <- Result{Status: -1, Err: ctx.Err()}
		}
	}()
	return result
}

// fatalf ends the test; the end of the console follows when it is cleaned up.
func (m *Machine) fatalf(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf("machine: %s", fmt.Sprintf(format, args...))
}
