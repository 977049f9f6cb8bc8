package auth

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"time"
)

// A Ledger records the secrets that servers have refused, and prevents sending them again: many
// servers lock an account after a few failures. All accounts of a run share one. A program with
// many runs shares one between all of them, with Keep. The zero value is empty. It is safe for
// concurrent use.
type Ledger struct {
	// Keep is how long a refused secret is not sent again; 0: for ever.
	Keep time.Duration

	mu      sync.Mutex
	entries map[ledgerKey]*entry
}

// ledgerKey identifies a secret of a user on a server.
type ledgerKey struct {
	server, user string
	secret       [sha256.Size]byte
}

type entry struct {
	turn chan struct{} // holds a token while the secret is being tried for the first time

	// Guarded by the mutex of the ledger:
	proven  bool      // it was accepted
	refused error     // the error of the refused login; nil: it was not refused
	at      time.Time // when it was last tried
}

// Outcome is the result of a login attempt.
type Outcome uint8

// The outcomes.
const (
	// Undecided: the server did not judge the secret.
	Undecided Outcome = iota
	// Accepted: the login succeeded.
	Accepted
	// Doubted: the login failed for an unknown reason. If the same secret succeeded before, the
	// reason is not the secret.
	Doubted
	// Rejected: the server reports that the secret is wrong or unusable.
	Rejected
)

// RepeatError reports that the secret was refused before, and was not sent again.
type RepeatError struct {
	First error
	// Until is the time when it may be sent again; zero: not in this run.
	Until time.Time
}

func (e *RepeatError) Error() string {
	if !e.Until.IsZero() {
		return fmt.Sprintf("the same login has failed before, and is not tried again before %s: %v", e.Until.Format("15:04:05"), e.First)
	}
	return fmt.Sprintf("the same login has failed before in this run, and is not tried again: %v", e.First)
}

// Unwrap returns the error of the refused login.
func (e *RepeatError) Unwrap() error { return e.First }

// Begin must be called before a secret of a user, or a proof of it, is sent to a server. Until
// the secret is known to be accepted, attempts are serialized. end must be called with the
// outcome. The error is a *RepeatError or that of ctx.
func (l *Ledger) Begin(ctx context.Context, server, user, secret string) (end func(Outcome, error), err error) {
	e := l.entry(ledgerKey{strings.ToLower(server), user, sha256.Sum256([]byte(secret))})
	if proven, err := l.look(e); proven || err != nil {
		return func(o Outcome, err error) { l.note(e, o, err) }, err
	}
	select {
	case e.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if proven, err := l.look(e); proven || err != nil {
		<-e.turn
		return func(o Outcome, err error) { l.note(e, o, err) }, err
	}
	return func(o Outcome, err error) {
		l.note(e, o, err)
		<-e.turn
	}, nil
}

func (l *Ledger) entry(key ledgerKey) *entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[key]
	if e == nil {
		e = &entry{turn: make(chan struct{}, 1)}
		if l.entries == nil {
			l.entries = make(map[ledgerKey]*entry)
		}
		l.entries[key] = e
	}
	return e
}

// look returns the state of a secret.
func (l *Ledger) look(e *entry) (proven bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case e.refused == nil:
		return e.proven, nil
	case l.Keep == 0:
		return false, &RepeatError{First: e.refused}
	case time.Since(e.at) < l.Keep:
		return false, &RepeatError{First: e.refused, Until: e.at.Add(l.Keep)}
	}
	return false, nil
}

func (l *Ledger) note(e *entry, o Outcome, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.at = time.Now()
	switch {
	case o == Accepted:
		e.proven, e.refused = true, nil
	case o == Rejected, o == Doubted && !e.proven:
		e.refused = err
	}
}

// BeginRun discards which secrets were accepted in earlier runs, because passwords may have
// changed since. Refused secrets are discarded only after Keep.
func (l *Ledger) BeginRun() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, e := range l.entries {
		e.proven = false
		if len(e.turn) == 0 && !e.at.IsZero() && time.Since(e.at) >= l.Keep {
			delete(l.entries, key)
		}
	}
}

// Forget discards the refused secrets, because the user wants them to be tried again.
func (l *Ledger) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		e.refused = nil
	}
}
