package event

import "time"

// BoxIsInbox: a mailbox of a store is its INBOX under another name.
type BoxIsInbox struct {
	Box   string
	Store string // its section
}

// Code implements Fact.
func (BoxIsInbox) Code() Code { return "box-is-inbox" }

// BoxInTwoChannels: another channel synchronizes the mailbox, too.
type BoxInTwoChannels struct {
	Box   string
	Store string // its section
	Other string // the channel
}

// Code implements Fact.
func (BoxInTwoChannels) Code() Code { return "box-in-two-channels" }

// NotConnected: with --watch, there has been no connection to the store since Since.
type NotConnected struct {
	Since time.Time
	Err   error
}

// Code implements Fact.
func (NotConnected) Code() Code { return "not-connected" }

// ConnectedAgain: there is a connection again after NotConnected.
type ConnectedAgain struct{}

// Code implements Fact.
func (ConnectedAgain) Code() Code { return "connected-again" }
