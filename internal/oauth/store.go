package oauth

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"isync/internal/vfs"
)

// Store keeps the grant of an account. Its methods are called one at a time, by whoever
// has the Lock.
type Store interface {
	// Load returns the grant; nil: there is none. It is also called without the lock.
	Load(ctx context.Context) (*Grant, error)
	// Reserve makes sure, as far as that is possible, that a grant can be saved.
	Reserve(ctx context.Context) (Reserved, error)
	// Delete removes the grant, if there is one.
	Delete(ctx context.Context) error
	// String names the store in messages.
	String() string
}

// Reserved is room for a grant. Either of its methods must be called, once.
type Reserved interface {
	// Save saves the grant durably, or fails and leaves the former one.
	Save(ctx context.Context, g *Grant) error
	Discard()
}

// StoreError says that a store cannot be used.
type StoreError struct {
	Store string // names it
	Err   error
}

func (e *StoreError) Error() string { return e.Store + ": " + e.Err.Error() }

// Unwrap returns what is wrong.
func (e *StoreError) Unwrap() error { return e.Err }

// storeError wraps an error.
func storeError(s Store, err error) error {
	if err == nil {
		return nil
	}
	if _, wrapped := errors.AsType[*StoreError](err); wrapped {
		return err
	}
	return &StoreError{s.String(), err}
}

// Lock makes sure that only one process at a time refreshes the grant of an account.
type Lock struct {
	FS   vfs.FS
	Path string // of the lock file
	// Wait limits how long to wait for another process; 0: a minute, which is enough for
	// a refresh.
	Wait time.Duration
}

// ErrBusy says that another process has the lock for too long.
var ErrBusy = errors.New("another mbsync has locked the token for too long")

const (
	lockWait    = time.Minute
	dirMode     = 0o700
	fileMode    = 0o600
	minLockPoll = 10 * time.Millisecond
	maxLockPoll = 250 * time.Millisecond
)

// Acquire waits for the lock. The caller must call release.
func (l *Lock) Acquire(ctx context.Context) (release func(), err error) {
	if err := vfs.MkdirAll(l.FS, filepath.Dir(l.Path), dirMode, true); err != nil {
		return nil, err
	}
	f, err := l.FS.OpenFile(l.Path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, err
	}
	wait := l.Wait
	if wait == 0 {
		wait = lockWait
	}
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	// Locks have no queue, so the delays are random.
	for poll := minLockPoll; ; poll = min(2*poll, maxLockPoll) {
		err := l.FS.Lock(f, false)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, vfs.ErrLocked) {
			_ = f.Close()
			return nil, fmt.Errorf("%s: cannot lock it: %w", l.Path, err)
		}
		again := time.NewTimer(poll/2 + rand.N(poll))
		select {
		case <-again.C:
			continue
		case <-timeout.C:
			err = ErrBusy
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		again.Stop()
		_ = f.Close()
		return nil, err
	}
}
