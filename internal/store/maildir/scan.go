package maildir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/vfs"
)

// listing describes when a directory was listed.
type listing struct {
	info fs.FileInfo // of the directory, just before; nil: not listed yet
	// trusted: any later change gives the directory another time.
	trusted bool
}

// same reports whether the directory has the same times as when it was listed.
func (l listing) same(now fs.FileInfo) bool {
	return l.info != nil && vfs.SameFile(l.info, now) &&
		vfs.ChangeTime(l.info).Equal(vfs.ChangeTime(now)) && l.info.ModTime().Equal(now.ModTime())
}

const (
	// tick is the maximum time by which time stamps of a file system are behind the clock: one
	// timer tick of a slow kernel.
	tick = 11 * time.Millisecond
	// maxListings is how often a directory is listed again because it has changed meanwhile.
	maxListings = 50
)

// list brings m.entries up to date with the directories, listing those that may
// have changed. Messages without a UID get none (a provisional one if the
// mailbox is read-only). m.mu is held.
func (m *mailbox) list(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			// An incomplete listing must never be used: the other messages would look deleted.
			m.listed = [2]listing{}
		}
	}()
	fresh := m.store.isCreated(m.dir)
	changed := false
	for range maxListings {
		stale, err := m.stale()
		if err != nil {
			return err
		}
		if len(stale) == 0 {
			return m.finishList(ctx, changed)
		}
		changed = true
		for _, d := range stale {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := m.listDir(ctx, d, fresh); err != nil {
				return err
			}
		}
	}
	return errors.New("the mailbox keeps changing while it is being listed")
}

// finishList sorts m.entries after listing.
func (m *mailbox) finishList(ctx context.Context, changed bool) error {
	// A listing too soon after a change may be used only once.
	for d := range m.listed {
		if !m.listed[d].trusted {
			m.listed[d].info = nil
		}
	}
	if !changed {
		return nil
	}
	if err := m.refreshNames(ctx); err != nil {
		return err
	}
	m.entries.sort()
	if m.unborn {
		highest, _ := m.keepUIDs()
		m.uids.highest = max(m.uids.highest, highest)
	}
	if m.readOnly {
		if err := m.numberProvisionally(); err != nil {
			return err
		}
	}
	m.complete = m.uids.highest
	if n := len(m.entries.items); n > 0 {
		m.complete = max(m.complete, m.entries.items[n-1].uid)
	}
	return nil
}

// stale returns the directories that must be listed (again). new comes first:
// messages move from there to cur, and so are not missed.
func (m *mailbox) stale() ([]int, error) {
	var stale []int
	for d := range subDirs {
		fi, err := m.store.fs.Stat(m.path(d, ""))
		switch {
		case err == nil:
			// If the directory was replaced, all messages would look deleted.
			if err := m.isHome(d, fi); err != nil {
				return nil, err
			}
			if m.listed[d].same(fi) {
				continue
			}
		case d == inNew && isMissing(err) && m.readOnly:
			m.dropDir(d)
			continue
		case isMissing(err):
			return nil, fmt.Errorf("mailbox no longer exists: %w", err)
		default:
			return nil, err
		}
		m.listed[d] = listing{info: fi}
		stale = append(stale, d)
	}
	return stale, nil
}

// dropDir removes the messages in one of the directories from m.entries.
func (m *mailbox) dropDir(d int) {
	m.entries.removeIf(func(e item) bool { return int(e.dir) == d })
}

// listDir reads one of the directories into m.entries, after stale has noted its times. fresh: no other
// program has used the directory yet.
func (m *mailbox) listDir(ctx context.Context, d int, fresh bool) error {
	trusted, err := m.settle(ctx, m.listed[d].info, fresh)
	if err != nil {
		return err
	}
	m.listed[d].trusted = trusted
	var found pile
	mapped := m.isMapped()
	err = vfs.EachNames(m.store.fs, m.path(d, ""), func(names []string) error {
		for _, n := range names {
			if isMessageName(n) {
				it := m.entries.item(entry{name: n, uid: m.uidOf(n), flags: nameFlags(n, m.store.opts.InfoDelimiter), dir: uint8(d)})
				if !mapped && it.uid != 0 {
					it.sum = m.sumOf(it) // now that the name is in the cache of the processor
				}
				found.add(it)
			}
		}
		if m.entries.names.full() {
			return errors.New("the names of its files take more memory than is possible")
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	m.dropDir(d)
	m.entries.merge(&found)
	m.entries.tidy()
	return nil
}

// settle waits until any further change of a directory certainly gives it another time. It returns false
// if that is not certain, because waiting was not allowed (or, for a fresh directory, is not needed).
func (m *mailbox) settle(ctx context.Context, dir fs.FileInfo, fresh bool) (bool, error) {
	changed := vfs.ChangeTime(dir)
	now := m.store.opts.Clock()
	wait := changed.Add(tick).Sub(now)
	if changed.Nanosecond() == 0 {
		// Probably a file system with a resolution of one second.
		wait = changed.Add(time.Second + tick).Sub(now)
	}
	if wait <= 0 {
		return true, nil
	}
	if m.store.opts.NoDelay || fresh {
		return false, nil
	}
	if wait > tick {
		// A longer wait is only due to a clock that is ahead of ours, and would not help.
		wait = min(wait, time.Second+tick)
		m.store.notice(event.WaitingForChanges{Box: m.name, Wait: wait})
	}
	return true, sleep(ctx, wait)
}

// Prepare implements store.Preparer.
func (m *mailbox) Prepare(ctx context.Context) {
	if m.begin(ctx, false) != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	// If it fails, the scan tries again, and returns the error if it fails again.
	_ = m.list(ctx)
}

// Scan implements store.Mailbox.
func (m *mailbox) Scan(ctx context.Context, need store.Need) (*store.Listing, error) {
	if err := m.begin(ctx, false); err != nil {
		return nil, err
	}
	l := &store.Listing{}
	found, err := m.scan(ctx, need, l)
	if err == nil {
		err = m.addDetails(ctx, l, need, found)
	}
	if err != nil {
		return nil, m.error(err)
	}
	return l, nil
}

// scan lists the mailbox, gives UIDs to messages without one, and adds the needed messages to l. It
// returns the messages whose files must be read.
func (m *mailbox) scan(ctx context.Context, need store.Need, l *store.Listing) ([]entry, error) {
	var u uidKeeper
	if !m.readOnly {
		var err error
		if u, err = m.lockUIDs(ctx); err != nil {
			return nil, err
		}
		defer u.close()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.list(ctx); err != nil {
		return nil, err
	}
	if !m.isMapped() {
		if err := m.openKnown(); err != nil {
			return nil, err
		}
	}
	if err := m.vet(ctx, !m.isMapped()); err != nil {
		return nil, err
	}
	if u != nil {
		if err := m.number(ctx, u); err != nil {
			return nil, err
		}
		if f, ok := u.(*mapFile); !ok {
			m.saveKnown()
		} else if err := m.noteMissing(ctx, f); err != nil {
			return nil, err
		}
	}
	m.store.scanned(m.dir)
	var found []entry
	for _, r := range need.UIDs {
		from, _ := m.search(max(r.First, 1))
		to, last := m.search(r.Last)
		if last {
			to++
		}
		l.Messages = slices.Grow(l.Messages, to-from)
		for _, e := range m.entries.items[from:to] {
			l.Messages = append(l.Messages, mail.Meta{UID: e.uid, Flags: e.flags})
			if need.TUIDs || need.MessageIDs || need.SizesFrom != 0 && e.uid >= need.SizesFrom {
				found = append(found, m.entries.entryOf(e))
			}
		}
	}
	return found, nil
}

// duplicates reports whether a UID is used more than once.
func (m *mailbox) duplicates() bool {
	items := m.entries.items
	for i := 1; i < len(items); i++ {
		if u := items[i].uid; u == items[i-1].uid && u != 0 {
			return true
		}
	}
	return false
}

// short returns the path of a message within the mailbox.
func (m *mailbox) short(e entry) string { return filepath.Join(subDirs[e.dir], e.name) }

// halfMoved reports whether a and b, which have the same UID, are the old and the new name of one file.
func (m *mailbox) halfMoved(a, b entry) (bool, error) {
	if a.dir == b.dir || !m.sameMessage(a.name, b.name) {
		return false, nil
	}
	fa, err := m.store.fs.Stat(m.pathOf(a))
	if err == nil {
		var fb fs.FileInfo
		if fb, err = m.store.fs.Stat(m.pathOf(b)); err == nil {
			return vfs.SameFile(fa, fb), nil
		}
	}
	if isMissing(err) || ofTheEntry(err) {
		return false, nil
	}
	return false, err
}

// sameMessage reports whether two names with the same UID differ only in their flags.
func (m *mailbox) sameMessage(a, b string) bool {
	if m.isMapped() {
		return m.store.key(a) == m.store.key(b)
	}
	delim := m.store.opts.InfoDelimiter
	return baseName(a, delim) == baseName(b, delim)
}

// finishMoves removes the old names of messages that are in cur already.
func (m *mailbox) finishMoves(old []entry) error {
	var touched [2]bool
	var err error
	done := make(map[entry]bool, len(old))
	moved := make(map[mail.UID]bool, len(old))
	for _, e := range old {
		if !m.readOnly {
			if err = m.store.fs.Remove(m.pathOf(e)); err != nil && !isMissing(err) {
				break
			}
			touched[e.dir] = true
		}
		err = nil
		done[e], moved[e.uid] = true, true
	}
	// Names of other messages need not be compared.
	m.entries.removeIf(func(it item) bool { return moved[it.uid] && done[m.entries.entryOf(it)] })
	if err != nil {
		return err
	}
	return m.syncDirs(touched)
}
