package engine

import (
	"context"
	"errors"
	"fmt"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/plan"
	"isync/internal/store"
	"isync/internal/syncstate"
)

var errNoUIDPlus = errors.New("ExpungeSolo needs a server that can expunge selectively (UIDPLUS)")

// finish fills the trashes and expunges, after everything else has been done.
// It returns what was expunged.
func (s *session) finish(ctx context.Context) (expunged [2]mail.UIDSet, err error) {
	if !s.Rules.Ops[0].Expunges() && !s.Rules.Ops[1].Expunges() {
		return expunged, nil
	}
	c := plan.Close(s.input())
	s.explain(c.Reasons)
	var tasks []func() error
	for _, t := range syncstate.Sides {
		if !s.caps[t].SelectiveExpunge && !c.Keep[t].Empty() {
			s.debug(fmt.Sprintf("nothing is expunged from the %s side: messages that are to be kept are marked as deleted, and the server cannot expunge selectively", t))
			continue
		}
		if !c.Expunge[t].Empty() {
			tasks = append(tasks, func() (err error) {
				expunged[t], err = s.expunge(ctx, t, c)
				return err
			})
		}
	}
	err = s.together(tasks...)
	return expunged, err
}

// expunge fills the trash with messages of side t and removes them.
func (s *session) expunge(ctx context.Context, t syncstate.Side, c *plan.Closing) (mail.UIDSet, error) {
	uids, own, remote := c.Expunge[t], c.Trash[t], c.RemoteTrash[t]
	selective := s.caps[t].SelectiveExpunge
	if !selective && len(own)+len(remote) > 0 {
		s.tell(event.Notice, event.NoSelectiveExpunge{Side: t})
	}
	kept, err := s.fillTrash(ctx, t, own, remote)
	if err != nil {
		return nil, err
	}
	if !kept.Empty() {
		if !selective {
			s.tell(event.Warning, event.NothingExpunged{Side: t})
			return nil, nil
		}
		uids = uids.Without(kept)
	}
	n := int(uids.Len())
	if n == 0 || s.Controls != nil && s.Controls.NoExpunge {
		return nil, nil
	}
	s.planned(event.Expunge, t, n)
	req := store.RemoveRequest{UIDs: uids, Kept: s.kept(t, c.Expunge)}
	if !selective {
		req.UIDs, req.All = nil, true
	}
	paths := s.pathsOf(t, uids)
	var gone mail.UIDSet
	req.Gone = func(u mail.UID) {
		if uids.Contains(u) {
			gone.Add(u)
		}
	}
	if err := s.boxes[t].Remove(ctx, req); err != nil {
		return nil, s.where(t, "expunging", err)
	}
	if rest := uids.Without(gone); !rest.Empty() {
		more, err := s.removed(ctx, t, rest)
		if err != nil {
			return nil, err
		}
		gone.AddSet(more)
	}
	uids = gone
	n = int(uids.Len())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.result.Counts[t].Expunged += n
	if n > 0 {
		s.emit(event.Done{Pair: s.pairName(), Change: event.Expunge, Side: t, Count: n}, true)
	}
	if s.Details {
		for u := range uids.All() {
			s.detail(event.MessageChanged{Side: t, Change: event.Expunge, UID: u, Path: paths[u], Flags: s.flagsOf(t, u)})
		}
	}
	return uids, nil
}

// pathsOf returns the files of messages of side t, if Details is set.
func (s *session) pathsOf(t syncstate.Side, uids mail.UIDSet) map[mail.UID]string {
	if !s.Details {
		return nil
	}
	paths := make(map[mail.UID]string)
	for u := range uids.All() {
		if path := s.pathOf(t, u); path != "" {
			paths[u] = path
		}
	}
	return paths
}

// kept returns the messages that are expunged from side t only.
func (s *session) kept(t syncstate.Side, expunge [2]mail.UIDSet) mail.UIDSet {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []mail.UID
	for r := range s.state.Live() {
		if !r.Paired() || !expunge[t].Contains(r.UID[t]) {
			continue
		}
		o := t.Other()
		other := r.UID[o]
		gone := expunge[o].Contains(other) ||
			!r.Assigned[o] && s.found[o].Loaded.Contains(other) && mail.FindMeta(s.found[o].Messages, other) < 0
		if !gone {
			out = append(out, r.UID[t])
		}
	}
	return mail.NewUIDSet(out...)
}

// removed returns the messages of side t that do not exist any more. The others were undeleted
// in the meantime: it updates their flags.
func (s *session) removed(ctx context.Context, t syncstate.Side, uids mail.UIDSet) (mail.UIDSet, error) {
	list, err := s.boxes[t].Scan(ctx, store.Need{UIDs: uids, Flags: true})
	if err != nil {
		return nil, s.where(t, "looking at what was expunged", err)
	}
	var left mail.UIDSet
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range list.Messages {
		left.Add(m.UID)
		if i := mail.FindMeta(s.found[t].Messages, m.UID); i >= 0 {
			s.found[t].Messages[i].Flags = m.Flags
		}
	}
	return uids.Without(left), nil
}

// commit completes the state and writes it, if anything has changed.
func (s *session) commit(expunged [2]mail.UIDSet) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.Controls
	if c != nil && c.KeepJournal {
		c.Report(c.Steps.Total())
	}
	for _, t := range syncstate.Sides {
		if u := s.state.NewMaxUID[t]; u > s.state.MaxUID[t] {
			if err := s.journal.logImplied(syncstate.OpMaxUID, nil, uint32(t), uint32(u)); err != nil {
				return err
			}
		}
	}
	log, reasons := plan.Prune(s.input(), expunged)
	for _, r := range reasons {
		r.Text = "record: " + r.Text
		s.debug(r.String())
	}
	for _, l := range log {
		if err := s.journal.logImplied(l.Op, l.Rec, l.Arg[:argCount(l.Op)]...); err != nil {
			return err
		}
	}
	if c != nil && c.KeepJournal {
		return s.journal.keep()
	}
	return s.journal.commit()
}
