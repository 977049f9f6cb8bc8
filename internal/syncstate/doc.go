// Package syncstate holds what is remembered about one pair of mailboxes
// between runs — which far message belongs to which near one, and the
// watermarks — together with the codecs of the two files that keep it: the
// state file and the journal (docs/format.md).
//
// It is pure: it reads and writes byte slices, never files. Entry.apply is the
// only place where a journal entry takes effect; the running engine and the
// replay of a crashed run's journal both go through it, so that resuming ends
// in the state that an undisturbed run would have reached.
//
// A State is not safe for concurrent use.
package syncstate
