// Package pull brings an image from where it is to a composefs repository, as
// cheaply as what is there already allows.
//
// It goes in two steps. NewPlan only looks: which layers the repository has, by
// the digests of their tars, and which must be fetched. Apply fetches those, in
// parallel and each in one pass from the socket to objects, then merges all
// layers into the EROFS image, and at the very end publishes the names by which
// the image is found. docs/explanation/pull.md argues the order.
//
// The repository must stay open from NewPlan until Apply has returned: its lock
// keeps the collector of garbage away from objects that have no name yet.
package pull
