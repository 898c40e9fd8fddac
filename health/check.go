package health

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Check is one thing to look at: a program that is run, or a unit that must be active.
type Check struct {
	Name     string // of the file; of the unit
	Path     string // of the program; "" for a unit
	Required bool   // or only wanted
	Timeout  time.Duration
}

// place is a directory of checks.
type place struct {
	dir       string // below it are required.d and wanted.d
	greenboot bool   // whose files end with ".sh", and which has no overrides
}

func places() []place {
	return []place{
		{"usr/lib/bootc/health.d", false},
		{"etc/bootc/health.d", false},
		{"usr/lib/greenboot/check", true},
		{"etc/greenboot/check", true},
	}
}

// unitsSuffix ends the names of files that list units.
const unitsSuffix = ".units"

// Find finds the checks of the system below root, the required ones first, each half in
// the order of names. A file in /etc replaces that of the same name in /usr/lib, and
// masks it if it is empty or a link to /dev/null; greenboot knows no such thing. An
// error comes with the checks that could be read.
func Find(root string, c Config) ([]Check, error) {
	var all []Check
	var errs []error
	for _, kind := range []string{"required.d", "wanted.d"} {
		files := map[string]string{} // what replaces each other has one key
		for _, p := range places() {
			dir := filepath.Join(root, p.dir, kind)
			entries, err := os.ReadDir(dir)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
			for _, e := range entries {
				key := e.Name()
				if p.greenboot {
					if key = p.dir + "/" + e.Name(); !strings.HasSuffix(key, ".sh") {
						continue
					}
				}
				files[key] = filepath.Join(dir, e.Name())
			}
		}
		checks, err := read(files, kind == "required.d", c)
		all, errs = append(all, checks...), append(errs, err)
	}
	return all, errors.Join(errs...)
}

// read makes checks of files.
func read(files map[string]string, required bool, c Config) ([]Check, error) {
	var checks []Check
	var errs []error
	for _, file := range files {
		fi, err := os.Stat(file)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		check := Check{Name: filepath.Base(file), Path: file, Required: required, Timeout: c.CheckTimeout}
		if own, ok := c.Timeouts[check.Name]; ok {
			check.Timeout = own
		}
		switch {
		case !fi.Mode().IsRegular() || fi.Size() == 0: // masked, or no check
		case strings.HasSuffix(file, unitsSuffix):
			units, err := readUnits(file)
			errs = append(errs, err)
			for _, unit := range units {
				check.Name, check.Path = unit, ""
				checks = append(checks, check)
			}
		case fi.Mode()&0o111 == 0:
			errs = append(errs, fmt.Errorf("%s is not executable", file))
		default:
			checks = append(checks, check)
		}
	}
	slices.SortFunc(checks, func(a, b Check) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Path, b.Path)) })
	return checks, errors.Join(errs...)
}

// readUnits reads the names of units, one a line.
func readUnits(file string) ([]string, error) {
	data, err := os.ReadFile(file)
	var units []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			units = append(units, line)
		}
	}
	return units, err
}

// Result is what became of a check.
type Result struct {
	Check
	Err    error  // nil if all is well
	Output string // the end of what it printed
}

// Active tells the state of a unit, as systemctl is-active does: "active" is well.
type Active func(ctx context.Context, unit string) (string, error)

// Run runs a check. It is killed, with all that it started, when its time is over.
func (c Check) Run(ctx context.Context, active Active) Result {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	r := Result{Check: c}
	if c.Path == "" {
		state, err := active(ctx, c.Name)
		if err == nil && state != "active" {
			err = fmt.Errorf("the unit is %s", state)
		}
		r.Err = err
		return r
	}
	var out limited
	cmd := exec.CommandContext(ctx, c.Path)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // for what left its group and still holds the output
	r.Err = cmd.Run()
	if ctx.Err() != nil {
		r.Err = fmt.Errorf("it did not end within %s", c.Timeout)
	}
	r.Output = out.end.String()
	return r
}

// limited keeps the end of what is written.
type limited struct{ end bytes.Buffer }

const maxOutput = 4 << 10 // bytes

func (l *limited) Write(p []byte) (int, error) {
	n, err := l.end.Write(p)
	if extra := l.end.Len() - maxOutput; extra > 0 {
		l.end.Next(extra)
	}
	return n, err
}

// Hooks are greenboot's programs for one outcome, "green" or "red", below root.
func Hooks(root, outcome string, timeout time.Duration) []Check {
	var hooks []Check
	for _, dir := range []string{"usr/lib/greenboot", "etc/greenboot"} {
		files, _ := filepath.Glob(filepath.Join(root, dir, outcome+".d", "*.sh")) // the pattern is good
		for _, f := range files {
			hooks = append(hooks, Check{Name: filepath.Base(f), Path: f, Timeout: timeout})
		}
	}
	return hooks
}
