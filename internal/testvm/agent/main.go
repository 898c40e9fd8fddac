// Command agent runs inside a test machine and does what the test says: it reads
// requests from a virtio serial port, gives each to a shell, and answers with its
// output. It is no part of any image; package testvm brings it into the machine.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/bootc-go/bootc/internal/testvm/control"
)

func main() {
	if err := serve(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		os.Exit(1)
	}
}

// serve answers requests from the port until the machine goes down.
func serve(path string) error {
	port, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer port.Close()
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return err
	}
	out := &sender{port: port}
	out.send(control.Message{BootID: strings.TrimSpace(string(boot))})
	in := bufio.NewReader(port)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF { // nobody listens at the other end at the moment
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if err != nil {
			return err
		}
		var m control.Message
		if json.Unmarshal(line, &m) == nil {
			go func() { out.send(answer(m)) }()
		}
	}
}

// answer runs what the request says.
func answer(m control.Message) control.Message {
	var stdout, stderr bytes.Buffer
	cmd := exec.Command("/bin/sh", "-c", m.Script)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(m.Stdin), &stdout, &stderr
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "HOME=/root", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin")
	cmd.WaitDelay = time.Second // for what a script leaves behind with its output open
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		fmt.Fprintf(&stderr, "agent: %v\n", err)
	}
	return control.Message{ID: m.ID, Status: cmd.ProcessState.ExitCode(), Stdout: stdout.Bytes(), Stderr: stderr.Bytes()}
}

// sender writes messages whole. A line that a reset cut short is ended by the
// new line that each message begins with.
type sender struct {
	mu   sync.Mutex
	port io.Writer
}

func (s *sender) send(m control.Message) {
	line, err := json.Marshal(m)
	if err != nil {
		panic(err) // a struct of numbers, strings and bytes
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.port.Write(append(append([]byte{'\n'}, line...), '\n')); err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
	}
}
