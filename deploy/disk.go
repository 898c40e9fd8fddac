package deploy

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// Room is what files take.
type Room struct {
	Files int64 `json:"files"` // regular files
	Bytes int64 `json:"bytes"` // in them
	// Allocated is the same in whole blocks of the file system, with what fs-verity
	// keeps beside a file. Directories, symbolic links and inodes are not counted.
	Allocated int64 `json:"allocated"`
}

// Disk is what an update takes of the host's file systems.
type Disk struct {
	Exact bool `json:"exact"` // or only Required and Available are known
	// Required is how much an upgrade wants to be free before it fetches layers that
	// nobody has read. What it takes may be less, or two or three times as much.
	Required   int64 `json:"required,omitempty"`
	Available  int64 `json:"available"`  // bytes, on the file system of the repository
	Repository Room  `json:"repository"` // objects that are not here
	Etc        Room  `json:"etc"`        // the merged /etc
	Kernel     Room  `json:"kernel"`     // where the boot loader has its kernels; none if one is shared

	// BoundImages is how much an upgrade wants to be free for bound images before it fetches
	// them, beside Etc. As with Required, what they take may be more.
	BoundImages int64 `json:"boundImages"`
}

// fileBlocks is how a file system allocates.
type fileBlocks struct {
	size   int64
	hashes int64 // of fs-verity in a block, 0 if files have none
}

// The file systems that keep fs-verity's data behind the content of a file, in blocks
// of 4096 bytes. btrfs keeps it elsewhere.
func (s *Sysroot) blocks(r *repo.Repo) (b fileBlocks, available int64, err error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(s.sys.Root.Fd()), &st); err != nil {
		return b, 0, fmt.Errorf("look for free space: %w", err)
	}
	b.size = st.Bsize
	if !r.Insecure() && st.Type == unix.EXT4_SUPER_MAGIC {
		b.hashes = block / int64(r.Algorithm().Size())
	}
	return b, int64(st.Bavail) * st.Bsize, nil
}

// allocated is what a file with size bytes takes. Of a file with fs-verity each level
// of the tree has a hash for every block of the one below, and a descriptor follows.
func (b fileBlocks) allocated(size int64) int64 {
	n := blocksOf(size, b.size) * b.size
	if b.hashes == 0 {
		return n
	}
	for level := blocksOf(size, block); level > 1; {
		level = blocksOf(level, b.hashes)
		n += level * block
	}
	return n + b.size
}

func blocksOf(size, block int64) int64 { return (size + block - 1) / block }

func (r *Room) add(b fileBlocks, size int64) {
	r.Files++
	r.Bytes += size
	r.Allocated += b.allocated(size)
}

// disk is what staging the candidate, which is in a Scratch, takes.
func (st *staging) disk() (*Disk, error) {
	b, available, err := st.s.blocks(st.repo)
	if err != nil {
		return nil, err
	}
	d := &Disk{Exact: true, Available: available}
	if err := st.repo.Stored(func(_ verity.Digest, size int64) { d.Repository.add(b, size) }); err != nil {
		return nil, err
	}
	if st.out.Change != Available || st.id == st.booted.ID || st.os == nil {
		return d, nil
	}
	b.hashes = 0
	if st.merge != nil && st.merge.Result != nil {
		d.Etc = filesOf(b, st.merge.Result)
	}
	shared, err := st.s.sharedKernel(&st.candidate, st.menus.all())
	if err == nil && shared == "" {
		d.Kernel = Room{int64(len(st.os.Kernel.Files())), st.os.Kernel.Size, st.os.Kernel.Size}
	}
	return d, err
}

// filesOf counts the regular files of a tree, each once.
func filesOf(b fileBlocks, root *tree.Node) (r Room) {
	seen := map[*tree.Node]bool{}
	//nolint:errcheck // the function has no error to return
	tree.Walk(root, func(_ string, n *tree.Node) error {
		if n.IsRegular() && !seen[n] {
			seen[n] = true
			r.add(b, int64(n.Size()))
		}
		return nil
	})
	return r
}
