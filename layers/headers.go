package layers

import "io"

// maxExtension bounds the extended headers and long names in front of an entry,
// in bytes all together: what libarchive and archive/tar allow for one.
const maxExtension = 1 << 20

// blocks is where headers are read from.
type blocks interface {
	// block returns the next 512 bytes, valid until the next call. At the end
	// of the tar it is io.EOF, within a block io.ErrUnexpectedEOF.
	block() ([]byte, error)
}

// headerReader reads the entries of a tar, of which it sees no content: between
// two calls of next the caller reads the content and its padding from src.
type headerReader struct {
	src blocks
	h   header

	joined   []byte // prefix and name of a ustar header
	extended []byte // all extensions of the current entry
	pax      span   // the records of the extended header
	longName span
	longLink span
}

// span is a part of headerReader.extended.
type span struct{ start, end int }

func (s span) of(b []byte) []byte { return b[s.start:s.end] }

// next returns the next entry, and io.EOF at the end of the archive: two zero
// blocks, or the end of the data. Global extended headers are passed over, as
// composefs-rs and container runtimes do.
func (r *headerReader) next() (*header, error) {
	r.forget()
	for {
		b, err := r.block()
		if err != nil {
			return nil, err
		}
		done, err := r.header(b)
		if done || err != nil {
			return &r.h, err
		}
	}
}

// block returns the next block that is a header. A lone zero block before it is
// passed over, as GNU tar does.
func (r *headerReader) block() ([]byte, error) {
	b, err := r.src.block()
	if err == nil && isZero(b) {
		if b, err = r.src.block(); err == nil && isZero(b) {
			err = io.EOF
		}
	}
	if isEnd(err) && len(r.extended) > 0 {
		return nil, malformed("the tar ends behind an extended header, before the entry it is for")
	}
	return b, err
}

// forget drops the extensions of the last entry, and a buffer that only a
// hostile tar needs.
func (r *headerReader) forget() {
	if cap(r.extended) > maxExtension/8 {
		r.extended = nil
	}
	r.extended = r.extended[:0]
	r.pax, r.longName, r.longLink = span{}, span{}, span{}
}

// header reads one header block, and the data of an extension that it
// announces. It reports whether the block described an entry.
func (r *headerReader) header(b []byte) (done bool, err error) {
	if !checksumOK(b) {
		return false, malformed("the checksum of a tar header is wrong")
	}
	h := &r.h
	*h = header{xattrs: h.xattrs[:0], typeflag: b[typeflagAt]}
	if r.joined, err = h.parse(b, r.joined); err != nil {
		return false, entryError(h.name, err)
	}
	switch h.typeflag {
	case typePAX:
		r.pax, err = r.extension(h.size)
		return false, err
	case typePAXGlobal:
		_, err = r.extension(h.size)
		r.forget()
		return false, err
	case typeLongName:
		r.longName, err = r.extension(h.size)
		return false, err
	case typeLongLink:
		r.longLink, err = r.extension(h.size)
		return false, err
	}
	if err := r.finish(); err != nil {
		return false, entryError(h.name, err)
	}
	return true, nil
}

// finish applies the extensions to the entry.
func (r *headerReader) finish() error {
	h := &r.h
	if err := h.applyPAX(r.pax.of(r.extended)); err != nil {
		return err
	}
	if err := h.applyLongNames(cString(r.longName.of(r.extended)), cString(r.longLink.of(r.extended))); err != nil {
		return err
	}
	return h.settle()
}

// extension reads the data behind a header that describes the next entry. Its
// memory grows with what is there, not with what the header claims.
func (r *headerReader) extension(size int64) (span, error) {
	start := len(r.extended)
	if size > maxExtension-int64(start) {
		return span{}, unsupported("extended headers of more than %d bytes are not supported", maxExtension)
	}
	for left := size; left > 0; left -= blockSize {
		b, err := r.src.block()
		if err != nil {
			return span{}, noEOF(err)
		}
		r.extended = append(r.extended, b[:min(left, blockSize)]...)
	}
	return span{start, len(r.extended)}, nil
}

// isEnd reports whether err is io.EOF itself, the end that everybody expects,
// and not an error that wraps it.
func isEnd(err error) bool {
	return err == io.EOF //nolint:errorlint // see above
}

// noEOF is for where data must not end.
func noEOF(err error) error {
	if isEnd(err) {
		return io.ErrUnexpectedEOF
	}
	return err
}
