package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"

	"isync/internal/event"
	"isync/internal/vfs"
)

// visit is a directory that is being listed.
type visit struct {
	path string
	name string      // of the mailbox, if it is one
	up   *visit      // that it was found in; nil: the listing begins there
	info fs.FileInfo // nil: not looked at yet
	// depth is 1 for the inbox, and what is directly below Path.
	depth int
}

const (
	// maxVisits is the maximum number of times that a directory is listed through
	// symbolic links. A few dozen directories with links to one another have more
	// paths than can be listed.
	maxVisits = 10
	// maxLoopWarnings is the maximum number of warnings about directories that are
	// left out.
	maxLoopWarnings = 10
)

// enter reports whether a directory should be listed. It should not if it is the
// same directory as one above it: a symbolic link then makes a loop.
func (w *walker) enter(p *visit) (bool, error) {
	var err error
	p.info, err = w.s.fs.Stat(p.path)
	switch {
	case isMissing(err):
		return false, nil
	case err != nil && ofTheEntry(err):
		w.unreadable(p.path, err)
		return false, nil
	case err != nil:
		return false, fmt.Errorf("cannot list mailboxes: %w", err)
	case !p.info.IsDir():
		return false, nil
	}
	for up := p.up; up != nil; up = up.up {
		if up.info == nil {
			if up.info, err = w.s.fs.Stat(up.path); err != nil {
				return false, fmt.Errorf("cannot list mailboxes: %w", err)
			}
		}
		if vfs.SameFile(up.info, p.info) {
			w.leaveOut(event.LinkLoop{Path: p.path, Target: filepath.Clean(up.path)})
			return false, nil
		}
	}
	return true, nil
}

// isVisited reports whether the contents of a directory were already listed under
// maxVisits names.
func (w *walker) isVisited(p *visit) bool {
	id := vfs.Identity(p.info)
	if id == "" {
		return false
	}
	if w.visits[id]++; w.visits[id] <= maxVisits {
		return false
	}
	w.leaveOut(event.TooManyLinks{Path: p.path, Most: maxVisits})
	return true
}

// leaveOut warns of a directory that is left out because of symbolic links.
func (w *walker) leaveOut(f event.Fact) {
	w.loops++
	switch {
	case w.loops < maxLoopWarnings:
		w.s.warn(f)
	case w.loops == maxLoopWarnings:
		w.s.warn(event.MoreLinksIgnored{})
	}
}

// unreadable warns of a directory that cannot be accessed.
func (w *walker) unreadable(path string, err error) {
	w.s.warn(event.DirectoryUnreadable{Path: path, Err: bareError(err)})
}

// bareError returns an error of the file system without the path.
func bareError(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// ofTheEntry reports whether an error of accessing a directory entry concerns only
// that entry, and not the file system or the process: a symbolic link to itself, a
// lack of permission, a path that is too long.
func ofTheEntry(err error) bool {
	errno, ok := errors.AsType[syscall.Errno](err)
	return ok && slices.Contains([]syscall.Errno{
		syscall.ELOOP, syscall.EACCES, syscall.EPERM, syscall.ENAMETOOLONG, syscall.ENXIO, syscall.ENODEV, syscall.EOVERFLOW,
	}, errno)
}
