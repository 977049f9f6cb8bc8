package engine

import (
	"errors"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/syncstate"
)

// ErrReported is wrapped by errors of pairs that need not be shown: the failure of the store
// was reported already, or is reported together with others of its kind.
var ErrReported = errors.New("reported before")

// emit reports an event. Events are reported one at a time. news: there was something to
// do for the pair.
func (s *session) emit(e event.Event, news bool) {
	s.reporting.Lock()
	defer s.reporting.Unlock()
	s.told = s.told || news
	if s.Events != nil {
		s.Events.Take(e)
	}
}

// pairName names the pair in events.
func (s *session) pairName() event.Pair { return event.Pair{Channel: s.Channel, Box: s.Box} }

// tell reports a notice, a warning or an error.
func (s *session) tell(severity event.Severity, f event.Fact) {
	if s.Attempts.wasTold(f) {
		return
	}
	s.emit(event.Message{Severity: severity, Pair: s.pairName(), Fact: f}, true)
}

// failed reports that a message of side t could not be propagated. The run continues, but
// counts as failed.
func (s *session) failed(t syncstate.Side, u mail.UID, err error) {
	s.emit(event.Message{Severity: event.Error, Pair: s.pairName(), Side: t, UID: u, Err: err}, true)
}

// planned reports that n changes are to be made on side t.
func (s *session) planned(c event.Change, t syncstate.Side, n int) {
	s.emit(event.Planned{Pair: s.pairName(), Change: c, Side: t, Count: n}, n > 0)
}

// plannedCopies reports that messages are to be copied to side t.
func (s *session) plannedCopies(t syncstate.Side) {
	copies := s.plan.Copies[t]
	e := event.Planned{Pair: s.pairName(), Change: event.New, Side: t, Count: len(copies)}
	for _, c := range copies {
		i := mail.FindMeta(s.found[t.Other()].Messages, c.UID)
		if i < 0 || s.found[t.Other()].Messages[i].Size == 0 || c.Placeholder {
			e.Bytes = 0
			break
		}
		e.Bytes += s.found[t.Other()].Messages[i].Size
	}
	s.emit(e, len(copies) > 0)
}

// done reports that a change was made to a message of side t, whose UID may be unknown.
func (s *session) done(c event.Change, t syncstate.Side, u mail.UID) {
	s.emit(event.Done{Pair: s.pairName(), Change: c, Side: t, UID: u}, true)
}

// detail reports a change of a message as event.MessageChanged, if Details is set.
func (s *session) detail(e event.MessageChanged) {
	if s.Details {
		e.Pair = s.pairName()
		s.emit(e, true)
	}
}

// pathOf returns the file of a message of side t; "" if there is none, or Details is not
// set. It calls the store, so it must not be called in a completion.
func (s *session) pathOf(t syncstate.Side, u mail.UID) string {
	if !s.Details {
		return ""
	}
	if f, ok := store.As[store.Filer](s.boxes[t]); ok {
		return f.MessagePath(u)
	}
	return ""
}

// debug reports a decision, for debug output.
func (s *session) debug(text string) {
	s.emit(event.Trace{Topic: event.DebugSync, Pair: s.pairName(), Text: text}, false)
}
