package watch

import (
	"fmt"
	"maps"
	"regexp"
	"sync"
	"time"

	"isync/internal/event"
)

// repeatAfter is the time for which a message that was shown is not repeated.
const repeatAfter = time.Hour

// lockedQuietly is how long another program may lock a pair before this is reported.
const lockedQuietly = time.Minute

// observer is the sink of a group's runs. It records the results of a run, and passes the events
// on. A repeated message is passed on at most once per repeatAfter, until the pair succeeds.
type observer struct {
	next event.Sink

	mu     sync.Mutex
	found  *outcome
	shown  map[string]time.Time // messages
	locked map[event.Pair]time.Time
}

// outcome has the results of a run.
type outcome struct {
	// begun are the channels whose mailboxes were listed; failed are those with an error.
	begun  map[string]bool
	failed map[string]error
	// pairs are the results of the pairs.
	pairs map[event.Pair]*result
	order []event.Pair
}

// result is the result of a pair.
type result struct {
	ended  bool
	failed bool
	locked bool
	err    error
	counts [2]event.Counts // of the changes that were made
	marks  [2]string       // see event.Outcome
}

func newObserver(next event.Sink) *observer {
	return &observer{next: next, found: newOutcome(), shown: make(map[string]time.Time), locked: make(map[event.Pair]time.Time)}
}

func newOutcome() *outcome {
	return &outcome{begun: make(map[string]bool), failed: make(map[string]error), pairs: make(map[event.Pair]*result)}
}

// take returns the results of the run, and resets the observer for the next run.
func (o *observer) take() *outcome {
	o.mu.Lock()
	defer o.mu.Unlock()
	found := o.found
	o.found = newOutcome()
	now := time.Now()
	maps.DeleteFunc(o.shown, func(_ string, at time.Time) bool { return now.Sub(at) >= repeatAfter })
	return found
}

// Take implements event.Sink.
func (o *observer) Take(e event.Event) {
	if e = o.note(e); e != nil {
		o.next.Take(e)
	}
}

// note records an event, and returns the event to be passed on; nil: none.
func (o *observer) note(e event.Event) event.Event {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch e := e.(type) {
	case event.ChannelBegun:
		o.found.begun[e.Channel] = true
	case event.ChannelFailed:
		o.found.failed[e.Channel] = e.Err
		if o.isRepeated(e.Channel, e.Err) {
			return nil
		}
	case event.PairBegun:
		o.found.pairs[e.Pair] = &result{}
		o.found.order = append(o.found.order, e.Pair)
	case event.PairEnded:
		return o.noteEnd(e)
	case event.Message:
		if e.Severity != event.Notice && o.isRepeatedMessage(e) {
			return nil
		}
	}
	return e
}

// noteEnd records the result of a pair.
func (o *observer) noteEnd(e event.PairEnded) event.Event {
	r := o.found.pairs[e.Pair]
	if r == nil {
		return e
	}
	r.ended, r.err, r.locked = true, e.Err, e.Status == event.StatusLocked
	r.counts, r.marks = e.Outcome.Counts, e.Outcome.Marks
	r.failed = e.Err != nil || e.Outcome.Failed+e.Outcome.Problems > 0
	switch {
	case !r.failed:
		delete(o.locked, e.Pair)
		o.forget(e.Pair)
	case r.locked:
		first, known := o.locked[e.Pair]
		if !known {
			first = time.Now()
			o.locked[e.Pair] = first
		}
		e.Reported = e.Reported || time.Since(first) < lockedQuietly || o.isRepeated(pairKey(e.Pair), e.Err)
	case e.Err != nil && !e.Reported:
		e.Reported = o.isRepeated(pairKey(e.Pair), e.Err)
	}
	return e
}

// isRepeated reports whether an error was shown recently. If not, it counts as shown now. Errors
// that differ only in numbers are the same, because the names of temporary files contain numbers,
// for example.
func (o *observer) isRepeated(about string, err error) bool {
	return o.isShown(about + "\x00" + numbers.ReplaceAllString(err.Error(), "0"))
}

var numbers = regexp.MustCompile(`[0-9]+`)

// isRepeatedMessage is isRepeated for a message.
func (o *observer) isRepeatedMessage(m event.Message) bool {
	about := m.Pair.Channel
	if m.Pair.Box != [2]string{} {
		about = pairKey(m.Pair)
	}
	what := fmt.Sprintf("%v %d %s %s %T %v", m.Side, m.UID, m.Store, m.Path, m.Fact, m.Fact)
	if m.Err != nil {
		what += numbers.ReplaceAllString(m.Err.Error(), "0")
	}
	return o.isShown(about + "\x00" + what)
}

func (o *observer) isShown(key string) bool {
	now := time.Now()
	if at, ok := o.shown[key]; ok && now.Sub(at) < repeatAfter {
		return true
	}
	o.shown[key] = now
	return false
}

// forget removes the messages about a pair that has succeeded, so that they are shown again if
// they recur.
func (o *observer) forget(p event.Pair) {
	if len(o.shown) == 0 {
		return
	}
	prefix := pairKey(p) + "\x00"
	maps.DeleteFunc(o.shown, func(key string, _ time.Time) bool {
		return len(key) > len(prefix) && key[:len(prefix)] == prefix
	})
}

// pairKey identifies a pair by the fields that all its events have: the channel and the
// mailboxes.
func pairKey(p event.Pair) string {
	return p.Channel + "\x01" + p.Box[0] + "\x01" + p.Box[1]
}
