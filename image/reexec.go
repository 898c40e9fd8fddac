package image

import "go.podman.io/storage/pkg/reexec"

// Reexec must be the first thing that main does: containers/storage starts the
// program anew, under another name, for work that needs a process of its own.
// If that is so, Reexec does the work and returns true, and main ends.
func Reexec() bool { return reexec.Init() }
