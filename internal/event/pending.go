package event

import (
	"time"

	"isync/internal/mail"
	"isync/internal/syncstate"
)

// PendingList lists messages that could not be copied.
type PendingList struct {
	Messages []PendingMessage
}

func (PendingList) isEvent() {}

// PendingMessage is a message that could not be copied.
type PendingMessage struct {
	Pair Pair
	Side syncstate.Side // that has the message
	UID  mail.UID
	// Skipped: the user has given the message up. Otherwise each run tries to copy it.
	Skipped bool
	Tries   uint32
	Since   time.Time
	Why     string // the last error
	// Size in bytes, Date of arrival and MessageID; the zero value: unknown.
	Size      int64
	Date      time.Time
	MessageID string
}

// MessagesPending: each run tries to copy these messages. Command gives up one of them.
type MessagesPending struct {
	Count   int
	Command string
}

// Code implements Fact.
func (MessagesPending) Code() Code { return "messages-pending" }

// MessagesSkipped: the user has skipped these messages (--skip-failed). Command schedules one of them to be
// tried again.
type MessagesSkipped struct {
	Count   int
	Command string
}

// Code implements Fact.
func (MessagesSkipped) Code() Code { return "messages-skipped" }

// MessageSkipped: the user has skipped a message (--skip-failed). Command revokes this.
type MessageSkipped struct {
	Command string
}

// Code implements Fact.
func (MessageSkipped) Code() Code { return "message-skipped" }

// MessageTriedAgain: the next run tries again to copy a message.
type MessageTriedAgain struct{}

// Code implements Fact.
func (MessageTriedAgain) Code() Code { return "message-tried-again" }

// MessageNotPending: the message that the command line names is not in the list of messages that
// could not be copied. Command shows that list.
type MessageNotPending struct {
	UID     mail.UID
	Command string
}

// Code implements Fact.
func (MessageNotPending) Code() Code { return "message-not-pending" }

// MessageSideUnknown: the command line names a UID that messages of both sides have. Words are
// the unambiguous names.
type MessageSideUnknown struct {
	UID   mail.UID
	Words [2]string
}

// Code implements Fact.
func (MessageSideUnknown) Code() Code { return "message-side-unknown" }

// MessageMalformed: a word of the command line should name a message.
type MessageMalformed struct {
	Word string
	// NoPatterns: the channel is one pair of mailboxes.
	NoPatterns bool
}

// Code implements Fact.
func (MessageMalformed) Code() Code { return "message-malformed" }
