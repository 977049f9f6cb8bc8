package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"

	"isync/internal/vfs"
)

// place is a directory that is being listed.
type place struct {
	path string
	name string      // of the mailbox, if it is one
	up   *place      // that it was found in; nil: the listing begins there
	info fs.FileInfo // nil: not looked at yet
	// depth is 1 for the inbox, and what is directly below Path.
	depth int
}

const (
	// maxVisits is how often a directory is listed that several symbolic links lead
	// to. Without a bound, a few dozen directories with links to one another
	// have more paths than could ever be listed.
	maxVisits = 10
	// maxLoopWarnings is how many warnings of directories that are left out there
	// may be.
	maxLoopWarnings = 10
)

// enter looks at a directory before it is listed, and tells whether it is one that
// should be. It is not if it is one of those that it is in: a symbolic link leads
// back there.
func (w *walker) enter(p *place) (bool, error) {
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
			w.leaveOut("ignoring '%s': it leads back to '%s', which it is in", p.path, filepath.Clean(up.path))
			return false, nil
		}
	}
	return true, nil
}

// isVisited tells whether what is in a directory was listed under so many names
// that it should not be under one more.
func (w *walker) isVisited(p *place) bool {
	id := vfs.Identity(p.info)
	if id == "" {
		return false
	}
	if w.visits[id]++; w.visits[id] <= maxVisits {
		return false
	}
	w.leaveOut("ignoring what is in '%s': more than %d symbolic links lead to this directory", p.path, maxVisits)
	return true
}

// leaveOut warns of a directory that is left out because of symbolic links.
func (w *walker) leaveOut(format string, args ...any) {
	w.loops++
	switch {
	case w.loops < maxLoopWarnings:
		w.s.warn("remove the symbolic link if it is there by mistake", format, args...)
	case w.loops == maxLoopWarnings:
		w.s.warn("remove symbolic links that are there by mistake", "ignoring more directories that symbolic links lead to")
	}
}

// unreadable warns of a directory that cannot be looked at.
func (w *walker) unreadable(path string, err error) {
	w.s.warn("if there are mailboxes in there, make it readable; else move it elsewhere", "ignoring '%s': %v", path, bareError(err))
}

// bareError returns an error of the file system without the path.
func bareError(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// ofTheEntry reports whether an error of looking at a name in a directory is about
// that name, as opposed to the file system or the process: a symbolic link to
// itself, a lack of permission, a path that is too long.
func ofTheEntry(err error) bool {
	errno, ok := errors.AsType[syscall.Errno](err)
	return ok && slices.Contains([]syscall.Errno{
		syscall.ELOOP, syscall.EACCES, syscall.EPERM, syscall.ENAMETOOLONG, syscall.ENXIO, syscall.ENODEV, syscall.EOVERFLOW,
	}, errno)
}
