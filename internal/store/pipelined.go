package store

import (
	"context"

	"isync/internal/mail"
)

// Pipeliner is implemented by stores that can open and list several mailboxes in the same
// session without waiting for each of them: see OpenRequest.Pipelined.
type Pipeliner interface {
	// Pipelines returns the number of mailboxes that can be opened with
	// OpenRequest.Pipelined at the same time; 0: pipelines are not used.
	Pipelines() int
}

// Pipelined describes how to open a mailbox without a session of its own. The store may
// request the listing together with the SELECT, in a session that other mailboxes use as
// well. For anything else, the mailbox gets its own session.
type Pipelined struct {
	// Scan is what the first Scan will most likely request; nil: unknown, so the mailbox
	// gets its own session at once.
	Scan *Need
	// Messages is the approximate number of messages, Last is the highest known UID, and
	// messages with UIDs from New on are new, according to the last run.
	Messages  int
	Last, New mail.UID
	// Claim is called before the mailbox gets a session of its own, from any goroutine. It
	// waits until the user of the mailbox has all sessions that it needs, so that no two
	// users wait for one another. Its error is that of the call that needs the session.
	Claim func(ctx context.Context) error
}
