package oci

import "strings"

// The named references by which a config's stream keeps the EROFS images made
// of its layers. Keys without ".v1" are of a newer EROFS layout, which this
// package preserves and never makes.
const (
	imageKey     = "composefs.image.v1"
	bootImageKey = "composefs.image.boot.v1"

	imageKeyPrefix = "composefs.image"
	xattrsSuffix   = ".xattrs="
)

// Xattrs names the extended attributes that a boot image was made with; the
// zero value is the usual choice.
type Xattrs string

// The choices. An image's plain form always has AllowlistOnly.
const (
	AllowlistOnly  Xattrs = ""                 // security.capability alone
	KeepUserXattrs Xattrs = "keep-user-xattrs" // user.* as well
)

// bootKey is the key of the boot image made with x.
func bootKey(x Xattrs) string {
	if x == AllowlistOnly {
		return bootImageKey
	}
	return bootImageKey + xattrsSuffix + string(x)
}

// isImageKey tells the keys of images from those of layers, which are digests.
func isImageKey(key string) bool { return strings.HasPrefix(key, imageKeyPrefix) }
