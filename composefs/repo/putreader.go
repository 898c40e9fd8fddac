package repo

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
)

// smallObject is the size up to which an object is read before it is written:
// its digest then tells whether it has to be written at all.
const smallObject = 1 << 20

// PutReader stores the size bytes that rd yields as an object, reading them
// once. Fewer or more bytes are an error, and leave nothing behind.
func (im *Importer) PutReader(rd io.Reader, size int64) (verity.Digest, error) {
	if size < 0 {
		return verity.Digest{}, fmt.Errorf("cannot store an object of %d bytes", size)
	}
	if im.buf == nil {
		im.buf = make([]byte, smallObject)
	}
	if size <= smallObject {
		return im.putSmall(rd, size)
	}
	w, err := im.newWriter()
	if err != nil {
		return verity.Digest{}, err
	}
	defer w.discard()
	if err := im.copy(w, rd, size); err != nil {
		return verity.Digest{}, fmt.Errorf("cannot store an object of %d bytes: %w", size, err)
	}
	return w.finish()
}

func (im *Importer) putSmall(rd io.Reader, size int64) (verity.Digest, error) {
	n, err := io.ReadFull(rd, im.buf[:size])
	if err == nil {
		err = atEnd(rd)
	}
	if err != nil {
		return verity.Digest{}, fmt.Errorf("cannot store an object of %d bytes: %w", size, short(err, int64(n)))
	}
	return im.Put(im.buf[:size])
}

// copy copies exactly size bytes.
func (im *Importer) copy(w io.Writer, rd io.Reader, size int64) error {
	n, err := io.CopyBuffer(w, io.LimitReader(rd, size), im.buf)
	if err == nil && n < size {
		err = io.EOF
	}
	if err != nil {
		return short(err, n)
	}
	return atEnd(rd)
}

// short says how far a reader came that should have come further.
func short(err error, n int64) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w after %d bytes", io.ErrUnexpectedEOF, n)
	}
	return err
}

// atEnd fails if rd has more to give.
func atEnd(rd io.Reader) error {
	var one [1]byte
	for range 100 {
		n, err := rd.Read(one[:])
		if n > 0 {
			return errors.New("more data than that")
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// objectWriter stores as an object what is written to it, however long.
type objectWriter struct {
	im   *Importer
	t    *temp
	size int64
}

var _ io.Writer = (*objectWriter)(nil)

func (im *Importer) newWriter() (*objectWriter, error) {
	t, err := im.newTempAnywhere()
	if err != nil {
		return nil, fmt.Errorf("cannot store an object: %w", err)
	}
	im.hasher.Reset()
	return &objectWriter{im: im, t: t}, nil
}

// newTempAnywhere makes the file in objects: where it will be is not known.
func (im *Importer) newTempAnywhere() (*temp, error) {
	if err := im.r.writable(); err != nil {
		return nil, err
	}
	t, err := im.r.newTemp(objectsName, objectsName)
	if errors.Is(err, unix.ENOENT) {
		if err = makeDir(im.r.fd, objectsName); err == nil {
			t, err = im.r.newTemp(objectsName, objectsName)
		}
	}
	return im.fixMode(t, err)
}

// Write writes p, and hashes it if the kernel is not going to.
func (w *objectWriter) Write(p []byte) (int, error) {
	if err := w.t.write(p); err != nil {
		return 0, err
	}
	if w.im.r.insecure {
		w.im.hasher.Write(p) //nolint:errcheck // a Hasher does not fail
	}
	w.size += int64(len(p))
	return len(p), nil
}

// finish makes what was written an object.
func (w *objectWriter) finish() (d verity.Digest, err error) {
	defer w.discard()
	if w.im.r.insecure {
		d = w.im.hasher.Sum()
	} else {
		d, err = w.im.r.protect(w.t, w.im.r.alg)
	}
	var stored bool
	if err == nil {
		stored, err = w.publish(d)
	}
	if err != nil {
		return verity.Digest{}, fmt.Errorf("cannot store an object of %d bytes: %w", w.size, err)
	}
	w.im.stats.count(stored, w.size)
	w.im.r.rely()
	return d, nil
}

func (w *objectWriter) publish(d verity.Digest) (stored bool, err error) {
	r, o := w.im.r, newObject(d, w.size)
	before, err := r.look(o)
	if err != nil || before == present {
		return false, err
	}
	if err := r.makeFanOut(o.dir()); err != nil {
		return false, err
	}
	return r.publish(w.t, o, before)
}

func (w *objectWriter) discard() { w.t.discard() }
