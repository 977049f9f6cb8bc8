// Package channel turns the channels that were selected into pairs of
// mailboxes and has the engine synchronize them: it lists both stores, applies
// patterns and name mappings, finds out which mailboxes exist where, and adds
// up what was done.
//
// A mailbox that fails does not keep the others from being synchronized; a
// store that fails ends the channels that use it. All failures are told to the
// observer as they happen.
package channel

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/plan"
	"isync/internal/store"
	"isync/internal/syncstate"
	"isync/internal/vfs"
)

// Selection is a channel that is to be synchronized.
type Selection struct {
	Channel *config.Channel
	// Boxes replace those that the channel's patterns select; nil: none were
	// named. They are relative to the channel's mailboxes.
	Boxes []string
	// Ops is what may be done, the command line included.
	Ops config.Ops
}

// Options are what all channels of a run share.
type Options struct {
	// Global options of the configuration.
	Global config.Global
	// Open returns the store for a section of the configuration. It is called
	// once per store.
	Open func(*config.Store) (store.Store, error)
	FS   vfs.FS
	// DryRun: decide, but change nothing.
	DryRun bool
	// Explain: the observer is told what was selected (engine.Selected), and why
	// everything is done (engine.Debug).
	Explain bool
	// LogImplied and Controls are test controls of the engine.
	LogImplied bool
	Controls   *engine.Controls
	// TUIDs yields the random bits of temporary ids.
	TUIDs    io.Reader
	Observer Observer
}

// Observer is told about the run as a whole and, as an engine.Observer, about
// each pair.
type Observer interface {
	engine.Observer
	// ChannelStarted: the channel has so many pairs of mailboxes.
	ChannelStarted(channel string, pairs int)
	// PairStarted and PairDone enclose the events of a pair.
	PairStarted(engine.PairName)
	PairDone(engine.PairName, engine.Result, error)
	// ChannelFailed: the channel, or what is left of it, cannot be
	// synchronized.
	ChannelFailed(channel string, err error)
}

// Summary is what a run did.
type Summary struct {
	Channels, Boxes int
	Counts          [2]engine.Counts
	// Failed: something was not fully successful.
	Failed bool
}

// runner is one run over several channels.
type runner struct {
	Options
	stores map[*config.Store]store.Store
	broken map[*config.Store]error
	states map[string]engine.PairName // whose state is in a file
	sum    Summary
}

func newRunner(o Options) *runner {
	return &runner{
		Options: o,
		stores:  map[*config.Store]store.Store{},
		broken:  map[*config.Store]error{},
		states:  map[string]engine.PairName{},
	}
}

// Run synchronizes the selected channels. It returns when everything that can
// be done is done, or soon after ctx has ended.
func Run(ctx context.Context, sel []Selection, o Options) Summary {
	r := newRunner(o)
	defer r.close()
	for _, s := range sel {
		if ctx.Err() != nil {
			r.sum.Failed = true
			break
		}
		r.channel(ctx, s)
	}
	return r.sum
}

// close ends the sessions of all stores at the same time.
func (r *runner) close() {
	var wg sync.WaitGroup
	for _, s := range r.stores {
		wg.Go(func() { _ = s.Close() })
	}
	wg.Wait()
}

func (r *runner) channel(ctx context.Context, s Selection) {
	r.sum.Channels++
	pairs, err := r.pairs(ctx, s)
	if err != nil {
		r.channelFailed(s.Channel, err)
		return
	}
	r.Observer.ChannelStarted(s.Channel.Name, len(pairs))
	for _, p := range pairs {
		if ctx.Err() != nil {
			r.sum.Failed = true
			return
		}
		if !r.pair(ctx, s, p) {
			return
		}
	}
}

func (r *runner) channelFailed(c *config.Channel, err error) {
	r.sum.Failed = true
	r.note(c, err)
	r.Observer.ChannelFailed(c.Name, err)
}

// note remembers the stores that have failed, so that they are not tried again.
// It reports whether there are any.
func (r *runner) note(c *config.Channel, err error) bool {
	failed := storeErrors(err)
	for _, se := range failed {
		for _, e := range ends(c) {
			if e.Store.Name == se.Store {
				r.broken[e.Store] = err
			}
		}
	}
	return len(failed) > 0
}

// storeErrors returns all failures of stores in the tree of an error: both
// stores may have failed at the same time.
func storeErrors(err error) (found []*store.StoreError) {
	switch e := err.(type) { //nolint:errorlint // it walks the tree itself
	case *store.StoreError:
		return []*store.StoreError{e}
	case interface{ Unwrap() error }:
		return storeErrors(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, x := range e.Unwrap() {
			found = append(found, storeErrors(x)...)
		}
	}
	return found
}

// open returns the channel's stores.
func (r *runner) open(c *config.Channel) (st [2]store.Store, err error) {
	for t, e := range ends(c) {
		if r.broken[e.Store] != nil {
			return st, fmt.Errorf("skipped, because %s failed before", e.Store.Label())
		}
		s := r.stores[e.Store]
		if s == nil {
			if s, err = r.Open(e.Store); err != nil {
				r.broken[e.Store] = err
				return st, err
			}
			r.stores[e.Store] = s
		}
		st[t] = s
	}
	return st, nil
}

// pair synchronizes one pair. It returns false if the channel cannot go on.
func (r *runner) pair(ctx context.Context, s Selection, t target) bool {
	r.sum.Boxes++
	r.Observer.PairStarted(t.PairName)
	var p *engine.Pair
	var res engine.Result
	err := t.err
	if err == nil {
		p, err = r.enginePair(s, t)
	}
	if err == nil {
		if r.Explain {
			r.tellPair(p)
		}
		res, err = engine.Sync(ctx, p)
	}
	if err != nil || res.Failed+res.Problems > 0 {
		r.sum.Failed = true
	}
	for i := range r.sum.Counts {
		r.sum.Counts[i].Add(res.Counts[i])
	}
	r.Observer.PairDone(t.PairName, res, err)
	return err == nil || !r.note(s.Channel, err) && ctx.Err() == nil
}

// enginePair describes the pair to the engine.
func (r *runner) enginePair(s Selection, t target) (*engine.Pair, error) {
	c := s.Channel
	p := &engine.Pair{
		Channel: c.Name, Store: t.stores, Box: t.Box, Known: t.known,
		ExpireSide:      syncstate.Side(c.ExpireSide),
		CopyArrivalDate: c.CopyArrivalDate,
		FS:              r.FS, FSync: r.Global.FSync, BufferLimit: r.Global.BufferLimit,
		LogImplied: r.LogImplied, Controls: r.Controls, DryRun: r.DryRun, Explain: r.Explain, TUIDs: r.TUIDs, Observer: r.Observer,
	}
	p.Rules.MaxMessages = c.MaxMessages
	switch c.ExpireUnread {
	case config.Yes:
		p.Rules.ExpireUnread = plan.Yes
	case config.No:
		p.Rules.ExpireUnread = plan.No
	}
	for i, e := range ends(c) {
		on := s.Ops.On[i]
		p.Create[i], p.Remove[i] = on.Has(config.OpCreate), on.Has(config.OpRemove)
		p.Rules.Ops[i] = plan.Ops{
			New: on.Has(config.OpNew), Old: on.Has(config.OpOld), Upgrade: on.Has(config.OpUpgrade),
			Gone: on.Has(config.OpGone), Flags: on.Has(config.OpFlags),
			Expunge: on.Has(config.OpExpunge), ExpungeSolo: on.Has(config.OpExpungeSolo),
		}
		p.Rules.MaxSize[i] = e.Store.MaxSize
		p.Rules.Trash[i] = plan.Trash{
			Enabled: e.Store.Trash != "", OnlyNew: e.Store.TrashNewOnly, RemoteNew: e.Store.TrashRemoteNew,
		}
		p.TrashBox[i] = e.Store.Trash
	}
	var err error
	if p.StatePath, err = r.statePath(c, t); err != nil {
		return nil, err
	}
	return p, r.claimState(p.StatePath, t)
}

// claimState makes sure that no two pairs of a run share a state file, as
// mailboxes "a/b" and "a!b" do, or channels with the same SyncState. A pair may
// come up again, though, in another channel.
func (r *runner) claimState(path string, t target) error {
	owner, ok := r.states[path]
	switch {
	case !ok:
		r.states[path] = t.PairName
	case owner.Store != t.Store || owner.Box != t.Box:
		return fmt.Errorf("its sync state would be in '%s', but that is the one of :%s:%s and :%s:%s in channel '%s'; give one of the two another SyncState, or leave it out",
			path, owner.Store[0], owner.Box[0], owner.Store[1], owner.Box[1], owner.Channel)
	}
	return nil
}

// statePath returns the path of the pair's state file (docs/format.md).
func (r *runner) statePath(c *config.Channel, t target) (string, error) {
	flat := func(box string) string { return strings.ReplaceAll(box, "/", "!") }
	st := c.SyncState
	switch st.Kind {
	case config.StateInBox:
		l, ok := t.stores[1].(store.Local)
		if !ok {
			return "", fmt.Errorf("SyncState * needs a near store on the local file system; %s is not", c.Near.Store.Label())
		}
		dir, err := l.BoxPath(t.Box[1])
		return dir + "/.mbsyncstate", err
	case config.StatePrefix:
		return st.Prefix + flat(t.Box[1]), nil
	}
	d := string(r.Global.FieldDelimiter)
	return st.Prefix + d + t.Store[0] + d + flat(t.Box[0]) + "_" + d + t.Store[1] + d + flat(t.Box[1]), nil
}
