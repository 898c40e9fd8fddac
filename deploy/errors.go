package deploy

import "errors"

// What callers branch on.
var (
	// ErrNotBooted means that no deployment runs, which the operation needs.
	ErrNotBooted = errors.New("the system was not booted by bootc")
	// ErrNotStaged means that nothing is staged.
	ErrNotStaged = errors.New("no staged deployment found")
	// ErrStaged means that something is staged, which the operation would disturb.
	ErrStaged = errors.New("an update is staged")
	// ErrNoRollback means that there is no other deployment to boot.
	ErrNoRollback = errors.New("no rollback available")
	// ErrNotFound means that there is no deployment with this id.
	ErrNotFound = errors.New("no such deployment")
	// ErrBooted means that the deployment cannot be deleted, for it runs.
	ErrBooted = errors.New("cannot delete currently booted deployment")
	// ErrProven means that the deployment that runs is not on trial.
	ErrProven = errors.New("the deployment that runs has completed a boot, and is not given up by itself")
	// ErrLastGood means that the deployment cannot be deleted, for it is the only one
	// that is known to boot.
	ErrLastGood = errors.New("the deployment that runs has not completed a boot yet, and this is the one to go back to")
	// ErrNoRoom means that a file system is too full.
	ErrNoRoom = errors.New("insufficient free space")
	// ErrNoSoftReboot means that only a reboot can start the deployment.
	ErrNoSoftReboot = errors.New("not soft-reboot capable")
	// ErrUnsupported means that the kernel arguments are in a unified kernel image.
	ErrUnsupported = errors.New("not supported: the unified kernel image has its own command line, which nobody can change")
	// ErrLocked means that the deployment was only downloaded.
	ErrLocked = errors.New("the staged deployment is only downloaded")
	// ErrUKI means that a unified kernel image boots another deployment than
	// the one that it came with.
	ErrUKI = errors.New("unified kernel image is not of this image")
)
