package event

import "time"

// ConnectionsLimited: the server has accepted Count connections and refused another one.
type ConnectionsLimited struct {
	Count int
	Err   error
}

// Code implements Fact.
func (ConnectionsLimited) Code() Code { return "connections-limited" }

// LineMeasured: it was measured how many bytes per second the connection to the server brings.
// Compress: since it is slow, it is compressed.
type LineMeasured struct {
	Rate     float64
	Compress bool
}

// Code implements Fact.
func (LineMeasured) Code() Code { return "line-measured" }

// TryingAgain: something has failed that may succeed later, and is tried again after a
// wait. Box is the mailbox; "": it concerns the account. Throttled: the server limits
// the rate of requests.
type TryingAgain struct {
	Box       string
	Wait      time.Duration
	Throttled bool
	Err       error
}

// Code implements Fact.
func (TryingAgain) Code() Code { return "trying-again" }

// UIDValidityNotReported: the server does not report UIDVALIDITY.
type UIDValidityNotReported struct {
	Store, Box string
}

// Code implements Fact.
func (UIDValidityNotReported) Code() Code { return "uidvalidity-not-reported" }

// BoxRefused: the name of a mailbox on the server could lead to other files.
type BoxRefused struct {
	Name string // on the server, perhaps shortened
	Err  error
}

// Code implements Fact.
func (BoxRefused) Code() Code { return "box-refused" }

// BoxIgnored: the name of a mailbox on the server cannot be used.
type BoxIgnored struct {
	Name string // on the server, perhaps shortened
	Err  error
}

// Code implements Fact.
func (BoxIgnored) Code() Code { return "box-ignored" }

// BoxNameTwice: two mailboxes on the server have the same name.
type BoxNameTwice struct {
	Name, Other string // on the server, perhaps shortened
}

// Code implements Fact.
func (BoxNameTwice) Code() Code { return "box-name-twice" }

// MoreBoxesIgnored: more than Most mailboxes are refused or ignored.
type MoreBoxesIgnored struct {
	Most int
}

// Code implements Fact.
func (MoreBoxesIgnored) Code() Code { return "more-boxes-ignored" }
