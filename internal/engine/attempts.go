package engine

import (
	"fmt"
	"maps"
	"sync"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/syncstate"
)

// Attempts is the data that the calls of Sync for a pair share within a run, so that a
// message is reported and counted once in the run. It contains nothing about the contents
// of the mailboxes.
//
// Calls must not overlap. The zero value is for the first call.
type Attempts struct {
	// Max is how often a message is tried again in the run if the server refuses it for a
	// reason that may pass.
	Max int

	// refused counts how often each message was refused. done are messages that were
	// reported, and are not tried again in this run.
	refused map[message]int
	done    map[message]bool
	// copied is the number of copies by earlier calls. since is the value of copied when a
	// connection was lost for the first time while the message was being copied.
	copied int
	since  map[message]int
	// breaks counts how often a connection was lost while the message was the only possible
	// cause.
	breaks map[message]int
	// listed is the highest number of messages of an incomplete listing, by side.
	listed [2]int
	// unanswered are copies without an answer, and counted are copies that were confirmed
	// without a UID and counted, both by their temporary ids.
	unanswered, counted map[syncstate.TUID]bool
	// compared counts how often new messages could not be compared (matchNew).
	compared int
	// told are facts that earlier calls have reported, and stated those of the current
	// one; telling guards them.
	telling      sync.Mutex
	told, stated map[string]bool
}

// message is a message of a pair.
type message struct {
	side syncstate.Side
	uid  mail.UID
	// change is what is to be done.
	change event.Change
}

// maxBreaks is how often a connection must be lost while a message is the only possible
// cause, until it counts as the cause, if others were copied meanwhile. The last time it is
// copied alone.
const maxBreaks = 3

// begin begins a call.
func (a *Attempts) begin() {
	if a.refused == nil {
		a.refused, a.done = map[message]int{}, map[message]bool{}
		a.since, a.breaks = map[message]int{}, map[message]int{}
		a.unanswered, a.counted = map[syncstate.TUID]bool{}, map[syncstate.TUID]bool{}
		a.told, a.stated = map[string]bool{}, map[string]bool{}
	}
	maps.Copy(a.told, a.stated)
}

// isDone reports whether a message is not tried again in this run.
func (s *session) isDone(side syncstate.Side, u mail.UID) bool {
	return s.Attempts != nil && s.Attempts.done[message{side, u, event.New}]
}

// refusedFor notes that a change of a message has failed. It returns true if the failure
// is to be reported now; false: the change is tried again in this run. The caller holds mu.
func (s *session) refusedFor(m message, why error) bool {
	a := s.Attempts
	if a == nil {
		return true
	}
	if a.done[m] {
		return false
	}
	kind, _ := store.KindOf(why)
	a.refused[m]++
	passing := kind == store.Passing || kind == store.Throttled
	if passing && a.refused[m] <= a.Max && !s.triedBefore(m) {
		s.result.Again++
		s.result.AgainErr = why
		s.reporting.Lock()
		s.told = true
		s.reporting.Unlock()
		return false
	}
	a.done[m] = true
	return true
}

// triedBefore reports whether earlier runs have tried a message often enough. Then one
// more try is enough for this run.
func (s *session) triedBefore(m message) bool {
	h := s.notes.Find(m.side, m.uid)
	return m.change == event.New && h != nil && int(h.Tries)-(s.Attempts.refused[m]-1) >= s.Attempts.Max
}

// mayRetry reports whether there may be another call after a lost connection.
func (a *Attempts) mayRetry() bool { return a != nil && a.Max > 0 }

// isFirstBreak notes that a connection was lost while a message was being copied with
// others. It reports whether that is the first time: any connection may be lost once, so
// that says nothing about the message.
func (s *session) isFirstBreak(side syncstate.Side, u mail.UID) bool {
	a, m := s.Attempts, message{side, u, event.New}
	if _, known := a.since[m]; known {
		return false
	}
	a.since[m] = s.copiedInRun()
	return true
}

// isCause reports whether a message that was being copied alone when the connection was
// lost counts as the cause. h is its note.
func (s *session) isCause(h *syncstate.Held) bool {
	a := s.Attempts
	if !a.mayRetry() {
		return true
	}
	m := message{h.Side, h.UID, event.New}
	a.breaks[m]++
	since, inRun := a.since[m]
	others := s.copiedInRun() > since
	cause := a.breaks[m] > a.Max || others && a.breaks[m] >= maxBreaks || !inRun && int(h.Tries) > a.Max
	a.done[m] = cause
	s.result.Learned = others || cause
	return cause
}

// copiedInRun returns the number of copies so far. The caller holds mu, or nothing is
// being copied.
func (s *session) copiedInRun() int {
	return s.Attempts.copied + s.result.Counts[0].New + s.result.Counts[1].New
}

// remember notes which copies have no answer, or no UID, when a call ends.
func (a *Attempts) remember(s *session) {
	a.copied += s.result.Counts[0].New + s.result.Counts[1].New
	for t, b := range s.boxes {
		l, ok := store.As[store.PartLister](b)
		if !ok || b == nil {
			continue
		}
		if n := l.PartListed(); n > a.listed[t] {
			a.listed[t], s.result.Learned = n, true
		}
	}
	if s.state == nil {
		return
	}
	for i, r := range s.state.Records.Busy() {
		if r.Dead || !r.Has(syncstate.Pending) || r.TUID.IsZero() {
			continue
		}
		switch rec := s.state.Records.Get(i); {
		case s.isRefused[rec]:
		case s.isStored[rec]:
			a.counted[r.TUID] = true
		case s.sent[rec]:
			a.unanswered[r.TUID] = true
		}
	}
}

// countFound counts a copy to side t of an earlier call, whose answer was lost.
func (s *session) countFound(t syncstate.Side, id syncstate.TUID, u mail.UID) {
	if a := s.Attempts; a != nil && a.unanswered[id] {
		delete(a.unanswered, id)
		s.result.Counts[t].New++
		s.done(event.New, t, u)
		s.detail(event.MessageChanged{Side: t, Change: event.New, UID: u})
	}
}

// uncount takes back the count of a copy to side t of an earlier call that is not in the
// mailbox, although it may have been confirmed.
func (s *session) uncount(t syncstate.Side, id syncstate.TUID) {
	a := s.Attempts
	if a == nil {
		return
	}
	if a.counted[id] {
		s.result.Counts[t].New--
	}
	delete(a.counted, id)
	delete(a.unanswered, id)
}

// wasTold notes a fact, and reports whether an earlier call has reported it.
func (a *Attempts) wasTold(f event.Fact) bool {
	if a == nil {
		return false
	}
	a.telling.Lock()
	defer a.telling.Unlock()
	key := fmt.Sprintf("%s %+v", f.Code(), f)
	a.stated[key] = true
	return a.told[key]
}
