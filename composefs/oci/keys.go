package oci

import (
	"strings"

	"github.com/bootc-go/bootc/composefs/verity"
)

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

// Images are the EROFS images that a config's stream refers to, by key. They
// need not be there any more: see repo.Repo.HasImage.
type Images map[string]verity.Digest

// Image returns the EROFS image of the plain file system, if it was made.
func (i Images) Image() (verity.Digest, bool) {
	d, ok := i[imageKey]
	return d, ok
}

// BootImage returns the EROFS image to boot that was made with the extended
// attributes x, if there is one.
func (i Images) BootImage(x Xattrs) (verity.Digest, bool) {
	d, ok := i[bootKey(x)]
	return d, ok
}

// imagesOf picks the images out of named references.
func imagesOf(refs map[string]verity.Digest) Images {
	images := Images{}
	for key, d := range refs {
		if isImageKey(key) {
			images[key] = d
		}
	}
	return images
}
