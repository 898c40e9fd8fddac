// Package progress is the stream of events by which long work tells how far it
// is. A bar, a JSON writer or a test consumes it.
package progress

// Kind says what an event tells.
type Kind uint8

// The kinds of events. A task's life is Started, any number of Advanced, and
// one of Done and Reused; Message belongs to no task.
const (
	Started  Kind = iota + 1 // the task begins; Total is set if it is known
	Advanced                 // Done bytes (or items) of Total are through
	Done                     // the task ended well
	Reused                   // nothing had to be done: Total is what was reused
	Message                  // Text is for the user
)

// Unit is what a task counts.
type Unit uint8

// The units.
const (
	Bytes Unit = iota
	Items
)

// Event is one report. Tasks run in parallel, so events of different tasks
// interleave.
type Event struct {
	Kind  Kind
	Task  string // identifies the task: a layer's digest, "manifest", "image"
	Text  string // what the user calls it: "layer 3 of 12"
	Unit  Unit
	Done  int64 // so far, in Unit
	Total int64 // in all, in Unit; 0 if unknown
}

// Func receives events. It is called from several goroutines at once and must
// not block for long. A nil Func is not called.
type Func func(Event)

// Report passes e on if anybody listens.
func (f Func) Report(e Event) {
	if f != nil {
		f(e)
	}
}
