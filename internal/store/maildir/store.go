// Package maildir stores mailboxes as Maildir trees: one file per message, with its flags and its UID in
// the name.
//
// A mailbox is a directory with the sub-directories cur, new, and tmp; the
// presence of cur is what makes it one. A file name is
//
//	<unique>[,U=<uid>][<delim>2,<flags>]
//
// where <delim> is ":" (";" on file systems that do not allow a colon) and <flags> are
// the letters DFPRST in alphabetical order, after which other programs' letters
// are kept. Our own unique parts are <seconds>.<pid>_<n>.<host>.
//
// The file .uidvalidity in the mailbox holds two lines: the UIDVALIDITY, and
// the highest UID ever assigned. It is guarded by an fcntl write lock while UIDs
// are assigned and while the mailbox is listed, and is written in place, so
// that the lock means the same to all programs. Naming scheme, file and lock
// are the same in every other mbsync. Mail user agents do not use them, and
// rename, add, and remove files at any time.
//
// Durability (with Options.FSync): a message is reported as stored, trashed,
// renamed, or removed only once its bytes and its directory entry survive a
// power cut, and .uidvalidity on disk is never below a UID that is visible in a
// durable file name. What is asked of the file system beyond package vfs: a
// rename across directories may leave both names after a power cut, but never
// none.
//
// Lines of messages end in LF. The package does not parse messages, except for
// the header fields that a scan asks for.
package maildir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"isync/internal/event"
	"isync/internal/store"
	"isync/internal/uidmap"
	"isync/internal/vfs"
)

// SubFolders is the layout of mailboxes within mailboxes.
type SubFolders uint8

// The layouts. "top/sub" and "INBOX/sub" are, in this order:
const (
	SubFoldersUnset     SubFolders = iota // detected, see Store.style
	SubFoldersVerbatim                    // Path/top/sub, Inbox/sub
	SubFoldersMaildirPP                   // Inbox/.top.sub, Inbox/..sub
	SubFoldersLegacy                      // Path/top/.sub, Inbox/.sub
)

// Options describe a store.
type Options struct {
	// Name is the store's name in the configuration.
	Name string
	// Path is the prefix of the paths of all mailboxes except INBOX and its children. It usually
	// ends with "/", but may also end with the beginning of a name.
	Path string
	// Inbox is the directory of INBOX.
	Inbox string
	// InfoDelimiter separates the flags from the rest of a name; 0 means ':', or
	// ';' on Windows.
	InfoDelimiter byte
	SubFolders    SubFolders
	// Names are the rules for the names of files, by default those of the
	// operating system.
	Names *NameRules
	// AltMap stores the UIDs of mailboxes that have no UIDs yet in a database instead of in the
	// names.
	AltMap bool
	// FSync makes each change durable before it is reported as done.
	FSync bool

	// FS is the file system, by default that of the operating system.
	FS vfs.FS
	// Clock returns the time, by default time.Now. It must not be behind the clock of the file
	// system.
	Clock func() time.Time
	// Host and Pid are used in the names of messages. By default, they are those of this machine
	// and process. Host is cut at its first dot.
	Host string
	Pid  int

	// Notice and Warn, if set, are called with each notice or warning, on any
	// goroutine.
	Notice, Warn func(event.Fact)

	// LocalPoll is how often a watch polls directories whose changes the operating system
	// does not report; 0: DefaultLocalPoll.
	LocalPoll time.Duration

	// NoDelay: do not wait until further changes of a directory certainly change its times (a
	// control for tests).
	NoDelay bool
	// NoUIDs: do not report the UIDs of stored messages (a control for tests).
	NoUIDs bool
}

// Store is a tree of Maildirs.
type Store struct {
	opts Options
	fs   vfs.FS // own
	own  *ownChanges
	host string // as it goes into names

	mu     sync.Mutex // guards what follows
	closed bool
	runFacts

	found foundStyle
}

var (
	_ store.Store  = (*Store)(nil)
	_ store.Local  = (*Store)(nil)
	_ store.Folder = (*Store)(nil)
)

// New returns the store. It does not access the file system yet.
func New(o Options) (*Store, error) {
	s := &Store{opts: o, fs: o.FS, runFacts: newRunFacts()}
	switch {
	case o.Inbox == "":
		return nil, s.storeError(errors.New("no Inbox given"))
	case o.SubFolders == SubFoldersMaildirPP && o.Path != "":
		return nil, s.storeError(errors.New("Path cannot be combined with SubFolders Maildir++: all mailboxes are below Inbox")) //nolint:staticcheck // Path is a keyword
	case o.SubFolders > SubFoldersLegacy:
		return nil, s.storeError(fmt.Errorf("unknown SubFolders style %d", o.SubFolders))
	}
	s.opts.Inbox = filepath.Clean(o.Inbox)
	if s.fs == nil {
		s.fs = vfs.OS{}
	}
	s.own = &ownChanges{FS: s.fs}
	s.fs = s.own
	if s.opts.Names == nil {
		s.opts.Names = systemRules()
	}
	switch {
	case s.opts.InfoDelimiter == 0 && s.opts.Names.Windows:
		s.opts.InfoDelimiter = ';'
	case s.opts.InfoDelimiter == 0:
		s.opts.InfoDelimiter = ':'
	case s.opts.Names.Windows && strings.IndexByte(`<>:"/\|?*`, s.opts.InfoDelimiter) >= 0:
		return nil, s.storeError(fmt.Errorf("InfoDelimiter '%c' cannot be in the name of a file on Windows; use ';'", s.opts.InfoDelimiter))
	}
	if s.opts.Clock == nil {
		s.opts.Clock = time.Now
	}
	if s.opts.Pid == 0 {
		s.opts.Pid = os.Getpid()
	}
	if o.Host == "" {
		// Without a host name, the names are still unique on this machine.
		o.Host, _ = os.Hostname()
	}
	s.host = cleanHost(o.Host)
	return s, nil
}

// cleanHost makes a host name fit into file names.
func cleanHost(host string) string {
	host, _, _ = strings.Cut(host, ".")
	host = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, host)
	if host == "" {
		return "localhost"
	}
	return host[:min(len(host), 64)]
}

// Name implements store.Store.
func (s *Store) Name() string { return s.opts.Name }

// Caps implements store.Store.
func (s *Store) Caps(ctx context.Context) (store.Caps, error) {
	if err := s.begin(ctx); err != nil {
		return store.Caps{}, err
	}
	return store.Caps{ReportsUIDs: !s.opts.NoUIDs, SelectiveExpunge: true}, nil
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// begin starts a call.
func (s *Store) begin(ctx context.Context) error {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return s.storeError(errors.New("store is closed"))
	}
	return ctx.Err()
}

func (s *Store) storeError(err error) error { return &store.StoreError{Store: s.opts.Name, Err: err} }

// boxError wraps an error that makes a mailbox unusable. It does not wrap the end of a context.
func (s *Store) boxError(box string, err error) error {
	var be *store.BoxError
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &be) {
		return err
	}
	if errors.Is(err, uidmap.ErrChanged) || errors.Is(err, ErrMapLost) {
		// Another program has changed it, such as mdconvert.
		err = &store.KindError{Kind: store.Passing, Err: err}
	}
	return &store.BoxError{Store: s.opts.Name, Box: box, Err: err}
}

func (s *Store) notice(f event.Fact) {
	if s.opts.Notice != nil {
		s.opts.Notice(f)
	}
}

// warn reports a warning, unless it was reported before.
func (s *Store) warn(f event.Fact) {
	key := fmt.Sprintf("%T %v", f, f)
	s.mu.Lock()
	again := s.warned[key]
	s.warned[key] = true
	s.mu.Unlock()
	if !again && s.opts.Warn != nil {
		s.opts.Warn(f)
	}
}

// syncDir makes the entries of a directory durable if FSync is set.
func (s *Store) syncDir(dir string) error {
	if !s.opts.FSync {
		return nil
	}
	return s.fs.SyncDir(dir)
}

// Create implements store.Store.
func (s *Store) Create(ctx context.Context, box string) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	dir, err := s.BoxPath(box)
	if err != nil {
		return err
	}
	if err := s.checkSpelling(box, dir); err != nil {
		return s.boxError(box, err)
	}
	_, err = s.fs.Stat(filepath.Join(dir, "cur"))
	isNew := isMissing(err)
	if err != nil && !isNew {
		return s.boxError(box, fmt.Errorf("cannot create mailbox: %w", err))
	}
	// cur comes last, because it makes the directory a mailbox.
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := vfs.MkdirAllShared(s.fs, filepath.Join(dir, sub), s.opts.FSync); err != nil {
			return s.boxError(box, fmt.Errorf("cannot create mailbox: %w", err))
		}
	}
	if isNew {
		s.mu.Lock()
		s.created[dir] = true
		s.mu.Unlock()
	}
	return nil
}

// isCreated reports whether this Store has created the mailbox in dir, and has not scanned it since.
func (s *Store) isCreated(dir string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.created[dir]
}

// scanned ends that.
func (s *Store) scanned(dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.created, dir)
}

// Delete implements store.Store. It leaves other files in the directory of the mailbox alone.
func (s *Store) Delete(ctx context.Context, box string) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	dir, err := s.BoxPath(box)
	if err != nil {
		return err
	}
	return s.boxError(box, s.deleteBox(dir))
}

func (s *Store) deleteBox(dir string) error {
	if _, err := s.fs.Stat(filepath.Join(dir, "cur")); isMissing(err) {
		return store.ErrNoBox
	}
	if _, st, err := s.scheme(dir); err == nil {
		s.noteValidity(dir, st.validity) // for when it is made again at once
	}
	// A directory that is not empty cannot be removed. So no message is lost, even if one is
	// delivered meanwhile.
	for _, sub := range []string{"new", "cur"} {
		err := s.fs.Remove(filepath.Join(dir, sub))
		if err == nil || isMissing(err) {
			continue
		}
		if sub == "cur" { // still a mailbox, so complete it again
			if merr := vfs.MkdirAllShared(s.fs, filepath.Join(dir, "new"), false); merr != nil {
				return errors.Join(fmt.Errorf("cannot delete mailbox: %w", err), merr)
			}
		}
		return fmt.Errorf("cannot delete mailbox: %w", err)
	}
	tmp := filepath.Join(dir, "tmp")
	names, err := s.fs.ReadNames(tmp)
	if err != nil && !isMissing(err) {
		return err
	}
	// The database of mbsync 1.5 must not exist without that of this program.
	foreign := filepath.Join(dir, uidmap.ForeignName)
	if err := s.fs.Remove(foreign); err == nil {
		err = s.syncDir(dir)
		if err != nil {
			return err
		}
	} else if !isMissing(err) {
		return fmt.Errorf("cannot delete mailbox completely: %w", err)
	}
	left := []string{mapLockName, uidmap.FileName, uidmap.FileName + oldSuffix, uidmap.ForeignName + oldSuffix, uidmap.NewName, knownFileName, knownFileName + ".new", uidFileName, "tmp"}
	for _, n := range names {
		left = append(left, filepath.Join("tmp", n))
	}
	for i := len(left) - 1; i >= 0; i-- {
		if err := s.fs.Remove(filepath.Join(dir, left[i])); err != nil && !isMissing(err) {
			return fmt.Errorf("cannot delete mailbox completely: %w", err)
		}
	}
	if err := s.syncDir(dir); err != nil {
		return err
	}
	// The directory may contain sub-folders or other files.
	if err := s.fs.Remove(dir); err == nil {
		return s.syncDir(filepath.Dir(dir))
	}
	return nil
}

// isMissing reports whether a file is missing, or its directory.
func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotDir) }
