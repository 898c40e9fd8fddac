package deploy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/bootc-go/bootc/composefs/verity"
)

// A stateroot is a directory with a /var, which deployments share: the link in the state
// directory of a deployment says which. A disk begins with one, and each factory reset
// makes another. docs/explanation/deployments.md shows all paths.
const (
	rootsDir         = "os"      // below stateTop
	deployDir        = "deploy"  // the same as stateDir
	defaultStateroot = "default" // what disks begin with, if nobody says otherwise

	madeName  = "reset"      // in stateroots that a reset made, to tell them from what others put there
	asideName = "aside"      // states that wait for their place or, once they have it, those that had it
	goneName  = "aside.gone" // the same, given up
)

const stateTop = "state"

func stateroot(name string) string { return rootsDir + "/" + name }

func deployed(id verity.Digest) string { return deployDir + "/" + id.String() }

// aside is where the state of a deployment is made that has another one.
func aside(stateroot string, id verity.Digest) string {
	return rootsDir + "/" + stateroot + "/" + asideName + "/" + id.String()
}

// linkTo is what the link to a stateroot's /var says.
func linkTo(stateroot string) string { return "../../os/" + stateroot + "/var" }

// staterootIn is the stateroot of the state directory dir, which is below stateTop.
func (s *Sysroot) staterootIn(dir string) (string, error) {
	if s.state == nil {
		return "", fs.ErrNotExist
	}
	target, err := s.state.Readlink(dir + "/" + varName)
	if err != nil {
		return "", err
	}
	name, ok := strings.CutPrefix(target, "../../os/")
	name, isVar := strings.CutSuffix(name, "/var")
	if !ok || !isVar || CheckStateroot(name) != nil {
		return "", fmt.Errorf("%s/%s leads to %q, not to a /var as %q does", dir, varName, target, linkTo(defaultStateroot))
	}
	return name, nil
}

// CheckStateroot refuses what cannot be the name of a directory beside the others.
func CheckStateroot(name string) error {
	if name == "" || name == "." || name == ".." || len(name) > 64 || strings.ContainsFunc(name, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", r)
	}) {
		return fmt.Errorf("%q is no name for a stateroot: it has 1 to 64 letters, digits, dots, dashes and underscores", name)
	}
	return nil
}

// bootedStateroot is that of the deployment that runs, by what its next boot would find.
// New deployments share it.
func (s *Sysroot) bootedStateroot() string {
	name, err := s.staterootIn(deployed(s.sys.Booted.ID))
	if err != nil {
		return defaultStateroot
	}
	return name
}

// before is the state that the deployment had before its reset, if that is still there,
// and not yet known to be dispensable.
func (s *Sysroot) before(id verity.Digest) (dir string, ok bool) {
	name, err := s.staterootIn(deployed(id))
	if err != nil {
		return "", false
	}
	dir = aside(name, id)
	was, err := s.staterootIn(dir)
	return dir, err == nil && was != name
}

// hasBefore says whether the deployment that runs, and that boots next as it is, could get
// back a state of before its reset.
func (s *Sysroot) hasBefore(id verity.Digest) bool {
	_, ok := s.before(id)
	return ok && !s.displaced()
}

// giveUpBefore gives up the states that deployments had before the reset to which the one
// that runs owes its state, if there are any. One that is half removed must not be found,
// hence the name.
func (s *Sysroot) giveUpBefore() (given bool, err error) {
	root := stateroot(s.bootedStateroot())
	if ok, err := exists(s.state, root+"/"+asideName); !ok || err != nil {
		return false, err
	}
	if err := s.state.RemoveAll(root + "/" + goneName); err != nil {
		return false, err
	}
	if err := s.state.Rename(root+"/"+asideName, root+"/"+goneName); err != nil {
		return false, err
	}
	return true, syncDir(s.state, root)
}

// garbageStateroots lists what no deployment needs, below stateTop: a /var that none
// links to, neither now nor as it was before its reset. Where anything is not known, or
// the system that runs is not the one that its state directory describes, nothing is
// garbage. State directories of no deployment must be gone by now.
func (s *Sysroot) garbageStateroots(m menus) ([]string, error) {
	if s.state == nil || s.sys.Booted.ID.IsZero() || s.displaced() {
		return nil, nil
	}
	names, err := dirNames(s.state, rootsDir)
	if err != nil || slices.Equal(names, []string{defaultStateroot}) {
		return nil, err // nothing was ever reset
	}
	used, err := s.usedStateroots(m)
	if err != nil {
		s.warn("what resets left is kept: %v", err)
		return nil, nil
	}
	var garbage []string
	for _, name := range names {
		dir := stateroot(name)
		if used[name] {
			more, err := s.garbageAside(m, name)
			if err != nil {
				return nil, err
			}
			garbage = append(garbage, more...)
			continue
		}
		if is, err := s.isCollectable(name); err != nil {
			return nil, err
		} else if is {
			garbage = append(garbage, dir)
		}
	}
	return garbage, nil
}

// usedStateroots are those that deployments have, had before a reset, or will have.
func (s *Sysroot) usedStateroots(m menus) (map[string]bool, error) {
	used := map[string]bool{}
	if m.reset != "" {
		used[m.reset] = true
	}
	names, err := dirNames(s.state, deployDir)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if root, err := s.staterootIn(deployDir + "/" + name); err == nil {
			used[root] = true
		}
	}
	for _, e := range m.all() {
		if _, err := s.staterootIn(deployed(e.ID)); err != nil {
			return nil, err
		}
	}
	for todo := slices.Collect(maps.Keys(used)); len(todo) > 0; todo = todo[1:] {
		for _, was := range s.rootsBefore(m, todo[0]) {
			if !used[was] {
				used[was] = true
				todo = append(todo, was)
			}
		}
	}
	return used, nil
}

// rootsBefore are the stateroots that deployments had before they were reset to this one.
func (s *Sysroot) rootsBefore(m menus, name string) (roots []string) {
	for _, e := range m.all() {
		if was, err := s.staterootIn(aside(name, e.ID)); err == nil {
			roots = append(roots, was)
		}
	}
	return roots
}

// garbageAside lists what stands beside the /var of a stateroot that is used: states that
// were made and never put in place, but for the one that is staged, those of deployments
// that are none any more, and what was given up.
func (s *Sysroot) garbageAside(m menus, name string) ([]string, error) {
	var garbage []string
	gone := stateroot(name) + "/" + goneName
	if ok, err := exists(s.state, gone); err != nil {
		return nil, err
	} else if ok {
		garbage = append(garbage, gone)
	}
	dirs, err := dirNames(s.state, stateroot(name)+"/"+asideName)
	if err != nil {
		return nil, err
	}
	keep := map[string]bool{}
	for _, e := range m.all() {
		was, err := s.staterootIn(aside(name, e.ID))
		keep[e.ID.String()] = err == nil && was != name
	}
	if m.reset == name {
		keep[m.staged[0].ID.String()] = true
	}
	for _, dir := range dirs {
		if !keep[dir] {
			garbage = append(garbage, stateroot(name)+"/"+asideName+"/"+dir)
		}
	}
	return garbage, nil
}

// isCollectable tells whether a stateroot that no deployment needs is one of ours, and
// nothing is mounted from there.
func (s *Sysroot) isCollectable(name string) (bool, error) {
	dir := stateroot(name)
	ours, err := exists(s.state, dir+"/"+madeName)
	if err != nil || !ours && name != defaultStateroot {
		return false, err
	}
	if s.sys.Mounted == nil {
		return true, nil
	}
	mounted, err := s.sys.Mounted(stateTop + "/" + dir)
	if mounted {
		s.warn("/sysroot/%s/%s is not removed: something is mounted from there", stateTop, dir)
	}
	return !mounted && err == nil, err
}

// removeStateroots removes garbage. What makes a directory ours goes last, for the sake
// of a run that is cut short.
func (s *Sysroot) removeStateroots(ctx context.Context, garbage []string) error {
	for _, name := range garbage {
		if err := ctx.Err(); err != nil {
			return err
		}
		if path.Dir(name) == rootsDir {
			for _, sub := range []string{asideName, goneName, varName + ".work", varName} {
				if err := s.state.RemoveAll(name + "/" + sub); err != nil {
					return err
				}
			}
		}
		if err := s.state.RemoveAll(name); err != nil {
			return err
		}
	}
	return nil
}

// collectStateroots collects what resets left.
func (s *Sysroot) collectStateroots(ctx context.Context, m menus, dryRun bool) ([]string, error) {
	garbage, err := s.garbageStateroots(m)
	if err != nil || dryRun {
		return garbage, err
	}
	return garbage, s.removeStateroots(ctx, garbage)
}

// dirNames lists a directory; one that is missing is empty.
func dirNames(root *os.Root, name string) ([]string, error) {
	dir, err := root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.Readdirnames(-1)
}
