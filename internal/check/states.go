package check

import (
	"path/filepath"

	"isync/internal/config"
	"isync/internal/engine"
)

// state shows where the sync state is, and tests whether it can be written.
func (c *checker) state(l *link) {
	i := 0
	for i < len(l.pairs) && l.prev.Pair(l.pairs[i].Name).StatePath == "" {
		i++
	}
	if i == len(l.pairs) {
		return // or it was told why there is none
	}
	path := l.prev.Pair(l.pairs[i].Name).StatePath
	switch {
	case l.SyncState.Kind == config.StateInBox:
		c.field("state", ".mbsyncstate in each near mailbox")
	case len(l.Patterns) == 0:
		c.field("state", c.tilde(path))
	default:
		c.field("state", c.tilde(path)+" and so on, one for each pair")
	}
	if l.SyncState.Kind != config.StateInBox {
		dir := filepath.Dir(path)
		p := examine(c.FS, dir)
		switch {
		case p.err != nil && l.allFailed():
			return // for other reasons, or this one
		case p.err != nil:
			c.pathFailed("sync state", p.err)
			return
		case p.exists:
			c.ok("sync states can be written to %s", c.tilde(dir))
		default:
			c.ok("%s does not exist yet, and can be created in %s", c.tilde(dir), c.tilde(p.at))
		}
	}
	c.stateFiles(l)
}

// allFailed reports whether no pair can be synchronized.
func (l *link) allFailed() bool {
	for i := range l.pairs {
		if l.pairs[i].err == nil {
			return false
		}
	}
	return true
}

// stateFiles looks at the states that exist.
func (c *checker) stateFiles(l *link) {
	interrupted, held := 0, 0
	for i := range l.pairs {
		name := l.pairs[i].Name
		path := l.prev.Pair(name).StatePath
		if path == "" {
			continue
		}
		if _, err := c.FS.Stat(path + engine.JournalSuffix); err == nil {
			if _, err := c.FS.Stat(path + engine.NewSuffix); err == nil {
				interrupted++
			}
		}
		notes, err := engine.ReadNotes(c.FS, path)
		if err != nil {
			c.note("without the list, these messages are not tried again, unless Old is given", "cannot read the list of messages that could not be copied: %v", err)
		}
		held += len(notes.Held)
		tried, busy, err := tryLock(c.FS, path+engine.LockSuffix)
		switch {
		case busy:
			c.note("", "%s is being synchronized by another process at this moment", quoted(l.label(&l.pairs[i])))
		case tried && err != nil:
			c.fail("the file system must support fcntl locks; if it does not, set SyncState to a directory on another file system", "cannot lock %s: %v", c.tilde(path+engine.LockSuffix), err)
		}
	}
	if interrupted > 0 {
		c.note("", "%s interrupted; the next run continues", wereThey(interrupted, "run"))
	}
	if held > 0 {
		c.note("", "%s not copied so far; each run tries again and reports the failures", wereThey(held, "message"))
	}
}
