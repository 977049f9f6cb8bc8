package event

import "time"

// ConnectionsLimited: the server has accepted Count connections and refused another one.
type ConnectionsLimited struct {
	Count int
	Err   error
}

// Code implements Fact.
func (ConnectionsLimited) Code() Code { return "connections-limited" }

// LineMeasured: the throughput of the connection to the server, in bytes per second, was
// measured. Compress: the connection is slow, so it is compressed.
type LineMeasured struct {
	Rate     float64
	Compress bool
}

// Code implements Fact.
func (LineMeasured) Code() Code { return "line-measured" }

// TryingAgain: an operation had a temporary failure, and is repeated after a wait. Box is the
// mailbox; "": the failure concerns the account. Throttled: the server limits the rate of
// requests.
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

// BoxRefused: the name of a mailbox on the server is unsafe as a file name.
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
