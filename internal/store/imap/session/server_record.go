package session

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"sync"
	"time"

	"isync/internal/imapclient"
)

// How long nothing is sent optimistically after that has failed: a day if it may have
// been chance, a month if the server certainly does not support it.
const (
	cautionAfterFailure = 24 * time.Hour
	cautionAfterProof   = 30 * 24 * time.Hour
)

// A ServerRecord has the announcements of a server, and keeps them in a file from one
// run to the next. With it, commands are sent without waiting for the answer to the
// login. It is safe for concurrent use.
type ServerRecord struct {
	opts *Options

	mu     sync.Mutex
	loaded bool // in this run
	note   serverNote
	// cautious: nothing is sent optimistically in this run. suspicion is the reason; if
	// the next login succeeds, the server does not support optimistic commands. Both
	// end with the run.
	cautious  bool
	suspicion error
	// pipelining: see Pipelines.
	pipelining pipelining
	// lines are the network paths that were measured in this run, and whether they are slow.
	lines map[string]bool
}

// serverNote is the contents of the file, in JSON with the names of the fields.
type serverNote struct {
	Memo *imapclient.ServerMemo `json:"Past,omitempty"`
	// CautiousUntil is until when nothing is sent optimistically, in seconds since 1970.
	CautiousUntil int64 `json:"WaryUntil,omitempty"`
	// MaxSet is the maximum length of sets in commands, in bytes; 0: the server has
	// not refused any length.
	MaxSet int `json:",omitempty"`
	// Purposes are the questions of the latest runs, see Question; the latest purpose comes
	// first.
	Purposes []purposeNote `json:",omitempty"`
	// SerialUntil is until when mailboxes are selected one by one, in seconds since 1970.
	SerialUntil int64 `json:",omitempty"`
	// Lines are network paths to the server, the latest one first.
	Lines []lineNote `json:",omitempty"`
}

// remembers reports whether anything is remembered.
func (m *ServerRecord) remembers() bool { return m.opts.Listings != nil && m.opts.Server != "" }

// beginRun forgets what the file does not contain.
func (m *ServerRecord) beginRun() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loaded, m.note, m.cautious, m.suspicion, m.lines = false, serverNote{}, false, nil, nil
	m.pipelining = pipelining{}
}

// load reads the file, once in a run; m.mu is held. An invalid file counts as a missing
// one.
func (m *ServerRecord) load() {
	if m.loaded || !m.remembers() {
		return
	}
	m.loaded = true
	data, err := m.opts.Listings.LoadServer(m.opts.Server)
	if err == nil && data != nil {
		err = json.Unmarshal(data, &m.note)
	}
	if err != nil {
		m.note = serverNote{}
		m.opts.debugf("the capabilities of the server are not cached: %v", err)
	}
}

// expected returns what the server may be expected to tell; nil: nothing.
func (m *ServerRecord) expected() *imapclient.ServerMemo {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.load()
	left := time.Unix(m.note.CautiousUntil, 0).Sub(m.opts.now())
	if m.cautious || m.note.Memo == nil || left > 0 && left <= cautionAfterProof {
		return nil
	}
	return m.note.Memo
}

// suspect notes that a connection with optimistic commands has failed, perhaps because
// of them. Nothing is sent optimistically in the rest of the run. server: if the next
// login succeeds, the server does not support optimistic commands.
func (m *ServerRecord) suspect(why error, server bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.opts.debugf("connecting again, without sending anything ahead of the answer to the login: %v", why)
	m.cautious = true
	if server && m.suspicion == nil {
		m.suspicion = why
	}
}

// suspected reports whether suspect was called in this run.
func (m *ServerRecord) suspected() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cautious
}

// connected notes that a login without optimistic commands has succeeded. If an
// optimistic one has failed before, the optimistic commands were the reason.
func (m *ServerRecord) connected() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.suspicion == nil {
		return
	}
	caution := cautionAfterFailure
	if s, ok := errors.AsType[*imapclient.SurpriseError](m.suspicion); ok && s.Incapable || errors.Is(m.suspicion, imapclient.ErrNotLoggedIn) {
		caution = cautionAfterProof
	}
	m.suspicion = nil
	m.note = serverNote{
		CautiousUntil: m.opts.now().Add(caution).Unix(), MaxSet: m.note.MaxSet, SerialUntil: m.note.SerialUntil, Lines: m.note.Lines,
	}
	m.save()
}

// learn notes what the server has told.
func (m *ServerRecord) learn(told *imapclient.ServerMemo) {
	if told == nil || !m.remembers() {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.load()
	if old := m.note.Memo; old != nil && told.Namespace == nil {
		told.Namespace = old.Namespace // which was not asked for this time
	}
	if !reflect.DeepEqual(told, m.note.Memo) {
		m.note.Memo = told
		m.save()
	}
}

// questions returns the questions that are remembered for a purpose.
func (m *ServerRecord) questions(purpose string) []Question {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.load()
	for _, p := range m.note.Purposes {
		if p.Purpose == purpose && len(p.Questions) <= maxQuestions {
			return p.Questions
		}
	}
	return nil
}

// learnQuestions remembers the questions of a run for a purpose.
func (m *ServerRecord) learnQuestions(purpose string, asked []Question) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.load()
	old := m.note.Purposes
	i := slices.IndexFunc(old, func(p purposeNote) bool { return p.Purpose == purpose })
	if i < 0 && len(asked) == 0 || i >= 0 && slices.EqualFunc(old[i].Questions, asked, func(a, b Question) bool { return a.compare(b) == 0 }) {
		return // the order of the purposes is not worth a write
	}
	next := slices.DeleteFunc(slices.Clone(old), func(p purposeNote) bool { return p.Purpose == purpose })
	if len(asked) > 0 {
		next = append([]purposeNote{{purpose, asked}}, next...)
	}
	m.note.Purposes = next[:min(len(next), maxPurposes)]
	m.save()
}

// save writes the file; m.mu must be held. An error does no harm.
func (m *ServerRecord) save() {
	if !m.remembers() || m.opts.ReadOnly {
		return
	}
	data, err := json.Marshal(m.note)
	if err == nil {
		err = m.opts.Listings.SaveServer(m.opts.Server, data)
	}
	if err != nil {
		m.opts.debugf("the capabilities of the server cannot be cached: %v", err)
	}
}

// MaxSet returns the remembered maximum length of sets in commands, in bytes; 0: the
// server has not refused any length.
func (m *ServerRecord) MaxSet() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.load()
	return m.note.MaxSet
}

// LowerMaxSet lowers MaxSet for the rest of the run. It reports whether that is lower
// than before. See SaveMaxSet.
func (m *ServerRecord) LowerMaxSet(n int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.load()
	if m.note.MaxSet != 0 && n >= m.note.MaxSet {
		return false
	}
	m.note.MaxSet = n
	return true
}

// SaveMaxSet makes MaxSet outlast the run.
func (m *ServerRecord) SaveMaxSet() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.save()
}
