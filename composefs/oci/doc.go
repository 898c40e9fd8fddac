// Package oci keeps OCI images in a composefs repository: how their streams are
// called, what they refer to, and the tags that keep them alive.
//
// An image is a chain of splitstreams, each reachable by name and by the named
// references of the one above it:
//
//	streams/refs/oci/TAG         -> ../../oci-manifest-DIGEST    what GC starts from
//	streams/oci-manifest-DIGEST  one object, the manifest's JSON
//	    config:DIGEST            -> the config's stream
//	    DIFFID…                  -> the layers' streams
//	streams/oci-config-DIGEST    one object, the config's JSON
//	    DIFFID…                  -> the layers' streams
//	    composefs.image.v1       -> the EROFS image
//	    composefs.image.boot.v1  -> the EROFS image to boot
//	streams/oci-layer-DIFFID     the layer's tar, files above 64 bytes as objects
//
// An artifact, a manifest whose config is not that of an image, names its blobs
// by their own digests, and only in the manifest's stream. Manifests and configs
// are objects of their own, byte for byte as the registry served them, so that
// their digests can be checked.
//
// The layout is that of composefs-oci 0.9, and either side reads what the other
// wrote.
package oci
