// Package control is what a test and the agent inside its machine say to each
// other: JSON documents, one a line, over a virtio serial port.
package control

// Message is a line of either side. The agent begins each boot with one that
// has a BootID and nothing else; after that each answer repeats the ID of the
// request that it answers.
type Message struct {
	BootID string `json:",omitempty"` // of the kernel, from /proc

	ID     int    `json:",omitempty"`
	Script string `json:",omitempty"` // what a request has /bin/sh do, as root
	Stdin  []byte `json:",omitempty"`

	Status int    `json:",omitempty"` // of an answer: the exit status, -1 if there was none
	Stdout []byte `json:",omitempty"`
	Stderr []byte `json:",omitempty"`
}
