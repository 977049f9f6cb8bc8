package channel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/event"
	"isync/internal/store"
	"isync/internal/syncstate"
	"isync/internal/vfs"
)

// Known returns the names of the pairs of the channel that are known without asking a server, in order:
// from the directories of stores in the file system, and from the names of sync states. It leaves out
// directories that cannot be read. It writes nothing.
func (p *Previewer) Known(ctx context.Context, fsys vfs.FS) []string {
	if len(p.c.Patterns) == 0 {
		return nil
	}
	p = p.lenient()
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
	byState, _ := p.stateNames(fsys)
	for path, name := range byState {
		if !states[path] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// lenient returns a Previewer for the mailboxes that the channel may select. Only the server knows which
// mailboxes have a special use. So any mailbox may have it.
func (p *Previewer) lenient() *Previewer {
	if !p.c.Patterns.HasUses() {
		return p
	}
	c := *p.c
	c.Patterns = nil
	for _, q := range p.c.Patterns {
		switch {
		case q.Use == "":
			c.Patterns = append(c.Patterns, q)
		case !q.Exclude:
			c.Patterns = append(c.Patterns, config.Pattern{Text: "*", Pos: q.Pos})
		}
	}
	if len(c.Patterns) == 0 {
		c.Patterns = config.NewPatterns("!*") // not a channel without patterns
	}
	return &Previewer{&c, p.stores, p.r}
}

// Noted returns the notes of the pairs of the channel, in order. If boxes is not nil, it returns only
// pairs with these names. It asks no server and writes nothing. It fails if the pairs are not known.
func (p *Previewer) Noted(ctx context.Context, fsys vfs.FS, boxes []string) ([]Noted, error) {
	names := boxes
	var err error
	switch {
	case len(p.c.Patterns) == 0:
		names = []string{""}
	case boxes == nil:
		if names, err = p.mayHaveState(ctx, fsys); err != nil {
			return nil, err
		}
	}
	var out []Noted
	for _, name := range names {
		v := p.Pair(name)
		n := Noted{Pair: v.Pair, StatePath: v.StatePath, Notes: &syncstate.Notes{}, Err: v.Err}
		if n.Err == nil {
			n.Notes, n.Err = engine.ReadPending(fsys, v.StatePath, syncstate.Side(p.c.ExpireSide))
		}
		out = append(out, n)
	}
	return out, nil
}

// mayHaveState returns the names of all pairs that may have a sync state, in order. Unlike
// Known, it fails if they cannot be found out.
func (p *Previewer) mayHaveState(ctx context.Context, fsys vfs.FS) ([]string, error) {
	p = p.lenient()
	if _, err := p.stateNames(fsys); err != nil {
		return nil, err
	}
	names := p.Known(ctx, fsys)
	if p.c.SyncState.Kind == config.StateInBox {
		l := p.c.Patterns.Listing(p.c.Near.Box, p.c.Near.Store.Flatten != "")
		// Whether the patterns select the inbox may depend on the server.
		boxes, err := p.stores[config.Near].List(ctx, store.ListRequest{Inbox: true, OthersIfAny: l.Others || l.OthersIfAny})
		if err != nil {
			return nil, &listError{p.c.Near.Store.Label(), err}
		}
		f := &found{boxes: map[string]*[2]bool{}}
		for _, b := range boxes {
			f.add(p.c, int(config.Near), p.c.Near, b.Name, true)
		}
		delete(f.boxes, "")
		names = append(names, f.names()...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Noted are the notes of a pair.
type Noted struct {
	event.Pair
	StatePath string           // "": unknown
	Notes     *syncstate.Notes // never nil
	// Err is why the notes cannot be read.
	Err error
}

// stateNames returns the names of pairs that have a sync state, or notes, in the channel's
// directory of sync states, by the path of the state. If there is no such directory, there
// are none.
func (p *Previewer) stateNames(fsys vfs.FS) (map[string]string, error) {
	prefix := p.c.SyncState.Prefix
	if p.c.SyncState.Kind == config.StateInBox || prefix == "" {
		return nil, nil
	}
	dir, base := filepath.Split(prefix)
	files, err := fsys.ReadNames(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the directory of the sync states: %w", err)
	}
	out := map[string]string{}
	for _, file := range files {
		// The first run of a pair may have left only these.
		file = strings.TrimSuffix(file, engine.NotesSuffix)
		flat, ok := strings.CutPrefix(file, base)
		if !ok || slices.ContainsFunc(engine.StateSuffixes(), func(s string) bool { return strings.HasSuffix(file, s) }) {
			continue
		}
		if p.c.SyncState.Kind != config.StatePrefix {
			// far:box_:near:box, after a delimiter.
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
	return out, nil
}
