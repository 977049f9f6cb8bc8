// Package listcache keeps listings of mailboxes, and parts of listings, in files,
// so that only the changes since then are requested from the server (RFC 7162).
//
// It is a cache and nothing more. A file that is missing, torn, altered, of
// another version or about another mailbox is no listing, and whoever asks for
// one has to do without: Load then fails, or finds none, and that is never
// worth more than a line in a debug log. Everything may be deleted at any time.
//
// A file is replaced by a rename, and carries a checksum of all it holds.
// Nothing is flushed to disk: what a power cut leaves is the old file, the new
// one, or one whose checksum is wrong. Several programs may save the same
// listing at the same time; one of them wins.
//
// The format is described in docs/format.md. It is shared with no other program.
package listcache
