package check

import (
	"path/filepath"

	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/syncstate"
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

// heldDeletions tells of deletions that the last run has not propagated.
func (c *checker) heldDeletions(l *link, p *pairResult, notes *syncstate.Notes) {
	for _, t := range syncstate.Sides {
		if notes.HeldOf[t] == 0 {
			continue
		}
		var hint string
		for _, e := range c.Explain(&engine.TooManyDeletionsError{Pair: p.Pair, Side: t}) {
			hint = e.Hint
		}
		c.note(hint, "mailbox %s: the last run would have deleted more messages on the %s side than MaxDelete allows, so it has deleted none", quoted(l.label(p)), t)
	}
}

// stateFiles looks at the states that exist.
func (c *checker) stateFiles(l *link) {
	interrupted, held, skipped := 0, 0, 0
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
		if l.unseen != [2]bool{} || l.pairs[i].err != nil { // else the dry run has told
			c.heldDeletions(l, &l.pairs[i], notes)
		}
		held += len(notes.Held)
		skipped += len(notes.Skipped)
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
	list := "to list them: " + c.Command("--list-failed", l.Name)
	if held > 0 {
		c.note(list, "%s not copied so far; each run tries again and reports the failures", wereThey(held, "message"))
	}
	if skipped > 0 {
		c.note(list, "%s skipped; runs do not try to copy them", wereThey(skipped, "message"))
	}
}
