package layers

import "sync/atomic"

// The bounds of a layer, and of all layers that are merged together. A merge keeps
// 400 bytes for each entry and its name, and needs twice that while it lasts. An
// import needs its buffers, a decoder, and the splitstream in compressed form.
const (
	maxEntries = 1 << 20 // entries, with whiteouts and the directories that entries lack
	maxNames   = 1 << 28 // bytes of paths, link targets and extended attributes
	maxOutside = 1 << 31 // bytes of a layer's tar that are not the content of files
	maxDense   = 1 << 28 // of those that the splitstream holds, the ones that are not zero
	maxTar     = 1 << 40 // bytes of a layer's tar
	maxWalked  = 1 << 28 // bytes of paths that following symbolic links leaves to walk
)

// budget is what may still be kept of a layer or an image. It may be spent by
// several goroutines at once.
type budget struct {
	entries, names atomic.Int64
}

func newBudget() *budget {
	b := &budget{}
	b.entries.Store(maxEntries)
	b.names.Store(maxNames)
	return b
}

// spend takes one entry off the budget.
func (b *budget) spend(e *rawEntry) error {
	if err := b.spendEntry(); err != nil {
		return err
	}
	n := len(e.path) + len(e.link)
	for _, x := range e.xattrs {
		n += len(x.name) + len(x.value)
	}
	if b.names.Add(-int64(n)) < 0 {
		return unsupported("more than %d bytes of names and extended attributes are not supported", maxNames)
	}
	return nil
}

func (b *budget) spendEntry() error {
	if b.entries.Add(-1) < 0 {
		return unsupported("more than %d files are not supported", maxEntries)
	}
	return nil
}
