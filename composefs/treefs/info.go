package treefs

import (
	"io/fs"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
)

// info is a node under one of its names, as fs.FileInfo.
type info struct {
	name string
	node *tree.Node
}

func newInfo(name string, n *tree.Node) *info { return &info{name: path.Base(name), node: n} }

func (i *info) Name() string       { return i.name }
func (i *info) Size() int64        { return int64(i.node.Size()) }
func (i *info) Mode() fs.FileMode  { return fileMode(i.node.Mode) }
func (i *info) IsDir() bool        { return i.node.IsDir() }
func (i *info) Sys() any           { return nil }
func (i *info) ModTime() time.Time { return time.Unix(i.node.Mtime.Sec, int64(i.node.Mtime.Nsec)) }

// fileMode is a mode of st_mode(7) as io/fs has it.
func fileMode(mode uint32) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		m |= fs.ModeDir
	case unix.S_IFLNK:
		m |= fs.ModeSymlink
	case unix.S_IFIFO:
		m |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		m |= fs.ModeSocket
	case unix.S_IFBLK:
		m |= fs.ModeDevice
	case unix.S_IFCHR:
		m |= fs.ModeDevice | fs.ModeCharDevice
	}
	for bit, flag := range map[uint32]fs.FileMode{
		unix.S_ISUID: fs.ModeSetuid, unix.S_ISGID: fs.ModeSetgid, unix.S_ISVTX: fs.ModeSticky,
	} {
		if mode&bit != 0 {
			m |= flag
		}
	}
	return m
}
