// Package mounts reads the kernel's table of mounts, and mounts file systems where
// nobody else sees them.
package mounts

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Mount is a line of mountinfo, proc_pid_mountinfo(5).
type Mount struct {
	ID uint64
	Device
	Root    string // of the mount within its file system
	Path    string // where it is mounted
	FSType  string
	Source  string // "/dev/vda2", "composefs:<id>"
	Options string // of the file system, separated by commas

	ReadOnly bool // through this mount; the file system may be writable elsewhere
}

// Device is the number of a device, or of a file system that has none.
type Device struct{ Major, Minor uint32 }

func (d Device) String() string { return fmt.Sprintf("%d:%d", d.Major, d.Minor) }

// ParseDevice reads "254:3".
func ParseDevice(s string) (Device, error) {
	major, minor, _ := strings.Cut(s, ":")
	ma, err1 := strconv.ParseUint(major, 10, 32)
	mi, err2 := strconv.ParseUint(minor, 10, 32)
	if err1 != nil || err2 != nil {
		return Device{}, fmt.Errorf("no device number: %q", s)
	}
	return Device{uint32(ma), uint32(mi)}, nil
}

// Table lists mounts in the order in which the kernel does: of two at one path the
// later one is seen.
type Table []Mount

const maxMountInfo = 16 << 20 // 100,000 mounts have 10 MB

// Read reads the table in the file name, such as /proc/self/mountinfo.
func Read(name string) (Table, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Parse(f)
}

// Parse reads a table.
func Parse(r io.Reader) (Table, error) {
	var table Table
	sc := bufio.NewScanner(io.LimitReader(r, maxMountInfo))
	sc.Buffer(nil, 1<<20)
	for n := 1; sc.Scan(); n++ {
		m, err := parseLine(sc.Text())
		if err != nil {
			return nil, fmt.Errorf("mountinfo line %d: %w", n, err)
		}
		table = append(table, m)
	}
	return table, sc.Err()
}

func parseLine(line string) (Mount, error) {
	before, after, ok := strings.Cut(line, " - ")
	left, right := strings.Split(before, " "), strings.Split(after, " ")
	if !ok || len(left) < 6 || len(right) < 3 {
		return Mount{}, fmt.Errorf("too few fields: %q", line)
	}
	id, err := strconv.ParseUint(left[0], 10, 64)
	if err != nil {
		return Mount{}, fmt.Errorf("no mount id: %q", left[0])
	}
	dev, err := ParseDevice(left[2])
	if err != nil {
		return Mount{}, err
	}
	return Mount{
		ID: id, Device: dev,
		Root: unescape(left[3]), Path: unescape(left[4]),
		FSType: unescape(right[0]), Source: unescape(right[1]), Options: right[2],
		ReadOnly: slices.Contains(strings.Split(left[5], ","), "ro"),
	}, nil
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

// At is the mount that is seen at path.
func (t Table) At(path string) (Mount, bool) {
	for _, m := range slices.Backward(t) {
		if m.Path == path {
			return m, true
		}
	}
	return Mount{}, false
}

// Of is a place where the whole file system on a device is seen.
func (t Table) Of(d Device) (Mount, bool) {
	for _, m := range t {
		if m.Device == d && m.Root == "/" {
			if top, _ := t.At(m.Path); top == m {
				return m, true
			}
		}
	}
	return Mount{}, false
}

// ByID is the mount with the id that statx(2) tells.
func (t Table) ByID(id uint64) (Mount, bool) {
	i := slices.IndexFunc(t, func(m Mount) bool { return m.ID == id })
	if i < 0 {
		return Mount{}, false
	}
	return t[i], true
}
