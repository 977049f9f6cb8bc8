package maildir

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"isync/internal/store"
	"isync/internal/vfs"
)

// faults are what is wrong with the UIDs of a mailbox.
type faults struct {
	problems []string // that nothing can be done about
	// halfMoved are names of files that have another one, which a power cut in the
	// middle of a move has left.
	halfMoved []entry
	// misplaced are messages with a UID that is another message's, or was never
	// assigned in this mailbox. They get new ones.
	misplaced []misplaced
}

type misplaced struct {
	entry
	why string
}

// vet checks that every UID is used once and was assigned. With mend, the UIDs of
// messages that came with one that is not theirs are removed, so that they get new
// ones. m.mu is held, and (but read-only) the lock of the UIDs.
func (m *mailbox) vet(ctx context.Context, mend bool) error {
	for again := false; ; again = true {
		f, err := m.faults(mend)
		switch {
		case err != nil:
			return err
		case len(f.halfMoved) > 0:
			if err := m.finishMoves(f.halfMoved); err != nil {
				return err
			}
			continue
		case len(f.problems)+len(f.misplaced) == 0:
			return nil
		case len(f.problems) > 0 && (again || m.store.opts.NoDelay):
			return describe(f.problems)
		case len(f.problems) == 0 && again:
			return m.expel(ctx, f.misplaced)
		}
		// Messages that are moved during the listing can be seen twice, were
		// it not for the times of the directories. Do not rely on these only.
		m.listed = [2]listing{}
		if err := m.list(ctx); err != nil {
			return err
		}
	}
}

// expel removes UIDs from the names of messages and lists the mailbox again. If it is
// read-only, they get provisional UIDs.
func (m *mailbox) expel(ctx context.Context, found []misplaced) error {
	entries := make([]entry, len(found))
	for i, f := range found {
		entries[i] = f.entry
	}
	if m.readOnly {
		for i, it := range m.entries.items {
			if it.uid != 0 && slices.Contains(entries, m.entries.entryOf(it)) {
				m.entries.items[i].uid = 0
			}
		}
		m.entries.sort()
		return m.numberProvisionally()
	}
	whys := make([]string, len(found))
	for i, f := range found {
		whys[i] = fmt.Sprintf("'%s', as %s", m.short(f.entry), f.why)
	}
	m.store.notice("mailbox '%s': %d message(s) get a new UID: %v", m.name, len(found), describe(whys))
	m.listed = [2]listing{}
	if err := m.dropUIDs(entries); err != nil {
		return fmt.Errorf("cannot assign new UIDs: %w", err)
	}
	return m.list(ctx)
}

// describe makes one error of several problems.
func describe(problems []string) error {
	const enough = 10
	more := ""
	if n := len(problems) - enough; n > 0 {
		problems, more = problems[:enough], fmt.Sprintf("; and %d more", n)
	}
	return errors.New(strings.Join(problems, "; ") + more)
}

// faults looks for wrong UIDs. With mend, those are told apart about which something
// can be done.
func (m *mailbox) faults(mend bool) (f faults, err error) {
	items := m.entries.items
	if n := len(items); n == 0 || items[n-1].uid <= m.uids.highest && !m.duplicates() {
		return f, nil
	}
	for from := 0; from < len(items) && err == nil; {
		to := from + 1
		for to < len(items) && items[to].uid == items[from].uid {
			to++
		}
		// Whose names are looked at only if something is wrong with them.
		if u := items[from].uid; u != 0 && (u > m.uids.highest || to-from > 1) {
			err = m.faultsOf(from, to, mend, &f)
		}
		from = to
	}
	return f, err
}

// faultsOf looks at the messages from m.entries.items[from:to], which have the same
// UID.
func (m *mailbox) faultsOf(from, to int, mend bool, f *faults) error {
	group := make([]entry, 0, to-from)
	for i := from; i < to; i++ {
		group = append(group, m.entries.entry(i))
	}
	for i := 1; i < len(group); i++ {
		old, e := group[i-1], group[i]
		switch same, err := m.halfMoved(old, e); {
		case err != nil:
			return err
		case same && old.dir == inNew:
			f.halfMoved = append(f.halfMoved, old)
		case same:
			f.halfMoved = append(f.halfMoved, e)
		case m.isMapped():
			f.problems = append(f.problems, m.sameName(old, e))
		case !mend:
			f.problems = append(f.problems, fmt.Sprintf("duplicate UID %d: '%s' and '%s'; "+
				"to get the latter a new UID, rename it to '%s'", e.uid, m.short(old), m.short(e), m.withoutUID(e)))
		}
	}
	if len(f.halfMoved) > 0 {
		return nil // those first
	}
	if uid := group[0].uid; uid > m.uids.highest {
		for _, e := range group {
			_, assigned := m.provisional[m.short(e)]
			switch {
			case assigned:
			case mend && m.knowsPairs && m.topPair <= m.uids.highest:
				f.misplaced = append(f.misplaced, misplaced{e, fmt.Sprintf("UID %d was not assigned in this mailbox, where the highest one is %d", uid, m.uids.highest)})
			default:
				f.problems = append(f.problems, m.tooHigh(e))
			}
		}
		return nil
	}
	if !mend || len(group) == 1 {
		return nil
	}
	keeper, ok, err := m.keeper(group)
	if err != nil {
		return err
	}
	for _, e := range group {
		switch {
		case !ok:
			f.misplaced = append(f.misplaced, misplaced{e, fmt.Sprintf("UID %d is in several names", e.uid)})
		case e != keeper:
			f.misplaced = append(f.misplaced, misplaced{e, fmt.Sprintf("UID %d is that of '%s'", e.uid, m.short(keeper))})
		}
	}
	return nil
}

// settled is how long before the state was written a message must have had its name
// to have been there when the mailbox was listed for it. No run takes that long
// between the two, unless something is badly wrong.
const settled = time.Hour

// keeper returns which of several messages with the same UID keeps it: the only one
// that was there, with its name, when the state was written. A file that is copied,
// moved or restored gets a new time of change, but so does one whose flags change. So
// if it is not certain which one the state pairs, ok is false: if the wrong one kept the
// UID, it would be deleted when the other side deletes the other message. Then the
// group is sorted by how likely that is: a run that ends in the middle of removing their
// UIDs leaves the last one with it.
func (m *mailbox) keeper(group []entry) (keeper entry, ok bool, err error) {
	changed := make(map[entry]time.Time)
	certain, before := !m.pairedAt.IsZero(), 0
	for _, e := range group {
		fi, err := m.store.fs.Stat(m.pathOf(e))
		if err != nil && !isMissing(err) && !ofTheEntry(err) {
			return entry{}, false, err
		}
		if err != nil {
			continue
		}
		t, kept := vfs.StatusChange(fi)
		changed[e], certain = t, certain && kept
		if t.Before(m.pairedAt.Add(-settled)) {
			keeper, before = e, before+1
		}
	}
	if certain && before == 1 {
		return keeper, true, nil
	}
	slices.SortStableFunc(group, func(a, b entry) int { return changed[b].Compare(changed[a]) })
	return entry{}, false, nil
}

// tooHigh tells of a UID that was not assigned.
func (m *mailbox) tooHigh(e entry) string {
	text := fmt.Sprintf("UID %d of '%s' is above the highest assigned UID %d", e.uid, m.short(e), m.uids.highest)
	if m.topPair > m.uids.highest {
		last := m.entries.items[len(m.entries.items)-1].uid
		return text + fmt.Sprintf(", but message %d was synchronized already: '%s' looks restored from a backup; if the messages were not, write %d in its second line",
			m.topPair, uidFileName, max(m.topPair, last))
	}
	return text + fmt.Sprintf("; to get it a new UID, rename it to '%s'", m.withoutUID(e))
}

func (m *mailbox) withoutUID(e entry) string { return withoutUID(e.name, m.store.opts.InfoDelimiter) }

// recallNamed notes whether the highest assigned UID is one to rely on: whether it is
// at least that of each message that the sync state pairs.
func (m *mailbox) recallNamed(ctx context.Context, known func() store.Paired) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.list(ctx); err != nil {
		return err
	}
	if n := len(m.entries.items); n == 0 || m.entries.items[n-1].uid <= m.uids.highest && !m.duplicates() {
		return nil
	}
	m.knowsPairs = true
	paired := known()
	m.pairedAt = paired.At
	for _, r := range paired.UIDs {
		m.topPair = max(m.topPair, r.Last)
	}
	return nil
}
