package store

import (
	"context"
	"time"
)

// Watcher is implemented by stores that can report changes of mailboxes by other programs
// as they happen.
type Watcher interface {
	// Watch begins to report changes. It returns at once, and connects in the background.
	// It fails only if the store can never be watched. report is called by one goroutine
	// at a time, and must neither block nor call Close. The watch ends when ctx ends or
	// Close is called; Close waits for the end.
	//
	// Changes before the watch works are not reported one by one. So right before the
	// first State that is connected, the watch reports all mailboxes that it covers (All or
	// Box). After a reconnection, it reports the mailboxes that have changed meanwhile. A
	// run that begins after these reports misses no change.
	Watch(ctx context.Context, o WatchOptions, report func(WatchReport)) (Watch, error)
}

// WatchOptions describe a watch.
type WatchOptions struct {
	// Boxes are the canonical names of the mailboxes to be watched; see Watch.Select.
	Boxes []string
	// Preferred are canonical names, or patterns with * and % as in LIST, of the mailboxes
	// that are watched first if not all of them can be.
	Preferred []string
}

// Watch is a watch in progress. Its methods may be called concurrently.
type Watch interface {
	// Select replaces the mailboxes to be watched. Changes of others need not be reported.
	Select(boxes []string)
	// Probe tests now whether the connections still work, because the network may have
	// changed, or the computer was suspended. If the watch waits for its next attempt to
	// connect, it connects now.
	Probe()
	// Close ends the watch and waits until nothing is reported any more.
	Close()
}

// WatchReport is either a change or, if State is not nil, the state of the watch.
type WatchReport struct {
	// Box is the canonical name of a mailbox that has changed, or may have changed; "": none.
	Box string
	// Mark, if not "", is the mark that the mailbox has now (Marker).
	Mark string
	// Boxes: mailboxes may have been created, removed or renamed.
	Boxes bool
	// All: each mailbox may have changed, since changes were missed.
	All bool
	// State is the new state of the watch.
	State *WatchState
}

// WatchMode is how changes of a store are noticed.
type WatchMode uint8

// The modes.
const (
	// WatchPoll: changes are not reported. The caller must poll the mailboxes.
	WatchPoll WatchMode = iota
	// WatchIdle: IMAP IDLE (RFC 2177) in some of the mailboxes.
	WatchIdle
	// WatchNotify: IMAP NOTIFY (RFC 5465).
	WatchNotify
	// WatchFiles: the operating system reports changes of files.
	WatchFiles
)

// String returns the name of the mode in output.
func (m WatchMode) String() string {
	return [...]string{"poll", "idle", "notify", "files"}[m]
}

// WatchState is the state of a watch.
type WatchState struct {
	Mode WatchMode
	// Covered are the mailboxes whose changes are reported; nil: all of them. With
	// WatchPoll it is not used, and with WatchIdle never nil.
	Covered []string
	// Connected: the connection works, or the store needs none. Since is when the
	// connection was made or lost.
	Connected bool
	Since     time.Time
	// Err is why there is no connection, or, with a connection, why the mode is not a better
	// one; nil: no reason. Its kind (KindOf) tells whether the user must act. The kind is
	// KindNone if the watch works, but in a worse mode. The text does not name the store.
	Err error
	// Next is when the next attempt to connect begins; zero: none is planned.
	Next time.Time
}
