package event

import (
	"strconv"
	"time"

	"isync/internal/mail"
	"isync/internal/syncstate"
)

// Event is something that happens in a run. Events are the types of this package that
// have the method.
type Event interface{ isEvent() }

// Sink receives events. Take may be called by several goroutines at the same time. It must not
// block for long, and must not call the reporter of the event.
type Sink interface{ Take(e Event) }

// Pair names a pair of mailboxes. If only Channel is set, it names the channel.
type Pair struct {
	Channel string
	Store   [2]string
	Box     [2]string // canonical, as in the stores
	// Name is the mailbox's name without the prefixes of the sides; "" if the
	// channel has no patterns.
	Name string
}

// Place is a line in a configuration file, or the file if Line is 0.
type Place struct {
	File string
	Line int // from 1
}

// String returns "file:line", "file", or "" for nowhere.
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return p.File + ":" + strconv.Itoa(p.Line)
}

// Message is a notice, a warning or an error. Either Fact or Err is set.
type Message struct {
	Severity Severity
	// Place, Section, Store, Path and Pair are the subject of the message, as far as
	// they apply. In events of a pair, only Channel and Box of Pair are set.
	Place   Place
	Section string // of the configuration, as messages name it
	Store   string // the name in the configuration
	Path    string // a file or directory
	Pair    Pair
	// Side and UID identify the message that could not be propagated; UID 0: none.
	Side syncstate.Side
	UID  mail.UID

	Fact Fact
	Err  error
}

// RunBegun: a run or another command begins. Only messages about the command line and the
// configuration precede it. Channels and Accounts are the names of the selected ones.
//
// Run identifies the run within the process: with --watch, several runs of different channels may
// be in progress at the same time. 0: it is the only run.
type RunBegun struct {
	Run                int
	Version            string // of the program
	Command            Command
	Channels, Accounts []string
}

// ChannelOpened and ChannelEnded enclose the events of a channel.
type ChannelOpened struct{ Channel string }

// ChannelBegun: a channel has this number of pairs of mailboxes.
type ChannelBegun struct {
	Channel string
	Pairs   int
}

// ChannelFailed: a channel, or the rest of it, cannot be synchronized.
type ChannelFailed struct {
	Channel string
	Err     error
}

// ChannelEnded reports the totals of a channel. Boxes is the number of pairs that have ended,
// with or without errors; Skipped is the number of pairs that were not begun.
type ChannelEnded struct {
	Channel        string
	Status         Status
	Boxes, Skipped int
	Outcome        Outcome // only counts and numbers
	// Part: only some mailboxes of the channel were selected.
	Part bool
}

// PairBegun and PairEnded enclose the events of a pair.
type PairBegun struct{ Pair Pair }

// PairSkipped: a pair is not begun, because a store of the channel has failed or the run was
// interrupted. There are no other events of the pair.
type PairSkipped struct{ Pair Pair }

// PairEnded reports the result of a pair.
type PairEnded struct {
	Pair    Pair
	Status  Status
	Outcome Outcome
	// Err is the reason why the pair was not completely synchronized; nil: it was. Reported: Err
	// was reported before because it concerns other pairs, too, or is reported together with
	// similar errors.
	Err      error
	Reported bool
	// Interrupted: the run was interrupted before the pair was completed.
	Interrupted bool
}

// PairRetried: a pair was not completed, and will be tried again. It is between
// PairBegun and PairEnded.
type PairRetried struct{ Pair Pair }

// Listed: this number of messages was listed on a side of a pair.
type Listed struct {
	Pair  Pair // Channel and Box
	Side  syncstate.Side
	Count int
}

// Planned: this number of changes is to be made on a side of a pair.
type Planned struct {
	Pair   Pair // Channel and Box
	Change Change
	Side   syncstate.Side
	Count  int
	// Bytes is the size of the new messages; 0: the size of some is unknown.
	Bytes int64
}

// Transferred: a part of a message was written to a side of a pair. For small messages, only Done
// is reported.
type Transferred struct {
	Pair  Pair // Channel and Box
	Side  syncstate.Side
	Bytes int64
}

// Done: changes were made on a side of a pair.
type Done struct {
	Pair   Pair // Channel and Box
	Change Change
	Side   syncstate.Side
	// Count is the number of changes; 0: one change, of the message UID; UID 0: unknown.
	Count int
	UID   mail.UID
	// Bytes is the part of a new message that was not reported by Transferred.
	Bytes int64
}

// MessageChanged: this run has changed a message of a pair. It follows Done, and is reported
// only if the sink needs these details.
type MessageChanged struct {
	Pair Pair // Channel and Box
	Side syncstate.Side
	// Change is the kind of change. If Trash is set, the message is in the mailbox Trash.
	Change Change
	UID    mail.UID // 0: the store has not reported it
	// Path is the file of the message, or for a message that is gone its former file; "": the
	// message is on a server.
	Path  string
	Flags mail.Flags // as they are now
	// Add and Del are the flags that were changed.
	Add, Del mail.Flags
	// Size in bytes, as stored, and MessageID of a new message; the zero value: unknown.
	Size      int64
	MessageID string
	// Placeholder: the message is a placeholder. Trash is the mailbox to which it was moved.
	Placeholder bool
	Trash       string
}

// WatchBegun: from now on, Channels is the number of channels that are watched.
type WatchBegun struct{ Channels int }

// WatchChanged: the method for detecting changes of a store has changed, or its connection was
// made or lost.
type WatchChanged struct {
	Store string
	// Mode is "notify", "idle", "poll" or "files".
	Mode      string
	Connected bool
	Since     time.Time
	// Next is the next attempt to connect; zero: none is planned.
	Next time.Time
	// Err is the reason why there is no connection or no better mode; nil: none.
	Err error
}

// Summary reports the totals at the end of a run.
type Summary struct {
	Run int // as in RunBegun
	// Channels is the number of channels that were begun, and Boxes that of pairs that have
	// ended, with or without errors.
	Channels, Boxes int
	Counts          [2]Counts
	// Bytes of new messages that were stored on each side. Failed is the number of messages that
	// could not be propagated; Held is that of deletions, see Outcome.
	Bytes        [2]int64
	Failed, Held int
	// Counts of an interrupted run: interrupted pairs, pairs that were not begun, channels whose
	// mailboxes are unknown.
	Unfinished, NotBegun, NotListed int
	// Exit is the exit code of the run.
	Exit int
}

// ChannelState is the state of a channel that is watched (--status).
type ChannelState struct {
	Channel string
	Boxes   int
	Running bool
	// Success is the end of the last run of the whole channel without an error; Next is the next
	// run; zero: unknown or none.
	Success, Next time.Time
	Problem       string // the last error of the channel; "": none
	// Waiting are mailboxes with changes to be synchronized.
	Waiting []string
	Failed  []BoxState
}

// BoxState is a mailbox whose last run has failed. Next is the next attempt.
type BoxState struct {
	Box, Problem string
	Next         time.Time
}

// CommandEnded: a command other than a run has ended.
type CommandEnded struct{ Exit int }

// AccountState is the state of the connections to an account. It is reported after each login,
// successful or not.
type AccountState struct {
	Account   string
	Connected bool
	// Err is the reason why it is not connected, if known.
	Err error
}

// Finding is a result of --check.
type Finding struct {
	// Section and Name are the kind and the name of the section of the configuration;
	// "": it is about the file.
	Section, Name string
	Level         FindingLevel
	Code          Code // "": none
	Text, Hint    string
}

// FindingLevel is how serious a finding is.
type FindingLevel uint8

// The levels of findings.
const (
	FindingOK      FindingLevel = iota // a test that has succeeded
	FindingNote                        // allowed, but possibly not intended
	FindingProblem                     // a run fails
)

// String returns the name of the level in output.
func (l FindingLevel) String() string { return [...]string{"ok", "note", "problem"}[l] }

// PairListed: a channel has a pair of mailboxes.
type PairListed struct{ Pair Pair }

// BoxListed: a store has a mailbox. Box is the canonical name.
type BoxListed struct{ Store, Box string }

// Output is a line of regular output for people, such as a name in a list.
type Output struct{ Line string }

// Trace is debug output: decisions with their reasons, or sent and received data.
type Trace struct {
	Topic Topics // one
	Pair  Pair   // Channel and Box, if it is about a pair
	Text  string
}

func (Message) isEvent()        {}
func (RunBegun) isEvent()       {}
func (ChannelOpened) isEvent()  {}
func (ChannelBegun) isEvent()   {}
func (ChannelFailed) isEvent()  {}
func (ChannelEnded) isEvent()   {}
func (PairBegun) isEvent()      {}
func (PairSkipped) isEvent()    {}
func (PairEnded) isEvent()      {}
func (PairRetried) isEvent()    {}
func (Listed) isEvent()         {}
func (Planned) isEvent()        {}
func (Transferred) isEvent()    {}
func (Done) isEvent()           {}
func (MessageChanged) isEvent() {}
func (Summary) isEvent()        {}
func (WatchBegun) isEvent()     {}
func (WatchChanged) isEvent()   {}
func (ChannelState) isEvent()   {}
func (CommandEnded) isEvent()   {}
func (AccountState) isEvent()   {}
func (Finding) isEvent()        {}
func (PairListed) isEvent()     {}
func (BoxListed) isEvent()      {}
func (Output) isEvent()         {}
func (Trace) isEvent()          {}
