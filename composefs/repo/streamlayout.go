package repo

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/bootc-go/bootc/composefs/verity"
)

// readLayout reads and judges header and info section of a splitstream of size
// bytes. All sections are within the file and none shares a byte with another,
// so their sizes add up to no more than what is there.
func readLayout(r io.ReaderAt, size int64, alg verity.Algorithm) (streamLayout, error) {
	var buf [streamInfo]byte
	if err := readAt(r, buf[:streamHeader], 0); err != nil {
		return streamLayout{}, fmt.Errorf("read header: %w", err)
	}
	info, err := decodeHeader(buf[:streamHeader], alg)
	if err != nil {
		return streamLayout{}, err
	}
	if err := info.within(size); err != nil || info.len() < streamInfo {
		return streamLayout{}, fmt.Errorf("info section: %w", cmp.Or(err, errors.New("too short")))
	}
	if err := readAt(r, buf[:], info.start); err != nil {
		return streamLayout{}, fmt.Errorf("read info section: %w", err)
	}
	l := decodeInfo(info, buf[:])
	return l, l.check(size, alg)
}

func (l streamLayout) check(size int64, alg verity.Algorithm) error {
	all := []section{{0, streamHeader}, l.info, l.streamRefs, l.objectRefs, l.stream, l.namedRefs}
	for i, s := range all {
		if err := s.within(size); err != nil {
			return fmt.Errorf("section %d: %w", i, err)
		}
	}
	if l.streamRefs.len()%uint64(alg.Size()) != 0 || l.objectRefs.len()%uint64(alg.Size()) != 0 {
		return errors.New("references of uneven length")
	}
	return disjoint(all)
}

func disjoint(all []section) error {
	all = slices.DeleteFunc(all, func(s section) bool { return s.len() == 0 })
	slices.SortFunc(all, func(a, b section) int { return cmp.Compare(a.start, b.start) })
	for i := 1; i < len(all); i++ {
		if all[i].start < all[i-1].end {
			return fmt.Errorf("sections overlap at byte %d", all[i].start)
		}
	}
	return nil
}

func (s section) within(size int64) error {
	if s.start > s.end || s.end > uint64(size) {
		return fmt.Errorf("range [%d, %d) of a file of %d bytes", s.start, s.end, size)
	}
	return nil
}

// readDigests reads an array of digests. The section is known to be within the
// file.
func readDigests(r io.ReaderAt, s section, alg verity.Algorithm) ([]verity.Digest, error) {
	raw := make([]byte, s.len())
	if err := readAt(r, raw, s.start); err != nil {
		return nil, err
	}
	ds := make([]verity.Digest, 0, len(raw)/alg.Size())
	for one := range slices.Chunk(raw, alg.Size()) {
		d, err := verity.FromBytes(alg, one)
		if err != nil {
			return nil, err
		}
		ds = append(ds, d)
	}
	return ds, nil
}

func readAt(r io.ReaderAt, b []byte, off uint64) error {
	n, err := r.ReadAt(b, int64(off))
	if n == len(b) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
