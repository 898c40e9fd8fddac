package erofs

import "io"

// output gathers what is written into large pieces. What is to be written is
// appended to buf. While one piece is written out, which mostly means hashed, by
// a goroutine of its own, the next one is gathered.
type output struct {
	buf     []byte
	flushed uint64
	err     error // the first one of the writer, once it is known

	pieces  chan []byte  // to be written out
	written chan written // what became of them
}

// written is a piece that was written out, whose memory is free again.
type written struct {
	piece []byte
	err   error // the first one so far
}

const pieceSize = 256 << 10

// newOutput starts the goroutine. It ends with the call of close.
func newOutput(w io.Writer) *output {
	o := &output{
		buf:     make([]byte, 0, pieceSize+64<<10),
		pieces:  make(chan []byte),
		written: make(chan written, 1),
	}
	o.written <- written{piece: make([]byte, 0, cap(o.buf))}
	go func() {
		var err error
		for p := range o.pieces {
			if err == nil {
				_, err = w.Write(p)
			}
			o.written <- written{p, err}
		}
	}()
	return o
}

// pos is where in the image the next byte will be.
func (o *output) pos() uint64 { return o.flushed + uint64(len(o.buf)) }

// spill writes whole blocks out once there are many.
func (o *output) spill() {
	if len(o.buf) >= pieceSize {
		o.flush(len(o.buf) &^ (blockSize - 1))
	}
}

// flush hands on n bytes once those before them are written.
func (o *output) flush(n int) {
	if n == 0 {
		return
	}
	before := <-o.written
	o.err = before.err
	o.pieces <- o.buf[:n]
	o.flushed += uint64(n)
	o.buf = append(before.piece[:0], o.buf[n:]...)
}

// close waits until all is written that was flushed.
func (o *output) close() error {
	o.err = (<-o.written).err
	close(o.pieces)
	return o.err
}

// padTo appends zeros up to pos.
func (o *output) padTo(pos uint64) {
	if here := o.pos(); here < pos {
		o.buf = zeros(o.buf, int(pos-here))
	}
}
