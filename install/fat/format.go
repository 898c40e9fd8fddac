package fat

import (
	"encoding/binary"
	"time"
)

// The format: docs/reference/formats/fat.md. All numbers are little-endian.
const (
	clusterSize = 4096
	numFATs     = 2
	minReserved = 32 // sectors before the first FAT
	infoSector  = 1
	backupStart = 6 // sector of the copies of boot and information sector

	firstCluster = 2
	rootCluster  = firstCluster
	minClusters  = 65525 // with fewer it would not be FAT32
	maxClusters  = 0x0FFFFFF5 - firstCluster

	endOfChain = 0x0FFFFFFF
	mediaFixed = 0xF8

	entrySize    = 32
	unitsPerLong = 13  // UTF-16 code units in one entry of a long name
	maxUnits     = 255 // in a long name
	maxFileSize  = 1<<32 - 1

	attrVolume  = 0x08
	attrDir     = 0x10
	attrArchive = 0x20
	attrLong    = 0x0F
	lastLong    = 0x40
)

// geometry is where the parts of a file system lie.
type geometry struct {
	sector   int64 // bytes
	total    int64 // sectors
	reserved int64 // sectors
	fat      int64 // sectors of one FAT
	clusters int64
}

// newGeometry makes the data area begin at a multiple of the cluster size.
func newGeometry(size, sector int64) geometry {
	g := geometry{sector: sector, total: size / sector}
	perCluster := clusterSize / sector
	most := (g.total - minReserved) / perCluster
	g.fat = ((most+firstCluster)*4 + sector - 1) / sector
	g.reserved = minReserved
	if odd := (g.reserved + numFATs*g.fat) % perCluster; odd > 0 {
		g.reserved += perCluster - odd
	}
	g.clusters = (g.total - g.reserved - numFATs*g.fat) / perCluster
	return g
}

func (g geometry) fatOffset(n int64) int64 { return (g.reserved + n*g.fat) * g.sector }

func (g geometry) clusterOffset(c uint32) int64 {
	return g.fatOffset(numFATs) + int64(c-firstCluster)*clusterSize
}

// bootSector encodes the first sector, with the BIOS parameter block.
func (g geometry) bootSector(o Options) []byte {
	b := make([]byte, g.sector)
	le := binary.LittleEndian
	copy(b, "\xEB\x58\x90BOOTC   ")
	le.PutUint16(b[11:], uint16(g.sector))
	b[13] = byte(clusterSize / g.sector)
	le.PutUint16(b[14:], uint16(g.reserved))
	b[16] = numFATs
	b[21] = mediaFixed
	le.PutUint16(b[24:], 63)  // sectors of a track
	le.PutUint16(b[26:], 255) // heads
	le.PutUint32(b[28:], uint32(o.Start/g.sector))
	le.PutUint32(b[32:], uint32(g.total))
	le.PutUint32(b[36:], uint32(g.fat))
	le.PutUint32(b[44:], rootCluster)
	le.PutUint16(b[48:], infoSector)
	le.PutUint16(b[50:], backupStart)
	b[64] = 0x80 // the first fixed disk
	b[66] = 0x29 // the next three fields are there
	le.PutUint32(b[67:], o.ID)
	copy(b[71:82], padded(o.Label, 11))
	copy(b[82:90], "FAT32   ")
	b[510], b[511] = 0x55, 0xAA
	return b
}

// info encodes the information sector.
func (g geometry) info(used uint32) []byte {
	b := make([]byte, g.sector)
	le := binary.LittleEndian
	copy(b, "RRaA")
	copy(b[484:], "rrAa")
	le.PutUint32(b[488:], uint32(g.clusters)-used)
	le.PutUint32(b[492:], firstCluster+used)
	b[510], b[511] = 0x55, 0xAA
	return b
}

// entry encodes the directory entry that holds a short name.
func entry(short [11]byte, attr byte, cluster, size uint32, when time.Time) []byte {
	b := make([]byte, entrySize)
	le := binary.LittleEndian
	copy(b, short[:])
	b[11] = attr
	date := uint16(when.Year()-1980)<<9 | uint16(when.Month())<<5 | uint16(when.Day())
	clock := uint16(when.Hour())<<11 | uint16(when.Minute())<<5 | uint16(when.Second()/2)
	le.PutUint16(b[14:], clock) // made
	le.PutUint16(b[16:], date)
	le.PutUint16(b[18:], date)  // read
	le.PutUint16(b[22:], clock) // changed
	le.PutUint16(b[24:], date)
	le.PutUint16(b[20:], uint16(cluster>>16))
	le.PutUint16(b[26:], uint16(cluster))
	le.PutUint32(b[28:], size)
	return b
}

// longEntries encodes the entries of a long name, which stand before the one with
// the short name, last part first.
func longEntries(units []uint16, short [11]byte) []byte {
	sum := byte(0)
	for _, c := range short {
		sum = sum<<7 + sum>>1 + c
	}
	n := (len(units) + unitsPerLong - 1) / unitsPerLong
	out := make([]byte, 0, n*entrySize)
	for i := n; i > 0; i-- {
		b := make([]byte, entrySize)
		b[0] = byte(i)
		if i == n {
			b[0] |= lastLong
		}
		b[11], b[13] = attrLong, sum
		for j := range unitsPerLong {
			binary.LittleEndian.PutUint16(b[longOffset(j):], unitAt(units, (i-1)*unitsPerLong+j))
		}
		out = append(out, b...)
	}
	return out
}

// longOffset is where in an entry the jth code unit stands.
func longOffset(j int) int {
	switch {
	case j < 5:
		return 1 + 2*j
	case j < 11:
		return 14 + 2*(j-5)
	}
	return 28 + 2*(j-11)
}

// unitAt is code unit i of a name that ends with a zero and is filled up with
// ones.
func unitAt(units []uint16, i int) uint16 {
	switch {
	case i < len(units):
		return units[i]
	case i == len(units):
		return 0
	}
	return 0xFFFF
}

func padded(s string, n int) []byte {
	b := make([]byte, n)
	for i := copy(b, s); i < n; i++ {
		b[i] = ' '
	}
	return b
}
