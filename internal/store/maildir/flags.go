package maildir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"isync/internal/mail"
	"isync/internal/store"
)

// withMessage calls do with the message and its current name. If do finds that the file is missing,
// another program has renamed the message: withMessage looks for its new name, and calls do again.
// It returns store.ErrGone if the message does not exist any more. m.mu is held.
func (m *mailbox) withMessage(ctx context.Context, u mail.UID, do func(e entry) error) error {
	e, ok, err := m.find(ctx, u)
	for range maxListings {
		if err != nil {
			return fmt.Errorf("%w: %w", errListing, err)
		}
		if !ok {
			return store.ErrGone
		}
		if err := do(e); !isMissing(err) {
			return err
		}
		e, ok, err = m.findAgain(ctx, e)
	}
	return fmt.Errorf("cannot access '%s': another program keeps renaming it", m.pathOf(e))
}

// SetFlags implements store.Mailbox.
func (m *mailbox) SetFlags(ctx context.Context, changes []store.FlagChange, done func(int, error)) error {
	if err := m.begin(ctx, true); err != nil {
		return err
	}
	results := make([]error, len(changes))
	var touched [2]bool
	renamed := make(map[mail.UID]string)
	n := 0
	var fatal error
	for ; n < len(changes); n++ {
		if fatal = ctx.Err(); fatal != nil {
			break
		}
		err := m.changeFlags(ctx, changes[n], &touched, renamed)
		if errors.Is(err, errListing) || ofTheDisk(err) {
			fatal = err
			break
		}
		results[n] = err
	}
	fatal = cmp.Or(fatal, m.noteRenamed(ctx, renamed))
	if err := m.syncDirs(touched); err != nil {
		// Nothing that was done is certain now.
		return m.error(cmp.Or(fatal, err))
	}
	for i := range n {
		done(i, results[i])
	}
	return m.error(fatal)
}

// ofTheDisk reports whether an error concerns the file system, so that the next message would fail
// as well, rather than one message.
func ofTheDisk(err error) bool {
	errno, ok := errors.AsType[syscall.Errno](err)
	return ok && slices.Contains([]syscall.Errno{
		syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EROFS, syscall.EMFILE, syscall.ENFILE, syscall.EACCES,
	}, errno)
}

// changeFlags renames a message. If the message gets an entirely new name, it is added to renamed.
func (m *mailbox) changeFlags(ctx context.Context, c store.FlagChange, touched *[2]bool, renamed map[mail.UID]string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.withMessage(ctx, c.UID, func(e entry) error {
		flags := e.flags&^c.Remove | c.Add
		if flags == e.flags {
			return nil
		}
		to := entry{name: withFlags(e.name, m.store.opts.InfoDelimiter, flags), uid: e.uid, flags: flags, dir: inCur}
		err := m.store.fs.Rename(m.pathOf(e), m.pathOf(to))
		short := errors.Is(err, errTooLong)
		if short {
			to.name = m.shorter(e, flags)
			err = m.store.fs.Rename(m.pathOf(e), m.pathOf(to))
		}
		if err != nil {
			return err
		}
		if short {
			renamed[e.uid] = to.name
		}
		touched[e.dir], touched[inCur] = true, true
		m.update(to)
		return nil
	})
}
