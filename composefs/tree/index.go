package tree

// Index numbers the inodes of a tree in the order in which it meets them. Each
// inode holds its number, so a map with 100,000 entries is saved; but therefore a
// tree has one Index at a time: a new one makes the one before useless.
type Index struct {
	chunks [][]*Node // each of indexChunk, but for the last
	count  int
}

const indexChunk = 1 << 10

// Add returns the number of n, the first one 0, and whether n had it before.
func (x *Index) Add(n *Node) (number int, known bool) {
	if number, known = x.Find(n); known {
		return number, true
	}
	if x.count%indexChunk == 0 {
		x.chunks = append(x.chunks, make([]*Node, 0, indexChunk))
	}
	last := &x.chunks[len(x.chunks)-1]
	*last = append(*last, n)
	n.number = uint32(x.count)
	x.count++
	return x.count - 1, false
}

// Find returns the number of n, and whether it has one.
func (x *Index) Find(n *Node) (number int, known bool) {
	number = int(n.number) // of this index, an earlier one, or a node that n is a copy of
	return number, number < x.count && x.chunks[number/indexChunk][number%indexChunk] == n
}

// Len is how many inodes have a number.
func (x *Index) Len() int { return x.count }
