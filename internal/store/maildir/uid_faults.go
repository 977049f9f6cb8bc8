package maildir

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/vfs"
)

// faults are the errors in the UIDs of a mailbox.
type faults struct {
	problems []string // that nothing can be done about
	// halfMoved are old names of files that a power cut has left with two names.
	halfMoved []entry
	// misplaced are messages with the UID of another message, or with a UID that was never
	// assigned in this mailbox. They get new UIDs.
	misplaced []misplaced
}

type misplaced struct {
	entry
	why string
}

// vet checks that every UID is used once and was assigned. With mend, it removes the UIDs of misplaced
// messages, so that they get new ones. m.mu is held, and the lock of the UIDs unless the mailbox is
// read-only.
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
		// A message that is moved during the listing could be listed twice. The times of the
		// directories should prevent that, but list again to be sure.
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
	m.store.notice(event.UIDsReassigned{Box: m.name, Count: len(found), Err: describe(whys)})
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

// faults looks for wrong UIDs. With mend, it returns separately those that can be corrected.
func (m *mailbox) faults(mend bool) (f faults, err error) {
	items := m.entries.items
	if n := len(items); n == 0 || items[n-1].uid <= m.uids.highest && !m.duplicates() && (!mend || !m.anyStranger()) {
		return f, nil
	}
	for from := 0; from < len(items) && err == nil; {
		to := from + 1
		for to < len(items) && items[to].uid == items[from].uid {
			to++
		}
		// Compare names only if the UIDs have an error.
		if u := items[from].uid; u != 0 && (mend || u > m.uids.highest || to-from > 1) {
			err = m.faultsOf(from, to, mend, &f)
		}
		from = to
	}
	return f, err
}

// faultsOf examines the messages in m.entries.items[from:to], which have the same UID.
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
			case m.readOnly && mend && len(group) == 1 && uid <= m.topPair:
				// The user of the mailbox compares the messages.
			case m.readOnly && mend && m.topPair > m.uids.highest:
				f.misplaced = append(f.misplaced, misplaced{e, fmt.Sprintf("UID %d was not assigned in this mailbox", uid)})
			case mend && m.knowsPairs && m.topPair <= m.uids.highest:
				f.misplaced = append(f.misplaced, misplaced{e, fmt.Sprintf("UID %d was not assigned in this mailbox, where the highest one is %d", uid, m.uids.highest)})
			default:
				f.problems = append(f.problems, m.tooHigh(e))
			}
		}
		return nil
	}
	if !mend {
		return nil
	}
	keeper, ok, err := m.keeper(group)
	if err != nil {
		return err
	}
	for _, e := range group {
		switch why := m.judge(e); {
		case ok && e == keeper:
		case why == messageGone:
			f.misplaced = append(f.misplaced, misplaced{e, fmt.Sprintf("UID %d was that of a message that is gone", e.uid)})
		case why == otherName:
			f.misplaced = append(f.misplaced, misplaced{e, fmt.Sprintf("UID %d was given to a file of another name", e.uid)})
		case ok:
			f.misplaced = append(f.misplaced, misplaced{e, fmt.Sprintf("UID %d is that of '%s'", e.uid, m.short(keeper))})
		default:
			f.misplaced = append(f.misplaced, misplaced{e, fmt.Sprintf("UID %d is in several names", e.uid)})
		}
	}
	return nil
}

// settled is the time that a message must have had its name before the state was written, to be sure
// that it existed when the mailbox was listed. No run takes that long between listing and writing.
const settled = time.Hour

// keeper returns which of the messages with the same UID keeps it: the one for whose name
// the UID was assigned. If that name is not known, it is the only one that existed with its
// current name when the state was written. Copying, moving and restoring a file changes
// its ctime, but so does a change of flags. So ok is false if it is not certain which one
// the state pairs: if the wrong one kept the UID, it would be deleted when the message is
// deleted on the other side. Then the group is sorted, the most likely one last: if a run
// is interrupted while it removes their UIDs, the last one keeps it.
func (m *mailbox) keeper(group []entry) (keeper entry, ok bool, err error) {
	if m.judge(group[0]) != nothingKnown {
		same := slices.DeleteFunc(slices.Clone(group), func(e entry) bool { return m.judge(e) != sameName })
		return m.original(same)
	}
	if len(group) == 1 {
		return group[0], true, nil
	}
	changed, err := m.looks(group)
	if err != nil {
		return entry{}, false, err
	}
	certain, before := !m.pairedAt.IsZero(), 0
	for e, l := range changed {
		certain = certain && l.kept
		if l.changed.Before(m.pairedAt.Add(-settled)) {
			keeper, before = e, before+1
		}
	}
	if certain && before == 1 {
		return keeper, true, nil
	}
	slices.SortStableFunc(group, func(a, b entry) int { return changed[b].changed.Compare(changed[a].changed) })
	return entry{}, false, nil
}

// original returns the oldest of several messages that differ only in their flags. Restoring a backup
// brings back earlier names of messages. If their sizes differ, they are not the same message, and ok is
// false.
func (m *mailbox) original(same []entry) (keeper entry, ok bool, err error) {
	switch len(same) {
	case 0:
		return entry{}, false, nil
	case 1:
		return same[0], true, nil
	}
	found, err := m.looks(same)
	if err != nil {
		return entry{}, false, err
	}
	for _, e := range same {
		l, there := found[e]
		switch {
		case !there:
		case !ok:
			keeper, ok = e, true
		case l.size != found[keeper].size:
			return entry{}, false, nil
		case l.changed.Before(found[keeper].changed):
			keeper = e
		}
	}
	return keeper, ok, nil
}

// look has attributes of the file of a message.
type look struct {
	changed time.Time // of its status
	kept    bool      // the file system keeps that time
	size    int64
}

// looks returns the attributes of the files that can be accessed.
func (m *mailbox) looks(entries []entry) (map[entry]look, error) {
	out := make(map[entry]look, len(entries))
	for _, e := range entries {
		fi, err := m.store.fs.Stat(m.pathOf(e))
		switch {
		case err == nil:
			l := look{size: fi.Size()}
			l.changed, l.kept = vfs.StatusChange(fi)
			out[e] = l
		case !isMissing(err) && !ofTheEntry(err):
			return nil, err
		}
	}
	return out, nil
}

// tooHigh describes a UID that was not assigned.
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

// recallNamed notes which messages are permanently gone, and whether the highest assigned
// UID is reliable: it must not be below the UID of a message that the sync state pairs.
func (m *mailbox) recallNamed(ctx context.Context, known func() store.Paired) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.list(ctx); err != nil {
		return err
	}
	if err := m.openKnown(); err != nil {
		return err
	}
	n := len(m.entries.items)
	odd := n > 0 && (m.entries.items[n-1].uid > m.uids.highest || m.duplicates())
	if !odd && !m.anyMissing() && !m.known.restored {
		return nil
	}
	paired := known()
	if !paired.Expired {
		m.forgetGone(paired.UIDs)
	}
	if m.known.restored && !paired.Expired {
		m.upto, m.recorded = paired.Upto, paired.Recorded
	}
	if !odd {
		return nil
	}
	m.knowsPairs = true
	m.pairedAt = paired.At
	for _, r := range paired.UIDs {
		m.topPair = max(m.topPair, r.Last)
	}
	if m.readOnly {
		// New UIDs must be higher than those of the pairs.
		m.provisional, m.listed = nil, [2]listing{}
	}
	return nil
}

// RaiseUIDs implements store.Raiser.
func (m *mailbox) RaiseUIDs(ctx context.Context, to mail.UID) error {
	if err := m.begin(ctx, false); err != nil || m.isMapped() {
		return err
	}
	if !m.readOnly {
		u, err := m.store.lockUIDs(ctx, m.dir, false)
		if err != nil {
			return m.error(err)
		}
		defer u.close()
		if u.validity != m.uids.validity {
			return m.error(validityChanged(m.uids.validity, u.validity))
		}
		if err := u.raise(to); err != nil {
			return m.error(err)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.uids.highest = max(m.uids.highest, to)
	m.provisional, m.listed = nil, [2]listing{}
	return nil
}

// IsProvisional implements store.Raiser.
func (m *mailbox) IsProvisional(u mail.UID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.provisional {
		if p == u {
			return true
		}
	}
	return false
}

var _ store.Raiser = (*mailbox)(nil)
