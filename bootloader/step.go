package bootloader

import "fmt"

// A step is one durable change. Power may fail after any step and before the next;
// whichever it is, the machine boots from the old menu or the new one, and doing the
// whole list again finishes the job.
type step struct {
	name string
	do   func() error
}

func run(steps []step) error {
	for _, s := range steps {
		if err := s.do(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}
