package engine

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"isync/internal/mail"
	"isync/internal/syncstate"
	"isync/internal/vfs"
)

// ErrLocked says that another run is working on the same pair.
var ErrLocked = errors.New("channel is locked")

// Suffixes of the files next to a sync state (docs/format.md).
const (
	LockSuffix    = ".lock"
	JournalSuffix = ".journal"
	NewSuffix     = ".new"
	NotesSuffix   = ".isync"
)

// StateSuffixes returns the suffixes of all files next to a sync state.
func StateSuffixes() []string {
	return []string{LockSuffix, JournalSuffix, NotesSuffix, NotesSuffix + NewSuffix, NewSuffix}
}

// stateFiles are the state file of a pair and the files beside it.
type stateFiles struct {
	fs   vfs.FS
	path string
	sync bool
	lock vfs.File // nil: not locked
}

func (f *stateFiles) lockPath() string     { return f.path + LockSuffix }
func (f *stateFiles) journalPath() string  { return f.path + JournalSuffix }
func (f *stateFiles) newPath() string      { return f.path + NewSuffix }
func (f *stateFiles) notesPath() string    { return f.path + NotesSuffix }
func (f *stateFiles) newNotesPath() string { return f.path + NotesSuffix + NewSuffix }

// exists reports whether there is a state, or the journal of a first run.
func (f *stateFiles) exists() (bool, error) {
	for _, p := range []string{f.path, f.newPath()} {
		_, err := f.fs.Stat(p)
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("looking for the sync state: %w", err)
		}
	}
	return false, nil
}

// hasState reports whether there is a state that was written completely.
func (f *stateFiles) hasState() (bool, error) {
	_, err := f.fs.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for the sync state: %w", err)
	}
	return true, nil
}

// acquire takes the lock. It creates the directory if it is missing. It does nothing if this
// run holds the lock already.
func (f *stateFiles) acquire() error {
	if f.lock != nil {
		return nil
	}
	if err := f.makeDirs(filepath.Dir(f.path)); err != nil {
		return fmt.Errorf("creating the sync state directory: %w", err)
	}
	for {
		l, err := vfs.Create(f.fs, f.lockPath(), os.O_RDWR)
		if err != nil {
			return fmt.Errorf("creating the lock file: %w", err)
		}
		if err := f.fs.Lock(l, false); err != nil {
			_ = l.Close()
			if errors.Is(err, vfs.ErrLocked) {
				return ErrLocked
			}
			return fmt.Errorf("locking the sync state: %w", err)
		}
		// The previous owner of the lock may have removed the file just now. Then a lock on it
		// excludes nobody.
		mine, err := l.Stat()
		if err == nil {
			var there fs.FileInfo
			if there, err = f.fs.Stat(f.lockPath()); err == nil && vfs.SameFile(mine, there) {
				f.lock = l
				return nil
			}
		}
		_ = l.Close()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("checking the lock file: %w", err)
		}
	}
}

// stillLocked fails if the lock file no longer exists or is a different file: then
// the directory of the state was removed or replaced.
func (f *stateFiles) stillLocked() error {
	if f.lock == nil {
		return nil
	}
	mine, err := f.lock.Stat()
	if err != nil {
		return fmt.Errorf("checking the lock file: %w", err)
	}
	there, err := f.fs.Stat(f.lockPath())
	if err != nil {
		return fmt.Errorf("the sync state was removed during the run: %w", err)
	}
	if !vfs.SameFile(mine, there) {
		return fmt.Errorf("the sync state was replaced during the run: '%s' is a different file now", f.lockPath())
	}
	return nil
}

// makeDirs creates a directory and what is missing above it, durably.
func (f *stateFiles) makeDirs(dir string) error {
	if _, err := f.fs.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := f.makeDirs(parent); err != nil {
			return err
		}
	}
	if err := f.fs.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return f.syncDir(parent)
}

// release gives up the lock and removes the lock file.
func (f *stateFiles) release() error {
	if f.lock == nil {
		return nil
	}
	// It is removed while it is locked, so that no other process waits for a file without a name.
	rerr := f.fs.Remove(f.lockPath())
	cerr := f.lock.Close()
	f.lock = nil
	if rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
		return fmt.Errorf("removing the lock file: %w", rerr)
	}
	return cerr
}

// read returns the contents of a file; ok is false if there is none.
func (f *stateFiles) read(path string) (data []byte, ok bool, err error) {
	file, err := f.fs.OpenFile(path, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("opening the sync state: %w", err)
	}
	defer file.Close()
	if fi, err := file.Stat(); err == nil {
		// One more than there is, so that the end is seen without growing.
		data = make([]byte, 0, fi.Size()+1)
	}
	for {
		n, err := file.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if err == io.EOF {
			return data, true, nil
		}
		if err != nil {
			return nil, false, fmt.Errorf("reading the sync state: %w", err)
		}
		if len(data) == cap(data) {
			data = slices.Grow(data, len(data)+512)
		}
	}
}

// loaded is a state as found on disk.
type loaded struct {
	state *syncstate.State
	// journalEnd is the length of the journal that was replayed; 0: none.
	journalEnd int
	// torn describes a piece of the journal that was cut off by a crash.
	torn error
	// lost: there is no state, but the journal of a run that has continued one. The journal
	// is not replayed.
	lost bool
}

// load reads the state and replays the journal of an interrupted run on it. A
// journal without path.new belongs to a run that was committed; it is ignored.
func (f *stateFiles) load(expireSide syncstate.Side) (loaded, error) {
	out := loaded{state: syncstate.New(expireSide)}
	data, hasState, err := f.read(f.path)
	if err != nil {
		return out, err
	}
	if hasState {
		if out.state, err = syncstate.Parse(f.path, data, expireSide); err != nil {
			return out, err
		}
	}
	if _, err := f.fs.Stat(f.newPath()); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return out, nil
		}
		return out, fmt.Errorf("looking for an interrupted run: %w", err)
	}
	data, ok, err := f.read(f.journalPath())
	if err != nil || !ok {
		return out, err
	}
	if hasState || syncstate.IsFirst(data) {
		out.journalEnd, out.torn, err = syncstate.Replay(out.state, f.journalPath(), data)
		if hasState || !errors.Is(err, syncstate.ErrNoRecord) {
			return out, err
		}
	}
	return loaded{state: syncstate.New(expireSide), lost: true}, nil
}

// writtenAt returns when the state was written; zero if it is not known.
func (f *stateFiles) writtenAt() time.Time {
	fi, err := f.fs.Stat(f.path)
	if err != nil {
		return time.Time{}
	}
	return fi.ModTime()
}

// loadAside begins to load the state and returns at once. wait waits for the result;
// it may be called several times.
func (f *stateFiles) loadAside(expireSide syncstate.Side) (wait func() (loaded, error)) {
	var l loaded
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		l, err = f.load(expireSide)
	}()
	return func() (loaded, error) {
		<-done
		return l, err
	}
}

// remove removes all files of the state except the lock.
func (f *stateFiles) remove() error {
	// The state goes last: as long as it is there, the deletion of a mailbox
	// that was begun is known to be unfinished.
	for _, p := range []string{f.newNotesPath(), f.notesPath(), f.journalPath(), f.newPath(), f.path} {
		if err := f.fs.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the sync state: %w", err)
		}
	}
	return f.syncDir(filepath.Dir(f.path))
}

func (f *stateFiles) syncDir(dir string) error {
	if !f.sync {
		return nil
	}
	if err := f.fs.SyncDir(dir); err != nil {
		return fmt.Errorf("flushing directory %s: %w", dir, err)
	}
	return nil
}

// write replaces the state: write new, flush, rename, flush the directory. The
// journal is obsolete from then on.
func (f *stateFiles) write(st *syncstate.State) error {
	if err := f.writeNew(st); err != nil {
		return err
	}
	if err := f.fs.Rename(f.newPath(), f.path); err != nil {
		return fmt.Errorf("committing the new sync state: %w", err)
	}
	return f.syncDir(filepath.Dir(f.path))
}

// writeNew writes the next state, without putting it in place.
func (f *stateFiles) writeNew(st *syncstate.State) error {
	n, err := vfs.CreateLike(f.fs, f.newPath(), f.path, os.O_WRONLY|os.O_TRUNC)
	if err != nil {
		return fmt.Errorf("creating the new sync state: %w", err)
	}
	_, err = st.WriteTo(n)
	if err == nil && f.sync {
		err = n.Sync()
	}
	if cerr := n.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("writing the new sync state: %w", err)
	}
	return nil
}

// dropStaleJournal removes, durably, the journal of a committed run, which would
// become valid again with path.new.
func (f *stateFiles) dropStaleJournal() error {
	err := f.fs.Remove(f.journalPath())
	switch {
	case err == nil:
		return f.syncDir(filepath.Dir(f.path))
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return fmt.Errorf("removing an obsolete journal: %w", err)
}

// journal records each change. The file is created with the first entry, so that a run without
// changes writes nothing. It is not safe for concurrent use.
type journal struct {
	files *stateFiles
	state *syncstate.State
	// implied: also write what the commit implies.
	implied bool
	steps   *Steps // counts the entries; may be nil

	file vfs.File // nil: nothing was written yet
	size int64    // of the complete entries in the file
	end  int      // length of the journal that is continued
	buf  []byte
	held bool  // entries are collected until flush
	err  error // once writing failed, nothing more is written

	// dirty: something has changed that is to be committed.
	dirty bool
}

// begin creates the files, or opens those of the run that is continued.
func (j *journal) begin() error {
	f := j.files
	fresh := j.end == 0
	if fresh {
		if err := f.dropStaleJournal(); err != nil {
			return err
		}
	}
	file, err := vfs.CreateLike(f.fs, f.journalPath(), f.path, os.O_WRONLY)
	if err != nil {
		return fmt.Errorf("creating the journal: %w", err)
	}
	j.file = file
	if fresh {
		j.buf = append(j.buf, syncstate.JournalVersion+"\n"...)
		n, err := vfs.CreateLike(f.fs, f.newPath(), f.path, os.O_WRONLY|os.O_TRUNC)
		if err != nil {
			return fmt.Errorf("creating the new sync state: %w", err)
		}
		if err := n.Close(); err != nil {
			return fmt.Errorf("creating the new sync state: %w", err)
		}
		return f.syncDir(filepath.Dir(f.path))
	}
	if err := file.Truncate(int64(j.end)); err != nil { // a torn line goes
		return fmt.Errorf("continuing the journal: %w", err)
	}
	if _, err := file.Seek(int64(j.end), io.SeekStart); err != nil {
		return fmt.Errorf("continuing the journal: %w", err)
	}
	j.size = int64(j.end)
	return nil
}

// log journals an entry about a record (nil: about none) and applies it.
func (j *journal) log(op syncstate.Op, rec *syncstate.Record, args ...uint32) (*syncstate.Record, error) {
	e := syncstate.Entry{Op: op}
	n := e.N[:0]
	if rec != nil {
		n = append(n, uint32(rec.UID[syncstate.Far]), uint32(rec.UID[syncstate.Near]))
	}
	n = append(n, args...)
	copy(e.N[:], n)
	return j.append(e, rec)
}

// logWith is log, but if more is set the entry is written with the next one.
func (j *journal) logWith(more bool, op syncstate.Op, rec *syncstate.Record, args ...uint32) error {
	held := j.held
	j.held = held || more
	_, err := j.log(op, rec, args...)
	j.held = held
	return err
}

// add journals a new record and appends it to the state.
func (j *journal) add(rec *syncstate.Record, uids []uint32) error {
	e := syncstate.Entry{Op: syncstate.OpAdd}
	copy(e.N[:], uids)
	_, err := j.append(e, rec)
	return err
}

// logTUID journals the temporary id of a record's copy.
func (j *journal) logTUID(rec *syncstate.Record, id syncstate.TUID) error {
	e := syncstate.Entry{Op: syncstate.OpTUID, TUID: id}
	e.N[0], e.N[1] = uint32(rec.UID[syncstate.Far]), uint32(rec.UID[syncstate.Near])
	_, err := j.append(e, rec)
	return err
}

// logImplied applies an entry that the commit implies; it is written only as a
// test control.
func (j *journal) logImplied(op syncstate.Op, rec *syncstate.Record, args ...uint32) error {
	if j.implied {
		_, err := j.log(op, rec, args...)
		return err
	}
	e := syncstate.Entry{Op: op}
	n := e.N[:0]
	if rec != nil {
		n = append(n, uint32(rec.UID[syncstate.Far]), uint32(rec.UID[syncstate.Near]))
	}
	copy(e.N[:], append(n, args...))
	j.state.Apply(rec, e)
	j.dirty = true
	return nil
}

func (j *journal) append(e syncstate.Entry, rec *syncstate.Record) (*syncstate.Record, error) {
	if j.err != nil {
		return nil, j.err
	}
	if j.file == nil {
		if j.err = j.begin(); j.err != nil {
			return nil, j.err
		}
	}
	j.dirty = true
	j.buf = e.AppendTo(j.buf)
	if !j.held || len(j.buf) > 64<<10 || j.steps != nil {
		if err := j.flush(); err != nil {
			return nil, err
		}
	}
	rec = j.state.Apply(rec, e)
	j.steps.entry()
	return rec, nil
}

// flush writes the entries that were collected.
func (j *journal) flush() error {
	if j.err != nil || len(j.buf) == 0 {
		return j.err
	}
	if _, err := j.file.Write(j.buf); err != nil {
		j.err = fmt.Errorf("writing the journal: %w", err)
		// A full disk may have taken a part; the next run would find it torn.
		_ = j.file.Truncate(j.size)
		return j.err
	}
	j.size += int64(len(j.buf))
	j.buf = j.buf[:0]
	return nil
}

// sync makes the journal durable.
func (j *journal) sync() error {
	if err := j.flush(); err != nil || j.file == nil || !j.files.sync {
		return err
	}
	if err := j.file.Sync(); err != nil {
		j.err = fmt.Errorf("flushing the journal: %w", err)
	}
	return j.err
}

// commit writes the state and removes the journal.
func (j *journal) commit() error {
	if err := j.flush(); err != nil {
		return err
	}
	if !j.dirty && j.end == 0 {
		return nil
	}
	if err := j.files.stillLocked(); err != nil {
		return err
	}
	if j.file == nil && j.end == 0 { // only what the commit implies has changed
		if err := j.files.dropStaleJournal(); err != nil {
			return err
		}
	}
	if err := j.files.write(j.state); err != nil {
		return err
	}
	if err := j.files.fs.Remove(j.files.journalPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the journal: %w", err)
	}
	return nil
}

// renew begins a new journal for changes to the state that was committed.
func (j *journal) renew() {
	if j.file != nil {
		_ = j.file.Close()
	}
	j.file, j.size, j.end, j.buf, j.held, j.dirty = nil, 0, 0, j.buf[:0], false, false
}

// close closes the journal without a commit and releases the lock.
func (j *journal) close() error {
	err := j.flush()
	if j.file != nil {
		if cerr := j.file.Close(); err == nil {
			err = cerr
		}
	}
	return joinErrors(err, j.files.release())
}

// newTUID makes a temporary id: 72 random bits in 12 characters.
func newTUID(r io.Reader) (syncstate.TUID, error) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	var id syncstate.TUID
	var b [mail.TUIDLen]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return id, fmt.Errorf("making a temporary id: %w", err)
	}
	for i, c := range b {
		id[i] = alphabet[c&63]
	}
	return id, nil
}
