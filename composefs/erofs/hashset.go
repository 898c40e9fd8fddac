package erofs

import "hash/maphash"

// hashSet remembers hashes, and which of them came more than once: then bit 0
// is set. All other bits are the hash; 0 is a free place.
type hashSet struct {
	seed  maphash.Seed
	table []uint64
}

// init makes room for n hashes.
func (h *hashSet) init(n int) {
	size := 1024
	for size < n+n/2 {
		size *= 2
	}
	h.seed, h.table = maphash.MakeSeed(), make([]uint64, size)
}

func (h *hashSet) find(key []byte) (hash uint64, place *uint64) {
	hash = maphash.Bytes(h.seed, key)&^1 | 2
	mask := uint64(len(h.table) - 1)
	for i := hash >> 2; ; i++ {
		if place = &h.table[i&mask]; *place == 0 || *place&^1 == hash {
			return hash, place
		}
	}
}

func (h *hashSet) add(key []byte) {
	hash, place := h.find(key)
	if *place == 0 {
		*place = hash
	} else {
		*place |= 1
	}
}

// twice reports whether key, or another key with its hash, came more than once.
func (h *hashSet) twice(key []byte) bool {
	_, place := h.find(key)
	return *place&1 != 0
}
