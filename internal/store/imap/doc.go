// Package imap is the store whose mailboxes are on an IMAP server.
//
// # Sessions
//
// A store has a pool of sessions, which it opens as they are needed. An open
// mailbox has a session of its own, in which it is selected; closing it gives
// the session back. What needs no selected mailbox (listing, creating,
// deleting) shares a session with whoever has one. The very first login is made
// alone, and after one that failed there is no second: wrong passwords lock
// accounts. A server that refuses further sessions is content with those it
// has granted: who wants another one waits until one is given back, or until it
// is clear that nobody will (store.ErrCrowded). A mailbox that is opened only to
// store messages (a deposit) shares a session, too. Stores of one account share
// its pool.
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
// What is missing in an answer is not taken for gone: a listing that is shorter
// than the server's own count, or lacks flags that were asked for, is an error
// of the mailbox; a message that was not sent is asked for once more before it
// counts as vanished.
//
// # Changes
//
// With Options.Listings the listing of a mailbox is remembered from one run to
// the next, and the server is asked for what has changed since, in the best way
// it has (RFC 7162): by selecting the mailbox with QRESYNC; with CHANGEDSINCE,
// and the UIDs of all messages if some are gone; or not at all. Each answer must
// agree with the numbers that the server tells besides. If one does not, what
// is remembered is dropped, and everything is listed. If a listing is incomplete, its
// beginning is remembered, and the next run lists the rest.
//
// # Sending ahead
//
// With Options.Listings and Options.Server it is also remembered what the server
// tells about itself. Then the next run sends what has to be asked right behind the
// login, without waiting for the answer. Only what changes nothing is sent that
// way, and nothing of the answers is used before the server has confirmed that it
// is what it was; see imapclient.Options.Past. If it is not, or cannot cope, a
// connection is made that waits.
//
// # Goroutines
//
// Each Appender has one that waits for the answers, until Finish returns; a login
// that is not waited for has one, until the session is confirmed; Close has one for
// each session it says goodbye to. All others belong to package imapclient.
package imap
