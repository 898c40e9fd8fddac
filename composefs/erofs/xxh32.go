package erofs

import "math/bits"

// The primes of XXH32 (xxHash specification, "XXH32 algorithm description").
const (
	prime1 uint32 = 0x9e3779b1
	prime2 uint32 = 0x85ebca77
	prime3 uint32 = 0xc2b2ae3d
	prime4 uint32 = 0x27d4eb2f
	prime5 uint32 = 0x165667b1
)

// xxh32 is the hash of the name filter.
func xxh32(s string, seed uint32) uint32 {
	h := seed + prime5
	total := uint32(len(s))
	if len(s) >= 16 {
		h, s = xxhStripes(s, seed)
	}
	h += total
	for ; len(s) >= 4; s = s[4:] {
		h = bits.RotateLeft32(h+word(s)*prime3, 17) * prime4
	}
	for i := range len(s) {
		h = bits.RotateLeft32(h+uint32(s[i])*prime5, 11) * prime1
	}
	h = (h ^ h>>15) * prime2
	h = (h ^ h>>13) * prime3
	return h ^ h>>16
}

// xxhStripes takes in all whole stripes of 16 bytes and returns the rest.
func xxhStripes(s string, seed uint32) (uint32, string) {
	lane := [4]uint32{seed + prime1 + prime2, seed + prime2, seed, seed - prime1}
	for ; len(s) >= 16; s = s[16:] {
		for i := range lane {
			lane[i] = bits.RotateLeft32(lane[i]+word(s[4*i:])*prime2, 13) * prime1
		}
	}
	h := bits.RotateLeft32(lane[0], 1) + bits.RotateLeft32(lane[1], 7) +
		bits.RotateLeft32(lane[2], 12) + bits.RotateLeft32(lane[3], 18)
	return h, s
}

func word(s string) uint32 {
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}
