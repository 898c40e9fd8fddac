package repo

import "fmt"

// Sizes of the memory that a blocks takes at once.
const (
	firstBlock = 4 << 10
	lastBlock  = 1 << 20
)

// blocks is a buffer that grows without copying what it holds. It takes no more
// than max bytes.
type blocks struct {
	list [][]byte
	size int
	max  int
}

// Write appends p.
func (b *blocks) Write(p []byte) (int, error) {
	if len(p) > b.max-b.size {
		return 0, fmt.Errorf("more than %d bytes, compressed", b.max)
	}
	n := len(p)
	for b.size += n; len(p) > 0; {
		last := len(b.list) - 1
		if last < 0 || len(b.list[last]) == cap(b.list[last]) {
			b.list = append(b.list, make([]byte, 0, min(max(b.size, firstBlock), lastBlock)))
			last++
		}
		block := b.list[last]
		part := p[:min(len(p), cap(block)-len(block))]
		b.list[last], p = append(block, part...), p[len(part):]
	}
	return n, nil
}

// take moves what other holds to the end of b, which has room for it.
func (b *blocks) take(other *blocks) {
	b.list = append(b.list, other.list...)
	b.size += other.size
	other.list, other.size = nil, 0
}
