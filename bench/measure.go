package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// sample is what one step cost. CPU and memory are those of the commands and of
// every process that they started and waited for; MaxRSS is of the largest one.
type sample struct {
	Wall   time.Duration
	CPU    time.Duration
	MaxRSS int64  // bytes
	Disk   int64  // bytes that the run directory grew by, blocks not lengths
	Served served // by the server meanwhile
}

// add appends what came after s.
func (s sample) add(t sample) sample {
	return sample{
		s.Wall + t.Wall, s.CPU + t.CPU, max(s.MaxRSS, t.MaxRSS), s.Disk + t.Disk,
		served{s.Served.Requests + t.Served.Requests, s.Served.Bytes + t.Served.Bytes, s.Served.CPU + t.Served.CPU},
	}
}

// cpuTime is user and system time.
func cpuTime(u *syscall.Rusage) time.Duration {
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// meter runs commands against a server and measures them.
type meter struct {
	address string // of the server
	stop    func() error
	log     io.Writer // output of the commands
}

// newMeter starts a server, as a process of its own, for the images in dir.
func newMeter(ctx context.Context, dir string, log io.Writer) (*meter, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "serve", dir)
	cmd.Stderr = log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the server does not start: %w", err)
	}
	stop := func() error {
		stdin.Close()
		return cmd.Wait()
	}
	return &meter{strings.TrimSpace(line), stop, log}, nil
}

func (m *meter) served() (served, error) {
	resp, err := http.Get("http://" + m.address + countersPath)
	if err != nil {
		return served{}, err
	}
	defer resp.Body.Close()
	var s served
	return s, json.NewDecoder(resp.Body).Decode(&s)
}

// command is one process to run.
type command struct {
	args []string
	env  []string // besides the harness's own
}

// run measures the commands, one after the other, as they change dir. Before
// the clock starts all dirty pages are on disk, so that no step pays for the one
// before it.
func (m *meter) run(ctx context.Context, dir string, commands []command) (sample, error) {
	diskBefore, err := diskUsage(ctx, dir)
	if err != nil {
		return sample{}, err
	}
	syscall.Sync()
	servedBefore, err := m.served()
	if err != nil {
		return sample{}, err
	}
	var s sample
	for _, c := range commands {
		one, err := m.one(ctx, dir, c)
		if err != nil {
			return sample{}, err
		}
		s = s.add(one)
	}
	servedAfter, err := m.served()
	if err != nil {
		return sample{}, err
	}
	diskAfter, err := diskUsage(ctx, dir)
	s.Served, s.Disk = servedAfter.since(servedBefore), diskAfter-diskBefore
	return s, err
}

// one runs a single command.
func (m *meter) one(ctx context.Context, dir string, c command) (sample, error) {
	fmt.Fprintf(m.log, "\n$ %s\n", strings.Join(c.args, " "))
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Env = append(cmd.Env, "TMPDIR="+dir)
	cmd.Stdout, cmd.Stderr = m.log, m.log
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w", strings.Join(c.args, " "), err)
	}
	u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return sample{}, fmt.Errorf("internal error: no resource usage of %s", c.args[0])
	}
	return sample{Wall: wall, CPU: cpuTime(u), MaxRSS: u.Maxrss << 10}, nil
}

// diskUsage is what the files below dir take on disk, hard links once.
func diskUsage(ctx context.Context, dir string) (int64, error) {
	out, err := exec.CommandContext(ctx, "du", "-s", "--block-size=1", dir).Output()
	if err != nil {
		return 0, fmt.Errorf("du %s: %w", dir, err)
	}
	number, _, _ := strings.Cut(string(out), "\t")
	return strconv.ParseInt(number, 10, 64)
}

// pretouch takes that much memory once. A virtual machine's memory costs the
// host time when it is first used; that must not fall on whoever runs first.
func pretouch(bytes int64) {
	const chunk = 64 << 20
	var keep [][]byte
	for range bytes / chunk {
		b := make([]byte, chunk)
		for i := 0; i < chunk; i += 4096 {
			b[i] = 1
		}
		keep = append(keep, b)
	}
	_ = keep
}

// available is the memory that can be had without swapping, in bytes.
func available() int64 {
	data, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10
		}
	}
	return 0
}

// freeDisk is what an unprivileged user could still write to dir, in bytes.
func freeDisk(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// deletionRest is how long ext4 avoids the inodes of deleted files, at a cost:
// for so long after a mass deletion it creates files ten times slower.
const deletionRest = 90 * time.Second

// deletions remembers, across runs of the bench, when one last deleted.
type deletions struct {
	stamp string // a file whose time that is
}

// rest waits until creating files is at full speed again.
func (d deletions) rest(say func(format string, args ...any)) {
	st, err := os.Stat(d.stamp)
	if err != nil {
		return
	}
	if wait := deletionRest - time.Since(st.ModTime()); wait > 0 {
		say("waiting %s: files were deleted a moment ago, and ext4 is slow for a while then", wait.Round(time.Second))
		time.Sleep(wait)
	}
}

// remove deletes dir and takes note of it.
func (d deletions) remove(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		return nil //nolint:nilerr // nothing there is nothing to delete
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	syscall.Sync()
	return os.WriteFile(d.stamp, []byte(filepath.Base(dir)+" was deleted at this file's time\n"), 0o644)
}
