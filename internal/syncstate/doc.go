// Package syncstate has the sync state of a pair of mailboxes: which message on the far side
// belongs to which message on the near side, and the watermarks. It encodes and decodes the
// two files that store it: the state file and the journal (docs/format.md).
//
// It is pure: it reads and writes byte slices, never files. Only Entry.apply applies a journal
// entry to a state. The engine uses it during a run, and also to replay the journal of an
// interrupted run. So a resumed run ends in the same state as an uninterrupted one.
//
// A State is not safe for concurrent use.
package syncstate
