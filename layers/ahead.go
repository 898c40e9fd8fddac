package layers

import (
	"hash"
	"io"
	"sync"
)

const (
	aheadSize  = 128 << 10 // bytes of a piece
	aheadCount = 6         // pieces at most: one that is read, one that is given out, and those between
)

// aheadBuffers keeps the memory of layers that are done for the next ones.
var aheadBuffers = sync.Pool{New: func() any { return new([aheadCount][aheadSize]byte) }}

// ahead reads a layer in a goroutine of its own, so that decompressing it and
// storing its files keep two processors busy when there is but one layer to
// fetch, as in most updates. It hashes what it reads.
type ahead struct {
	sum    hash.Hash // of all, once the end was read
	memory *[aheadCount][aheadSize]byte
	free   chan []byte // pieces to be filled
	filled chan piece
	stop   chan struct{}

	now  piece  // what Read gives out
	rest []byte // what it has not yet given out of that
}

// piece is what was read into a buffer, and the error that came with it.
type piece struct {
	buf []byte
	n   int
	err error
}

// readAhead starts reading r. The caller must call close before r is used again.
func readAhead(r io.Reader, sum hash.Hash) *ahead {
	memory := aheadBuffers.Get().(*[aheadCount][aheadSize]byte) //nolint:forcetypeassert // nothing else is put there
	a := &ahead{
		sum:    sum,
		memory: memory,
		free:   make(chan []byte, aheadCount),
		filled: make(chan piece, aheadCount),
		stop:   make(chan struct{}),
	}
	for i := range memory {
		a.free <- memory[i][:]
	}
	go a.run(r)
	return a
}

// run fills pieces until there is an error or nobody wants more.
func (a *ahead) run(r io.Reader) {
	defer close(a.filled)
	for {
		select {
		case buf := <-a.free:
			n, err := fillPiece(r, buf)
			a.sum.Write(buf[:n])
			a.filled <- piece{buf, n, err}
			if err != nil {
				return
			}
		case <-a.stop:
			return
		}
	}
}

// fillPiece reads until buf is full, or holds so much that it need not wait for
// the rest.
func fillPiece(r io.Reader, buf []byte) (n int, err error) {
	for range maxEmptyReads {
		var k int
		k, err = r.Read(buf[n:])
		n += k
		if err != nil || n > len(buf)/2 {
			return n, err
		}
	}
	if n == 0 {
		err = io.ErrNoProgress
	}
	return n, err
}

// Read implements io.Reader.
func (a *ahead) Read(b []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.now.err != nil {
			return 0, a.now.err
		}
		if a.now.buf != nil {
			a.free <- a.now.buf
		}
		a.now = <-a.filled
		a.rest = a.now.buf[:a.now.n]
	}
	n := copy(b, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// close ends the reading and waits until it has ended.
func (a *ahead) close() {
	close(a.stop)
	for range a.filled {
	}
	aheadBuffers.Put(a.memory)
}
