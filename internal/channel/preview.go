package channel

import (
	"context"

	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/store"
)

// Preview is the pair that a channel would make of a name.
type Preview struct {
	event.Pair
	// StatePath is the path of the sync state; "": unknown.
	StatePath string
	// Err says why the pair cannot be synchronized.
	Err error
}

// Previewer makes pairs of names without accessing mailboxes.
type Previewer struct {
	c      *config.Channel
	stores [2]store.Store
	r      *run
}

// NewPreviewer returns the Previewer of a channel with its stores. It does not use stores outside of the
// file system.
func NewPreviewer(c *config.Channel, stores [2]store.Store, global config.Global) *Previewer {
	return &Previewer{c, stores, newRun(NewRunner(Options{Global: global}))}
}

// Pair returns the pair with a name in the channel's patterns; "": the channel has no patterns.
func (p *Previewer) Pair(name string) Preview {
	t := newTarget(p.c, p.stores, name)
	v := Preview{Pair: t.Pair, Err: t.err}
	if v.Err == nil {
		v.StatePath, v.Err = p.r.statePath(p.c, t)
	}
	return v
}

// Side lists the names, in order, of the mailboxes on one side that the
// channel's patterns select. Mailboxes that are selected but cannot be
// synchronized are left out.
func (p *Previewer) Side(ctx context.Context, side config.Side) ([]string, error) {
	e := p.c.End(side)
	boxes, inbox, err := listSide(ctx, p.c, e, p.stores[side], false)
	if err != nil {
		return nil, err
	}
	f := &found{boxes: map[string]*[2]bool{}}
	for _, b := range boxes {
		f.add(p.c, int(side), e, b.Name, inbox)
	}
	delete(f.boxes, "") // named like the prefix; nobody can name it
	return f.names(), nil
}

// WithOwnState returns the names whose sync state does not have the name of a file
// of another sync state. For each other name it returns why it is left out.
func (p *Previewer) WithOwnState(names []string) (kept []string, left []error) {
	targets := make([]target, len(names))
	for i, n := range names {
		targets[i] = newTarget(p.c, p.stores, n)
	}
	targets, left = p.r.withOwnState(p.c, targets)
	for _, t := range targets {
		kept = append(kept, t.Name)
	}
	return kept, left
}
