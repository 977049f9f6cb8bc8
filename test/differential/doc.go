// Package differential runs random histories of mailboxes through the C mbsync
// of Debian (1.4.4 and 1.5.1) and through ours, each on
// files of its own that were the same at the beginning, and compares what is
// left after every run: messages, UIDs, flags, file names' places, trashes,
// state files. It also lets the two take turns on the same files,
// and interrupts one of them and lets the other one take over.
//
// There is no code here but that of the tests. docs/differences.md explains
// the differences that are meant to be; each of them has a test here that
// shows both behaviours, and the comparison of random histories knows it by
// name.
package differential
