package maildir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/uidmap"
	"isync/internal/vfs"
)

var (
	// ErrAlready says that the UIDs are in the requested place already.
	ErrAlready = errors.New("there is nothing to convert")
	// ErrInUse says that another program is using the mailbox.
	ErrInUse = errors.New("another program is using the mailbox")
	// ErrNoUIDs says that the mailbox has no UIDs yet.
	ErrNoUIDs = errors.New("no mbsync has given UIDs to the mailbox yet")
)

// Convert moves the UIDs of the inbox of the store to the other place, and returns the number of
// messages with a UID. With alt, it moves them from the names of the files into a database. Otherwise, it
// moves them from a database (of this program, or of mbsync 1.5) into the names. UIDVALIDITY and UIDs
// stay the same. Messages without a UID get none. The mailbox is locked meanwhile. If another program
// has locked it, Convert returns ErrInUse.
//
// A single change of the directory switches from one place to the other. Both before and after it, all
// names of files are valid. So if Convert is interrupted, the mailbox is usable, and the next call
// completes the conversion. It returns ErrAlready if there was nothing to do.
func (s *Store) Convert(ctx context.Context, alt bool) (messages int, err error) {
	m := &mailbox{store: s, name: mail.Inbox, dir: s.opts.Inbox}
	if _, err := s.fs.Stat(m.path(inCur, "")); err != nil {
		if isMissing(err) {
			err = store.ErrNoBox
		}
		return 0, err
	}
	c := &conversion{m: m, s: s}
	defer c.unlock()
	// The scheme determines which files to lock.
	sc, _, err := s.scheme(m.dir)
	if err != nil {
		return 0, err
	}
	if sc == schemeNone {
		return 0, ErrNoUIDs
	}
	if err := c.lock(sc); err != nil {
		return 0, err
	}
	switch now, _, err := s.scheme(m.dir); {
	case err != nil:
		return 0, err
	case now != sc:
		return 0, ErrInUse
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	// An earlier run may have been killed before its changes were durable.
	if err := s.syncDir(m.dir); err != nil {
		return 0, err
	}
	switch {
	case alt && sc == schemeNames:
		err = c.toMap(ctx)
	case alt:
		err = c.completeMap(ctx, sc)
	case sc == schemeNames:
		err = c.completeNames()
	default:
		err = c.toNames(ctx)
	}
	return c.messages, err
}

// conversion is a run of Convert.
type conversion struct {
	m        *mailbox
	s        *Store
	file     *uidFile // locked; nil: the UIDs were not in the names
	db       mapFile  // locked
	messages int
}

// lock takes all locks.
func (c *conversion) lock(sc scheme) error {
	take := func(f vfs.File) error {
		err := c.s.fs.Lock(f, false)
		if errors.Is(err, vfs.ErrLocked) {
			return ErrInUse
		}
		return err
	}
	if sc == schemeNames {
		f, err := c.s.fs.OpenFile(filepath.Join(c.m.dir, uidFileName), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		c.file = &uidFile{store: c.s, file: f}
		if err := take(f); err != nil {
			return err
		}
		// The lock of a replaced file is useless.
		if ok, err := c.s.isCurrent(f); err != nil || !ok {
			if err == nil {
				err = ErrInUse
			}
			return err
		}
	}
	c.db = mapFile{store: c.s, dir: c.m.dir, quiet: true}
	err := c.db.lock(take)
	if errors.Is(err, errConverted) {
		return ErrInUse
	}
	return err
}

func (c *conversion) unlock() {
	c.db.close()
	if c.file != nil {
		c.file.close()
	}
}

// remove removes a file of the mailbox, and reports whether the file existed.
func (c *conversion) remove(name string) (bool, error) {
	err := c.s.fs.Remove(filepath.Join(c.m.dir, name))
	if isMissing(err) {
		return false, nil
	}
	return err == nil, err
}

// load lists the mailbox, and checks that its UIDs can be moved.
func (c *conversion) load(ctx context.Context) error {
	m := c.m
	if err := m.list(ctx); err != nil {
		return err
	}
	if err := m.guessDelimiter(); err != nil {
		return err
	}
	if err := m.vet(ctx, false); err != nil {
		return err
	}
	// The key of a message in the database is only a part of its name.
	byKey := make(map[string]entry, len(m.entries.items))
	var problems []string
	for _, e := range m.entries.all() {
		key := c.s.key(e.name)
		if old, twice := byKey[key]; twice {
			problems = append(problems, m.sameName(old, e))
		}
		byKey[key] = e
		if e.uid != 0 {
			c.messages++
		}
	}
	if len(problems) > 0 {
		return describe(problems)
	}
	return nil
}

// toMap moves the UIDs from the names into a database.
func (c *conversion) toMap(ctx context.Context) error {
	m := c.m
	st, err := c.s.readUIDs(m.dir)
	if err != nil {
		return err
	}
	m.uids = st
	if err := c.load(ctx); err != nil {
		return err
	}
	names := &uidmap.Map{Validity: st.validity, Highest: st.highest, UIDs: make(map[string]mail.UID, len(m.entries.items))}
	for _, e := range m.entries.all() {
		if e.uid != 0 {
			names.UIDs[c.s.key(e.name)] = e.uid
		}
	}
	// mbsync 1.5 would use its own database as soon as .uidvalidity is gone.
	if err := c.s.setAside(m.dir, uidmap.ForeignName); err != nil {
		return err
	}
	if err := uidmap.Create(ctx, c.s.fs, m.dir, names, c.s.opts.FSync); err != nil {
		return err
	}
	if _, err := c.remove(uidFileName); err != nil {
		return err
	}
	if _, err := c.remove(knownFileName); err != nil {
		return err
	}
	if err := c.s.syncDir(m.dir); err != nil {
		return err
	}
	m.names = names
	_, err = c.renameAll(ctx)
	return err
}

// completeMap completes the conversion after the UIDs are in a database: it takes over the database of
// mbsync 1.5, and removes the UIDs from the names.
func (c *conversion) completeMap(ctx context.Context, sc scheme) error {
	m := c.m
	if err := c.db.read(ctx, nil, &m.foreign, false); err != nil {
		return err
	}
	m.names, m.uids = c.db.m, c.db.uids
	if err := c.load(ctx); err != nil {
		return err
	}
	renamed, err := c.renameAll(ctx)
	if err == nil && renamed == 0 && sc != schemeForeign {
		return ErrAlready
	}
	return err
}

// toNames moves the UIDs from the database into the names. The database stays valid until that is
// complete.
func (c *conversion) toNames(ctx context.Context) error {
	m := c.m
	if err := c.db.read(ctx, nil, &m.foreign, false); err != nil {
		return err
	}
	m.names, m.uids = c.db.m, c.db.uids
	if err := c.load(ctx); err != nil {
		return err
	}
	if err := c.renameAllNumbered(ctx); err != nil {
		return err
	}
	// The renames of an earlier run must be durable, too.
	if err := m.syncDirs([2]bool{true, true}); err != nil {
		return err
	}
	// It may be from before the UIDs were in a database.
	if _, err := c.remove(knownFileName); err != nil {
		return err
	}
	if err := c.s.replaceUIDFile(m.dir, m.uids.format()); err != nil {
		return err
	}
	return c.removeMaps()
}

// completeNames completes the conversion after the UIDs are in the names.
func (c *conversion) completeNames() error {
	left := false
	for _, name := range []string{uidmap.FileName, uidmap.ForeignName} {
		_, err := c.s.fs.Stat(filepath.Join(c.m.dir, name))
		if err != nil && !isMissing(err) {
			return err
		}
		left = left || err == nil
	}
	if err := c.removeMaps(); err != nil {
		return err
	}
	if !left {
		return ErrAlready
	}
	return nil
}

// removeMaps removes the outdated databases, and then their lock.
func (c *conversion) removeMaps() error {
	for _, name := range []string{uidmap.ForeignName, uidmap.NewName, uidmap.FileName, mapLockName} {
		if _, err := c.remove(name); err != nil {
			return err
		}
	}
	return c.s.syncDir(c.m.dir)
}

// convertedName returns the new name of a message.
func (c *conversion) convertedName(e entry, numbered bool) string {
	switch {
	case numbered && e.uid != 0:
		name := withUID(e.name, c.s.opts.InfoDelimiter, e.uid)
		if len(name) > maxPart {
			name = withUID(c.m.shorter(e, e.flags), c.s.opts.InfoDelimiter, e.uid)
		}
		return name
	case numbered:
		// The name contains something that looks like a UID, and would become one.
		name := e.name
		for {
			bare := withoutUID(name, c.s.opts.InfoDelimiter)
			if bare == name {
				return name
			}
			name = bare
		}
	case e.uid == 0:
		return e.name
	}
	bare := withoutUID(e.name, c.s.opts.InfoDelimiter)
	if c.s.key(bare) != c.s.key(e.name) {
		return e.name // it would be another message
	}
	return bare
}

// renameAllNumbered adds the UIDs to the names. It must rename all messages: a message without its UID
// would get a new one.
func (c *conversion) renameAllNumbered(ctx context.Context) error {
	for range maxListings {
		moved, _, err := c.rename(ctx, true)
		if err != nil || !moved {
			return err
		}
		if err := c.m.list(ctx); err != nil {
			return err
		}
	}
	return errors.New("the mailbox keeps changing while it is being converted")
}

// renameAll removes the UIDs from the names. UIDs in the names of messages that move meanwhile may
// stay, since they have no effect.
func (c *conversion) renameAll(ctx context.Context) (renamed int, err error) {
	_, renamed, err = c.rename(ctx, false)
	return renamed, err
}

// rename durably gives all messages their new names. moved: a message did not have its old name any
// more.
func (c *conversion) rename(ctx context.Context, numbered bool) (moved bool, renamed int, err error) {
	m := c.m
	var touched [2]bool
	for i, e := range m.entries.all() {
		if err = ctx.Err(); err != nil {
			break
		}
		name := c.convertedName(e, numbered)
		if name == e.name {
			continue
		}
		target := m.path(int(e.dir), name)
		if _, serr := c.s.fs.Stat(target); serr == nil {
			err = fmt.Errorf("cannot rename '%s' to '%s': there is a file of that name", m.pathOf(e), name)
			break
		} else if !isMissing(serr) {
			err = serr
			break
		}
		if err = c.s.fs.Rename(m.pathOf(e), target); err != nil {
			if isMissing(err) {
				moved, err = true, nil
				continue
			}
			break
		}
		e.name = name
		m.entries.set(i, e)
		touched[e.dir] = true
		renamed++
	}
	if serr := m.syncDirs(touched); err == nil {
		err = serr
	}
	return moved, renamed, err
}

// guessDelimiter determines the character before the flags. If it is not that of the configuration,
// names would be parsed in a wrong way. It lists the mailbox, and changes the delimiter of the store.
func (m *mailbox) guessDelimiter() error {
	seen := m.delimiters(letters)
	if len(seen) == 0 {
		// Other programs may add characters after the flags.
		seen = m.delimiters(letters + ":;!, 0123456789")
	}
	if len(seen) == 0 || seen[m.store.opts.InfoDelimiter] != "" {
		return nil
	}
	if len(seen) > 1 {
		names := make([]string, 0, len(seen))
		for _, n := range seen {
			names = append(names, "'"+n+"'")
		}
		return fmt.Errorf("cannot tell which character separates flags in names: %s", strings.Join(names, ", "))
	}
	for d := range seen {
		m.store.opts.InfoDelimiter = d
	}
	for i, e := range m.entries.all() {
		m.entries.items[i].uid = m.uidOf(e.name)
	}
	m.entries.sort()
	return nil
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// delimiters returns the characters before a "2," in the names of messages, each
// with one of these names. Only the given characters may follow the "2,".
func (m *mailbox) delimiters(behind string) map[byte]string {
	seen := make(map[byte]string)
	for _, e := range m.entries.all() {
		if i := strings.LastIndex(e.name, "2,"); i > 0 && strings.Trim(e.name[i+2:], behind) == "" {
			if d := e.name[i-1]; d > ' ' && d < 0x7f && d != ',' && !isAlphanumeric(d) {
				seen[d] = e.name
			}
		}
	}
	return seen
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}
