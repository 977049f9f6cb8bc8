package maildir

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"isync/internal/event"
	"isync/internal/mail"
)

// unnumbered removes the messages without a UID from m.entries, and returns them in the order of their
// arrival. It leaves out entries that are not files.
func (m *mailbox) unnumbered() ([]entry, error) {
	n := 0
	for n < len(m.entries.items) && m.entries.items[n].uid == 0 {
		n++
	}
	if n == 0 {
		return nil, nil
	}
	type arrived struct {
		arrival
		entry
	}
	var found []arrived
	for i := range n {
		e := m.entries.entry(i)
		fi, err := m.store.fs.Stat(m.pathOf(e))
		switch {
		case isMissing(err): // moved meanwhile, or a link to nowhere
			continue
		case err != nil && ofTheEntry(err):
			m.store.warn(event.NotAMessage{Path: m.pathOf(e), Err: bareError(err)})
			continue
		case err != nil:
			return nil, err
		case !fi.Mode().IsRegular():
			m.store.warn(event.NotAMessage{Path: m.pathOf(e)})
			continue
		}
		found = append(found, arrived{parseArrival(e.name), e})
	}
	m.entries.remove(0, n)
	slices.SortFunc(found, func(a, b arrived) int { return compareArrival(a.arrival, b.arrival) })
	out := make([]entry, len(found))
	for i, f := range found {
		out[i] = f.entry
	}
	return out, nil
}

// reserve returns the first of n new UIDs, all above highest.
func reserve(highest mail.UID, n int) (mail.UID, error) {
	if uint64(highest)+uint64(n) >= uint64(mail.MaxUID) {
		return 0, fmt.Errorf("no UIDs left for %d message(s): the highest assigned one is %d", n, highest)
	}
	return highest + 1, nil
}

// number gives UIDs to the messages that have none. Both locks are held.
func (m *mailbox) number(ctx context.Context, u uidKeeper) error {
	const tries = 5 // of messages that move while they get their UIDs
	for range tries {
		found, err := m.unnumbered()
		if err == nil && m.isMapped() {
			found, err = m.distinct(found)
			if err == nil {
				err = m.shortenKeys(found)
			}
		}
		if err != nil || len(found) == 0 {
			return err
		}
		next, err := reserve(u.state().highest, len(found))
		if err != nil {
			return err
		}
		names := make([]string, len(found))
		for i, e := range found {
			names[i] = e.name
		}
		note, err := u.bind(ctx, next, names)
		if err != nil {
			return fmt.Errorf("cannot assign UIDs: %w", err)
		}
		note(m)
		if m.isMapped() {
			for i, e := range found {
				e.uid = next + mail.UID(i)
				m.entries.add(e)
			}
			return nil
		}
		moved, err := m.assign(ctx, found, next)
		if err != nil {
			return fmt.Errorf("cannot assign UIDs: %w", err)
		}
		if !moved {
			return nil
		}
		if err := m.list(ctx); err != nil {
			return err
		}
	}
	return nil // those that keep moving get their UIDs next time
}

// assign adds UIDs from next on to the names of messages. moved: a message did not have its name any
// more.
func (m *mailbox) assign(ctx context.Context, found []entry, next mail.UID) (moved bool, err error) {
	var touched [2]bool
	for _, e := range found {
		if err = ctx.Err(); err != nil {
			break
		}
		old := e
		e.name = withUID(e.name, m.store.opts.InfoDelimiter, next)
		e.uid = next
		next++
		err = m.store.fs.Rename(m.pathOf(old), m.pathOf(e))
		if errors.Is(err, errTooLong) {
			e.name = m.store.shortName(old.name, e.uid, e.flags)
			err = m.store.fs.Rename(m.pathOf(old), m.pathOf(e))
		}
		switch {
		case isMissing(err):
			moved, err = true, nil
			continue
		case errors.Is(err, errNotAllowed): // that of another user, in a directory with the sticky bit
			m.store.warn(event.MessageNotNumbered{Path: m.pathOf(old), Err: bareLinkError(err)})
			err = nil
			continue
		}
		if err != nil {
			break
		}
		touched[e.dir] = true
		m.entries.add(e)
	}
	if err != nil {
		m.listed = [2]listing{} // some of m.entries are missing
	}
	if serr := m.syncDirs(touched); err == nil {
		err = serr
	}
	return moved, err
}

// numberProvisionally assigns the same UIDs as number, but writes nothing. A UID stays the same while the
// mailbox is open and the message keeps its name.
func (m *mailbox) numberProvisionally() error {
	found, err := m.unnumbered()
	if err == nil && m.isMapped() {
		found, err = m.distinct(found)
	}
	if err != nil || len(found) == 0 {
		return err
	}
	if m.provisional == nil {
		m.provisional = make(map[string]mail.UID)
	}
	for _, e := range found {
		key := m.short(e)
		if m.provisional[key] == 0 {
			next, err := reserve(max(m.uids.highest, m.topPair), len(m.provisional)+1)
			if err != nil {
				return err
			}
			m.provisional[key] = next + mail.UID(len(m.provisional))
		}
		e.uid = m.provisional[key]
		m.entries.add(e)
	}
	m.entries.sort()
	return nil
}
