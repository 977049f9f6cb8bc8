package engine

import (
	"context"
	"errors"
	"fmt"

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
		if !c.Expunge[t].Empty() {
			tasks = append(tasks, func() (err error) {
				expunged[t], err = s.expunge(ctx, t, c.Expunge[t], c.Trash[t], c.RemoteTrash[t])
				return err
			})
		}
	}
	err = s.together(tasks...)
	return expunged, err
}

// expunge fills the trash with messages of side t and removes them.
func (s *session) expunge(ctx context.Context, t syncstate.Side, uids mail.UIDSet, own, remote []mail.UID) (mail.UIDSet, error) {
	selective := s.caps[t].SelectiveExpunge
	if !selective && len(own)+len(remote) > 0 {
		s.emit(Event{Kind: Notice, Side: t, Text: fmt.Sprintf(
			"the %s side server cannot expunge selectively (no UIDPLUS); trashing is prone to race conditions", t)})
	}
	kept, err := s.fillTrash(ctx, t, own, remote)
	if err != nil {
		return nil, err
	}
	if !kept.Empty() {
		if !selective {
			s.emit(Event{Kind: Warning, Side: t, Text: fmt.Sprintf(
				"nothing is expunged from the %s side, since messages could not be trashed", t)})
			return nil, nil
		}
		uids = uids.Without(kept)
	}
	n := int(uids.Len())
	if n == 0 || s.Controls != nil && s.Controls.NoExpunge {
		return nil, nil
	}
	s.emit(Event{Kind: Planned, What: Expunge, Side: t, N: n})
	req := store.RemoveRequest{UIDs: uids}
	if !selective {
		req = store.RemoveRequest{All: true}
	}
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
	s.emit(Event{Kind: Done, What: Expunge, Side: t, N: n})
	return uids, nil
}

// removed returns those messages of side t that are really gone. Others were
// undeleted by somebody in the meantime; their flags are taken notice of.
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

// commit brings the state to its final form and writes it, if anything has
// changed.
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
		s.emit(Event{Kind: Debug, Text: r.String()})
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
