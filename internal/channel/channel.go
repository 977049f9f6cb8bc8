// Package channel turns the channels that were selected into pairs of
// mailboxes and has the engine synchronize them: it lists both stores, applies
// patterns and name mappings, finds out which mailboxes exist where, and adds
// up what was done.
//
// Channels, and the pairs of a channel, are worked on at the same time, as far
// as the accounts allow it (config.Account.Connections). The outcome does not
// depend on how they are scheduled: no mailbox and no sync state is ever worked
// on by two at once, and the pairs of a channel are begun in order.
//
// A mailbox that fails does not keep the others from being synchronized; a
// store that fails ends the channels that use it. All failures are told to the
// observer as they happen.
package channel

import (
	"fmt"
	"io"
	"strings"
	"time"

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
	// Peek, if not nil, returns for which channels a dry run only looks whether the
	// pairs can be synchronized (engine.Pair.Peek).
	Peek func(*config.Channel) bool
	// Preview: a dry run describes each message (engine.Result.Foreseen).
	Preview bool
	// Explain: the observer is told what was selected (engine.Selected), and why
	// everything is done (engine.Debug).
	Explain bool
	// LogImplied and Controls are test controls of the engine.
	LogImplied bool
	Controls   *engine.Controls
	// TUIDs yields the random bits of temporary ids.
	TUIDs    io.Reader
	Observer Observer
	// Memory is a directory in which is remembered which pairs had nothing to do;
	// "": nowhere. MemoryKey, together with the name of a channel, tells it from
	// all others.
	Memory, MemoryKey string
	// Now tells the time; nil: time.Now.
	Now func() time.Time
	// Parallel is how many pairs may be worked on at a time, whatever their
	// stores allow; 0: a default. 1: one after the other, in order.
	Parallel int
}

// Observer is told about the run as a whole and, as an engine.Observer, about
// each pair. It is called from several goroutines at once.
type Observer interface {
	engine.Observer
	// ChannelStarted: the channel has so many pairs of mailboxes.
	ChannelStarted(channel string, pairs int)
	// PairStarted and PairDone enclose the events of a pair. An error that
	// wraps engine.ErrReported is one of a store that has been told already.
	PairStarted(engine.PairName)
	PairDone(engine.PairName, engine.Result, error)
	// ChannelFailed: the channel, or what is left of it, cannot be
	// synchronized.
	ChannelFailed(channel string, err error)
}

// Summary is what a run did.
type Summary struct {
	// Channels were begun, and Boxes of theirs brought to an end, good or bad.
	Channels, Boxes int
	// Counts are the changes made, those in pairs that were interrupted included.
	Counts [2]engine.Counts
	// Unfinished pairs were interrupted, because the run was told to stop. NotBegun
	// are those behind them. NotListed are channels whose pairs are not known.
	Unfinished, NotBegun, NotListed int
	// Failed: something was not fully successful.
	Failed bool
}

// enginePair describes the pair to the engine.
func (r *runner) enginePair(s Selection, t target) (*engine.Pair, error) {
	c := s.Channel
	p := &engine.Pair{
		Channel: c.Name, Store: t.stores, Box: t.Box, Known: t.known,
		ExpireSide:      syncstate.Side(c.ExpireSide),
		CopyArrivalDate: c.CopyArrivalDate,
		FS:              r.FS, FSync: r.Global.FSync, BufferLimit: r.Global.BufferLimit,
		LogImplied: r.LogImplied, Controls: r.Controls, DryRun: r.DryRun, Preview: r.Preview, Explain: r.Explain, TUIDs: r.TUIDs, Observer: r.Observer,
	}
	p.Peek = r.Peek != nil && r.Peek(c)
	if r.Controls == nil {
		p.LateWait = lateWait
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

// lateWait is the pause before a server is searched again for copies that an
// interrupted run has sent and that it may still be storing.
const lateWait = 250 * time.Millisecond

// claimState makes sure that no two pairs of a run share a state file, as
// mailboxes "a/b" and "a!b" do, or channels with the same SyncState, and that no
// state is a file beside another one. A pair may come up again, though, in another
// channel.
func (r *runner) claimState(path string, t target) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	owner, ok := r.states[path]
	state := stateOwner(path, r.states) // its files would conflict with those of path
	for _, suffix := range engine.StateSuffixes() {
		if _, ok := r.states[path+suffix]; ok {
			state = path + suffix
		}
	}
	switch {
	case state != "":
		owner := r.states[state]
		return fmt.Errorf("its sync state '%s' and the sync state '%s' of :%s:%s and :%s:%s in channel '%s' would share a file; give one of the two another SyncState, or exclude it",
			path, state, owner.Store[0], owner.Box[0], owner.Store[1], owner.Box[1], owner.Channel)
	case !ok:
		r.states[path] = t.PairName
	case owner.Store != t.Store || owner.Box != t.Box:
		return fmt.Errorf("its sync state '%s' is also the one of :%s:%s and :%s:%s in channel '%s'; give one of the two another SyncState, or exclude it",
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
		l, ok := store.As[store.Local](t.stores[1])
		if !ok {
			return "", fmt.Errorf("SyncState * needs a near store on the local file system; %s is not", c.Near.Store.Label())
		}
		dir, err := l.BoxPath(t.Box[1])
		return dir + "/.mbsyncstate", err
	case config.StatePrefix:
		return st.Prefix + flat(t.named[1]), nil
	}
	d := string(r.Global.FieldDelimiter)
	return st.Prefix + d + t.Store[0] + d + flat(t.named[0]) + "_" + d + t.Store[1] + d + flat(t.named[1]), nil
}
