package sysroot

// A refusal is why a host cannot be worked on. The sentences are those of
// upstream's bootc to the letter, for scripts look for them.
type refusal string

func (r refusal) Error() string { return string(r) }

// What callers of Open tell apart.
const (
	ErrContainer = refusal("Detected container; this command requires a booted host system.")
	ErrNotBooted = refusal("System not booted via bootc")
	ErrNotRoot   = refusal("This command must be executed as the root user")
	ErrNoAdmin   = refusal("This command requires full root privileges (CAP_SYS_ADMIN)")
	ErrReadOnly  = refusal("Cannot perform this operation: /sysroot is on a read-only block device (e.g. a live ISO)")
)
