// Package mail defines the types that all other packages share: UIDs and sets of them, message
// flags, mod-sequences, the compact description of a message, and canonical mailbox names. It
// also edits the headers of messages that are copied.
//
// It is pure: no files, no network, no clock, no logging. All functions are deterministic. All
// types are safe for concurrent use, unless documented otherwise.
package mail
