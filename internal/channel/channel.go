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
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/mail"
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
	sum    Summary
}

// Run synchronizes the selected channels. It returns when everything that can
// be done is done, or soon after ctx has ended.
func Run(ctx context.Context, sel []Selection, o Options) Summary {
	r := &runner{Options: o, stores: map[*config.Store]store.Store{}, broken: map[*config.Store]error{}}
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

// note remembers a store that has failed, so that it is not tried again.
func (r *runner) note(c *config.Channel, err error) bool {
	var se *store.StoreError
	if !errors.As(err, &se) {
		return false
	}
	for _, e := range []config.End{c.Far, c.Near} {
		if e.Store.Name == se.Store {
			r.broken[e.Store] = err
		}
	}
	return true
}

// open returns the channel's stores.
func (r *runner) open(c *config.Channel) (st [2]store.Store, err error) {
	for t, e := range []config.End{c.Far, c.Near} {
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

// target is a pair of mailboxes to be synchronized.
type target struct {
	engine.PairName
	stores [2]store.Store
	known  [2]engine.Presence
}

// pairs returns the pairs that a selection is about, in order.
func (r *runner) pairs(ctx context.Context, s Selection) ([]target, error) {
	c := s.Channel
	st, err := r.open(c)
	if err != nil {
		return nil, err
	}
	pairOf := func(name string, known [2]engine.Presence) target {
		t := target{stores: st, known: known}
		t.Channel, t.Name = c.Name, name
		for i, e := range []config.End{c.Far, c.Near} {
			t.Store[i] = e.Store.Name
			t.Box[i] = boxName(e, name)
		}
		return t
	}
	if len(c.Patterns) == 0 {
		return []target{pairOf("", [2]engine.Presence{})}, nil
	}
	if s.Boxes != nil {
		var out []target
		for _, b := range s.Boxes {
			out = append(out, pairOf(b, [2]engine.Presence{}))
		}
		return out, nil
	}
	found, err := list(ctx, c, st)
	if err != nil {
		return nil, err
	}
	var out []target
	for _, name := range found.names() {
		out = append(out, pairOf(name, found.presence(name)))
	}
	return out, nil
}

// pair synchronizes one pair. It returns false if the channel cannot go on.
func (r *runner) pair(ctx context.Context, s Selection, t target) bool {
	r.sum.Boxes++
	r.Observer.PairStarted(t.PairName)
	p, err := r.enginePair(s, t)
	var res engine.Result
	if err == nil {
		res, err = engine.Sync(ctx, p)
	}
	if err != nil || res.Failed > 0 {
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
		LogImplied: r.LogImplied, Controls: r.Controls, DryRun: r.DryRun, TUIDs: r.TUIDs, Observer: r.Observer,
	}
	p.Rules.MaxMessages = c.MaxMessages
	switch c.ExpireUnread {
	case config.Yes:
		p.Rules.ExpireUnread = plan.Yes
	case config.No:
		p.Rules.ExpireUnread = plan.No
	}
	for i, e := range []config.End{c.Far, c.Near} {
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
	p.StatePath, err = r.statePath(c, t)
	return p, err
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

// sortNames sorts mailbox names for the user: the inbox and its children
// first.
func sortNames(names []string) {
	slices.SortFunc(names, func(a, b string) int {
		if x, y := mail.IsInbox(a), mail.IsInbox(b); x != y {
			if x {
				return -1
			}
			return 1
		}
		return cmp.Compare(a, b)
	})
}
