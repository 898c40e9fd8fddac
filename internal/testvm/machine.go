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
	t        testing.TB
	options  Options
	dir      string // with the sockets and the firmware's variables
	agent    string // the file of the agent's disk
	console  *console
	channel  *channel
	cmd      *exec.Cmd
	exited   chan struct{}
	started  time.Time
	resumed  bool          // from a snapshot, without a boot
	restored time.Duration // how long that took; 0 until it has
	seen     int           // boots that WaitBoot has returned for
}

// Start turns a machine on. It is turned off, at the latest, at the end of the
// test.
func Start(t testing.TB, o Options) *Machine {
	t.Helper()
	return start(t, o, "")
}

// start turns a machine on, or goes on from a snapshot.
func start(t testing.TB, o Options, snapshot string) *Machine {
	t.Helper()
	release := func() {}
	if !o.Watched {
		release = takeSlot(t)
		t.Cleanup(release)
	}
	dir, err := os.MkdirTemp("", "testvm") // t.TempDir makes names too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	m := &Machine{t: t, options: o, dir: dir, exited: make(chan struct{}), started: time.Now(), resumed: snapshot != ""}
	m.prepare(snapshot)
	if err := m.cmd.Start(); err != nil {
		t.Fatalf("qemu: %v", err)
	}
	var ran time.Duration
	go func() {
		_ = m.cmd.Wait()
		ran = time.Since(m.started)
		release() // not at the end of the test, which may start another one
		close(m.exited)
	}()
	t.Cleanup(func() {
		m.Kill()
		os.RemoveAll(dir)
		m.account(ran)
		if t.Failed() {
			t.Logf("the end of the console:\n%s", m.console.tail(60))
		}
	})
	m.channel = newChannel(m.dial(filepath.Join(dir, "control")))
	if m.resumed {
		m.restore(snapshot)
	}
	return m
}

// prepare makes the command that starts QEMU, and the console.
func (m *Machine) prepare(snapshot string) {
	m.t.Helper()
	m.console = &console{dead: m.died}
	if m.options.Panics {
		m.console.dead = nil
	}
	m.cmd = exec.Command(testtool.Path(m.t, "qemu-system-x86_64"), m.arguments(snapshot)...)
	m.cmd.Stdout, m.cmd.Stderr = m.console, m.console
	if terminal := m.options.Terminal; terminal != nil {
		m.cmd.Stdin, m.cmd.Stdout = terminal, terminal
	}
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test process that is killed cleans nothing up
}

// restore goes on from the snapshot, whose boot is the first one.
func (m *Machine) restore(snapshot string) {
	m.t.Helper()
	boot, err := os.ReadFile(filepath.Join(snapshot, bootFile))
	if err != nil {
		m.t.Fatal(err)
	}
	q, err := dialQMP(filepath.Join(m.dir, "qmp"))
	if err == nil {
		defer q.conn.Close()
		err = q.cont()
	}
	if err != nil {
		m.fatalf("cannot go on from %s: %v", snapshot, err)
	}
	m.restored = time.Since(m.started)
	m.channel.mu.Lock()
	defer m.channel.mu.Unlock()
	m.channel.boots = append([]string{string(boot)}, m.channel.boots...)
	m.seen = 1
}

// account says what the machine cost. The command testrun adds that up.
func (m *Machine) account(ran time.Duration) {
	if m.channel == nil { // QEMU ended at once
		return
	}
	boots, _, _ := m.channel.state()
	used := m.cmd.ProcessState.UserTime() + m.cmd.ProcessState.SystemTime()
	n := len(boots)
	if m.resumed && n > 0 {
		n--
	}
	m.t.Logf("testvm: %d boots, %.1f s, %.1f s of processor time", n, ran.Seconds(), used.Seconds())
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
	m.waitFor("the machine does not turn off", func() (bool, <-chan struct{}) {
		select {
		case <-m.exited:
			return true, nil
		default:
			return false, m.exited
		}
	})
}

// Off is closed when the machine is turned off. Any goroutine may wait for it.
func (m *Machine) Off() <-chan struct{} { return m.exited }

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
	var id string
	m.waitFor("no system came up", func() (bool, <-chan struct{}) {
		boots, ended, changed := m.channel.state()
		if len(boots) > m.seen {
			m.seen = len(boots)
			id = boots[m.seen-1]
		} else if ended {
			m.fatalf("the machine ended instead of booting")
		}
		return id != "", changed
	})
	return id
}

// WaitConsole waits until the console has shown the text, which may be from any
// boot.
func (m *Machine) WaitConsole(text string) {
	m.t.Helper()
	m.waitFor(fmt.Sprintf("the console never said %q", text), func() (bool, <-chan struct{}) {
		_, ended, _ := m.channel.state()
		all, changed := m.console.state()
		found := strings.Contains(all, text)
		if ended && !found {
			m.fatalf("the machine ended and never said %q", text)
		}
		return found, changed
	})
}

// waitFor asks ready until it says yes: at once, and whenever the channel that it returns
// is closed, or a second later. A machine that hangs meanwhile ends the test, which then
// says what did not happen.
func (m *Machine) waitFor(what string, ready func() (bool, <-chan struct{})) {
	m.t.Helper()
	p := m.patience()
	defer p.Stop()
	for {
		ok, changed := ready()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-p.ticks.C:
			if why := p.hung(); why != "" {
				m.fatalf("%s, and the machine hangs: %s", what, why)
			}
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
	m.waitFor(script+": the machine does not reboot", func() (bool, <-chan struct{}) {
		select {
		case r := <-answer:
			if r.Status > 0 { // not when the shutdown killed it
				m.fatalf("%s: exit status %d\n%s%s", script, r.Status, r.Stdout, r.Stderr)
			}
			answer = nil
		default:
		}
		boots, ended, changed := m.channel.state()
		return len(boots) > len(before) || ended, changed
	})
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
	var result Result
	answered := make(chan struct{})
	answer := m.start(m.t.Context(), script, stdin)
	go func() {
		result = <-answer
		close(answered)
	}()
	m.waitFor(script+": no answer", func() (bool, <-chan struct{}) {
		select {
		case <-answered:
			return true, nil
		default:
			return false, answered
		}
	})
	return result
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
