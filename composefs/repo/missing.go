package repo

import (
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"

	"golang.org/x/sync/errgroup"

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
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, bucket := range buckets {
		g.Go(func() error { return r.findBucket(ds, bucket, there) })
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
func (r *Repo) findBucket(ds []verity.Digest, bucket []int, there []bool) error {
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
	names, err := r.objectNames(ds[bucket[0]].String()[:2])
	var raw [sha512.Size]byte
	var name [2 * sha512.Size]byte
	for _, i := range bucket {
		n := hex.Encode(name[:], ds[i].AppendTo(raw[:0]))
		_, there[i] = names[string(name[2:n])]
	}
	return err
}

// objectNames returns the names in one directory of the fan-out.
func (r *Repo) objectNames(sub string) (map[string]struct{}, error) {
	dir, err := r.openDir(objectsName+"/"+sub, false)
	if errors.Is(err, os.ErrNotExist) {
		return r.baseNames(sub, map[string]struct{}{})
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	set := make(map[string]struct{}, len(names))
	for _, name := range names {
		set[name] = struct{}{}
	}
	if err != nil {
		return set, err
	}
	return r.baseNames(sub, set)
}

// baseNames adds the names that the base has there.
func (r *Repo) baseNames(sub string, set map[string]struct{}) (map[string]struct{}, error) {
	if r.base == nil {
		return set, nil
	}
	more, err := r.base.objectNames(sub)
	maps.Copy(set, more)
	return set, err
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
