// Package faults makes everything fail that can, one thing at a time, below
// the whole stack: each file system operation of a run with a Maildir, each
// command of a run with an IMAP server. Whatever fails, the run either succeeds
// all the same or says what went wrong and where, and the next run brings both
// sides to where they would have been without the failure: nothing is lost, and
// nothing doubled. The same holds for a power cut before each operation.
//
// With a server this is tried in several variants of the program
// (testkit.Variants): with everything that makes it fast, without each of these
// things, and with nothing. What goes over the wire shows that they are what they
// are called, and all of them end with the same messages.
//
// There is no code here but that of the tests.
package faults
