package erofs

import "github.com/bootc-go/bootc/composefs/tree"

// The xattrs by which overlayfs finds a file's content, and those that hide
// from it what the tree says to some other overlayfs: a name that begins with
// trusted.overlay. gets a second overlay., which overlayfs takes off again for
// who looks at the mounted tree.
const (
	overlayPrefix = "trusted.overlay."
	escapedPrefix = "trusted.overlay.overlay."

	xattrMetacopy = "trusted.overlay.metacopy"
	xattrRedirect = "trusted.overlay.redirect"
	xattrOpaque   = "trusted.overlay.opaque"

	// On a whiteout, which the image holds as an empty file.
	xattrWhiteout     = "trusted.overlay.overlay.whiteout"
	xattrUserWhiteout = "user.overlay.whiteout"

	// On a directory that holds whiteouts; the last two since V1.
	xattrWhiteouts     = "trusted.overlay.overlay.whiteouts"
	xattrUserWhiteouts = "user.overlay.whiteouts"
	xattrDirOpaque     = "trusted.overlay.overlay.opaque"
	xattrUserDirOpaque = "user.overlay.opaque"
)

// The names that escaped names have in the tree.
const (
	unescapedWhiteout  = "trusted.overlay.whiteout"
	unescapedWhiteouts = "trusted.overlay.whiteouts"
)

// metacopySize is what precedes the digest in a metacopy xattr.
const metacopySize = 4

// Other xattrs that mean something to the writer.
const (
	xattrSelinux    = "security.selinux"
	xattrACLAccess  = "system.posix_acl_access"
	xattrACLDefault = "system.posix_acl_default"
)

// A stub is one of 256 whiteouts in the image's root, "00" to "ff": they hide
// the directories of the object store, which overlayfs would otherwise merge
// into the root.
const (
	stubCount = 256
	stubPerm  = 0o644
)

const stubNames = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" +
	"202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f" +
	"404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f" +
	"606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f" +
	"808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f" +
	"a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf" +
	"c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf" +
	"e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"

func stubName(i int) string { return stubNames[2*i : 2*i+2] }

func isStubName(s string) bool {
	hex := func(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }
	return len(s) == 2 && hex(s[0]) && hex(s[1])
}

// isExternal reports whether the content of n is outside the image.
func isExternal(n *tree.Node) bool {
	return n.IsRegular() && n.File != nil && n.File.Size > 0 && len(n.File.Inline) == 0
}
