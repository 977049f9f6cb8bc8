package maildir

import "isync/internal/store"

// runFacts is what a store has found out in the current run. It is valid for one run
// only: other programs change the file system meanwhile, and the result of a run must
// be the same as in a new process.
type runFacts struct {
	warned  map[string]bool // facts, as text
	created map[string]bool // directories of mailboxes made by this Store, until scanned
	// past returns the UIDVALIDITY of a mailbox in the sync state, by its directory;
	// validities are the highest that were seen or made.
	past       map[string]func() uint32
	validities map[string]uint32
	folds      tristate // whether names that differ only in case are the same
}

func newRunFacts() runFacts {
	return runFacts{warned: make(map[string]bool), created: make(map[string]bool), past: make(map[string]func() uint32), validities: make(map[string]uint32)}
}

var _ store.RunBeginner = (*Store)(nil)

// BeginRun implements store.RunBeginner.
func (s *Store) BeginRun(uint64) {
	s.mu.Lock()
	s.runFacts = newRunFacts()
	s.mu.Unlock()
	s.found.mu.Lock()
	s.found.style = SubFoldersUnset
	s.found.mu.Unlock()
}
