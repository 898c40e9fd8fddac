package etcmerge

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/tree/scan"
)

// ErrChanged means that a file was changed while it was read, or after the plan
// was made. The remedy is to plan again.
var ErrChanged = scan.ErrChanged

// Apply turns the directory target, which holds the new image's /etc, into the
// Result of the plan, taking local files from the directory current. When it
// returns nil the result is on disk.
//
// The power may fail at any instant, and an error may come anywhere: what the
// target then holds is no system to boot, but Apply of the same plan finishes
// it. An ErrChanged means that current is no more what the plan was made of. All
// of current is looked at before the first change, so that mostly nothing has
// been written by then, and once more at the end, so that nothing is lost. If
// something has been written, the target needs a fresh copy of the new image's
// /etc before a new plan is applied to it.
func (p *Plan) Apply(ctx context.Context, current, target *os.File) error {
	if err := p.Err(); err != nil {
		return fmt.Errorf("cannot merge /etc: %w", err)
	}
	a := &applier{ctx: ctx, current: newDir(int(current.Fd())), target: newDir(int(target.Fd())), work: -1}
	defer a.close()
	if err := a.run(p); err != nil {
		return fmt.Errorf("cannot merge /etc: %w", err)
	}
	return nil
}

// applier carries out the steps of a plan.
type applier struct {
	ctx             context.Context //nolint:containedctx // lives as long as one Apply
	current, target *dir
	attributes      attributes
	work            int // the directory for unfinished files, -1 if there is none yet
	serial          int // counts them
}

func (a *applier) close() {
	a.current.close()
	a.target.close()
	if a.work >= 0 {
		unix.Close(a.work) //nolint:errcheck // it is empty, or removed with the next attempt
	}
}

func (a *applier) run(p *Plan) error {
	if err := a.verify(p.current); err != nil {
		return err
	}
	if err := a.begin(); err != nil {
		return fmt.Errorf("%s: %w", workDir, err)
	}
	if err := a.do(p.steps); err != nil {
		return err
	}
	if err := a.verify(p.current); err != nil {
		return err
	}
	return a.end(p.Result)
}

// begin removes what an attempt left that the power interrupted, and makes the
// directory for unfinished files.
func (a *applier) begin() error {
	if err := removeAll(a.target.fd, workDir); err != nil {
		return err
	}
	if err := unix.Mkdirat(a.target.fd, workDir, 0o700); err != nil {
		return err
	}
	work, err := openat2(a.target.fd, workDir, unix.O_RDONLY|unix.O_DIRECTORY)
	a.work = work
	return err
}

// end puts everything on disk.
func (a *applier) end(root *tree.Node) error {
	for _, name := range []string{workDir, updatedStamp} {
		if err := removeAll(a.target.fd, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := a.finish(step{path: here, node: root}); err != nil {
		return err
	}
	f, err := a.target.openDir(here)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("sync file system: %w", err)
	}
	return nil
}

// verify looks whether current is what the plan was made of, as far as times and
// attributes tell. That of a directory tells of files that came and went.
func (a *applier) verify(root *tree.Node) error {
	var st unix.Stat_t
	return tree.Walk(root, func(path string, n *tree.Node) error {
		if err := a.ctx.Err(); err != nil {
			return err
		}
		path = relative(path)
		if ignored(here, path) {
			return nil
		}
		if err := unchanged(a.current.stat(path, &st), &st, n); err != nil {
			return fmt.Errorf("%s: %w", show(path), err)
		}
		return nil
	})
}

// unchanged says whether a file is still that of the plan, as far as stat tells.
// The error is that of stat.
func unchanged(err error, st *unix.Stat_t, n *tree.Node) error {
	switch {
	case errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP):
		return fmt.Errorf("%w: %w", ErrChanged, err)
	case err != nil:
		return err
	}
	mtime := tree.Time{Sec: st.Mtim.Sec, Nsec: uint32(st.Mtim.Nsec)}
	if st.Mode != n.Mode || st.Uid != n.UID || st.Gid != n.GID || mtime != n.Mtime || n.IsRegular() && uint64(st.Size) != n.Size() {
		return ErrChanged
	}
	return nil
}

func (a *applier) do(steps []step) error {
	for _, s := range steps {
		if err := a.ctx.Err(); err != nil {
			return err
		}
		if err := a.step(s); err != nil {
			return fmt.Errorf("%s: %w", show(s.path), err)
		}
	}
	return nil
}

func (a *applier) step(s step) error {
	switch s.op {
	case opRemove:
		return a.remove(s)
	case opMkdir:
		return a.mkdir(s)
	case opFinish:
		return a.finish(s)
	case opCopy:
		return a.copy(s)
	case opWrite:
		return a.write(s)
	case opMake:
		return a.make(s)
	case opLink:
		return a.link(s)
	}
	return fmt.Errorf("internal error: no step %d", s.op)
}

// temp is a name in the directory for unfinished files that is not taken.
func (a *applier) temp() string {
	a.serial++
	return strconv.Itoa(a.serial)
}

// install moves an unfinished file to its place, and what was there out of the
// way, in one go.
func (a *applier) install(temp, path string) error {
	parent, name, err := a.target.parent(path)
	if err != nil {
		return err
	}
	err = unix.Renameat(a.work, temp, parent, name)
	switch {
	case errors.Is(err, unix.EISDIR), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ENOTEMPTY), errors.Is(err, unix.EEXIST):
		err = unix.Renameat2(a.work, temp, parent, name, unix.RENAME_EXCHANGE)
		if err == nil {
			err = removeAll(a.work, temp)
		}
	}
	if err != nil {
		return fmt.Errorf("rename: %w", err)
	}
	return nil
}
