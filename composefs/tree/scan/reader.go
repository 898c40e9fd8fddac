package scan

import (
	"context"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// largeFile is the size from which on a file is read by several goroutines,
// lest the last one of a scan be read by one alone.
const largeFile = 32 << 20

// file is a regular file on its way to a reader, which fills in the node.
type file struct {
	fd   int
	path string
	node *tree.Node
}

func (f *file) close() { unix.Close(f.fd) } //nolint:errcheck // nothing was written

// reader reads the contents of files, one after the other.
type reader struct {
	ctx    context.Context //nolint:containedctx // lives as long as one scan
	o      Options
	attrs  attributes
	hasher *verity.Hasher
	buf    []byte
}

func newReader(ctx context.Context, o Options) *reader {
	return &reader{ctx: ctx, o: o, hasher: verity.NewHasher(o.Algorithm), buf: make([]byte, 256<<10)}
}

func (r *reader) run(files <-chan *file) error {
	for {
		select {
		case f, more := <-files:
			if !more {
				return nil
			}
			err := at(f.path, r.read(f))
			f.close()
			if err != nil {
				return err
			}
		case <-r.ctx.Done():
			return r.ctx.Err()
		}
	}
}

// read fills in the node of a file.
func (r *reader) read(f *file) error {
	if err := r.attrs.fill(f.node, f.fd, unix.S_IFREG, r.o); err != nil {
		return err
	}
	before := r.attrs.stat
	content, err := r.content(f, before.Size)
	if err != nil {
		return err
	}
	if err := unchanged(f.fd, &before); err != nil {
		return err
	}
	f.node.File = content
	if r.o.Store == nil || content == nil || content.Inline != nil {
		return nil
	}
	if err := r.store(f, before.Size, content.Digest); err != nil {
		return err
	}
	return unchanged(f.fd, &before)
}

// unchanged reports whether the inode is as it was.
func unchanged(fd int, before *unix.Stat_t) error {
	var now unix.Stat_t
	if err := unix.Fstat(fd, &now); err != nil {
		return err
	}
	if now.Size != before.Size || now.Mtim != before.Mtim || now.Ctim != before.Ctim {
		return ErrChanged
	}
	return nil
}

func (r *reader) content(f *file, size int64) (*tree.File, error) {
	switch {
	case size == 0: // emptied meanwhile
		return nil, ErrChanged
	case size <= int64(r.o.InlineMax):
		return r.inline(f, size)
	}
	d, err := r.digest(f, size)
	if err != nil {
		return nil, vanished(err)
	}
	return &tree.File{Size: uint64(size), Payload: d.ObjectPath(), Digest: d}, nil
}

func (r *reader) inline(f *file, size int64) (*tree.File, error) {
	buf := make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(descriptor(f.fd), 0, size), buf); err != nil {
		return nil, vanished(err)
	}
	return &tree.File{Size: uint64(size), Inline: buf}, nil
}

func (r *reader) digest(f *file, size int64) (verity.Digest, error) {
	if size >= largeFile {
		return verity.SumReaderAt(r.ctx, r.o.Algorithm, descriptor(f.fd), size, r.o.Threads)
	}
	r.hasher.Reset()
	for off := int64(0); off < size; {
		n, err := descriptor(f.fd).ReadAt(r.buf[:min(int64(len(r.buf)), size-off)], off)
		if n == 0 && err != nil {
			return verity.Digest{}, fmt.Errorf("after %d of %d bytes: %w", off, size, err)
		}
		r.hasher.Write(r.buf[:n]) //nolint:errcheck // a Hasher does not fail
		off += int64(n)
	}
	return r.hasher.Sum(), nil
}

// store hands the file to Options.Store as an os.File of its own.
func (r *reader) store(f *file, size int64, d verity.Digest) error {
	fd, err := unix.FcntlInt(uintptr(f.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	lent := os.NewFile(uintptr(fd), f.path)
	defer lent.Close()
	return r.o.Store(r.ctx, lent, size, d)
}

// descriptor reads a file without the detour over an os.File.
type descriptor int

func (d descriptor) ReadAt(p []byte, off int64) (int, error) {
	total := 0
	for total < len(p) {
		n, err := unix.Pread(int(d), p[total:], off+int64(total))
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return total, err
		case n == 0:
			return total, io.EOF
		}
		total += n
	}
	return total, nil
}
