package erofs

import "github.com/bootc-go/bootc/composefs/tree"

// The layout of an image, as docs/reference/formats/erofs.md describes it under
// "File map". All numbers in it are little endian.
const (
	blockBits  = 12
	blockSize  = 1 << blockBits
	slotSize   = 32                     // inodes are aligned to it, and an inode's nid counts it
	superStart = 1024                   // where the superblock is
	inodeStart = superStart + superSize // where the first inode is, the root
	maxRootNid = 1<<16 - 1              // the superblock has 16 bits for it
	addrSpace  = uint64(1) << (32 + 12) // 32-bit block numbers reach this far
	nidSpace   = uint64(1) << (32 + 5)  // the inodes of a canonical image end before this
	nullAddr   = uint32(1<<32 - 1)      // the block number of a chunk that is not there
)

// Magic numbers, versions and features.
const (
	headMagic  = uint32(0xd078629a) // of composefs
	headFormat = 1                  // the only version of the composefs header
	headACL    = 1                  // flag: some inode has a POSIX ACL
	oldVersion = 2                  // composefs_version of the layout that composefs-rs wrote first

	superMagic = uint32(0xe0f5e1e2)     // EROFS_SUPER_MAGIC_V1
	featMtime  = 2                      // feature_compat: i_mtime is the modification time
	featFilter = 4                      // feature_compat: xattr bodies have a name filter
	features   = featMtime | featFilter // feature_compat of a canonical image
	featChunks = 4                      // feature_incompat: chunk-based files

	filterSeed = uint32(0x25bbe08f) // EROFS_XATTR_FILTER_SEED
)

// Sizes of the structures in bytes.
const (
	headSize     = 32
	superSize    = 128
	compactSize  = 32
	extendedSize = 64
	direntSize   = 12
	xbodySize    = 12
	xentrySize   = 4
	xidSize      = 4 // of a shared xattr's place in an inode
)

// Data layouts, bits 1 to 3 of an inode's format; bit 0 tells the extended
// form from the compact one.
const (
	flatPlain  = 0 // in whole blocks
	flatInline = 2 // the last part behind the inode, the rest in blocks
	chunkBased = 4 // a list of chunk addresses behind the inode
)

// File types of directory entries, EROFS_FT_*.
const (
	ftRegular   = 1
	ftDirectory = 2
	ftChar      = 3
	ftBlock     = 4
	ftFifo      = 5
	ftSocket    = 6
	ftSymlink   = 7
)

// Limits of the format, and of composefs within it.
const (
	maxName      = 255            // bytes in a name
	maxTarget    = 4095           // bytes in a symbolic link's target, as in a payload
	maxInline    = 5000           // bytes of a file in the image
	maxChunkBits = blockBits + 31 // log2 of the largest chunk
	maxChunks    = blockSize / 4  // chunks of a file: their addresses fit one block
	maxFile      = 1 << 53        // bytes of a file outside the image: maxChunks of the largest chunk
	maxTail      = blockSize / 2  // bytes of a directory or an inline file kept behind the inode
	maxDepth     = 2048           // directories on a path: the kernel takes no longer path

	maxXattrName = 255                     // bytes in an xattr's full name, before escaping
	maxXattrVal  = 1<<16 - 1               // bytes in an xattr's value
	maxXattrBody = xbodySize + 4*(1<<16-2) // bytes of all xattrs of an inode
	maxShared    = 128                     // shared xattrs of one inode
)

// header is the composefs header at the start of the image.
type header struct {
	magic, format, flags, version uint32
}

// superblock is struct erofs_super_block; what is not named here is zero.
type superblock struct {
	magic      uint32
	compat     uint32 // feature_compat
	blockBits  uint8
	rootNid    uint16
	inodes     uint64
	buildTime  tree.Time // the mtime of all compact inodes
	blocks     uint32
	metaBlock  uint32 // where nid 0 is
	xattrBlock uint32 // where shared xattr 0 is
	incompat   uint32 // feature_incompat
}

// inodeHead is struct erofs_inode_compact or erofs_inode_extended.
type inodeHead struct {
	extended bool
	layout   uint16
	xcount   uint16 // length of the xattr body, see xattrCount
	mode     uint16
	nlink    uint32
	size     uint64
	addr     uint32 // i_u: first block, device number or chunk format
	ino      uint32
	uid, gid uint32
	mtime    tree.Time
}

// dirent is struct erofs_dirent.
type dirent struct {
	nid     uint64
	nameOff uint16
	ftype   uint8
}

// xattrPrefixes are the parts of a name that an index stands for; index 0 is
// no prefix.
var xattrPrefixes = [...]string{"", "user.", "system.posix_acl_access", "system.posix_acl_default", "trusted.", "lustre.", "security."}

// lustreIndex is never written: mkcomposefs does not know it.
const lustreIndex = 5
