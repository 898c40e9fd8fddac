package setuproot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/kargs"
)

// MountsVar tells whether systemd mounts something at /var, as the command line or the
// fstab of a deployment demands. It would not if something were mounted there already,
// so Setup leaves /var to it then.
func MountsVar(line kargs.Line, fstab string) bool {
	for _, a := range line {
		if value, _ := a.Value(); a.Key() == "systemd.mount-extra" && isVarMount(strings.Split(value, ":")) {
			return true
		}
	}
	return !ignoresFstab(line) && fstabMountsVar(fstab)
}

// isVarMount tells it of an argument's source, mount point, type and options, the last
// two of which may be missing. With more systemd ignores it.
func isVarMount(fields []string) bool {
	if len(fields) < 2 || len(fields) > 4 {
		return false
	}
	options := ""
	if len(fields) == 4 {
		options = fields[3]
	}
	return isVar(fields[1]) && isAuto(options)
}

func isVar(name string) bool { return path.Clean(name) == "/var" }

// isAuto tells whether something is mounted without being asked for.
func isAuto(options string) bool {
	auto := true
	for o := range strings.SplitSeq(options, ",") {
		switch o {
		case "auto":
			auto = true
		case "noauto":
			auto = false
		}
	}
	return auto
}

// ignoresFstab tells whether systemd is told to.
func ignoresFstab(line kargs.Line) bool {
	value, _ := line.Last("fstab")
	return slices.Contains([]string{"0", "no", "n", "false", "f", "off"}, strings.ToLower(value))
}

// fstabMountsVar tells it of an fstab. No escape that is known there stands for anything
// in "/var".
func fstabMountsVar(fstab string) bool {
	for text := range strings.Lines(fstab) {
		f := strings.Fields(text)
		if len(f) < 3 || strings.HasPrefix(f[0], "#") || f[2] == "swap" {
			continue
		}
		if isVar(f[1]) && isAuto(strings.Join(f[3:min(4, len(f))], "")) {
			return true
		}
	}
	return false
}

// maxFstab bounds /etc/fstab, in bytes.
const maxFstab = 1 << 20

// readFstab reads that of the deployment, whose /etc is mounted. One that is missing is
// empty.
func (a *assembly) readFstab() (string, error) {
	f, err := openIn(a.root, "etc/fstab", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return "", errors.Join(err, errors.New("it is no regular file"))
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFstab))
	return string(data), err
}

// varMode is what becomes of /var. What the image wants to be transient, or not there,
// stays so.
func (a *assembly) varMode(m mode, line kargs.Line, warn func(string)) mode {
	if !m.writesState() {
		return m
	}
	fstab, err := a.readFstab()
	if err != nil {
		warn(fmt.Sprintf("/etc/fstab is ignored: %v", err))
	}
	if MountsVar(line, fstab) {
		return modeNone
	}
	return m
}
