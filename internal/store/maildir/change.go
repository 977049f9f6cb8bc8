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

// withMessage calls do with the message and its present name, until that does
// not find the file missing; then the message has been renamed by somebody
// else, and is looked for. It returns store.ErrGone if there is none. m.mu is
// held.
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
	return fmt.Errorf("cannot access '%s': it keeps moving", m.pathOf(e))
}

// SetFlags implements store.Mailbox.
func (m *mailbox) SetFlags(ctx context.Context, changes []store.FlagChange, done func(int, error)) error {
	if err := m.begin(ctx, true); err != nil {
		return err
	}
	results := make([]error, len(changes))
	var touched [2]bool
	n := 0
	var fatal error
	for ; n < len(changes); n++ {
		if fatal = ctx.Err(); fatal != nil {
			break
		}
		err := m.changeFlags(ctx, changes[n], &touched)
		if errors.Is(err, errListing) || ofTheDisk(err) {
			fatal = err
			break
		}
		results[n] = err
	}
	if err := m.syncDirs(touched); err != nil {
		// Nothing that was done is certain now.
		return m.error(cmp.Or(fatal, err))
	}
	for i := range n {
		done(i, results[i])
	}
	return m.error(fatal)
}

// ofTheDisk reports whether an error is that of a file system, which would fail
// with the next message just as well, as opposed to that of one message.
func ofTheDisk(err error) bool {
	errno, ok := errors.AsType[syscall.Errno](err)
	return ok && slices.Contains([]syscall.Errno{
		syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EROFS, syscall.EMFILE, syscall.ENFILE, syscall.EACCES,
	}, errno)
}

// changeFlags renames one message.
func (m *mailbox) changeFlags(ctx context.Context, c store.FlagChange, touched *[2]bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.withMessage(ctx, c.UID, func(e entry) error {
		flags := e.flags&^c.Remove | c.Add
		if flags == e.flags {
			return nil
		}
		to := entry{name: withFlags(e.name, m.store.opts.InfoDelimiter, flags), uid: e.uid, flags: flags, dir: inCur}
		err := m.store.fs.Rename(m.pathOf(e), m.pathOf(to))
		if errors.Is(err, errTooLong) {
			to.name = m.shorter(e, flags)
			err = m.store.fs.Rename(m.pathOf(e), m.pathOf(to))
		}
		if err != nil {
			return err
		}
		touched[e.dir], touched[inCur] = true, true
		m.update(to)
		return nil
	})
}

// Remove implements store.Mailbox.
func (m *mailbox) Remove(ctx context.Context, req store.RemoveRequest) error {
	if err := m.begin(ctx, true); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	doomed, err := m.marked(ctx, req)
	if err != nil {
		return m.error(err)
	}
	var touched [2]bool
	removed := make(map[mail.UID]bool, len(doomed))
	var failed []error
	for _, u := range doomed {
		if err := ctx.Err(); err != nil {
			failed = append(failed, err)
			break
		}
		err := m.withMessage(ctx, u, func(e entry) error {
			// The mark is in the name: if there is a file of that name, it is
			// still marked.
			if !e.flags.Has(mail.FlagDeleted) {
				return nil
			}
			err := m.store.fs.Remove(m.pathOf(e))
			if err == nil {
				touched[e.dir] = true
				removed[u] = true
			}
			return err
		})
		if err != nil && !errors.Is(err, store.ErrGone) {
			failed = append(failed, fmt.Errorf("cannot remove message %d: %w", u, err))
			if errors.Is(err, errListing) {
				break
			}
		}
	}
	m.entries.removeIf(func(e item) bool { return removed[e.uid] })
	if err := m.syncDirs(touched); err != nil {
		failed = append(failed, err)
	} else if req.Gone != nil {
		for _, u := range doomed {
			if removed[u] {
				req.Gone(u)
			}
		}
	}
	return m.error(errors.Join(failed...))
}

// marked returns the messages that are asked to be removed and were marked as
// deleted when last seen. m.mu is held.
func (m *mailbox) marked(ctx context.Context, req store.RemoveRequest) ([]mail.UID, error) {
	if !req.All && req.UIDs.Empty() {
		return nil, nil
	}
	// Messages that are marked as far as we know need no listing: if it is not so
	// any more, there is no file of that name.
	if !req.All {
		if doomed := m.markedOf(req.UIDs); uint64(len(doomed)) == req.UIDs.Len() {
			return doomed, nil
		}
	}
	if err := m.list(ctx); err != nil {
		return nil, err
	}
	if req.All {
		return m.markedOf(mail.UIDsFrom(1)), nil
	}
	return m.markedOf(req.UIDs), nil
}

// markedOf returns the messages of the set that are marked in m.entries. m.mu is
// held.
func (m *mailbox) markedOf(uids mail.UIDSet) []mail.UID {
	var doomed []mail.UID
	for _, r := range uids {
		i, _ := m.search(max(r.First, 1))
		for ; i < len(m.entries.items) && m.entries.items[i].uid <= r.Last; i++ {
			if e := m.entries.items[i]; e.flags.Has(mail.FlagDeleted) {
				doomed = append(doomed, e.uid)
			}
		}
	}
	return doomed
}
