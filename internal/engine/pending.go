package engine

import (
	"isync/internal/syncstate"
	"isync/internal/vfs"
)

// ReadPending returns the notes of a pair that apply to the UIDs in its sync state; empty notes
// if there is no file. It takes no lock, since each file is replaced as a whole.
func ReadPending(fsys vfs.FS, statePath string, expireSide syncstate.Side) (*syncstate.Notes, error) {
	f := stateFiles{fs: fsys, path: statePath}
	n, err := f.readNotes()
	if err != nil || len(n.Held)+len(n.Skipped) == 0 {
		return n, err
	}
	l, err := f.load(expireSide)
	if err != nil {
		return n, err
	}
	n.Forget(func(h syncstate.Held) bool { return n.UIDValidity[h.Side] != l.state.UIDValidity[h.Side] })
	return n, nil
}

// EditNotes changes the notes of a pair. It takes the lock that runs take, and fails with
// ErrLocked if another process has it. edit reports whether it has changed the notes; they
// are then replaced, durably if fsync is set. It may be killed at any moment: the notes
// are the old or the new ones.
func EditNotes(fsys vfs.FS, statePath string, fsync bool, edit func(n *syncstate.Notes) (changed bool)) (err error) {
	f := stateFiles{fs: fsys, path: statePath, sync: fsync}
	if _, ok, err := f.read(f.notesPath()); err != nil || !ok {
		if err == nil {
			edit(&syncstate.Notes{})
		}
		return err // without creating the directory of a state
	}
	if err := f.acquire(); err != nil {
		return err
	}
	defer func() { err = joinErrors(err, f.release()) }()
	n, err := f.readNotes()
	if err != nil {
		return err
	}
	if !edit(n) {
		return nil
	}
	if err := f.stillLocked(); err != nil {
		return err
	}
	return f.writeNotes(n)
}
