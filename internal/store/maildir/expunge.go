package maildir

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"isync/internal/mail"
	"isync/internal/store"
)

// Remove implements store.Mailbox.
func (m *mailbox) Remove(ctx context.Context, req store.RemoveRequest) error {
	if err := m.begin(ctx, true); err != nil {
		return err
	}
	gone, err := m.remove(ctx, req)
	gone = slices.DeleteFunc(gone, req.Kept.Contains)
	if nerr := m.noteGone(ctx, gone); err == nil {
		err = nerr
	}
	return m.error(err)
}

// remove is Remove. It returns the messages that are permanently gone.
func (m *mailbox) remove(ctx context.Context, req store.RemoveRequest) (gone []mail.UID, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	doomed, err := m.marked(ctx, req)
	if err != nil {
		return nil, err
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
			// The mark is a part of the name. If a file with that name exists, the message is
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
		return nil, errors.Join(append(failed, err)...)
	}
	for _, u := range doomed {
		if !removed[u] {
			continue
		}
		gone = append(gone, u)
		if req.Gone != nil {
			req.Gone(u)
		}
	}
	return gone, errors.Join(failed...)
}

// marked returns the requested messages that were marked as deleted when they were last listed. m.mu
// is held.
func (m *mailbox) marked(ctx context.Context, req store.RemoveRequest) ([]mail.UID, error) {
	if !req.All && req.UIDs.Empty() {
		return nil, nil
	}
	// If the listed messages are marked, no new listing is needed: if a message is not marked
	// any more, no file has its listed name.
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
