// Package watching reports changes in the mailboxes of an IMAP account as they happen. It
// has connections of its own, which are not used for mail. All stores of an account share
// an Account, and each is a Member of it.
//
// # Modes
//
// The account is watched in the first of these modes that the server supports:
//
//  1. NOTIFY (RFC 5465), with one connection, in which no mailbox is selected. The server
//     first sends the status of each mailbox. It is compared with the last one known, so
//     after a connection was lost, only mailboxes that have changed are reported. With
//     QRESYNC or CONDSTORE, changes of flags show as a new HIGHESTMODSEQ.
//  2. IDLE (RFC 2177), with a connection for each of the preferred mailboxes, as many as
//     MaxSessions allows besides one for mail. The mailboxes are opened with EXAMINE, so no
//     message loses its \Recent flag.
//  3. Polling (store.WatchPoll): there is no connection, and the caller polls the mailboxes.
//
// If the server refuses a mode, the next one is used. Each new connection begins with the
// first mode again.
//
// # Connections
//
// If nothing was received on a connection for some time, the server must answer a
// command; otherwise the connection is closed. A lost connection is replaced after a
// delay, which doubles each time until a connection has lasted. After a refused login, there
// are two more attempts, and then one every 15 minutes, since servers lock accounts.
// Account.Probe ends the delay and tests the connections.
//
// # Goroutines
//
// An account has goroutines from the first Join to the last Leave, which waits for them:
// one that reports, one that tests sessions of the pool, one for each connection, and those
// of package imapclient.
package watching
