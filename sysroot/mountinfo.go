package sysroot

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// mountPoint is a line of /proc/self/mountinfo, proc_pid_mountinfo(5), as far as
// anybody here asks for it.
type mountPoint struct {
	Major, Minor uint32
	Root         string // of the mount within its file system
	Path         string // where it is mounted
	FSType       string
	Source       string // "/dev/vda2", "composefs:<id>"
}

func (m mountPoint) device() [2]uint32 { return [2]uint32{m.Major, m.Minor} }

// mountTable lists mounts in the order in which the kernel does: of two at one
// path the later one is seen.
type mountTable []mountPoint

const maxMountInfo = 16 << 20 // 100,000 mounts have 10 MB

func parseMountInfo(r io.Reader) (mountTable, error) {
	var table mountTable
	sc := bufio.NewScanner(io.LimitReader(r, maxMountInfo))
	sc.Buffer(nil, 1<<20)
	for n := 1; sc.Scan(); n++ {
		m, err := parseMountLine(sc.Text())
		if err != nil {
			return nil, fmt.Errorf("mountinfo line %d: %w", n, err)
		}
		table = append(table, m)
	}
	return table, sc.Err()
}

func parseMountLine(line string) (mountPoint, error) {
	before, after, ok := strings.Cut(line, " - ")
	left, right := strings.Split(before, " "), strings.Split(after, " ")
	if !ok || len(left) < 6 || len(right) < 2 {
		return mountPoint{}, fmt.Errorf("too few fields: %q", line)
	}
	major, minor, err := parseDevice(left[2])
	if err != nil {
		return mountPoint{}, err
	}
	return mountPoint{
		Major: major, Minor: minor,
		Root: unescape(left[3]), Path: unescape(left[4]),
		FSType: unescape(right[0]), Source: unescape(right[1]),
	}, nil
}

// parseDevice reads "254:3".
func parseDevice(s string) (major, minor uint32, err error) {
	a, b, _ := strings.Cut(s, ":")
	ma, err1 := strconv.ParseUint(a, 10, 32)
	mi, err2 := strconv.ParseUint(b, 10, 32)
	if err1 != nil || err2 != nil {
		return 0, 0, fmt.Errorf("no device number: %q", s)
	}
	return uint32(ma), uint32(mi), nil
}

// unescape undoes the kernel's escapes: a backslash and three octal digits.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if v, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(v))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// at is the mount that is seen at path.
func (t mountTable) at(path string) (mountPoint, bool) {
	for _, m := range slices.Backward(t) {
		if m.Path == path {
			return m, true
		}
	}
	return mountPoint{}, false
}

// of is a place where the whole file system on a device is seen.
func (t mountTable) of(major, minor uint32) (mountPoint, bool) {
	for _, m := range t {
		if m.Major == major && m.Minor == minor && m.Root == "/" {
			if top, _ := t.at(m.Path); top == m {
				return m, true
			}
		}
	}
	return mountPoint{}, false
}
