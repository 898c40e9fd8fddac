package image

import (
	"os"

	"go.podman.io/storage/pkg/reexec"
)

// Reexec must be the first thing that main does: containers/storage, and a [Store],
// start the program anew, under another name, for work that needs a process of its own.
// If that is so, Reexec does the work and returns true, and main ends.
func Reexec() bool {
	if reexec.Init() {
		return true
	}
	if len(os.Args) == 1 && os.Args[0] == storeWorkerName {
		runStoreWorker(os.Stdin, os.Stdout)
		return true
	}
	return false
}
