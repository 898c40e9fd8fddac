// Package repo is the composefs repository: objects named by their fs-verity
// digest, splitstreams and images that refer to them, and names for both. The
// layout is that of composefs-rs (docs/reference/formats/repository.md), which
// can read and write the same repository at the same time.
//
// Writing goes in three steps: [Importer.Put] and its kin store objects,
// without making them durable one by one; [Repo.Sync] makes all of them
// durable at once; then a name is published. A method that publishes a name
// syncs by itself if that is still to do, so a name never outlives a power cut
// that its objects did not survive.
//
// An open repository holds a shared lock that keeps any collector of garbage
// out; [Repo.GC] needs the exclusive one. Objects that are stored but not yet
// named are garbage: whoever imports keeps the repository open until the name
// is published, and does not call GC on the same Repo meanwhile.
package repo
