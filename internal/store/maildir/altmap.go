package maildir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/uidmap"
	"isync/internal/vfs"
)

// mapLockName is the file that is locked while a database is in use. It is removed only together
// with the database.
const mapLockName = ".isyncuidmap.lock"

// forgetAfter is the time for which a message must be missing before its UID is dropped. If it comes
// back earlier, it keeps its UID, like a message with the UID in its name.
const forgetAfter = 24 * time.Hour

// foreignFile is the database of mbsync 1.5, as it was when it was last read.
type foreignFile struct {
	info fs.FileInfo // nil: not at all
	// origin is the result of uidmap.OriginOf.
	origin []byte
}

// uidKeeper is the locked file or database that holds the UIDs of a mailbox.
type uidKeeper interface {
	state() uidState
	// bind durably stores that the messages with the given names have the UIDs from first on.
	// note updates the mailbox. It must be called with the lock of the mailbox.
	bind(ctx context.Context, first mail.UID, names []string) (note func(m *mailbox), err error)
	close()
}

var _, _ uidKeeper = (*uidFile)(nil), (*mapFile)(nil)

// mapFile is the locked database.
type mapFile struct {
	store   *Store
	dir     string
	quiet   bool // no notices
	locks   []vfs.File
	m       *uidmap.Map // what was in it; not to be touched, as others look at it
	version uidmap.Version
	uids    uidState
}

// readMap reads the map of the mailbox in dir, and writes nothing. It returns errNoUIDs if there is
// none. takenOver: the map is from a database of mbsync 1.5. old and seen are the results of the last
// call.
func (s *Store) readMap(ctx context.Context, dir string, old *uidmap.Map, seen *foreignFile) (m *uidmap.Map, takenOver bool, err error) {
	m, err = uidmap.Load(ctx, s.fs, dir, old)
	if isMissing(err) {
		m, err = nil, nil
	}
	if err != nil {
		return nil, false, err
	}
	path := filepath.Join(dir, uidmap.ForeignName)
	forked := &ForkedError{filepath.Join(dir, uidmap.FileName), path}
	fi, err := s.fs.Stat(path)
	switch {
	case isMissing(err) && m == nil:
		return nil, false, errNoUIDs
	case isMissing(err):
		return m, false, nil
	case err != nil:
		return nil, false, err
	case m != nil && m.Origin == nil:
		return nil, false, forked
	}
	unchanged := seen.info != nil && seen.info.Size() == fi.Size() && listing{info: seen.info}.same(fi)
	if m != nil && unchanged && slices.Equal(m.Origin, seen.origin) {
		return m, false, nil
	}
	file, err := vfs.ReadFile(s.fs, path)
	if err != nil {
		return nil, false, err
	}
	*seen = foreignFile{fi, uidmap.OriginOf(file)}
	switch {
	case m != nil && slices.Equal(m.Origin, seen.origin):
		return m, false, nil
	case m != nil && m.Diverged:
		return nil, false, forked
	}
	if m, err = uidmap.TakeOver(file); err != nil {
		return nil, false, fmt.Errorf("%s: %w", path, err)
	}
	if m.Validity == 0 {
		m.Validity = s.newValidity(dir)
	}
	return m, true, nil
}

// lockMap waits for the lock of the database of the mailbox in dir, and reads the database. It takes
// over a database of mbsync 1.5. If there is no database, it creates an empty one with create, and
// otherwise returns errNoUIDs. It returns errConverted if the UIDs are stored elsewhere.
func (s *Store) lockMap(ctx context.Context, dir string, old *uidmap.Map, seen *foreignFile, create bool) (*mapFile, error) {
	u := &mapFile{store: s, dir: dir}
	err := u.lock(func(f vfs.File) error { return s.waitLock(ctx, f) })
	if err == nil {
		err = u.read(ctx, old, seen, create)
	}
	if err != nil {
		u.close()
		return nil, err
	}
	return u, nil
}

// lock takes two locks with take: that of this program, and that of mbsync 1.5.
func (u *mapFile) lock(take func(vfs.File) error) error {
	fsys := u.store.fs
	f, err := vfs.Create(fsys, filepath.Join(u.dir, mapLockName), os.O_RDWR)
	if err != nil {
		return err
	}
	u.locks = append(u.locks, f)
	if err := take(f); err != nil {
		return err
	}
	if ok, err := u.store.isCurrent(f); err != nil || !ok {
		if err == nil {
			err = errConverted
		}
		return err
	}
	f, err = fsys.OpenFile(filepath.Join(u.dir, uidmap.ForeignName), os.O_RDWR, 0)
	switch {
	case isMissing(err), errors.Is(err, fs.ErrPermission):
		return nil // then nobody else of this user can write there either
	case err != nil:
		return err
	}
	u.locks = append(u.locks, f)
	return take(f)
}

// read reads the locked database. If necessary, it creates the database first.
func (u *mapFile) read(ctx context.Context, old *uidmap.Map, seen *foreignFile, create bool) error {
	s := u.store
	sc, _, err := s.scheme(u.dir)
	if err != nil {
		return err
	}
	if sc == schemeNames {
		return errConverted
	}
	m, takenOver, err := s.readMap(ctx, u.dir, old, seen)
	switch {
	case err == nil && takenOver:
		err = uidmap.Create(ctx, s.fs, u.dir, m, s.opts.FSync)
		if err == nil && !u.quiet {
			s.notice(event.UIDMapTakenOver{Path: filepath.Join(u.dir, uidmap.ForeignName), Count: len(m.UIDs)})
		}
	case create && errors.Is(err, errNoUIDs):
		if !s.isCreated(u.dir) {
			s.notice(event.UIDValidityCreated{Dir: u.dir})
		}
		m = &uidmap.Map{Validity: s.newValidity(u.dir), UIDs: map[string]mail.UID{}}
		err = uidmap.Create(ctx, s.fs, u.dir, m, s.opts.FSync)
	}
	if err != nil {
		return err
	}
	u.m, u.version = m, m.Version
	u.uids = uidState{m.Validity, m.Highest}
	return nil
}

func (u *mapFile) state() uidState { return u.uids }

// close ends the locks.
func (u *mapFile) close() {
	for _, f := range slices.Backward(u.locks) {
		f.Close()
	}
	u.locks = nil
}

// bind implements uidKeeper.
func (u *mapFile) bind(ctx context.Context, first mail.UID, names []string) (func(m *mailbox), error) {
	c := &uidmap.Change{Highest: first + mail.UID(len(names)) - 1}
	for i, n := range names {
		c.Bind = append(c.Bind, uidmap.Binding{Key: u.store.key(n), UID: first + mail.UID(i)})
	}
	return u.update(ctx, c)
}

// update changes the database.
func (u *mapFile) update(ctx context.Context, c *uidmap.Change) (func(m *mailbox), error) {
	s := u.store
	if c.Highest > u.uids.highest && u.m.Origin != nil {
		// From now on, the database of mbsync 1.5 is outdated. With it, that program would give
		// the same UIDs to other messages. Without a database, it makes a new UIDVALIDITY, which
		// differs from that in the state of the pair, and stops. (It would also stop at a
		// database that it cannot read, but would later treat the mailbox as deleted.)
		if err := s.setAside(u.dir, uidmap.ForeignName); err != nil {
			return nil, err
		}
	}
	at := u.version
	// A transaction is short, and must not be canceled.
	next, err := uidmap.Update(context.WithoutCancel(ctx), s.fs, u.dir, at, c, s.opts.FSync)
	if err != nil {
		return nil, err
	}
	u.version = next
	u.uids.highest = max(u.uids.highest, c.Highest)
	return func(m *mailbox) {
		m.names.Apply(c, at, next)
		m.uids.highest = max(m.uids.highest, c.Highest)
	}, nil
}

// key returns what identifies the message of a file name in the database.
func (s *Store) key(name string) string { return uidmap.Key(name, s.opts.InfoDelimiter) }

// openMapped opens a mailbox whose UIDs are in a database.
func (m *mailbox) openMapped(ctx context.Context) error {
	u, err := m.store.lockMap(ctx, m.dir, nil, &m.foreign, true)
	if err != nil {
		return err
	}
	defer u.close()
	m.names, m.uids = u.m, u.uids
	// If a conversion was killed, a power cut must not bring .uidvalidity back later.
	return m.store.syncDir(m.dir)
}

// openMappedReadOnly is openMapped without writing anything.
func (m *mailbox) openMappedReadOnly(ctx context.Context) error {
	names, _, err := m.store.readMap(ctx, m.dir, nil, &m.foreign)
	if errors.Is(err, errNoUIDs) {
		m.names = &uidmap.Map{Validity: m.store.newValidity(m.dir), UIDs: map[string]mail.UID{}}
		m.uids.validity = m.names.Validity
		return nil
	}
	if err != nil {
		return err
	}
	m.names, m.uids = names, uidState{names.Validity, names.Highest}
	return nil
}

// isMapped reports whether the UIDs are in a database.
func (m *mailbox) isMapped() bool { return m.names != nil }

// lockMap is lockUIDs for a mailbox whose UIDs are in a database.
func (m *mailbox) lockMap(ctx context.Context) (*mapFile, error) {
	m.mu.Lock()
	old, seen := m.names, m.foreign
	m.mu.Unlock()
	u, err := m.store.lockMap(ctx, m.dir, old, &seen, false)
	if errors.Is(err, errNoUIDs) {
		err = ErrMapLost
	}
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.takeNames(u.m); err != nil {
		u.close()
		return nil, err
	}
	m.foreign = seen
	return u, nil
}

// takeNames replaces the known UIDs. m.mu is held.
func (m *mailbox) takeNames(names *uidmap.Map) error {
	if names == m.names {
		return nil
	}
	if names.Validity != m.uids.validity {
		return validityChanged(m.uids.validity, names.Validity)
	}
	m.names = names
	m.uids.highest = max(m.uids.highest, names.Highest)
	m.renewUIDs()
	return nil
}

// refreshNames checks whether another program has given UIDs to messages without one. m.mu is held.
func (m *mailbox) refreshNames(ctx context.Context) error {
	if !m.isMapped() || m.readOnly || !slices.ContainsFunc(m.entries.items, func(e item) bool { return e.uid == 0 }) {
		return nil
	}
	names, err := uidmap.Load(ctx, m.store.fs, m.dir, m.names)
	if isMissing(err) {
		err = ErrMapLost
	}
	if err != nil {
		return err
	}
	return m.takeNames(names)
}

// uidOf returns the UID of the message with the given file name, 0 if it has
// none. m.mu is held.
func (m *mailbox) uidOf(name string) mail.UID {
	if m.isMapped() {
		return m.names.UIDs[m.store.key(name)]
	}
	return nameUID(name)
}

// distinct checks that messages without a UID have different keys in the database. If a power cut
// has left a message with two names, it returns only the new one.
func (m *mailbox) distinct(found []entry) ([]entry, error) {
	byKey := make(map[string]entry, len(found))
	var problems []string
	var halfMoved []entry
	for _, e := range found {
		key := m.store.key(e.name)
		old, twice := byKey[key]
		if !twice {
			byKey[key] = e
			continue
		}
		same, err := m.halfMoved(old, e)
		switch {
		case err != nil:
			return nil, err
		case same && old.dir == inNew:
			halfMoved = append(halfMoved, old)
			byKey[key] = e
		case same:
			halfMoved = append(halfMoved, e)
		default:
			problems = append(problems, m.sameName(old, e))
		}
	}
	if len(problems) > 0 {
		return nil, describe(problems)
	}
	if len(halfMoved) == 0 {
		return found, nil
	}
	if err := m.finishMoves(halfMoved); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(e entry) bool { return slices.Contains(halfMoved, e) }), nil
}

// sameName describes two messages with the same key in the database.
func (m *mailbox) sameName(a, b entry) string {
	return fmt.Sprintf("'%s' and '%s' are different messages with the same name; "+
		"to get the latter a UID of its own, rename it to '%s'",
		m.short(a), m.short(b), filepath.Join(subDirs[b.dir], withFlags(m.store.newName(0, 0), m.store.opts.InfoDelimiter, b.flags)))
}

// noteMissing notes which messages with UIDs are missing, and drops those that have been missing for
// forgetAfter. Both locks are held, and the mailbox is listed.
func (m *mailbox) noteMissing(ctx context.Context, u *mapFile) error {
	if len(m.names.Missing) == 0 && len(m.names.UIDs) == len(m.entries.items) {
		return nil
	}
	now := m.store.opts.Clock()
	certain := m.listed[inNew].trusted && m.listed[inCur].trusted
	c := &uidmap.Change{Now: now}
	for key, uid := range m.names.UIDs {
		_, present := m.search(uid)
		since, missing := m.names.Missing[key]
		switch {
		case present && missing:
			c.Back = append(c.Back, key)
		case present:
		case !missing:
			c.Missing = append(c.Missing, key)
		case certain && now.Sub(since) > forgetAfter:
			c.Drop = append(c.Drop, key)
		}
	}
	if len(c.Back)+len(c.Missing)+len(c.Drop) == 0 {
		return nil
	}
	note, err := u.update(ctx, c)
	if err != nil {
		return err
	}
	note(m)
	return nil
}

// Recall implements store.Recaller. Without a database, the UID of a missing
// message is in its file name; the pairs then show whether a UID above the highest
// one belongs to another mailbox.
func (m *mailbox) Recall(ctx context.Context, known func() store.Paired) error {
	if err := m.begin(ctx, false); err != nil {
		return err
	}
	if !m.isMapped() {
		return m.error(m.recallNamed(ctx, known))
	}
	return m.error(m.recall(ctx, known))
}

func (m *mailbox) recall(ctx context.Context, paired func() store.Paired) error {
	m.mu.Lock()
	none := len(m.names.Missing) == 0
	m.mu.Unlock()
	if none {
		return nil // only a Scan notes one, and there was none yet
	}
	known := paired().UIDs
	if m.readOnly {
		m.mu.Lock()
		defer m.mu.Unlock()
		names := *m.names // others may look at it
		names.UIDs = maps.Clone(names.UIDs)
		for _, key := range staleKeys(m.names, known) {
			delete(names.UIDs, key)
		}
		return m.takeNames(&names)
	}
	u, err := m.lockMap(ctx)
	if err != nil {
		return err
	}
	defer u.close()
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &uidmap.Change{Now: m.store.opts.Clock(), Drop: staleKeys(m.names, known)}
	if len(c.Drop) == 0 {
		return nil
	}
	note, err := u.update(ctx, c)
	if err != nil {
		return err
	}
	note(m)
	m.renewUIDs()
	return nil
}

// staleKeys returns the keys of missing messages with other UIDs than those known.
func staleKeys(names *uidmap.Map, known mail.UIDSet) (keys []string) {
	for key := range names.Missing {
		if !known.Contains(names.UIDs[key]) {
			keys = append(keys, key)
		}
	}
	return keys
}

// renewUIDs sets the UIDs of the listed messages from the database. m.mu is held.
func (m *mailbox) renewUIDs() {
	for i, e := range m.entries.all() {
		m.entries.items[i].uid = m.uidOf(e.name)
	}
	m.entries.sort()
}

var _ store.Recaller = (*mailbox)(nil)
