package maildir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/uidmap"
	"isync/internal/vfs"
)

// The directories that hold messages, as indices.
const (
	inNew = iota
	inCur
)

var subDirs = [2]string{inNew: "new", inCur: "cur"}

// entry is a message as last seen. Long lists of them are an entryList.
type entry struct {
	name  string
	uid   mail.UID // 0: has none yet
	flags mail.Flags
	dir   uint8 // inNew or inCur
}

// mailbox is an open mailbox.
//
// Locks are taken in this order: that of .uidvalidity, then mu. Within this process, only the holder
// of mu renames, adds or removes files of this mailbox. So only other programs can disturb a listing.
type mailbox struct {
	store    *Store
	name     string
	dir      string
	readOnly bool
	// opened is the mark when the mailbox was opened.
	opened string
	// home are new and cur when the mailbox was opened; nil: the directory did not exist.
	home [2]fs.FileInfo

	mu      sync.Mutex
	closed  bool
	uids    uidState  // highest: as far as we know
	entries entryList // ascending by UID, as last listed
	listed  [2]listing
	// complete: a UID up to this one that is not in entries cannot appear any more.
	complete mail.UID
	// provisional are the UIDs of messages without a UID in a read-only mailbox, by path within
	// the mailbox.
	provisional map[string]mail.UID
	// knowsPairs: topPair is the highest UID of a message that is paired with one of
	// the other side.
	knowsPairs bool
	topPair    mail.UID
	// pairedAt is when the state was written; zero: not known.
	pairedAt time.Time
	// unborn: the mailbox is read-only and has no UIDVALIDITY yet.
	unborn bool
	// known are the names that UIDs were given to, where they are in names.
	known knownNames
	// upto: a message up to this UID that is not in recorded, and whose name is not known, came
	// back after its deletion was propagated; 0: this is not known.
	upto     mail.UID
	recorded mail.UIDSet
	// gone are UIDs of messages that are permanently gone. This is not written yet.
	gone []mail.UID

	// names are the UIDs of a mailbox with a database; nil: the UIDs are in the names of files.
	// This does not change while the mailbox is open.
	names   *uidmap.Map
	foreign foreignFile
}

var (
	_ store.Mailbox  = (*mailbox)(nil)
	_ store.Trasher  = (*mailbox)(nil)
	_ store.Preparer = (*mailbox)(nil)
	_ store.Filer    = (*mailbox)(nil)
)

// staleAfter is the age from which on files in tmp are removed.
const staleAfter = 24 * time.Hour

// Open implements store.Store.
func (s *Store) Open(ctx context.Context, box string, req store.OpenRequest) (store.Mailbox, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	dir, err := s.BoxPath(box)
	if err != nil {
		return nil, err
	}
	if err := s.checkSpelling(box, dir); err != nil {
		return nil, s.boxError(box, err)
	}
	m := &mailbox{store: s, name: box, dir: dir, readOnly: req.ReadOnly}
	if req.OldValidity != nil {
		s.mu.Lock()
		s.past[dir] = req.OldValidity
		s.mu.Unlock()
	}
	if m.opened, err = s.mark(dir); err == nil {
		err = m.open(ctx)
	}
	if err != nil {
		return nil, s.boxError(box, err)
	}
	s.noteValidity(dir, m.uids.validity)
	return m, nil
}

func (m *mailbox) open(ctx context.Context) error {
	fi, err := m.store.fs.Stat(m.path(inCur, ""))
	switch {
	case isMissing(err):
		return store.ErrNoBox
	case err != nil:
		return fmt.Errorf("cannot open mailbox: %w", err)
	case !fi.IsDir():
		return fmt.Errorf("'%s' is not a directory", m.path(inCur, ""))
	}
	m.home[inCur] = fi
	if m.readOnly {
		return m.openReadOnly(ctx)
	}
	for _, sub := range []string{"new", "tmp"} {
		dir := filepath.Join(m.dir, sub)
		if err := vfs.MkdirAllShared(m.store.fs, dir, m.store.opts.FSync); err != nil {
			return fmt.Errorf("cannot complete mailbox: %w", err)
		}
	}
	if m.home[inNew], err = m.store.fs.Stat(m.path(inNew, "")); err != nil {
		return err
	}
	if err := m.cleanTmp(); err != nil {
		return err
	}
	const tries = 5 // while others convert it
	for range tries {
		var sc scheme
		if sc, _, err = m.store.scheme(m.dir); err != nil {
			return err
		}
		if m.store.isMapped(sc) {
			err = m.openMapped(ctx)
		} else {
			err = m.openNamed(ctx)
		}
		if !errors.Is(err, errConverted) {
			break
		}
	}
	return err
}

// openNamed opens a mailbox whose UIDs are in the names of files.
func (m *mailbox) openNamed(ctx context.Context) error {
	u, err := m.store.lockUIDs(ctx, m.dir, true)
	if u != nil {
		defer u.close()
	}
	if errors.Is(err, errNoUIDs) {
		// The mailbox may have been converted to a database in the meantime.
		sc, _, serr := m.store.scheme(m.dir)
		switch {
		case serr != nil:
			return serr
		case m.store.isMapped(sc):
			return errConverted
		}
		err = m.initUIDs(ctx, u)
	}
	if err == nil {
		err = m.store.setAside(m.dir, uidmap.FileName)
	}
	if err != nil {
		return err
	}
	m.uids = u.uidState
	if err := m.loadKnown(); err != nil {
		return err
	}
	if top := m.topKnown(); top > m.uids.highest {
		// .uidvalidity alone was restored from a backup, or edited.
		if err := u.raise(top); err != nil {
			return err
		}
		m.uids.highest = top
	}
	return nil
}

// openReadOnly reads the UIDVALIDITY without writing anything.
func (m *mailbox) openReadOnly(ctx context.Context) error {
	sc, st, err := m.store.scheme(m.dir)
	switch {
	case err != nil:
		return err
	case m.store.isMapped(sc):
		return m.openMappedReadOnly(ctx)
	case sc == schemeNames:
		m.uids = st
		err := m.loadKnown()
		m.uids.highest = max(m.uids.highest, m.topKnown())
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.uids.validity = m.store.newValidity(m.dir)
	m.unborn = true
	return m.list(ctx)
}

// initUIDs makes a new UIDVALIDITY.
//
// Messages may have UIDs nevertheless: they were copied here, or the file was
// lost. They keep them if they are unambiguous, so that the pairs of an earlier
// synchronization can be recovered by comparing messages.
func (m *mailbox) initUIDs(ctx context.Context, u *uidFile) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.list(ctx); err != nil {
		return err
	}
	if !m.store.isCreated(m.dir) { // of our own making: of course it has none
		m.store.notice(event.UIDValidityCreated{Box: m.name})
	}
	highest, ambiguous := m.keepUIDs()
	if err := m.dropUIDs(ambiguous); err != nil {
		return err
	}
	m.listed = [2]listing{}
	return u.init(uidState{m.store.newValidity(m.dir), highest})
}

// maxKeptUID is the highest UID that is kept with a new UIDVALIDITY, so that a wrong one does not use
// up the UIDs.
const maxKeptUID = 1 << 31

// keepUIDs returns the highest UID that can be kept with a new UIDVALIDITY, and the messages that
// cannot keep their UIDs. It clears these UIDs in m.entries, which stays sorted.
func (m *mailbox) keepUIDs() (highest mail.UID, ambiguous []entry) {
	items := m.entries.items
	drop := make([]bool, len(items))
	for i, e := range items {
		switch {
		case e.uid == 0:
		case e.uid > maxKeptUID:
			drop[i] = true
		case i > 0 && items[i-1].uid == e.uid:
			drop[i-1], drop[i] = true, true
		}
		if e.uid <= maxKeptUID {
			highest = e.uid
		}
	}
	for i, dropped := range drop {
		if dropped {
			ambiguous = append(ambiguous, m.entries.entry(i))
			items[i].uid = 0
		}
	}
	m.entries.sort()
	return highest, ambiguous
}

// dropUIDs removes the UIDs from the names of messages.
func (m *mailbox) dropUIDs(entries []entry) error {
	var touched [2]bool
	for _, e := range entries {
		target := m.path(int(e.dir), withoutUID(e.name, m.store.opts.InfoDelimiter))
		_, err := m.store.fs.Stat(target)
		if err == nil { // taken
			target = m.path(int(e.dir), m.store.newName(0, e.flags))
		} else if !isMissing(err) {
			return err
		}
		if err := m.store.fs.Rename(m.pathOf(e), target); err != nil && !isMissing(err) {
			return err
		}
		touched[e.dir] = true
	}
	return m.syncDirs(touched)
}

// cleanTmp removes old files of interrupted deliveries from tmp.
func (m *mailbox) cleanTmp() error {
	dir := filepath.Join(m.dir, "tmp")
	names, err := m.store.fs.ReadNames(dir)
	if err != nil {
		return err
	}
	now := m.store.opts.Clock()
	removed := 0
	for _, n := range names {
		path := filepath.Join(dir, n)
		fi, err := m.store.fs.Stat(path)
		if err != nil && !isMissing(err) && !ofTheEntry(err) {
			return err
		}
		if err != nil || !fi.Mode().IsRegular() || now.Sub(vfs.ChangeTime(fi)) <= staleAfter {
			continue
		}
		if err := m.store.fs.Remove(path); err != nil {
			switch {
			case isMissing(err):
			case ofTheEntry(err):
				m.store.warn(event.LeftOverNotRemoved{Path: path, Err: bareError(err)})
			default:
				return err
			}
			continue
		}
		removed++
	}
	if removed > 0 {
		m.store.notice(event.LeftOversRemoved{Dir: dir, Count: removed})
	}
	return nil
}

// begin starts a call.
func (m *mailbox) begin(ctx context.Context, writes bool) error {
	if err := m.store.begin(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return m.error(errors.New("mailbox is closed"))
	case writes && m.readOnly:
		return m.error(errors.New("mailbox is opened read-only"))
	}
	return nil
}

func (m *mailbox) error(err error) error { return m.store.boxError(m.name, err) }

// Info implements store.Mailbox.
func (m *mailbox) Info() store.Info {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := m.uids.highest + mail.UID(len(m.provisional))
	if next < mail.MaxUID {
		next++
	}
	return store.Info{UIDValidity: m.uids.validity, UIDNext: next, Flags: mail.AllFlags}
}

var errReplaced = errors.New("the mailbox was replaced by another one while it was open")

// isHome fails if a directory of messages is not the one that was opened.
func (m *mailbox) isHome(d int, now fs.FileInfo) error {
	if m.home[d] != nil && !vfs.SameFile(m.home[d], now) {
		return fmt.Errorf("%s: %w", m.path(d, ""), errReplaced)
	}
	return nil
}

// Check implements store.Checker.
func (m *mailbox) Check(ctx context.Context) error {
	if err := m.begin(ctx, false); err != nil {
		return err
	}
	for d, home := range m.home {
		if home == nil {
			continue
		}
		fi, err := m.store.fs.Stat(m.path(d, ""))
		if err == nil {
			err = m.isHome(d, fi)
		}
		if err != nil {
			return m.error(fmt.Errorf("the mailbox no longer exists: %w", err))
		}
	}
	if m.readOnly {
		return nil
	}
	name := uidFileName
	if m.isMapped() {
		name = uidmap.FileName
	}
	if _, err := m.store.fs.Stat(filepath.Join(m.dir, name)); err != nil {
		return m.error(fmt.Errorf("the file with the UIDs of the mailbox no longer exists: %w", err))
	}
	return nil
}

var _ store.Checker = (*mailbox)(nil)

// Close implements store.Mailbox.
func (m *mailbox) Close(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.entries = entryList{}
	m.known = knownNames{}
	return nil
}

// path returns the path of a file in new or cur, or of the directory itself.
func (m *mailbox) path(dir int, name string) string {
	const sep = string(filepath.Separator)
	p := m.dir + sep + subDirs[dir]
	if name == "" {
		return p
	}
	return p + sep + name
}

// MessagePath implements store.Filer.
func (m *mailbox) MessagePath(u mail.UID) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i, ok := m.search(u); ok {
		return m.pathOf(m.entries.entry(i))
	}
	return ""
}

func (m *mailbox) pathOf(e entry) string { return m.path(int(e.dir), e.name) }

// syncDirs makes the entries of new and cur durable, if touched. cur comes first, because messages
// move to it.
func (m *mailbox) syncDirs(touched [2]bool) error {
	for _, d := range []int{inCur, inNew} {
		if touched[d] {
			if err := m.store.syncDir(m.path(d, "")); err != nil {
				return err
			}
		}
	}
	return nil
}

// lockUIDs locks the UIDs of the open mailbox, reads the UIDs that other programs have assigned, and
// checks that it is still the same mailbox. m.mu must not be held.
func (m *mailbox) lockUIDs(ctx context.Context) (uidKeeper, error) {
	if m.isMapped() {
		return m.lockMap(ctx)
	}
	u, err := m.store.lockUIDs(ctx, m.dir, false)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if u.validity != m.uids.validity {
		u.close()
		return nil, validityChanged(m.uids.validity, u.validity)
	}
	m.uids.highest = max(m.uids.highest, u.highest)
	return u, nil
}

func validityChanged(from, to uint32) error {
	return fmt.Errorf("UIDVALIDITY changed from %d to %d while the mailbox was open", from, to)
}

// search returns the index of a UID in m.entries, or the index where it would be inserted.
func (m *mailbox) search(u mail.UID) (int, bool) { return m.entries.search(u) }

// find returns the message with the UID. If the message may have appeared since the last listing, find
// lists the mailbox again. m.mu is held.
func (m *mailbox) find(ctx context.Context, u mail.UID) (entry, bool, error) {
	i, ok := m.search(u)
	if !ok && u > m.complete {
		if err := m.list(ctx); err != nil {
			return entry{}, false, err
		}
		i, _ = m.search(u)
	}
	// If the mailbox was listed since the last scan, several messages may have the UID.
	for ; i < len(m.entries.items) && m.entries.items[i].uid == u; i++ {
		e := m.entries.entry(i)
		if v := m.judge(e); v == sameName || v == nothingKnown {
			return e, true, nil
		}
	}
	return entry{}, false, nil
}

// findAgain returns the current entry of a message that does not have the name of old any more. m.mu is
// held.
func (m *mailbox) findAgain(ctx context.Context, old entry) (entry, bool, error) {
	if e, ok := m.sameAs(old); ok && e != old {
		return e, true, nil // somebody else here has found it already
	}
	if err := m.list(ctx); err != nil {
		return entry{}, false, err
	}
	e, ok := m.sameAs(old)
	if !ok || e != old {
		return e, ok, nil
	}
	// It was not renamed. Either it is a symbolic link to a missing file, which is not a
	// message, or something else was missing.
	_, err := m.store.fs.Stat(m.pathOf(old))
	switch {
	case isMissing(err):
		return entry{}, false, nil
	case err == nil:
		err = fmt.Errorf("cannot access '%s' as expected", m.pathOf(old))
	}
	return entry{}, false, err
}

// sameAs returns the message in m.entries with the UID of old and the same name except for its flags.
// A message with that UID and another name has just come from another mailbox.
func (m *mailbox) sameAs(old entry) (entry, bool) {
	i, _ := m.search(old.uid)
	for ; i < len(m.entries.items) && m.entries.items[i].uid == old.uid; i++ {
		if e := m.entries.entry(i); m.sameMessage(e.name, old.name) {
			return e, true
		}
	}
	return entry{}, false
}

// update replaces (or, if e.uid is not there yet, adds) a message in m.entries.
func (m *mailbox) update(e entry) {
	i, ok := m.search(e.uid)
	if ok {
		m.entries.set(i, e)
		return
	}
	m.entries.insert(i, e)
}

// forget removes a message from m.entries.
func (m *mailbox) forget(u mail.UID) {
	if i, ok := m.search(u); ok {
		m.entries.remove(i, i+1)
	}
}
