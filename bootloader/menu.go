package bootloader

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/bootc-go/bootc/bootloader/bls"
)

// The directories of menus and what is in them besides entries.
const (
	loaderDir  = "loader"
	live       = "loader/entries"
	staged     = "loader/entries.staged"
	lostPrefix = "entries.lost-"

	generationFile = "bootc-generation"
	grubFile       = "grub.cfg"
)

const (
	maxFiles   = 1000    // in a menu's directory
	maxForeign = 1 << 20 // bytes of a file in it that is not ours
)

// menus are the live and the staged menu. Each is a directory with a generation, a
// number that no other menu has had here; that of the staged one is the higher. It is
// written last, so a directory without one is not whole.
//
// The generation tells after a power cut what the two directories are, see [menus.state].
type menus struct {
	*loader
	*os.Root
}

// menuDir is what a menu's directory holds.
type menuDir struct {
	ours    []menuFile // in the order of the menu
	foreign []rawFile  // in the order of their names
	twins   bool       // there were files whose names differ in the tries only
}

type rawFile struct {
	name string
	data []byte
}

type menuFile struct {
	Entry
	name bls.Name
	bls  bls.Entry
}

func (d *menuDir) entries() []Entry {
	var menu []Entry
	for _, f := range d.ours {
		menu = append(menu, f.Entry)
	}
	return menu
}

// read reads a menu's directory; a missing one is empty. An error that names files
// comes with what the others say.
func (m *menus) read(dir string) (*menuDir, error) {
	files, damage := m.files(dir)
	d := &menuDir{}
	for _, f := range files {
		name, isEntry := bls.ParseName(f.name)
		if !isEntry || !strings.HasPrefix(f.name, ourPrefix) || !bytes.Contains(f.data, []byte(kernelPrefix)) {
			d.foreign = append(d.foreign, f)
			continue
		}
		file := menuFile{name: name}
		var err error
		file.bls, err = bls.Parse(f.data)
		if err == nil {
			file.Entry, err = parseEntry(f.name, name, file.bls)
		}
		if err != nil {
			damage = also(damage, fmt.Errorf("%s: %w (repair or remove this file)", path.Join(dir, f.name), err))
			continue
		}
		d.ours = append(d.ours, file)
	}
	if m.grubCfg {
		damage = alsoIf(damage, m.readCounts(dir, d.ours))
	}
	slices.SortStableFunc(d.ours, func(a, b menuFile) int { return bls.Compare(a.bls, a.name, b.bls, b.name) })
	d.dropTwins()
	return d, damage
}

// dropTwins leaves one of two entries that differ in nothing but their tries. systemd-boot renames a file when it counts,
// and on FAT a power cut can leave both names; the one that stands first is what boots.
func (d *menuDir) dropTwins() {
	seen := map[string]bool{}
	d.ours = slices.DeleteFunc(d.ours, func(f menuFile) bool {
		key := f.name.ID + " " + f.ID.String()
		twin := seen[key]
		seen[key] = true
		d.twins = d.twins || twin
		return twin
	})
}

// files reads all files of a menu's directory but those that are made of the others.
// An error comes with what could be read.
func (m *menus) files(dir string) (files []rawFile, damage error) {
	entries, err := list(m.Root, dir)
	if err != nil {
		return nil, err
	}
	if len(entries) > maxFiles {
		return nil, fmt.Errorf("%s has more than %d files", dir, maxFiles)
	}
	for _, e := range entries {
		if e.Name() == generationFile || m.grubCfg && e.Name() == grubFile {
			continue
		}
		data, err := readFile(m.Root, path.Join(dir, e.Name()), maxForeign)
		if err != nil {
			damage = also(damage, err)
			continue
		}
		files = append(files, rawFile{e.Name(), data})
	}
	return files, damage
}

// also joins two errors, in a line.
func also(err, more error) error {
	if err == nil {
		return more
	}
	return fmt.Errorf("%w; %w", err, more)
}

// alsoIf is also where the second may be nil.
func alsoIf(err, more error) error {
	if more == nil {
		return err
	}
	return also(err, more)
}

// mentions returns a function that reports whether a file of the directories has the
// name of a kernel in it.
func (m *menus) mentions(dirs ...string) (func(kernel string) bool, error) {
	var all []rawFile
	for _, dir := range dirs {
		files, err := m.files(dir)
		if err != nil {
			return nil, err
		}
		all = append(all, files...)
	}
	return func(kernel string) bool {
		return slices.ContainsFunc(all, func(f rawFile) bool { return bytes.Contains(f.data, []byte(kernel)) })
	}, nil
}

// generation is that of a directory, 0 if it is not whole or missing.
func (m *menus) generation(dir string) (uint64, error) {
	data, err := readFile(m.Root, path.Join(dir, generationFile), 64)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 63)
	if err != nil {
		return 0, nil //nolint:nilerr // a power cut left the file without its content
	}
	return n, nil
}

// setGeneration declares a directory whole.
func (m *menus) setGeneration(dir string, n uint64) error {
	name := path.Join(dir, generationFile)
	if err := m.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	content := strings.NewReader(strconv.FormatUint(n, 10) + "\n")
	if err := create(context.Background(), m.Root, name, content); err != nil {
		return err
	}
	return m.entries.sync()
}

// state is what loader/entries.staged is.
type state int

const (
	nothing state = iota // missing, or half-written
	pending              // the menu to commit
	old                  // what was the live menu before the last commit, which did not get to remove it
	twin                 // the same directory as loader/entries
)

// state tells the generations' story. A twin is what a power cut can leave on FAT: the
// exchange writes two directory entries, each of them whole, but not both at once, and
// between the two writes both names lead to one directory, the old menu or the new.
func (m *menus) state() (state, error) {
	was, err := m.generation(live)
	if err != nil {
		return 0, err
	}
	is, err := m.generation(staged)
	switch {
	case err != nil:
		return 0, err
	case is == 0:
		return nothing, nil
	case is > was:
		return pending, nil
	case is == was:
		return twin, nil
	}
	return old, nil
}

// stageSteps make menu the staged one. The live menu's entries are not touched, so
// that at every instant it is what boots.
//
//   - After the first step the live menu has a number. Nothing but this package looks
//     at it.
//   - After the second there is no staged menu.
//   - After the third, or within it, there is a directory that is not whole, which is
//     no staged menu either. The next Stage begins with dropping it.
//   - After the last one the staged menu is there.
func (m *menus) stageSteps(menu []Entry) []step {
	var next uint64
	return []step{
		{"number the live menu", func() error {
			was, err := m.generation(live)
			if err != nil {
				return err
			}
			is, err := m.generation(staged)
			if err != nil {
				return err
			}
			next = max(was, is) + 1
			if _, err := m.Stat(live); was > 0 || errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			next++
			return m.setGeneration(live, next-1)
		}},
		{"drop an older staged menu", m.drop},
		{"write the entries", func() error { return m.write(menu, next) }},
		{"complete the staged menu", func() error { return m.setGeneration(staged, next) }},
	}
}

// write fills the staged directory: our entries, other people's as they are in the
// live menu, and GRUB's form of ours, for the generation that it will have.
func (m *menus) write(menu []Entry, generation uint64) error {
	if err := m.MkdirAll(staged, 0o755); err != nil {
		return err
	}
	for i, e := range menu {
		data, err := e.format(sortKey(menu[0].OSID, i, len(menu)), m.linux, m.uki)
		if err != nil {
			return fmt.Errorf("boot entry %q: %w", e.Title, err)
		}
		if err := m.create(path.Join(staged, e.fileName(i, len(menu)).String()), data); err != nil {
			return err
		}
	}
	if m.grubCfg {
		if err := m.writeGRUB(generation); err != nil {
			return err
		}
	}
	if err := m.carry(); err != nil {
		return err
	}
	return m.entries.sync()
}

func (m *menus) create(name string, data []byte) error {
	return create(context.Background(), m.Root, name, bytes.NewReader(data))
}

func (m *menus) writeGRUB(generation uint64) error {
	d, err := m.read(staged)
	if err == nil {
		err = m.prepareCounts(d)
	}
	if err != nil {
		return err
	}
	cfg, err := m.grubMenu(d, generation)
	if err != nil {
		return err
	}
	return m.create(path.Join(staged, grubFile), cfg)
}

// carry makes other people's files in the staged menu those of the live one, byte for
// byte.
func (m *menus) carry() error {
	from, err := m.read(live)
	if err != nil {
		return err
	}
	to, err := m.read(staged)
	if err != nil {
		return err
	}
	for _, f := range to.foreign {
		if !slices.ContainsFunc(from.foreign, f.equal) {
			if err := m.Remove(path.Join(staged, f.name)); err != nil {
				return err
			}
		}
	}
	for _, f := range from.foreign {
		if !slices.ContainsFunc(to.foreign, f.equal) {
			if err := m.create(path.Join(staged, f.name), f.data); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f rawFile) equal(g rawFile) bool { return f.name == g.name && bytes.Equal(f.data, g.data) }

// commitSteps make the staged menu the live one.
//
//   - The first step changes nothing that boots. It ends with everything that the new
//     menu needs being where a loader finds it that does not replay journals.
//   - The second step is the switch. With a journal there is the old menu or the new.
//     On FAT each of the two names leads to one of the menus at any time, and
//     loader/entries to the old or the new one, whole. It is settled before the next
//     step, for otherwise a loader that does not see the journal could follow the old
//     name to a directory that was emptied already.
//   - Before and within the third step the new menu boots. What is left of the old one
//     has a lower generation, so that nobody takes it for a staged menu.
func (m *menus) commitSteps() ([]step, error) {
	s, err := m.state()
	if err != nil {
		return nil, err
	}
	drop := step{"remove the old menu", m.drop}
	switch s {
	case pending:
		return []step{{"complete the staged menu", m.complete}, {"exchange the menus", m.exchange}, drop}, nil
	case old:
		return []step{drop}, nil
	case nothing, twin:
	}
	return nil, ErrNothingStaged
}

// complete has what other people changed in the live menu since Stage.
func (m *menus) complete() error {
	if err := m.carry(); err != nil {
		return err
	}
	return m.settleAll()
}

// settleAll settles the file systems of kernels and menus.
func (m *menus) settleAll() error {
	if m.uki.dir != nil {
		if err := m.uki.sync(); err != nil {
			return err
		}
	}
	return m.entries.settle()
}

func (m *menus) exchange() error {
	if _, err := m.Stat(live); errors.Is(err, fs.ErrNotExist) {
		if err := m.Rename(staged, live); err != nil {
			return err
		}
	} else if err := exchange(m.Root, loaderDir, path.Base(staged), path.Base(live)); err != nil {
		return err
	}
	return m.settleAll()
}

// drop removes the staged directory, whatever it is. Its generation goes first, so
// that a half-removed one is not taken for a menu.
//
// A twin is not emptied, for that would empty the live menu, too, and its blocks would
// be freed twice; nor is a menu that was another one's twin, or that has twins among its
// files. They are renamed and left for fsck.
func (m *menus) drop() error {
	lost, err := m.isTwin()
	if err != nil {
		return err
	}
	if lost != "" {
		if err := m.Rename(staged, lost); err != nil {
			return err
		}
		return m.entries.sync()
	}
	if _, err := m.Lstat(staged); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := m.Remove(path.Join(staged, generationFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := m.entries.sync(); err != nil {
		return err
	}
	if err := m.RemoveAll(staged); err != nil {
		return err
	}
	return m.entries.sync()
}

// isTwin returns the name that the staged directory is renamed to if another one has
// its generation, or if two of its files may be one.
func (m *menus) isTwin() (lost string, err error) {
	is, err := m.generation(staged)
	if err != nil || is == 0 {
		return "", err
	}
	was, err := m.generation(live)
	if err != nil {
		return "", err
	}
	siblings, err := list(m.Root, loaderDir)
	if err != nil {
		return "", err
	}
	prefix := lostPrefix + strconv.FormatUint(is, 10) + "-"
	n := 0
	for _, e := range siblings {
		if strings.HasPrefix(e.Name(), prefix) {
			n++
		}
	}
	d, _ := m.read(staged) // a damaged one is removed as any other
	if is != was && n == 0 && !d.twins {
		return "", nil
	}
	return path.Join(loaderDir, prefix+strconv.Itoa(n)), nil
}
