package store

import (
	"context"

	"isync/internal/mail"
)

// Pipeliner is implemented by stores that can open and list several mailboxes with the
// same session, without waiting for one before the next: see OpenRequest.Pipelined.
type Pipeliner interface {
	// Pipelines returns for how many mailboxes at a time Open with OpenRequest.Pipelined is
	// of use; 0: for none.
	Pipelines() int
}

// Pipelined describes how a mailbox is opened whose user has no session for it yet. The
// store may request Scan together with the opening, in a session that other mailboxes use
// as well. Nothing else is done in that session. The mailbox gets a session of its own when
// it is needed.
type Pipelined struct {
	// Scan is what the first Scan will most likely ask for; nil: that is not known, so the
	// mailbox gets a session at once.
	Scan *Need
	// Messages is about how many messages the mailbox has, Last is the highest UID that is
	// known, and messages from New on are new: all as of the last run.
	Messages  int
	Last, New mail.UID
	// Claim is called before the mailbox gets a session of its own, from any goroutine. It
	// waits until the user of the mailbox has all sessions that it needs, so that no two
	// users wait for one another. Its error is that of the call that needs the session.
	Claim func(ctx context.Context) error
}
