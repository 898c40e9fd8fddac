package repo

import "github.com/bootc-go/bootc/composefs/verity"

// digestIndex is a list of digests, each once, in the order of their first
// appearance.
type digestIndex struct {
	list []verity.Digest
	at   map[verity.Digest]int
}

// add returns the place of d in the list.
func (x *digestIndex) add(d verity.Digest) int {
	i, ok := x.at[d]
	if !ok {
		if x.at == nil {
			x.at = map[verity.Digest]int{}
		}
		i = len(x.list)
		x.at[d] = i
		x.list = append(x.list, d)
	}
	return i
}

// appendTo appends the raw digests to b.
func (x *digestIndex) appendTo(b []byte) []byte {
	for _, d := range x.list {
		b = d.AppendTo(b)
	}
	return b
}
