package erofs

import "io"

// output gathers what is written into large pieces. What is to be written is
// appended to buf.
type output struct {
	w       io.Writer
	buf     []byte
	flushed uint64
	err     error
}

const pieceSize = 256 << 10

// pos is where in the image the next byte will be.
func (o *output) pos() uint64 { return o.flushed + uint64(len(o.buf)) }

// spill writes whole blocks out once there are many.
func (o *output) spill() {
	if len(o.buf) >= pieceSize {
		o.flush(len(o.buf) &^ (blockSize - 1))
	}
}

// flush writes n bytes out.
func (o *output) flush(n int) {
	if o.err == nil && n > 0 {
		_, o.err = o.w.Write(o.buf[:n])
	}
	o.flushed += uint64(n)
	o.buf = o.buf[:copy(o.buf, o.buf[n:])]
}

// padTo appends zeros up to pos.
func (o *output) padTo(pos uint64) {
	if here := o.pos(); here < pos {
		o.buf = zeros(o.buf, int(pos-here))
	}
}
