package deploy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/etcmerge"
)

// What stands in the state directory of a deployment, beside its origin. A
// deployment has etcName once it can boot. The image to stage may be that of a
// deployment which is here already, to roll back to for instance, and whose /etc
// must stay whole until the new one takes its place; hence the other two.
const (
	etcName   = "etc"
	etcStaged = "etc.staged" // the /etc of the image, whole, for Finalize to merge into
	etcWork   = "etc.work"   // something unfinished; worth nothing after a power cut
	varName   = "var"        // a link to the /var of a stateroot
)

func etcPath(id verity.Digest, name string) string { return id.String() + "/" + name }

// makeState makes the state directory of a deployment, with the link to the /var of the
// deployment that runs. Who is here already keeps its own, see [finalizing.rehome].
func (s *Sysroot) makeState(id verity.Digest) error {
	return s.makeStateIn(deployed(id), s.bootedStateroot())
}

// makeStateIn makes the state directory dir, which is below stateTop.
func (s *Sysroot) makeStateIn(dir, stateroot string) error {
	if err := makeDirs(s.state, dir); err != nil {
		return err
	}
	err := s.state.Symlink(linkTo(stateroot), dir+"/"+varName)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(s.state, dir)
}

// freshEtc makes etcWork the /etc of the image, and durable.
func (s *Sysroot) freshEtc(ctx context.Context, r *repo.Repo, id verity.Digest, etc *tree.Node) error {
	return writeTree(ctx, s.states, etcPath(id, etcWork), r, etc)
}

// writeTree makes the directory name anew, with what the tree has, and durable.
func writeTree(ctx context.Context, root *os.Root, name string, r *repo.Repo, n *tree.Node) error {
	if err := root.RemoveAll(name); err != nil {
		return err
	}
	if err := root.Mkdir(name, 0o700); err != nil {
		return err
	}
	dir, err := root.Open(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := etcmerge.Write(ctx, dir, n, objects(r)); err != nil {
		return err
	}
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return fmt.Errorf("sync file system: %w", err)
	}
	return nil
}

// stageEtc makes etcStaged the /etc of the image. It is whole whenever it is there.
func (s *Sysroot) stageEtc(ctx context.Context, r *repo.Repo, id verity.Digest, etc *tree.Node) error {
	if err := s.freshEtc(ctx, r, id, etc); err != nil {
		return err
	}
	if err := moveInto(s.states, etcPath(id, etcWork), etcPath(id, etcStaged)); err != nil {
		return err
	}
	return s.states.RemoveAll(etcPath(id, etcWork)) // an older one
}

// leftovers are the directories in the state of a deployment that it does not need.
func (s *Sysroot) leftovers(id verity.Digest, isStaged bool) ([]string, error) {
	names := []string{etcWork}
	if !isStaged {
		names = append(names, etcStaged)
	}
	var found []string
	for _, name := range names {
		ok, err := exists(s.states, etcPath(id, name))
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, etcPath(id, name))
		}
	}
	return found, nil
}

// liveEtc is the /etc of the deployment that runs, without the file systems that
// are mounted below it: a clone of this one mount that is attached nowhere. If it is
// one already, kernels before 6.15 do not clone it again, and need not.
func (s *Sysroot) liveEtc() (*os.File, error) {
	if s.etc != nil {
		return s.etc, nil
	}
	if s.sys.Etc == nil || s.sys.Booted.ID.IsZero() {
		return nil, ErrNotBooted
	}
	fd, err := unix.OpenTree(int(s.sys.Etc.Fd()), "", unix.AT_EMPTY_PATH|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.Openat(int(s.sys.Etc.Fd()), ".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("clone the mount of /etc: %w", err)
	}
	s.etc = os.NewFile(uintptr(fd), "/etc")
	return s.etc, nil
}
