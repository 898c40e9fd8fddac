package repo

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/bootc-go/bootc/composefs/verity"
)

// longInline is the length from which a run of inline bytes is no longer held
// in memory.
const longInline = 1 << 20

// maxStreamMemory bounds the bytes of a splitstream, compressed, which its
// writer holds until the end: the header and the references, which come first
// in the file, are not known before.
const maxStreamMemory = 128 << 20

var errStreamEnded = errors.New("the stream has ended")

// StreamWriter writes one splitstream. It belongs to one goroutine, and must
// be ended by Commit or Abort. It holds the splitstream, which is compressed,
// in memory, and fails when that takes more than 128 MiB.
type StreamWriter struct {
	r           *Repo
	im          *Importer
	contentType uint64
	size        uint64
	err         error // the first one; nothing works after it

	objects digestIndex
	named   []NamedRef // sorted

	out blocks // finished zstd frames
	enc *zstd.Encoder

	// A chunk begins with its length, which is known only when it ends. A
	// short run waits in inline. A long one becomes a frame of its own in
	// long, and the frame with the length goes before it: any split into
	// frames reads as the same stream. The run must remain one chunk, because
	// composefs-rs does not expect a tar header in two of them.
	inline  []byte
	long    blocks // has the room that out leaves
	longEnc *zstd.Encoder
	longLen uint64
}

// NewStream begins a splitstream; im stores it in the end.
func (r *Repo) NewStream(im *Importer, contentType uint64) *StreamWriter {
	w := &StreamWriter{r: r, im: im, contentType: contentType, out: blocks{max: maxStreamMemory}}
	w.enc, w.err = r.encoder(&w.out)
	return w
}

// WriteInline appends p to the stream.
func (w *StreamWriter) WriteInline(p []byte) error {
	if w.err != nil {
		return w.err
	}
	w.size += uint64(len(p))
	if w.longEnc == nil && len(w.inline)+len(p) < longInline {
		w.inline = append(w.inline, p...)
		return nil
	}
	if w.longEnc == nil {
		w.long.max = maxStreamMemory - w.out.size
		w.longEnc, w.err = w.r.encoder(&w.long)
		w.writeLong(w.inline)
		w.inline = w.inline[:0]
	}
	w.writeLong(p)
	return w.err
}

func (w *StreamWriter) writeLong(p []byte) {
	if w.err == nil {
		w.longLen += uint64(len(p))
		_, w.err = w.longEnc.Write(p)
	}
}

// WriteExternal appends the content of the object d, of size bytes. One of no
// bytes is only referred to.
func (w *StreamWriter) WriteExternal(d verity.Digest, size int64) error {
	if size < 0 {
		return w.fail(fmt.Errorf("an object of %d bytes", size))
	}
	if size == 0 {
		return w.AddObjectRef(d)
	}
	w.flushInline()
	i := w.index(d)
	w.size += uint64(size)
	return w.prefix(int64(i))
}

// AddObjectRef makes the stream refer to the object d without appending it,
// which keeps the object from being collected.
func (w *StreamWriter) AddObjectRef(d verity.Digest) error {
	w.index(d)
	return w.err
}

// AddNamedRef makes the stream refer, under a name of the caller's, to the
// splitstream or image with the digest d. A name that was used already gets
// the new digest.
func (w *StreamWriter) AddNamedRef(name string, d verity.Digest) error {
	if strings.ContainsRune(name, 0) {
		return w.fail(fmt.Errorf("the reference %q has a NUL character", name))
	}
	if err := w.r.checkAlgorithm(d); err != nil {
		return w.fail(err)
	}
	i, ok := slices.BinarySearchFunc(w.named, name, compareName)
	if ok {
		w.named[i].Digest = d
		return w.err
	}
	if len(w.named) == maxNamedCount {
		return w.fail(fmt.Errorf("more than %d named references", maxNamedCount))
	}
	w.named = slices.Insert(w.named, i, NamedRef{name, d})
	return w.err
}

// index returns the place of d in the list of objects.
func (w *StreamWriter) index(d verity.Digest) int {
	if err := w.r.checkAlgorithm(d); err != nil {
		w.fail(err) //nolint:errcheck // returned by whoever calls
		return 0
	}
	return w.objects.add(d)
}

func (w *StreamWriter) fail(err error) error {
	if w.err == nil {
		w.err = err
	}
	return w.err
}

// prefix writes what begins a chunk: an index into the objects, or a length
// below zero.
func (w *StreamWriter) prefix(n int64) error {
	if w.err == nil {
		var b [chunkPrefixLen]byte
		binary.LittleEndian.PutUint64(b[:], uint64(n))
		_, w.err = w.enc.Write(b[:])
	}
	return w.err
}

// flushInline ends the chunk of inline bytes, if there is one.
func (w *StreamWriter) flushInline() {
	switch {
	case w.longEnc != nil:
		w.flushLong()
	case len(w.inline) > 0 && w.prefix(-int64(len(w.inline))) == nil:
		_, w.err = w.enc.Write(w.inline)
		w.inline = w.inline[:0]
	}
}

func (w *StreamWriter) flushLong() {
	if w.prefix(-int64(w.longLen)) != nil {
		return
	}
	w.err = cmp.Or(w.enc.Close(), w.longEnc.Close())
	if w.out.size+w.long.size > w.out.max {
		w.fail(fmt.Errorf("more than %d bytes, compressed", w.out.max)) //nolint:errcheck // returned by whoever calls
	}
	w.out.take(&w.long)
	w.r.giveEncoder(w.longEnc)
	w.longEnc, w.longLen = nil, 0
	w.enc.Reset(&w.out)
}

// Commit stores the splitstream as an object without a name, see
// [Repo.LinkStream], and ends w.
func (w *StreamWriter) Commit() (verity.Digest, error) {
	defer w.Abort()
	w.flushInline()
	if w.err == nil {
		w.err = w.enc.Close()
	}
	var head []byte
	if w.err == nil {
		head, w.err = w.head()
	}
	if w.err != nil {
		return verity.Digest{}, fmt.Errorf("cannot write splitstream: %w", w.err)
	}
	return w.im.putParts(slices.Insert(w.out.list, 0, head)...)
}

// head returns what comes before the stream in the file: header, info, and the
// other sections in the order that composefs-rs gives them.
func (w *StreamWriter) head() ([]byte, error) {
	var streams digestIndex
	named, err := w.encodeNamed(&streams)
	if err != nil {
		return nil, err
	}
	l := streamLayout{contentType: w.contentType, size: w.size}
	end := uint64(streamHeader)
	place := func(s *section, n int) { *s = section{end, end + uint64(n)}; end += uint64(n) }
	place(&l.info, streamInfo)
	place(&l.streamRefs, len(streams.list)*w.r.alg.Size())
	place(&l.objectRefs, len(w.objects.list)*w.r.alg.Size())
	place(&l.namedRefs, len(named))
	head := make([]byte, 0, end)
	place(&l.stream, w.out.size)
	head = append(head, l.encode(w.r.alg)...)
	head = w.objects.appendTo(streams.appendTo(head))
	return append(head, named...), nil
}

// encodeNamed fills the list of streams, and returns the section of their
// names, compressed.
func (w *StreamWriter) encodeNamed(streams *digestIndex) ([]byte, error) {
	var text, out bytes.Buffer
	for _, n := range w.named {
		fmt.Fprintf(&text, "%d:%s\x00", streams.add(n.Digest), n.Name)
	}
	if text.Len() > maxNamedRefs {
		return nil, fmt.Errorf("the named references take more than %d bytes", maxNamedRefs)
	}
	enc, err := w.r.encoder(&out)
	if err != nil {
		return nil, err
	}
	defer w.r.giveEncoder(enc)
	if _, err := enc.Write(text.Bytes()); err != nil {
		return nil, err
	}
	err = enc.Close()
	return out.Bytes(), err
}

// Abort ends w without storing anything. It may be called after Commit.
func (w *StreamWriter) Abort() {
	if w.enc != nil {
		w.r.giveEncoder(w.enc)
	}
	if w.longEnc != nil {
		w.r.giveEncoder(w.longEnc)
	}
	w.enc, w.longEnc = nil, nil
	w.fail(errStreamEnded) //nolint:errcheck // for those who go on all the same
}
