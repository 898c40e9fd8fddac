package bootloader

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/bootloader/bls"
	"github.com/bootc-go/bootc/bootloader/grubcfg"
	"github.com/bootc-go/bootc/internal/atomicfile"
)

// How GRUB counts. systemd-boot renames an entry's file; GRUB cannot, but it can write
// into the blocks of a file that is there, its environment block. So the file's name
// says how many tries the entry was given, and a variable how many were made of them.
//
// The variable has the menu's generation and the deployment in its name. So a new menu
// begins with what its files say, without anything being written to the block: the
// exchange of menus stays one step. Variables of other generations mean nothing and are
// cleared out when the next menu with counted entries is staged.

const (
	envPath   = "grub/grubenv"
	envPrefix = "bootc_tries_"
)

// count is what GRUB counts the boots of the entry with; nil if it does not.
func (f menuFile) count(generation uint64) *grubcfg.Count {
	if f.Tries == nil {
		return nil
	}
	return &grubcfg.Count{
		Var:  fmt.Sprintf("%s%d_%.16s", envPrefix, generation, f.ID.String()),
		Left: f.Tries.Left, Done: f.Tries.Done,
	}
}

// grubCounts reports whether GRUB can write the environment block. On btrfs it must
// not: it would write behind the back of the checksums. Where the file is no regular
// one, somebody else has plans with it.
func (m *menus) grubCounts() bool {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(m.entries.dir.Fd()), &st); err != nil || st.Type == unix.BTRFS_SUPER_MAGIC {
		return false
	}
	fi, err := m.Lstat(envPath)
	return errors.Is(err, fs.ErrNotExist) || err == nil && fi.Mode().IsRegular()
}

// readCounts gives the entries of a menu the tries that GRUB has left them.
func (m *menus) readCounts(dir string, files []menuFile) error {
	if !slices.ContainsFunc(files, func(f menuFile) bool { return f.Tries != nil }) || !m.grubCounts() {
		return nil
	}
	generation, err := m.generation(dir)
	if err != nil || generation == 0 { // not whole, so GRUB has never seen it
		return err
	}
	env, err := m.readEnv()
	if err != nil {
		return err
	}
	for i := range files {
		files[i].applyCount(env, generation)
	}
	return nil
}

func (f *menuFile) applyCount(env grubcfg.Env, generation uint64) {
	c := f.count(generation)
	if c == nil {
		return
	}
	if left, done, ok := c.ParseCount(env.Value(c.Var)); ok {
		f.Tries = &Tries{left, done}
		f.name = bls.Name{ID: f.name.ID, Counted: true, Left: left, Done: done}
	}
}

// readEnv reads the environment block. One that is missing or damaged, which GRUB does
// not read either, is empty.
func (m *menus) readEnv() (grubcfg.Env, error) {
	data, err := readFile(m.Root, envPath, grubcfg.EnvSize)
	if errors.Is(err, fs.ErrNotExist) {
		return grubcfg.Env{}, nil
	}
	if err != nil {
		return grubcfg.Env{}, err
	}
	env, err := grubcfg.ParseEnv(data)
	if err != nil {
		return grubcfg.Env{}, nil //nolint:nilerr // as documented
	}
	return env, nil
}

// prepareCounts makes sure that there is an environment block for GRUB to write to, if
// it is to count, and clears out what no menu can mean any more. The live menu's counts
// are not touched: until the exchange it is what boots.
func (m *menus) prepareCounts(d *menuDir) error {
	if !slices.ContainsFunc(d.ours, func(f menuFile) bool { return f.Tries != nil }) || !m.grubCounts() {
		return nil
	}
	generation, err := m.generation(live)
	if err != nil {
		return err
	}
	data, err := readFile(m.Root, envPath, grubcfg.EnvSize)
	var env grubcfg.Env
	if err == nil {
		env, err = grubcfg.ParseEnv(data)
	}
	if err != nil {
		return m.newEnv()
	}
	current := fmt.Sprintf("%s%d_", envPrefix, generation)
	stale := 0
	for _, name := range env.Names() {
		if strings.HasPrefix(name, envPrefix) && !strings.HasPrefix(name, current) {
			env.Unset(name)
			stale++
		}
	}
	if stale == 0 {
		return nil
	}
	return m.rewriteEnv(env)
}

// newEnv makes an empty block, in the place of one that GRUB could not use.
func (m *menus) newEnv() error {
	data, err := grubcfg.Env{}.Format()
	if err == nil {
		err = m.MkdirAll("grub", 0o755)
	}
	if err != nil {
		return err
	}
	return atomicfile.Write(m.entries.dir, envPath, 0o644, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// rewriteEnv writes the block where it is, as GRUB does. What counts stands in its
// first sector, which a disk writes whole or not at all.
func (m *menus) rewriteEnv(env grubcfg.Env) error {
	data, err := env.Format()
	if err != nil {
		return err
	}
	f, err := m.OpenFile(envPath, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	return errors.Join(err, f.Sync(), f.Close())
}
