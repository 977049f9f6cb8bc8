// Package memo is a cache in files that makes the next run faster. It contains
//
//   - listings of mailboxes on servers, complete or in part, so that mbsync requests only
//     the changes (RFC 7162);
//   - what servers have announced;
//   - tickets of TLS sessions;
//   - which pairs of mailboxes of a channel needed nothing.
//
// A file that is missing, damaged, of another version or for another mailbox counts as
// missing: Load then fails or finds nothing, which is at most a line in the debug
// output. All files may be deleted at any time, even during a run.
//
// A file contains a checksum of its contents and is replaced by a rename. Nothing is
// flushed: after a power cut, the file is the old one, the new one, or one whose
// checksum is wrong. Several programs may save the same file at the same time; one of
// them wins.
//
// The formats are described in docs/format.md. No other program uses them.
package memo
