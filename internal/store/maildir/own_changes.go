package maildir

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"isync/internal/vfs"
)

// ownChanges is a file system that notes the changes which this process makes in watched
// directories. The operating system reports them like changes of other programs. The watch
// drops the reports for which there is a note. The note is made before the change, so that
// the report cannot come first.
type ownChanges struct {
	vfs.FS

	// watching: there is a watch, so changes are noted.
	watching atomic.Bool

	mu      sync.Mutex
	watched map[string]bool   // directories
	notes   map[ownChange]int // changes whose report has not come yet
}

// ownChange is a change of a name in a directory.
type ownChange struct {
	path string
	gone bool // the name is gone, else it is new
}

// maxOwnNotes limits the notes. If reports are lost, their notes remain. When there are too
// many notes, all are dropped, and reports of own changes may cause a needless run.
const maxOwnNotes = 100_000

// note notes changes, and returns a function that takes them back if they were not made.
func (o *ownChanges) note(changes ...ownChange) (undo func(error)) {
	if !o.watching.Load() {
		return func(error) {}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var noted []ownChange
	for _, c := range changes {
		if !o.watched[filepath.Dir(c.path)] {
			continue
		}
		if len(o.notes) >= maxOwnNotes {
			clear(o.notes)
		}
		o.notes[c]++
		noted = append(noted, c)
	}
	return func(err error) {
		if err == nil {
			return
		}
		for _, c := range noted {
			o.take(c)
		}
	}
}

// take removes a note, and reports whether there was one.
func (o *ownChanges) take(c ownChange) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := o.notes[c]
	switch n {
	case 0:
		return false
	case 1:
		delete(o.notes, c)
	default:
		o.notes[c] = n - 1
	}
	return true
}

// watch begins to note changes in a directory.
func (o *ownChanges) watch(dir string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.watched == nil {
		o.watched, o.notes = make(map[string]bool), make(map[ownChange]int)
	}
	o.watched[dir] = true
	o.watching.Store(true)
}

// unwatch ends noting changes in a directory, and drops its notes.
func (o *ownChanges) unwatch(dir string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.watched[dir] {
		return
	}
	delete(o.watched, dir)
	for c := range o.notes {
		if filepath.Dir(c.path) == dir {
			delete(o.notes, c)
		}
	}
	o.watching.Store(len(o.watched) > 0)
}

// forget drops all notes, since reports were lost.
func (o *ownChanges) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.notes)
}

// OpenFile implements vfs.FS.
func (o *ownChanges) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	if flag&(os.O_CREATE|os.O_EXCL) != os.O_CREATE|os.O_EXCL {
		return o.FS.OpenFile(name, flag, perm)
	}
	undo := o.note(ownChange{path: name})
	f, err := o.FS.OpenFile(name, flag, perm)
	undo(err)
	return f, err
}

// Mkdir implements vfs.FS.
func (o *ownChanges) Mkdir(name string, perm fs.FileMode) error {
	undo := o.note(ownChange{path: name})
	err := o.FS.Mkdir(name, perm)
	undo(err)
	return err
}

// Remove implements vfs.FS.
func (o *ownChanges) Remove(name string) error {
	undo := o.note(ownChange{path: name, gone: true})
	err := o.FS.Remove(name)
	undo(err)
	return err
}

// Rename implements vfs.FS.
func (o *ownChanges) Rename(oldname, newname string) error {
	undo := o.note(ownChange{path: oldname, gone: true}, ownChange{path: newname})
	err := o.FS.Rename(oldname, newname)
	undo(err)
	return err
}

// EachNames implements vfs.NameReader.
func (o *ownChanges) EachNames(dir string, fn func(names []string) error) error {
	return vfs.EachNames(o.FS, dir, fn)
}
