// Package channel turns the selected channels into pairs of mailboxes, and calls the
// engine to synchronize them. It lists both stores, applies patterns and name mappings,
// finds out which mailboxes exist on which side, and adds up the results.
//
// Channels, and the pairs of a channel, are synchronized at the same time, as far as
// the accounts allow it (config.Account.Connections). The result does not depend on how
// they are scheduled: a mailbox or sync state is never used by two pairs at the same
// time, and the pairs of a channel are begun in order.
//
// If a mailbox fails, the others are synchronized all the same. If a store fails, the
// channels that use it end. All failures are reported to the sink of events as they
// happen.
package channel

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/event"
	"isync/internal/plan"
	"isync/internal/store"
	"isync/internal/syncstate"
	"isync/internal/vfs"
)

// Selection is a channel that is to be synchronized.
type Selection struct {
	Channel *config.Channel
	// Boxes are the mailboxes on the command line, which replace the patterns of the channel; nil:
	// none. They are relative to the mailboxes of the channel.
	Boxes []string
	// Uses are the special uses on the command line, such as Sent. They select all mailboxes
	// with these uses, in addition to Boxes, which is not nil then.
	Uses []string
	// Ops are the operations of the configuration and the command line.
	Ops config.Ops
	// Deletions says in which pairs deletions are not limited as usual.
	Deletions DeletionScope
}

// DeletionScope says how deletions are propagated in some pairs of a channel.
type DeletionScope struct {
	What plan.Deletions
	// All: in all pairs; otherwise, in the pairs whose names are in Boxes.
	All   bool
	Boxes []string
}

// of returns how deletions are propagated in a pair.
func (d *DeletionScope) of(p event.Pair) plan.Deletions {
	if d.All || slices.Contains(d.Boxes, p.Name) {
		return d.What
	}
	return plan.Limited
}

// Options are common to all channels of a run.
type Options struct {
	// Global options of the configuration.
	Global config.Global
	// Open returns the store for a section of the configuration. It is called once per
	// store, and again in the next run if it has failed.
	Open func(*config.Store) (store.Store, error)
	// BeginRun, if not nil, is called at the beginning of each run. It replaces what
	// stores share and what is valid for one run only.
	BeginRun func()
	FS       vfs.FS
	// DryRun: decide, but change nothing.
	DryRun bool
	// AdoptCopy: ambiguous messages are copied (engine.AdoptCopy).
	AdoptCopy bool
	// Peek, if not nil, returns for which pairs of a channel a dry run lists no messages
	// (engine.Pair.Peek).
	Peek func(*config.Channel) engine.Peek
	// Preview: a dry run describes each message (engine.Result.Foreseen).
	Preview bool
	// Details: what happens to each message is reported (engine.Pair.Details).
	Details bool
	// Explain: the reasons of all decisions are reported as event.Trace.
	Explain bool
	// LogImplied and Controls are test controls of the engine.
	LogImplied bool
	Controls   *engine.Controls
	// TUIDs yields the random bits of temporary ids.
	TUIDs  io.Reader
	Events event.Sink
	// Memory is the directory that stores which pairs had nothing to do; "": none. MemoryKey and
	// the name of a channel identify the channel.
	Memory, MemoryKey string
	// Now tells the time; nil: time.Now.
	Now func() time.Time
	// Retries returns how a store is tried again; nil: no store is.
	Retries func(*config.Store) Retries
	// Parallel is the maximum number of pairs that are synchronized at the same time, in addition
	// to the limits of their stores; 0: a default; 1: one after the other, in order.
	Parallel int
}

// Summary is the result of a run.
type Summary struct {
	// Channels is the number of channels that were begun, and Boxes the number of their pairs
	// that have ended, successfully or not.
	Channels, Boxes int
	// Counts are the changes that were made, including those in interrupted pairs.
	Counts [2]event.Counts
	// Bytes of new messages that were stored on each side.
	Bytes [2]int64
	// FailedMessages is the number of messages that could not be propagated, and HeldDeletions
	// the number of deletions that were not propagated (event.Outcome).
	FailedMessages, HeldDeletions int
	// Unfinished is the number of pairs that were interrupted because the run was told to stop.
	// NotBegun is the number of later pairs. NotListed is the number of channels whose pairs are
	// not known.
	Unfinished, NotBegun, NotListed int
	// Failed: the run was not fully successful.
	Failed bool
}

// enginePair describes the pair to the engine.
func (r *run) enginePair(s Selection, t target) (*engine.Pair, error) {
	c := s.Channel
	p := &engine.Pair{
		Channel: c.Name, Name: t.Name, Store: t.stores, Box: t.Box, Known: t.known,
		ExpireSide:      syncstate.Side(c.ExpireSide),
		CopyArrivalDate: c.CopyArrivalDate,
		FS:              r.FS, FSync: r.Global.FSync, BufferLimit: r.Global.BufferLimit,
		LogImplied: r.LogImplied, Controls: r.Controls, DryRun: r.DryRun, Preview: r.Preview, Explain: r.Explain, Details: r.Details, TUIDs: r.TUIDs, Events: r.Events,
	}
	if r.Peek != nil {
		p.Peek = r.Peek(c)
	}
	if r.Controls == nil {
		p.LateWait = lateWait
	}
	p.Deletions = s.Deletions.of(t.Pair)
	p.Rules.MaxDelete = deleteLimit(c, t)
	switch {
	case c.Adopt && r.AdoptCopy:
		p.Adopt = engine.AdoptCopy
	case c.Adopt:
		p.Adopt = engine.AdoptYes
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
			Enabled: t.trash[i] != "", OnlyNew: e.Store.TrashNewOnly, RemoteNew: e.Store.TrashRemoteNew,
		}
	}
	p.TrashBox, p.Use, p.Exists = t.trash, t.use, t.exists
	if t.use != [2]string{} {
		// The server decides which mailbox it is. So none is created or removed.
		p.Remove = [2]bool{}
		for i, use := range t.use {
			p.Create[i] = p.Create[i] && use == ""
		}
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

// claimState makes sure that no two pairs of a run share a state file, like the mailboxes "a/b" and
// "a!b", or channels with the same SyncState, and that no state file has the name of a file next to
// another one. The same pair may appear again in another channel.
func (r *run) claimState(path string, t target) error {
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
		r.states[path] = t.Pair
	case owner.Store != t.Store || owner.Box != t.Box:
		return fmt.Errorf("its sync state '%s' is also the one of :%s:%s and :%s:%s in channel '%s'; give one of the two another SyncState, or exclude it",
			path, owner.Store[0], owner.Box[0], owner.Store[1], owner.Box[1], owner.Channel)
	}
	return nil
}

// statePath returns the path of the pair's state file (docs/format.md).
func (r *run) statePath(c *config.Channel, t target) (string, error) {
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
