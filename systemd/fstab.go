package systemd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/atomicfile"
)

const (
	anacondaStamp = "Created by anaconda"
	editStamp     = "# Updated by bootc-fstab-edit.service"
)

// FixFstab makes the line of the root file system in the file fstab of the directory
// etc say that it is read-only, if Anaconda wrote the file: what it knows of the root
// is true of the disk's root, and systemd would remount the deployment so. It reports
// whether anything had to be changed.
func FixFstab(etc *os.File) (changed bool, err error) {
	changed, err = doFixFstab(etc)
	if err != nil {
		err = fmt.Errorf("cannot edit /etc/fstab: %w", err)
	}
	return changed, err
}

func doFixFstab(etc *os.File) (bool, error) {
	fd, err := unix.Openat(int(etc.Fd()), "fstab", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	f := os.NewFile(uintptr(fd), "fstab")
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return false, err
	}
	fixed, changed := fixFstab(string(text))
	if !changed {
		return false, nil
	}
	return true, atomicfile.WriteLike(etc, "fstab", f, []byte(fixed))
}

// fixFstab is the text with the option ro for the root, and a line above it that says
// who did that.
func fixFstab(text string) (fixed string, changed bool) {
	if !strings.Contains(text, anacondaStamp) || strings.Contains(text, editStamp) {
		return text, false
	}
	var out strings.Builder
	for line := range strings.Lines(text) {
		if edited, ok := readOnlyRoot(line); ok {
			out.WriteString(editStamp + "\n" + edited + "\n")
			changed = true
			continue
		}
		out.WriteString(line)
	}
	return out.String(), changed
}

// readOnlyRoot is the line with ro among its options, if it is that of the root and
// has no ro.
func readOnlyRoot(line string) (string, bool) {
	f := strings.Fields(line)
	if len(f) < 4 || strings.HasPrefix(f[0], "#") || f[1] != "/" || slices.Contains(strings.Split(f[3], ","), "ro") {
		return "", false
	}
	f[3] += ",ro"
	return strings.Join(f, " "), true
}
