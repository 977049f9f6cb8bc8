// Package imap is the store whose mailboxes are on an IMAP server.
//
// # Sessions
//
// Package session manages the sessions of an account; stores of one account share them.
// An open mailbox has a session of its own, in which it is selected; closing it gives
// the session back. Operations that need no selected mailbox (listing, creating,
// deleting) share a session. So does a mailbox that is opened only to store messages (a
// deposit).
//
// # Names
//
// Canonical names have "/" between their components and INBOX for the inbox.
// On the server a prefix may be put before them (but not before INBOX), and
// its own delimiter between the components. Names that have no canonical form
// are left out of listings, with a warning; one that would leave the store
// ("..") makes the listing fail.
//
// # Trust
//
// A message that is missing in an answer does not count as deleted. A listing that is
// shorter than the number of messages that the server reports, or lacks requested flags,
// is an error of the mailbox. A message that the server did not send is requested once
// more before it counts as vanished.
//
// # Changes
//
// With Options.Listings the listing of a mailbox is remembered from one run to
// the next, and only the changes are requested, in the best way that the server
// supports (RFC 7162): by selecting the mailbox with QRESYNC; or with CHANGEDSINCE,
// and the UIDs of all messages if some are gone. Each answer must agree with the
// numbers of messages that the server reports. If one does not, the remembered listing
// is dropped, and everything is listed. If a listing is incomplete, its beginning is
// remembered, and the next run lists the rest.
//
// # Optimistic commands
//
// With Options.Listings and Options.Server the announcements of the server are
// remembered, too. Then the next run sends its first commands right behind the login,
// without waiting for the answer (see package session). Only commands that change
// nothing are sent that way, and their answers are used only after the announcements
// were confirmed: ask runs such commands, share runs all others.
//
// # Watching
//
// Store.Watch reports changes as they happen. Package watching has the connections for
// that, which the stores of an account share, and which count as sessions for
// Options.MaxSessions. After a report, new messages and changes are requested together with
// the opening of the mailbox: see startAhead.
//
// # Goroutines
//
// Each Appender has one that waits for the answers, until Finish returns. All others
// belong to packages session, watching and imapclient.
package imap
