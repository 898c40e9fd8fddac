// Package layers reads the layers of an OCI image: once, as a stream of
// compressed bytes that becomes objects and a splitstream ([Import]), and then,
// as often as the image is assembled, from the splitstreams ([Merge]).
//
// How tars are read and merged, what is refused, and where that differs from
// container runtimes and from composefs-rs is in docs/reference/layers.md.
package layers
