// Package uidmap is the alternative to UIDs in the names of files: a database in
// the mailbox that tells the UID of each message by the part of its file name
// that never changes, together with the UIDVALIDITY and the highest UID ever
// assigned.
//
// The database is a bbolt file. It has two buckets. "box" holds, as big-endian
// numbers, "format" (1), "validity", "highest", and "entries" (the number of
// keys in the other bucket); "id", random bytes; and, if the UIDs were taken
// over from a Berkeley DB file, "origin", which identifies the contents of that
// file, and "diverged" from the moment on when a UID was assigned that the file
// does not know. "uids" holds, by Key, the UID in 4 bytes, and behind it, for a
// message that was found missing, the Unix time when it was, in 4 more.
//
// A file is complete when it gets its name, by a rename. Each Update is one
// transaction: a power cut undoes it or leaves it complete. A caller of Create or
// Update must hold a lock; Load needs none.
//
// All contents of the file are checked. If they are damaged, the error wraps
// ErrDamaged.
package uidmap

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"isync/internal/mail"
	"isync/internal/vfs"
)

// FileName is the name of the database within a mailbox.
const FileName = ".isyncuidmap.bolt"

// NewName is the name of a database that is being made.
const NewName = FileName + ".new"

var (
	// ErrDamaged says that the file is not a database, or its contents are inconsistent.
	ErrDamaged = errors.New("the UID map is damaged")
	// ErrChanged says that another program has changed the database in spite of the lock.
	ErrChanged = errors.New("the UID map was changed by another program meanwhile")
)

// Version identifies the contents of a database.
type Version struct {
	id [16]byte
	tx uint64
}

// Map is the contents of a database.
type Map struct {
	Version  Version
	Validity uint32
	// Highest is the highest UID ever assigned.
	Highest mail.UID
	// UIDs are the UIDs of all messages, by Key.
	UIDs map[string]mail.UID
	// Missing has the times since when messages are missing, by Key.
	Missing map[string]time.Time
	// Origin identifies the file that the map was taken over from; nil: none.
	Origin []byte
	// Diverged: the map has UIDs that its origin does not have.
	Diverged bool
}

// Change is a transaction. A key must be in one of the lists only.
type Change struct {
	// Highest raises the highest UID assigned; a lower one changes nothing.
	Highest mail.UID
	// Bind gives UIDs to messages.
	Bind []Binding
	// Missing are messages that are missing since the time Now.
	Missing []string
	Now     time.Time
	// Back are messages that are not missing after all.
	Back []string
	// Drop are messages to be forgotten.
	Drop []string
}

// Binding gives a message its UID.
type Binding struct {
	Key string
	UID mail.UID
}

// Key returns the part of a file name that identifies the message: the part before the flags, and
// before everything that programs append with commas (sizes, UIDs). delim is the character before
// the flags.
func Key(name string, delim byte) string {
	for i := range len(name) {
		if name[i] == ',' || name[i] == delim {
			return name[:i]
		}
	}
	return name
}

var (
	boxBucket  = []byte("box")
	uidsBucket = []byte("uids")

	keyFormat   = []byte("format")
	keyID       = []byte("id")
	keyValidity = []byte("validity")
	keyHighest  = []byte("highest")
	keyEntries  = []byte("entries")
	keyOrigin   = []byte("origin")
	keyDiverged = []byte("diverged")
)

const (
	format   = 1
	pageSize = 4096
	// lockTimeout is the time to wait for a lock before the context is checked again, and
	// patience the number of these waits.
	lockTimeout = 200 * time.Millisecond
	patience    = 300

	// headSize is the size of the two meta pages.
	headSize = 2 * pageSize
)

func u32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// dbKey returns the key in the database, which cannot be empty. File names do not contain NUL.
func dbKey(key string) []byte {
	if key == "" {
		return []byte{0}
	}
	return []byte(key)
}

func fromDBKey(k string) string {
	if k == "\x00" {
		return ""
	}
	return k
}

// protect runs work, and recovers from a panic or a fault: bbolt panics on damaged files, and reads
// beyond the end of truncated ones.
func protect(work func() error) (panicked bool, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			panicked, err = true, fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	return false, work()
}

// access is how a database is opened.
type access struct {
	flag int // of OpenFile
	// sync: changes are durable.
	sync bool
	// check: check the pages first. Otherwise they must have been checked when the current
	// map was read.
	check bool
}

// withDB opens the database in the file path and runs work with it. With O_RDWR, all changes by work
// are complete when it returns.
func withDB(ctx context.Context, fsys vfs.FS, path string, how access, work func(db *bolt.DB) error) error {
	for tries := 1; ; tries++ {
		img, err := vfs.OpenImage(fsys, path, how.flag, 0o600)
		if err != nil {
			return err
		}
		err = withImage(img, how, work)
		img.Close()
		if !errors.Is(err, bolterrors.ErrTimeout) {
			return describe(path, err)
		}
		if tries > patience {
			return fmt.Errorf("%s: another program keeps it locked", path)
		}
		// Readers and writers exclude each other for moments only.
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// describe adds the path to errors that do not name it.
func describe(path string, err error) error {
	var pe *os.PathError
	if err == nil || errors.As(err, &pe) {
		return err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// withImage is withDB for an open file. When it returns, the database does not use the file any
// more, unless it panicked.
func withImage(img *vfs.Image, how access, work func(db *bolt.DB) error) error {
	write := how.flag&os.O_RDWR != 0
	fi, err := img.File.Stat()
	if err != nil {
		return err
	}
	if fi.Size() < headSize && how.flag&os.O_CREATE == 0 {
		return fmt.Errorf("%w: it has %d bytes only", ErrDamaged, fi.Size())
	}
	var db *bolt.DB
	panicked, err := protect(func() (err error) {
		db, err = bolt.Open(img.File.Name(), 0o600, &bolt.Options{
			Timeout: lockTimeout, ReadOnly: !write,
			NoSync: !how.sync || img.IsCopy(), NoGrowSync: !how.sync || img.IsCopy(),
			PageSize: pageSize, FreelistType: bolt.FreelistMapType,
			OpenFile: func(string, int, os.FileMode) (*os.File, error) { return img.File, nil },
		})
		switch {
		case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrChecksum):
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		case err != nil:
			return err
		}
		// Large steps are for large databases.
		db.AllocSize = 256 << 10
		if how.check {
			// The check needs the lock.
			if err := db.View(func(tx *bolt.Tx) error { return checkPages(img.File, uint64(tx.ID())) }); err != nil {
				return err
			}
		}
		return work(db)
	})
	if panicked {
		// bbolt may leave its locks locked.
		img.Unlock()
	}
	if panicked || db == nil {
		return err
	}
	if write && err == nil {
		err = img.Settle(headSize, how.sync)
	}
	if cerr := db.Close(); err == nil {
		err = cerr
	}
	return err
}

// Create creates the database in the mailbox dir, or replaces it. With sync, it is durable. Create
// sets m.Version.
func Create(ctx context.Context, fsys vfs.FS, dir string, m *Map, sync bool) error {
	path := filepath.Join(dir, NewName)
	if err := fsys.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if _, err := rand.Read(m.Version.id[:]); err != nil {
		return err
	}
	err := withDB(ctx, fsys, path, access{flag: os.O_RDWR | os.O_CREATE | os.O_EXCL, sync: sync}, func(db *bolt.DB) error {
		return db.Update(func(tx *bolt.Tx) error {
			m.Version.tx = uint64(tx.ID())
			return fill(tx, m)
		})
	})
	if err == nil {
		err = fsys.Rename(path, filepath.Join(dir, FileName))
	}
	if err != nil {
		_ = fsys.Remove(path) // or else when another one is made
		return err
	}
	if !sync {
		return nil
	}
	return fsys.SyncDir(dir)
}

// fill writes a whole map.
func fill(tx *bolt.Tx, m *Map) error {
	box, err := tx.CreateBucket(boxBucket)
	if err != nil {
		return err
	}
	uids, err := tx.CreateBucket(uidsBucket)
	if err != nil {
		return err
	}
	for k, u := range m.UIDs {
		v := u32(uint32(u))
		if since, ok := m.Missing[k]; ok {
			v = append(v, u32(uint32(since.Unix()))...)
		}
		if err := uids.Put(dbKey(k), v); err != nil {
			return err
		}
	}
	values := []struct{ key, value []byte }{
		{keyFormat, u32(format)},
		{keyID, m.Version.id[:]},
		{keyValidity, u32(m.Validity)},
		{keyHighest, u32(uint32(m.Highest))},
		{keyEntries, u32(uint32(len(m.UIDs)))},
	}
	if m.Origin != nil {
		values = append(values, struct{ key, value []byte }{keyOrigin, m.Origin})
	}
	if m.Diverged {
		values = append(values, struct{ key, value []byte }{keyDiverged, []byte{1}})
	}
	for _, v := range values {
		if err := box.Put(v.key, v.value); err != nil {
			return err
		}
	}
	return nil
}

// Load reads the database of the mailbox dir. It writes nothing. If old is not nil and is still
// current, Load returns it.
func Load(ctx context.Context, fsys vfs.FS, dir string, old *Map) (*Map, error) {
	path := filepath.Join(dir, FileName)
	if old != nil {
		same := false
		err := withDB(ctx, fsys, path, access{flag: os.O_RDONLY}, func(db *bolt.DB) error {
			return db.View(func(tx *bolt.Tx) error {
				m, _, err := header(tx)
				same = err == nil && m.Version == old.Version
				return err
			})
		})
		if err != nil {
			return nil, err
		}
		if same {
			return old, nil
		}
	}
	var m *Map
	err := withDB(ctx, fsys, path, access{flag: os.O_RDONLY, check: true}, func(db *bolt.DB) error {
		return db.View(func(tx *bolt.Tx) (err error) {
			m, err = load(tx)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Peek reads all but the UIDs, without a lock. It writes nothing.
func Peek(ctx context.Context, fsys vfs.FS, dir string) (*Map, error) {
	var m *Map
	err := withDB(ctx, fsys, filepath.Join(dir, FileName), access{flag: os.O_RDONLY}, func(db *bolt.DB) error {
		return db.View(func(tx *bolt.Tx) (err error) {
			m, _, err = header(tx)
			return err
		})
	})
	return m, err
}

// header reads all but the UIDs.
func header(tx *bolt.Tx) (*Map, *bolt.Bucket, error) {
	box, uids := tx.Bucket(boxBucket), tx.Bucket(uidsBucket)
	if box == nil || uids == nil {
		return nil, nil, fmt.Errorf("%w: a bucket is missing", ErrDamaged)
	}
	number := func(key []byte) (n uint32) {
		if v := box.Get(key); len(v) == 4 {
			n = binary.BigEndian.Uint32(v)
		}
		return n
	}
	m := &Map{Validity: number(keyValidity), Highest: mail.UID(number(keyHighest))}
	if f := number(keyFormat); f != format {
		return nil, nil, fmt.Errorf("%w: format %d, which this version of the program does not know", ErrDamaged, f)
	}
	copy(m.Version.id[:], box.Get(keyID))
	m.Version.tx = uint64(tx.ID())
	m.Origin = bytes.Clone(box.Get(keyOrigin))
	m.Diverged = box.Get(keyDiverged) != nil
	if m.Validity == 0 || len(box.Get(keyHighest)) != 4 {
		return nil, nil, fmt.Errorf("%w: it has no UIDVALIDITY", ErrDamaged)
	}
	return m, uids, nil
}

// load reads everything.
func load(tx *bolt.Tx) (*Map, error) {
	m, uids, err := header(tx)
	if err != nil {
		return nil, err
	}
	entries := binary.BigEndian.Uint32(tx.Bucket(boxBucket).Get(keyEntries))
	// The keys share one string: there may be hundreds of thousands.
	var keys strings.Builder
	var ends []int
	var values []byte
	err = uids.ForEach(func(k, v []byte) error {
		if len(v) != 4 && len(v) != 8 {
			return fmt.Errorf("%w: entry %q has %d bytes", ErrDamaged, k, len(v))
		}
		keys.Write(k)
		ends = append(ends, keys.Len())
		values = append(values, v[:4]...)
		if len(v) == 8 {
			if m.Missing == nil {
				m.Missing = make(map[string]time.Time)
			}
			m.Missing[fromDBKey(string(k))] = time.Unix(int64(binary.BigEndian.Uint32(v[4:])), 0)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if uint32(len(ends)) != entries {
		return nil, fmt.Errorf("%w: %d entries instead of %d", ErrDamaged, len(ends), entries)
	}
	m.UIDs = make(map[string]mail.UID, len(ends))
	all, start := keys.String(), 0
	for i, end := range ends {
		u := mail.UID(binary.BigEndian.Uint32(values[4*i:]))
		if u == 0 || u > m.Highest {
			return nil, fmt.Errorf("%w: UID %d of '%s' with the highest being %d", ErrDamaged, u, all[start:end], m.Highest)
		}
		m.UIDs[fromDBKey(all[start:end])] = u
		start = end
	}
	return m, nil
}

// Update changes the database in the mailbox dir. With sync, the change is durable. The database must
// have version at; the result is its new version. If Update fails, it may have made the change
// nevertheless.
func Update(ctx context.Context, fsys vfs.FS, dir string, at Version, c *Change, sync bool) (Version, error) {
	next := at
	err := withDB(ctx, fsys, filepath.Join(dir, FileName), access{flag: os.O_RDWR, sync: sync}, func(db *bolt.DB) error {
		return db.Update(func(tx *bolt.Tx) error {
			m, uids, err := header(tx)
			if err != nil {
				return err
			}
			// The version includes this transaction.
			if m.Version.tx--; m.Version != at {
				return ErrChanged
			}
			next.tx = uint64(tx.ID())
			return c.make(tx.Bucket(boxBucket), uids, m)
		})
	})
	return next, err
}

// make makes the change. m is the header of the database.
func (c *Change) make(box, uids *bolt.Bucket, m *Map) error {
	entries := binary.BigEndian.Uint32(box.Get(keyEntries))
	if c.Highest > m.Highest {
		if err := box.Put(keyHighest, u32(uint32(c.Highest))); err != nil {
			return err
		}
		if m.Origin != nil && !m.Diverged {
			if err := box.Put(keyDiverged, []byte{1}); err != nil {
				return err
			}
		}
	}
	for _, b := range c.Bind {
		k := dbKey(b.Key)
		if uids.Get(k) == nil {
			entries++
		}
		if err := uids.Put(k, u32(uint32(b.UID))); err != nil {
			return err
		}
	}
	mark := func(key string, since []byte) error {
		k := dbKey(key)
		v := uids.Get(k)
		if v == nil {
			return nil
		}
		return uids.Put(k, append(bytes.Clone(v[:4]), since...))
	}
	for _, key := range c.Missing {
		if err := mark(key, u32(uint32(c.Now.Unix()))); err != nil {
			return err
		}
	}
	for _, key := range c.Back {
		if err := mark(key, nil); err != nil {
			return err
		}
	}
	for _, key := range c.Drop {
		k := dbKey(key)
		if uids.Get(k) == nil {
			continue
		}
		entries--
		if err := uids.Delete(k); err != nil {
			return err
		}
	}
	return box.Put(keyEntries, u32(entries))
}

// Apply makes the same change to the map that Update has made to the database, from version at to
// next. If the map has another version, it was read later, and contains the change already.
func (m *Map) Apply(c *Change, at, next Version) {
	if m.Version != at {
		return
	}
	m.Version = next
	if c.Highest > m.Highest {
		m.Highest = c.Highest
		m.Diverged = m.Origin != nil
	}
	for _, b := range c.Bind {
		m.UIDs[b.Key] = b.UID
	}
	for _, k := range c.Missing {
		if m.Missing == nil {
			m.Missing = make(map[string]time.Time)
		}
		m.Missing[k] = time.Unix(c.Now.Unix(), 0)
	}
	for _, k := range c.Back {
		delete(m.Missing, k)
	}
	for _, k := range c.Drop {
		delete(m.Missing, k)
		delete(m.UIDs, k)
	}
}
