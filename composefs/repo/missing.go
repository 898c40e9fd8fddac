package repo

import (
	"bytes"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
)

// listFrom is the number of objects wanted of one directory from which reading
// the directory is faster than asking for each: an entry costs about a third
// of a stat, and the directory holds others besides.
const listFrom = 64

// Missing returns those of ds, in their order and each once, that are not in
// the repository. It goes by names and does not look at sizes: it is for
// planning, and Put looks again.
func (r *Repo) Missing(ds []verity.Digest) ([]verity.Digest, error) {
	buckets, err := r.byFirstByte(ds)
	if err != nil {
		return nil, fmt.Errorf("cannot look for objects: %w", err)
	}
	there := make([]bool, len(ds))
	listers := sync.Pool{New: func() any { return new(lister) }}
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, bucket := range buckets {
		g.Go(func() error {
			l := listers.Get().(*lister) //nolint:forcetypeassert // nothing else is put there
			defer listers.Put(l)
			return r.findBucket(l, ds, bucket, there)
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("cannot look for objects: %w", err)
	}
	r.rely()
	return absentOnce(ds, there), nil
}

// byFirstByte groups the indexes of ds by the directories of the fan-out.
func (r *Repo) byFirstByte(ds []verity.Digest) (buckets [256][]int, err error) {
	var raw [64]byte
	for i, d := range ds {
		if err := r.checkAlgorithm(d); err != nil {
			return buckets, err
		}
		b := d.AppendTo(raw[:0])[0]
		buckets[b] = append(buckets[b], i)
	}
	return buckets, nil
}

// findBucket sets there for the digests of one directory.
func (r *Repo) findBucket(l *lister, ds []verity.Digest, bucket []int, there []bool) error {
	if len(bucket) < listFrom {
		for _, i := range bucket {
			ok, err := r.statObject(ds[i])
			if err != nil {
				return err
			}
			there[i] = ok
		}
		return nil
	}
	w := newWanted(ds, bucket, there)
	sub := objectsName + "/" + ds[bucket[0]].String()[:2]
	for at := r; at != nil; at = at.base {
		if err := at.eachName(l, sub, w.found); err != nil {
			return err
		}
	}
	return nil
}

// wanted are the digests that are looked for in one directory. It finds them by
// their first bytes behind the one that the directory is named after.
type wanted struct {
	ds     []verity.Digest
	bucket []int          // indexes of ds
	first  map[uint64]int // the last place in bucket of a digest that begins like that, from 1
	before []int          // by place in bucket: the one before it that begins so too, from 1
	there  []bool         // by index of ds
}

func newWanted(ds []verity.Digest, bucket []int, there []bool) *wanted {
	w := &wanted{ds: ds, bucket: bucket, first: make(map[uint64]int, len(bucket)), before: make([]int, len(bucket)), there: there}
	var raw [sha512.Size]byte
	for k, i := range bucket {
		begin := binary.BigEndian.Uint64(ds[i].AppendTo(raw[:0])[1:])
		w.before[k] = w.first[begin]
		w.first[begin] = k + 1
	}
	return w
}

// found notes that there is an object with that name.
func (w *wanted) found(name []byte) {
	var begin [8]byte
	if len(name) < 2*len(begin) {
		return
	}
	if _, err := hex.Decode(begin[:], name[:2*len(begin)]); err != nil {
		return
	}
	var raw [sha512.Size]byte
	var text [2 * sha512.Size]byte
	for k := w.first[binary.BigEndian.Uint64(begin[:])]; k > 0; k = w.before[k-1] {
		i := w.bucket[k-1]
		n := hex.Encode(text[:], w.ds[i].AppendTo(raw[:0]))
		if bytes.Equal(name, text[2:n]) {
			w.there[i] = true
		}
	}
}

// lister is memory for directory entries as the kernel gives them.
type lister struct{ buf [64 << 10]byte }

// eachName calls fn with the names in a directory, "." and ".." among them,
// which are valid during the call. A directory that is not there has none.
func (r *Repo) eachName(l *lister, dir string, fn func(name []byte)) error {
	d, err := r.openDir(dir, false)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		n, err := unix.ReadDirent(int(d.Fd()), l.buf[:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return &os.PathError{Op: "read directory", Path: d.Name(), Err: err}
		}
		if n == 0 {
			return nil
		}
		eachEntry(l.buf[:n], fn)
	}
}

// eachEntry goes through a list of struct linux_dirent64 (getdents64(2)).
func eachEntry(list []byte, fn func(name []byte)) {
	const lengthAt, nameAt = 16, 19
	for len(list) > nameAt {
		length := int(binary.NativeEndian.Uint16(list[lengthAt:]))
		if length < nameAt || length > len(list) {
			return // the kernel does not do that
		}
		name, _, _ := bytes.Cut(list[nameAt:length], []byte{0})
		fn(name)
		list = list[length:]
	}
}

func absentOnce(ds []verity.Digest, there []bool) []verity.Digest {
	var missing []verity.Digest
	seen := map[verity.Digest]bool{}
	for i, d := range ds {
		if !there[i] && !seen[d] {
			seen[d] = true
			missing = append(missing, d)
		}
	}
	return missing
}
