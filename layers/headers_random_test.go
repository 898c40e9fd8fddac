package layers

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// setChecksum makes the block a header.
func setChecksum(b []byte) {
	for i := fieldChecksum.off; i < fieldChecksum.end; i++ {
		b[i] = ' '
	}
	var sum int64
	for _, c := range b {
		sum += int64(c)
	}
	copy(fieldChecksum.of(b), fmt.Sprintf("%06o\x00 ", sum))
}

// tarMaker makes tars, mostly valid ones, with every way to write a field.
type tarMaker struct{ *rand.Rand }

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func (m tarMaker) text(max int) string {
	return strings.Repeat(pick(m.Rand, "a", "b/", "./", "../", "é", "\xff", "."), m.IntN(max/2)) +
		pick(m.Rand, "x", "", "/", "\x00y", "z")
}

func (m tarMaker) number(f field) []byte {
	n := f.end - f.off
	v := pick(m.Rand, 0, 1, 0o644, 0o7777777, m.Int64N(1<<33), m.Int64N(64))
	out := make([]byte, n)
	switch m.IntN(12) {
	case 0:
		copy(out, fmt.Sprintf("%o ", v))
	case 1:
		copy(out, fmt.Sprintf("%*o", n, v)[:n])
	case 2: // base 256
		for i := n - 1; i > 0 && v != 0; i-- {
			out[i] = byte(v)
			v >>= 8
		}
		out[0] = 0x80
	case 3: // base 256, negative
		for i := range out {
			out[i] = 0xff
		}
		out[n-1] = byte(v)
	case 4:
		if m.IntN(8) == 0 {
			for i := range out {
				out[i] = byte(m.Uint32())
			}
		}
	case 5:
		copy(out[m.IntN(n-1):], "7")
	default:
		copy(out, fmt.Sprintf("%0*o", n-1, v%(1<<(3*(min(n, 12)-1)))))
	}
	return out
}

func (m tarMaker) header(typeflag byte, size int64) []byte {
	b := make([]byte, blockSize)
	copy(fieldName.of(b), m.text(160))
	copy(fieldLinkname.of(b), m.text(160))
	for _, f := range []field{fieldMode, fieldUID, fieldGID, fieldMtime} {
		copy(f.of(b), m.number(f))
	}
	copy(fieldSize.of(b), fmt.Sprintf("%011o", size))
	b[typeflagAt] = typeflag
	switch magic := pick(m.Rand, "", "ustar\x0000", "ustar\x0000", "ustar\x0099", "ustar  \x00", "ustar  \x00", "star"); magic {
	case "star":
		copy(fieldMagic.of(b), "ustar\x0000")
		copy(fieldStarMark.of(b), "tar\x00")
		copy(fieldStarPrefix.of(b), m.text(130))
	default:
		copy(b[fieldMagic.off:], magic)
		switch m.IntN(3) {
		case 0:
			copy(fieldPrefix.of(b), m.text(160))
		case 1:
			copy(fieldGNUAtime.of(b), m.number(fieldGNUAtime))
			copy(fieldGNUCtime.of(b), m.number(fieldGNUCtime))
		}
		copy(fieldDevmajor.of(b), m.number(fieldDevmajor))
		copy(fieldDevminor.of(b), m.number(fieldDevminor))
	}
	setChecksum(b)
	return b
}

func record(key, value string) string {
	body := fmt.Sprintf(" %s=%s\n", key, value)
	n := len(body) + 1
	for len(fmt.Sprint(n))+len(body) != n {
		n = len(fmt.Sprint(n)) + len(body)
	}
	return fmt.Sprint(n) + body
}

// records makes the data of an extended header. A number that is none stands
// only under a key of its own: archive/tar does not look at a value that a later
// one replaces, while we refuse it.
func (m tarMaker) records() string {
	var b strings.Builder
	bad := pick(m.Rand, "", "uid", "gid", "mtime", "atime", "ctime")
	if bad != "" && m.IntN(4) > 0 {
		bad = ""
	}
	if bad != "" {
		b.WriteString(record(bad, pick(m.Rand, "1e3", ".5", "1.x", "x", "-", "1.-5", "1 ")))
	}
	for range m.IntN(5) {
		switch m.IntN(12) {
		case 0:
			b.WriteString(record("path", m.text(300)))
		case 1:
			b.WriteString(record("linkpath", m.text(300)))
		case 2:
			if bad == "" {
				b.WriteString(record(pick(m.Rand, "uid", "gid"), pick(m.Rand, "5", "", "-7", "4294967295", "+8")))
			}
		case 3, 4:
			if bad == "" {
				b.WriteString(record(pick(m.Rand, "mtime", "atime", "ctime"),
					pick(m.Rand, "1", "1.5", "-1.5", "-0.25", "1.", "12.0000000019", "1.123456789123", "", "+3.5")))
			}
		case 5, 6, 7:
			b.WriteString(record("SCHILY.xattr.user."+m.text(8), pick(m.Rand, "", "v", "a\x00b", "=", "\n")))
		case 8:
			b.WriteString(record("size", pick(m.Rand, "0", "5", "", "1024")))
		case 9:
			b.WriteString(record("comment", m.text(20)))
		case 10:
			b.WriteString(record(pick(m.Rand, "uname", "gname", "a\x00"), m.text(20)))
		default:
			if m.IntN(8) == 0 {
				b.WriteString(pick(m.Rand, "9 a=b\n", "x", "3 a=b\n", "6 =bb\n", "-1 a=b\n", "06 a=b\n"))
			}
		}
	}
	return b.String()
}

func (m tarMaker) padded(data string) []byte {
	return append([]byte(data), make([]byte, -len(data)&(blockSize-1))...)
}

// tar makes a whole tar.
func (m tarMaker) tar() (data []byte) {
	for range m.IntN(4) + 1 {
		for range pick(m.Rand, 0, 0, 1, 1, 2) {
			switch pick(m.Rand, "x", "x", "L", "K", "g") {
			case "x":
				r := m.records()
				data = append(append(data, m.header('x', int64(len(r)))...), m.padded(r)...)
			case "g":
				r := record("path", m.text(10))
				data = append(append(data, m.header('g', int64(len(r)))...), m.padded(r)...)
			case "L":
				r := m.text(300) + "\x00"
				data = append(append(data, m.header('L', int64(len(r)))...), m.padded(r)...)
			case "K":
				r := m.text(300)
				data = append(append(data, m.header('K', int64(len(r)))...), m.padded(r)...)
			}
		}
		size := pick[int64](m.Rand, 0, 0, 5, 512, 1000)
		data = append(data, m.header(pick[byte](m.Rand, 0, '0', '0', '1', '2', '3', '4', '5', '6', '7', 'V'), size)...)
		data = append(data, make([]byte, (size+511)&^511)...)
	}
	if m.IntN(4) > 0 {
		data = append(data, make([]byte, 1024)...)
	}
	return data
}

// compareWithGo checks that archive/tar and we agree on every entry that both
// accept, and that we refuse nothing but what we mean to refuse.
func compareWithGo(t *testing.T, data []byte) {
	t.Helper()
	ours, ourErr := ourEntries(data)
	theirs, theirErr := theirEntries(data)
	n := min(len(ours), len(theirs))
	if diff := cmp.Diff(theirs[:n], ours[:n], cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("archive/tar (-) and we (+) differ:\n%s", diff)
	}
	if ourErr == nil || theirErr != nil && len(theirs) <= len(ours) {
		return
	}
	if errors.Is(ourErr, io.ErrUnexpectedEOF) && len(theirs) == len(ours) {
		return // archive/tar does without the padding of the last file
	}
	for _, why := range []string{"sparse", "GNU's long", "behind an extended header", "extended headers of more"} {
		if strings.Contains(ourErr.Error(), why) {
			return
		}
	}
	t.Fatalf("archive/tar reads %d entries (then: %v), we read %d, then: %v", len(theirs), theirErr, len(ours), ourErr)
}

// TestRandomHeaders compares with archive/tar on tars that use every field in
// every way.
func TestRandomHeaders(t *testing.T) {
	t.Parallel()
	accepted := 0
	for seed := range uint64(6000) {
		data := tarMaker{rand.New(rand.NewPCG(seed, 1))}.tar()
		compareWithGo(t, data)
		if all, err := ourEntries(data); err == nil && len(all) > 0 {
			accepted++
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if accepted < 1500 {
		t.Errorf("only %d of the tars are valid: the test tests too little", accepted)
	}
}
