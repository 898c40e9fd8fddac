package treefs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"

	"golang.org/x/sys/unix"
)

// content is what a regular file holds.
type content interface {
	io.Reader
	io.ReaderAt
	io.Seeker
	io.Closer
}

// inline is content that stands in the tree. Like that of an object, it cannot be
// read once it is closed.
type inline struct {
	*bytes.Reader
}

func newInline(b []byte) *inline { return &inline{bytes.NewReader(b)} }

func (i *inline) Close() error {
	i.Reset(nil)
	return nil
}

// file is an open regular file. It hides what the content could do beyond reading.
type file struct {
	content
	info *info
}

func (f *file) Stat() (fs.FileInfo, error) { return f.info, nil }

// special is an open device, socket or pipe, or a link that nobody followed.
type special struct {
	info *info
}

func (s *special) Stat() (fs.FileInfo, error) { return s.info, nil }
func (s *special) Close() error               { return nil }

func (s *special) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: s.info.name, Err: errors.ErrUnsupported}
}

// dir is an open directory.
type dir struct {
	info *info
	done int // entries that ReadDir has returned
}

var _ fs.ReadDirFile = (*dir)(nil)

func (d *dir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *dir) Close() error               { return nil }

func (d *dir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.name, Err: unix.EISDIR}
}

func (d *dir) ReadDir(n int) ([]fs.DirEntry, error) {
	names := d.info.node.Names()[d.done:]
	if n > 0 {
		if len(names) == 0 {
			return nil, io.EOF
		}
		names = names[:min(n, len(names))]
	}
	d.done += len(names)
	entries := make([]fs.DirEntry, len(names))
	for i, name := range names {
		entries[i] = fs.FileInfoToDirEntry(newInfo(name, d.info.node.Child(name)))
	}
	return entries, nil
}
