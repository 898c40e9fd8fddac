package tree

// What a dump may hold: the limits of mkcomposefs and composefs-rs, where those
// have any, and those of Linux else.
const (
	maxPath       = 4095    // bytes of a path, PATH_MAX without its NUL
	maxName       = 255     // bytes of one name in a path
	maxTarget     = 4095    // bytes of a link's target and of a payload
	maxInline     = 5000    // bytes of inline content
	maxFile       = 1 << 53 // bytes of an external file: 1024 chunks of 2^43
	maxXattrName  = 255
	maxXattrValue = 65535
	maxXattrs     = 32767 // bytes of all xattrs of an inode, see xattrSpace
	maxXattrText  = 65535 // bytes of all xattrs in a line, as they are written there

	// maxLine has room for all of these at their longest, every byte escaped.
	maxLine = 128 << 10
)

// xattrSpace is what an xattr counts for: at worst an entry's header of 4 bytes
// and 3 bytes of padding. The first one counts 12 more.
func xattrSpace(name string, value []byte) int { return 7 + len(name) + len(value) }

const xattrHeader = 12
