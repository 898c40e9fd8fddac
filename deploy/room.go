package deploy

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/etcmerge"
	"github.com/bootc-go/bootc/pull"
)

// room is what something takes on the file system of the physical root.
type room struct {
	bytes  int64
	inodes int64
}

const block = 4096 // bytes that a small file or directory takes, commonly

// add counts one inode with size bytes of content.
func (n *room) add(size uint64) {
	n.bytes += (int64(size) + block) / block * block // a block more than none, for the names
	n.inodes++
}

// pullRoom estimates what a pull will take. Of a missing layer only the size of the
// compressed blob is known. What is in it takes more, two or three times as much, as
// far as it is new, and nothing as far as the files are here. The estimate is the
// blob's size: rarely too much, so that no update is refused that would fit, and
// when it is too little, the pull ends with a full disk, and what it wrote is
// collected. Layers that are here, whatever they are called in the registry, take
// nothing. The image of the new tree will be about as large as the booted one.
func (s *Sysroot) pullRoom(r *repo.Repo, plan *pull.Plan) (room, error) {
	layers, bytes := plan.Fetch()
	n := room{bytes: bytes, inodes: int64(len(layers))}
	if len(layers) == 0 || s.sys.Booted.ID.IsZero() {
		return n, nil
	}
	size, err := imageSize(r, s.sys.Booted.ID)
	n.add(uint64(size))
	return n, err
}

func imageSize(r *repo.Repo, id verity.Digest) (int64, error) {
	f, _, err := r.OpenImage(id.String())
	if err != nil {
		return 0, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return fi.Size(), nil
}

// stateRoom is what the state of a deployment takes: the /etc of the image, what is
// merged into it, and the origin.
func stateRoom(etc *tree.Node, plan *etcmerge.Plan) (room, error) {
	var n room
	seen := map[*tree.Node]bool{}
	err := tree.Walk(etc, func(_ string, node *tree.Node) error {
		if !seen[node] {
			seen[node] = true
			n.add(node.Size())
		}
		return nil
	})
	n.add(maxOrigin)
	if plan != nil {
		bytes, inodes := plan.Cost()
		n.bytes += int64(bytes) + int64(inodes)*block
		n.inodes += int64(inodes)
	}
	return n, err
}

// check returns ErrNoRoom, with the numbers, if the file system of dir has not so
// much room. File systems that make inodes as they need them say that they have none.
func (n room) check(dir *os.File, what string) error {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &st); err != nil {
		return fmt.Errorf("look for free space: %w", err)
	}
	if free := int64(st.Bavail) * st.Bsize; free < n.bytes {
		return fmt.Errorf("%w for %s (available: %d bytes, required: %d bytes)", ErrNoRoom, what, free, n.bytes)
	}
	if st.Files > 0 && int64(st.Ffree) < n.inodes {
		return fmt.Errorf("%w for %s (available: %d inodes, required: %d inodes)", ErrNoRoom, what, st.Ffree, n.inodes)
	}
	return nil
}
