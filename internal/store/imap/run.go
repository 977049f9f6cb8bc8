package imap

import (
	"sync"
	"sync/atomic"

	"isync/internal/store"
)

// runFacts are facts about the server from the current run. They are valid for one run only: the server may
// be changed or replaced between runs, and the result of a run must be the same as in a new process.
// Store.BeginRun replaces them.
type runFacts struct {
	layout layoutCache
	survey survey // see Trace
	uses   useCache

	// plainSelect: the server does not accept parameters of SELECT.
	plainSelect atomic.Bool
	// plainExpunge: the server has refused UID EXPUNGE.
	plainExpunge atomic.Bool
	// noFlagSearch: the answers to searches for flags could not be used.
	noFlagSearch atomic.Bool
	// noValidity: the warning about a missing UIDVALIDITY was shown.
	noValidity atomic.Bool

	mu      sync.Mutex
	caps    *store.Caps     // nil: not known yet
	leftOut map[string]bool // names on the server, see leaveOut
	needed  map[string]bool // mailboxes, see NeedMarks
}

// run returns the facts from the current run.
func (s *Store) run() *runFacts {
	if r := s.facts.Load(); r != nil {
		return r
	}
	s.facts.CompareAndSwap(nil, new(runFacts))
	return s.facts.Load()
}

var _ store.RunBeginner = (*Store)(nil)

// BeginRun implements store.RunBeginner.
func (s *Store) BeginRun(number uint64) {
	s.facts.Store(new(runFacts))
	s.pool.BeginRun(number)
}

var _ store.Retrier = (*Store)(nil)

// Retry implements store.Retrier.
func (s *Store) Retry(fewer bool) {
	s.pool.Retry(&s.gate, fewer, func(err error) bool {
		kind, _ := store.KindOf(s.storeError(err))
		return kind.Lasting()
	})
}

var _ store.Rester = (*Store)(nil)

// Rest implements store.Rester.
func (s *Store) Rest() { s.pool.Rest() }
