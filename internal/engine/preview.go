package engine

import (
	"context"
	"io"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/syncstate"
)

// MaxPreview is how many messages of a pair a dry run describes.
const MaxPreview = 100

// Bounds on what is read of a header to find the subject, and on the subject.
const (
	maxHeader  = 256 << 10
	maxSubject = 1000
)

// preview lists what would be done, one entry for each message, MaxPreview at most,
// and the number of further messages.
func (s *session) preview(ctx context.Context) error {
	type key struct {
		t syncstate.Side
		u mail.UID
	}
	at := make(map[key]int)
	more := make(map[key]bool)
	list := &s.result.Foreseen
	entry := func(t syncstate.Side, u mail.UID) *event.Foreseen {
		k := key{t, u}
		i, ok := at[k]
		switch {
		case ok:
		case len(*list) == MaxPreview:
			more[k] = true
			return new(event.Foreseen)
		default:
			i = len(*list)
			at[k] = i
			*list = append(*list, event.Foreseen{Side: t, UID: u})
		}
		return &(*list)[i]
	}
	for _, t := range []syncstate.Side{syncstate.Near, syncstate.Far} {
		for _, c := range s.plan.Copies[t] {
			f := entry(t.Other(), c.UID)
			f.Copy, f.Placeholder = true, c.Placeholder
		}
		for _, c := range s.plan.Flags[t] {
			if c.Add|c.Del == 0 {
				continue // only the record changes
			}
			f := entry(t, c.UID)
			f.Add, f.Del, f.Expire, f.Orphan, f.Purge = c.Add, c.Del, c.Expire, c.Orphan, c.Purge
		}
	}
	for _, t := range []syncstate.Side{syncstate.Near, syncstate.Far} {
		for _, u := range s.result.Closing.Trash[t] {
			entry(t, u).Trash = true
		}
		for _, u := range s.result.Closing.RemoteTrash[t] {
			entry(t, u).RemoteTrash = true
		}
		for u := range s.result.Closing.Expunge[t].All() {
			entry(t, u).Expunge = true
		}
	}
	s.result.ForeseenMore = len(more)
	return both(func(t syncstate.Side) error { return s.describe(ctx, t) })
}

// describe fetches size and subject of the messages of side t in the preview. Data that the
// store does not return stay unknown.
func (s *session) describe(ctx context.Context, t syncstate.Side) error {
	if s.boxes[t] == nil {
		return nil
	}
	at := make(map[mail.UID]*event.Foreseen)
	var uids []mail.UID
	for i := range s.result.Foreseen {
		if f := &s.result.Foreseen[i]; f.Side == t {
			at[f.UID] = f
			uids = append(uids, f.UID)
			if m := mail.FindMeta(s.found[t].Messages, f.UID); m >= 0 {
				f.Size = s.found[t].Messages[m].Size
			}
		}
	}
	if len(uids) == 0 {
		return nil
	}
	var items []store.FetchItem
	for u := range mail.NewUIDSet(uids...).All() { // ascending: one command
		items = append(items, store.FetchItem{UID: u, HeaderOnly: true})
	}
	err := s.boxes[t].Fetch(ctx, items, func(in *store.Incoming) error {
		f := at[in.UID]
		if f == nil || in.Err != nil || in.Body == nil {
			return nil
		}
		if in.Size > 0 {
			f.Size = in.Size
		}
		v, _ := mail.HeaderFields(io.LimitReader(in.Body, maxHeader), "Subject")
		f.Subject = v[0][:min(len(v[0]), maxSubject)]
		return nil
	})
	if err != nil {
		s.debug("subjects of the " + t.String() + " side are not shown: " + err.Error())
	}
	return ctx.Err()
}
