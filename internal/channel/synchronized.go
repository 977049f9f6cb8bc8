package channel

import (
	"path/filepath"
	"strings"

	"isync/internal/config"
	"isync/internal/vfs"
)

// Synchronized returns the names of pairs that have a sync state; their mailboxes need
// not exist any more. Sync states in mailboxes are not looked for.
func (p *Previewer) Synchronized(fsys vfs.FS) (names []string) {
	c, st, r := p.c, p.stores, p.r
	if len(c.Patterns) == 0 || c.SyncState.Kind == config.StateInBox {
		return nil
	}
	// What is before and behind the name of the near mailbox in the name of a file.
	const made = "x"
	path, err := r.statePath(c, newTarget(c, st, made))
	if err != nil {
		return nil
	}
	dir := filepath.Dir(path)
	files, err := fsys.ReadNames(dir)
	if err != nil {
		return nil
	}
	for _, file := range files {
		name, ok := stateName(c, string(r.Global.FieldDelimiter), filepath.Base(c.SyncState.Prefix+made), file)
		if !ok || name == "" || !c.Patterns.Match(name) {
			continue
		}
		t := newTarget(c, st, name)
		if path, err := r.statePath(c, t); t.err == nil && err == nil && filepath.Base(path) == file {
			names = append(names, name)
		}
	}
	sortNames(names)
	return names
}

// stateName guesses which pair a state file is about; base is the name of that of the
// near mailbox "x" where the names of state files have a prefix.
func stateName(c *config.Channel, delim, base, file string) (string, bool) {
	flat, ok := "", false
	if c.SyncState.Kind == config.StatePrefix {
		flat, ok = strings.CutPrefix(file, strings.TrimSuffix(base, "x"))
	} else {
		_, flat, ok = strings.Cut(file, "_"+delim+c.Near.Store.Name+delim)
	}
	if !ok {
		return "", false
	}
	box := strings.ReplaceAll(flat, "!", "/")
	fulls, err := listed(c.Near, box, true)
	if err != nil || len(fulls) == 0 {
		return "", false
	}
	return strings.CutPrefix(fulls[0], c.Near.Box)
}
