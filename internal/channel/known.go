package channel

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/store"
	"isync/internal/vfs"
)

// Known returns, in order, the names of the channel's pairs that are known without asking a
// server: from the directories of stores in the file system, and from the names of
// sync states. What cannot be read is left out. Nothing is written.
func (p *Previewer) Known(ctx context.Context, fsys vfs.FS) []string {
	if len(p.c.Patterns) == 0 {
		return nil
	}
	var names []string
	for t, st := range p.stores {
		if _, ok := store.As[store.Local](st); !ok {
			continue
		}
		side, err := p.Side(ctx, config.Side(t))
		if err == nil {
			names = append(names, side...)
		}
	}
	states := map[string]bool{}
	for _, n := range names {
		if v := p.Pair(n); v.Err == nil {
			states[v.StatePath] = true
		}
	}
	for path, name := range p.stateNames(fsys) {
		if !states[path] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// stateNames returns the names of pairs that have a sync state in the channel's
// directory of sync states, by the path of it.
func (p *Previewer) stateNames(fsys vfs.FS) map[string]string {
	prefix := p.c.SyncState.Prefix
	if p.c.SyncState.Kind == config.StateInBox || prefix == "" {
		return nil
	}
	dir, base := filepath.Split(prefix)
	files, err := fsys.ReadNames(dir)
	if err != nil {
		return nil
	}
	out := map[string]string{}
	for _, file := range files {
		flat, ok := strings.CutPrefix(file, base)
		if !ok || slices.ContainsFunc(engine.StateSuffixes(), func(s string) bool { return strings.HasSuffix(file, s) }) {
			continue
		}
		if p.c.SyncState.Kind != config.StatePrefix {
			// far:box_:near:box, behind a delimiter.
			d := string(p.r.Global.FieldDelimiter)
			i := strings.LastIndex(flat, "_"+d+p.c.Near.Store.Name+d)
			if i < 0 {
				continue
			}
			flat = flat[i+len("_"+d+p.c.Near.Store.Name+d):]
		}
		// "/" is written as "!"; a name with a "!" of its own is not recognized.
		f := &found{boxes: map[string]*[2]bool{}}
		f.add(p.c, int(config.Near), p.c.Near, strings.ReplaceAll(flat, "!", "/"), true)
		for name := range f.boxes {
			if slices.Contains(strings.Split(name, "/"), "") {
				continue // there is no such mailbox
			}
			if v := p.Pair(name); v.Err == nil && v.StatePath == dir+file {
				out[v.StatePath] = name
			}
		}
	}
	return out
}
