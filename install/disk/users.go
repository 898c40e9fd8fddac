package disk

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// sysfs is the directory in which the kernel describes the device.
func (d *Disk) sysfs() (string, error) {
	number, err := deviceNumber(d.file)
	if err != nil {
		return "", err
	}
	return sysfsOf(number)
}

// deviceNumber is f's "major:minor".
func deviceNumber(f *os.File) (string, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev)), nil
}

func sysfsOf(number string) (string, error) {
	dir, err := filepath.EvalSymlinks(filepath.Join("/sys/dev/block", number))
	if err != nil {
		return "", fmt.Errorf("what the kernel says of device %s: %w", number, err)
	}
	return dir, nil
}

// deviceName is the name of the device described in dir.
func deviceName(dir string) string {
	return "/dev/" + strings.ReplaceAll(filepath.Base(dir), "!", "/")
}

// parts are the directories of the partitions that the kernel knows of the disk
// described in dir.
func parts(dir string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*", "partition"))
	for i := range found {
		found[i] = filepath.Dir(found[i])
	}
	return found, err
}

// users says who uses the disk or its partitions.
func (d *Disk) users() ([]string, error) {
	dir, err := d.sysfs()
	if err != nil {
		return nil, err
	}
	devices, err := parts(dir)
	if err != nil {
		return nil, err
	}
	var users []string
	for _, dev := range append([]string{dir}, devices...) {
		of, err := usersOf(dev)
		if err != nil {
			return nil, err
		}
		users = append(users, of...)
	}
	return users, nil
}

// usersOf says who uses the device described in dir.
func usersOf(dir string) (users []string, err error) {
	name := filepath.Base(dir)
	number, err := attribute(dir, "dev")
	if err != nil {
		return nil, err
	}
	err = eachLine("/proc/self/mountinfo", func(f []string) {
		if len(f) > 4 && f[2] == number {
			users = append(users, fmt.Sprintf("%s is mounted on %s", name, f[4]))
		}
	})
	if err != nil {
		return nil, err
	}
	err = eachLine("/proc/swaps", func(f []string) {
		if f[0] == "/dev/"+name {
			users = append(users, name+" is swap space")
		}
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	holders, err := filepath.Glob(filepath.Join(dir, "holders", "*"))
	for _, h := range holders {
		users = append(users, fmt.Sprintf("%s is part of %s", name, filepath.Base(h)))
	}
	return users, err
}

// checkNoLoop refuses a file that a loop device shows as a disk.
func (d *Disk) checkNoLoop() error {
	real, err := filepath.EvalSymlinks(d.name)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if err != nil {
		return bare(err)
	}
	loops, err := filepath.Glob("/sys/block/loop*")
	for _, dir := range loops {
		if file, err := attribute(dir, "loop/backing_file"); err == nil && file == real {
			return fmt.Errorf("%w: /dev/%s shows it as a disk", ErrInUse, filepath.Base(dir))
		}
	}
	return err
}

// attribute is the content of a file in sysfs.
func attribute(dir, name string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	return strings.TrimSpace(string(b)), err
}

// eachLine calls fn with the words of each line of a file that the kernel makes.
func eachLine(name string, fn func(fields []string)) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		if fields := strings.Fields(sc.Text()); len(fields) > 0 {
			fn(fields)
		}
	}
	return sc.Err()
}
