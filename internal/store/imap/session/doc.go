// Package session manages the sessions of an IMAP account: connections that are logged
// in.
//
// A Pool opens sessions as they are needed. The first login is made alone. After a
// failed login the same store makes no second one in that run, since wrong passwords
// lock accounts. If the server refuses a further session, the pool uses the existing
// ones: a call that needs another session waits until one is given back, or until it is
// clear that none will be (store.ErrCrowded).
//
// # Dialling
//
// A new session is either ready when it is dialled, or optimistic: the announcements of
// the server are known from an earlier run, and commands are sent without waiting for
// the answer to the login (see imapclient.Options.Memo). An optimistic session is ready
// when all announcements are as expected. A difference is a surprise: the connection is
// given up, and the next one waits for each answer. Pool.Take has the only loop that
// tries again.
//
// # Questions
//
// The first session of a run sends the questions that the last run with the same purpose
// has asked (Pool.Anticipate). Session.AskList and Session.AskStatus use such an answer if
// it is current, and ask the server otherwise.
//
// # Other connections
//
// Pool.DialApart makes a connection that is not a session, to watch the account. It obeys
// the same limit (Pool.Reserve) and the same rules for logins.
//
// # Runs
//
// Limits of the server and failed logins that a Pool has found out are valid for one
// run; see Pool.BeginRun.
//
// # Goroutines
//
// An optimistic login has a goroutine until the session is confirmed. When the last
// store leaves, each session has one that logs out.
package session
