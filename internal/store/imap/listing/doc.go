// Package listing makes listings of mailboxes from the responses of an IMAP server, and
// proves that they are complete. It sends no commands: package imap does.
//
//   - A Collector gathers the messages that a server lists.
//   - Completeness proves by the sequence numbers that a listing has no gaps.
//   - A Delta gathers the reported changes since a remembered listing was made.
//   - Selection.Compare checks whether a remembered listing can be used after a SELECT.
package listing
