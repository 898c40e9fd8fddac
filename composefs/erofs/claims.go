package erofs

import "fmt"

const (
	claimWords = 128
	claimPage  = claimWords * 64 // slots in a page
)

// claims is the slots of an image that some inode has taken: its own and those
// of its data. No slot is taken twice, so that what a reader makes of an image
// stays in proportion to what is in it.
type claims struct {
	pages map[uint64]*[claimWords]uint64
}

// take takes the slots of all bytes from start to end.
func (c *claims) take(start, end uint64) error {
	for slot := start / slotSize; slot*slotSize < end; {
		word, bit := c.word(slot), slot%64
		n := min(64-bit, alignTo(end, slotSize)/slotSize-slot)
		mask := (^uint64(0) >> (64 - n)) << bit
		if *word&mask != 0 {
			return fmt.Errorf("%d bytes at %d overlap something else", end-start, start)
		}
		*word |= mask
		slot += n
	}
	return nil
}

func (c *claims) word(slot uint64) *uint64 {
	page := c.pages[slot/claimPage]
	if page == nil {
		page = new([claimWords]uint64)
		c.pages[slot/claimPage] = page
	}
	return &page[slot%claimPage/64]
}
