package auth

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"time"
)

// A Ledger remembers which secrets servers have refused, and keeps them from
// being sent again: a few failures are enough for many servers to lock an
// account. One is shared by all accounts of a run. A program that makes many runs shares
// one between all of them, with Keep. The zero value is empty. It is safe for concurrent
// use.
type Ledger struct {
	// Keep is how long a refused secret is not sent again; 0: never again.
	Keep time.Duration

	mu      sync.Mutex
	entries map[ledgerKey]*entry
}

// ledgerKey is whom what was told.
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

// Outcome is what became of an attempt to log in.
type Outcome uint8

// The outcomes.
const (
	// Undecided: nothing was said about the secret.
	Undecided Outcome = iota
	// Accepted: we are logged in.
	Accepted
	// Doubted: the server did not let us in without saying why. If it did with
	// the same secret before, it is taken to have other reasons.
	Doubted
	// Rejected: the server says that the secret is wrong, or of no use.
	Rejected
)

// RepeatError says that the secret was refused before, and was not sent again.
type RepeatError struct {
	First error
	// Until is when it may be sent again; zero: not in this run.
	Until time.Time
}

func (e *RepeatError) Error() string {
	if !e.Until.IsZero() {
		return fmt.Sprintf("the same login has failed before, and is not tried again before %s: %v", e.Until.Format("15:04:05"), e.First)
	}
	return fmt.Sprintf("the same login has failed before in this run, and is not tried again: %v", e.First)
}

// Unwrap returns why it failed.
func (e *RepeatError) Unwrap() error { return e.First }

// Begin must be called before a secret of a user is sent to a server, or
// anything that proves its knowledge. Until the secret is known to be good
// attempts are made one after the other. end must be called with the outcome. The
// error is a *RepeatError, or that of ctx.
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

// look tells what is known of a secret.
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

// BeginRun forgets what was accepted in earlier runs: the passwords of a server may have been
// changed since. Refused secrets are forgotten after Keep only.
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

// Forget forgets which secrets were refused, since the user wants them to be tried again.
func (l *Ledger) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		e.refused = nil
	}
}
