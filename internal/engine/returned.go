package engine

import (
	"context"

	"isync/internal/mail"
	"isync/internal/plan"
	"isync/internal/store"
	"isync/internal/syncstate"
)

// findReturned looks for messages that were moved away from a side and back, and so have
// other UIDs there. If they were copied as new messages, the other side would have them
// twice. A new message with the same Message-ID and other contents is another version, as
// of a draft; it is copied.
//
// It costs round trips only if a side has lost messages and has new ones, and deletions
// are not propagated.
func (s *session) findReturned(ctx context.Context) (out [2]map[mail.UID]plan.Returned, err error) {
	lost, fresh := plan.Lost(s.input())
	for _, t := range syncstate.Sides { // which has lost messages
		o := t.Other()
		if lost[o].Empty() || fresh[t].Empty() || s.boxes[0] == nil || s.boxes[1] == nil {
			continue
		}
		var uids [2]mail.UIDSet
		uids[o], uids[t] = lost[o], fresh[t]
		lists, err := s.details(ctx, uids)
		if err != nil {
			return out, err
		}
		found, err := s.match(ctx, s.boxes, lists)
		if err != nil {
			return out, err
		}
		if len(found.Pairs) > 0 {
			out[t] = make(map[mail.UID]plan.Returned, len(found.Pairs))
		}
		for _, p := range found.Pairs {
			out[t][p.UID[o]] = plan.Returned{UID: p.UID[t], Placeholder: p.Placeholder}
		}
	}
	return out, nil
}

// details lists messages of both sides, which are known from a listing, with all that a
// plan.Matcher needs.
func (s *session) details(ctx context.Context, uids [2]mail.UIDSet) (lists [2]*store.Listing, err error) {
	return s.listDetails(ctx, store.Need{Known: true}, uids)
}

// listDetails lists messages of both sides with all that a plan.Matcher needs.
func (s *session) listDetails(ctx context.Context, need store.Need, uids [2]mail.UIDSet) (lists [2]*store.Listing, err error) {
	need.Flags, need.SizesFrom, need.TUIDs, need.MessageIDs = true, 1, true, true
	err = both(func(t syncstate.Side) (err error) {
		need := need
		need.UIDs = uids[t]
		lists[t], err = s.boxes[t].Scan(ctx, need)
		if err != nil {
			return s.where(t, "reading Message-IDs", err)
		}
		return nil
	})
	return lists, err
}
