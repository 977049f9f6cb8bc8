package engine

import (
	"errors"

	"isync/internal/mail"
	"isync/internal/syncstate"
)

// EventKind tells what an Event is about.
type EventKind uint8

// The kinds of events.
const (
	// Loaded: N messages were listed on Side.
	Loaded EventKind = iota
	// Planned: N changes of kind What are to be made on Side.
	Planned
	// Done: one change of kind What was made on Side, to the message UID
	// (0: unknown).
	Done
	// Notice: something the user may like to know.
	Notice
	// Warning: something the user should look at; Err, if it is set, says the
	// same as Text.
	Warning
	// Failed: the message UID of Side could not be propagated because of Err.
	// The run goes on, but has not fully succeeded.
	Failed
	// Problem: something went wrong, as Err says, that the run could work
	// around. It has not fully succeeded.
	Problem
	// Debug: what was decided and why.
	Debug
	// Selected: what is known about a pair, or a mailbox, before it is opened, and
	// why it is worked on or not.
	Selected
)

// What is a kind of change.
type What uint8

// The kinds of changes.
const (
	New What = iota
	Flags
	Trash
	Expunge
)

// PairName names a pair of mailboxes.
type PairName struct {
	Channel string
	Store   [2]string
	Box     [2]string // canonical, as in the stores
	// Name is the mailbox's name without the prefixes of the sides; "" if the
	// channel has no patterns.
	Name string
}

// Event is something that happened in a run.
type Event struct {
	Kind    EventKind
	What    What
	Side    syncstate.Side
	Channel string
	Box     [2]string // of the pair
	UID     mail.UID
	N       int
	Text    string
	Err     error
}

// ErrReported is wrapped by errors of pairs that tell nothing new: the store has
// failed, and that was told already; or it is told together with others of its kind.
var ErrReported = errors.New("reported before")

// Observer is told what happens. Progress display, logs and summaries all feed
// on it. Observe must not block for long, nor call back into the engine.
type Observer interface {
	Observe(Event)
}

// emit tells the observer, one event at a time.
func (s *session) emit(e Event) {
	e.Channel, e.Box = s.Channel, s.Box
	s.observing.Lock()
	defer s.observing.Unlock()
	switch e.Kind {
	case Loaded, Debug:
	case Planned:
		s.told = s.told || e.N > 0
	default:
		s.told = true
	}
	if s.Observer != nil {
		s.Observer.Observe(e)
	}
}
