package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/plan"
	"isync/internal/store"
	"isync/internal/syncstate"
)

// spareOwnTrash switches off each trash that is itself one of the mailboxes: messages
// deleted there are expunged. Otherwise each run would move them to the same mailbox.
func (s *session) spareOwnTrash() {
	pair := *s.Pair // the caller's stays as it is
	for _, t := range syncstate.Sides {
		if pair.Rules.Trash[t].Enabled && sameBox(s.Store[t], s.Box[t], s.TrashBox[t]) {
			pair.Rules.Trash[t] = plan.Trash{}
			s.Pair = &pair
		}
	}
}

// sameBox reports whether two names lead to the same mailbox of a store.
func sameBox(st store.Store, a, b string) bool {
	a, b = mail.CanonicalBox(a), mail.CanonicalBox(b)
	if al, ok := store.As[store.Aliaser](st); ok {
		return a == b || al.SameBox(a, b)
	}
	return a == b
}

// fillTrash copies messages of side t that are about to be expunged: own to
// the trash of the side's own store, remote to that of the other store. It
// returns the messages that could not be copied, which must stay.
func (s *session) fillTrash(ctx context.Context, t syncstate.Side, own, remote []mail.UID) (kept mail.UIDSet, err error) {
	if len(own)+len(remote) == 0 {
		return nil, nil
	}
	s.planned(event.Trash, t, len(own)+len(remote))
	paths := s.pathsOf(t, mail.NewUIDSet(append(slices.Clone(own), remote...)...))
	trash := s.trashNames(t, own)
	var failed error // of the journal
	var settled []mail.UID
	// trashed is the completion function for each message.
	trashed := func(uid mail.UID, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		settled = append(settled, uid)
		switch {
		case failed != nil || errors.Is(err, store.ErrGone):
		case err != nil:
			kept.Add(uid)
			if !fatal(err) && s.refusedFor(message{t, uid, event.Trash}, err) {
				s.result.Failed++
				s.failed(t, uid, err)
			}
		default:
			s.result.Counts[t].Trashed++
			s.done(event.Trash, t, uid)
			s.detail(event.MessageChanged{Side: t, Change: event.Trash, UID: uid, Path: paths[uid], Flags: s.flagsOf(t, uid), Trash: trash(uid)})
			_, failed = s.journal.log(syncstate.OpTrashed, nil, uint32(t), uint32(uid))
		}
	}
	if len(own) > 0 {
		tr, ok := store.As[store.Trasher](s.boxes[t])
		if !ok {
			return nil, s.where(t, "trashing", errNoTrash)
		}
		err = tr.Trash(ctx, own, s.TrashBox[t], func(i int, err error) { trashed(own[i], err) })
		if err != nil {
			err = s.where(t, "trashing", err)
		}
	}
	if err == nil && len(remote) > 0 {
		err = s.trashRemotely(ctx, t, remote, trashed)
	}
	if err = joinErrors(err, failed); err != nil {
		return kept, err
	}
	// A message that does not exist any more has no completion. If such a message still exists,
	// it is in no trash, and must stay.
	unsettled := mail.NewUIDSet(append(slices.Clone(own), remote...)...).Without(mail.NewUIDSet(settled...))
	if unsettled.Empty() {
		return kept, nil
	}
	gone, err := s.removed(ctx, t, unsettled)
	if err != nil {
		return kept, err
	}
	for uid := range unsettled.Without(gone).All() {
		trashed(uid, errNotRead)
	}
	return kept, failed
}

// trashNames returns a function that returns the trash of a message. own are the messages that
// go to the trash of their own store.
func (s *session) trashNames(t syncstate.Side, own []mail.UID) func(mail.UID) string {
	mine := mail.NewUIDSet(own...)
	return func(u mail.UID) string {
		if mine.Contains(u) {
			return s.TrashBox[t]
		}
		return s.TrashBox[t.Other()]
	}
}

var errNotRead = errors.New("the message is there, but was not delivered when it was read")

// trashRemotely copies messages of side t to the trash of the other store,
// unchanged but for their line ends.
func (s *session) trashRemotely(ctx context.Context, t syncstate.Side, uids []mail.UID, trashed func(mail.UID, error)) (err error) {
	o := t.Other()
	box, err := s.openTrash(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := box.Close(context.WithoutCancel(ctx)); err == nil {
			err = cerr
		}
	}()
	app, err := box.Append(ctx, func(r store.AppendResult) { trashed(uids[r.Key], r.Err) })
	if err != nil {
		return s.where(o, "trashing", err)
	}
	for from := 0; from < len(uids) && err == nil; from += trashAtOnce {
		err = s.trashBatch(ctx, t, app, uids, from, trashed)
	}
	if ferr := app.Finish(ctx); ferr != nil {
		err = joinErrors(err, s.where(o, "trashing", ferr))
	}
	return err
}

// trashAtOnce is how many messages are read before they are stored.
const trashAtOnce = 20

// trashBatch copies the messages from uids[from] on. They are read in full
// before any is stored: the trash may share the connection that they come from.
func (s *session) trashBatch(ctx context.Context, t syncstate.Side, app store.Appender, uids []mail.UID, from int, trashed func(mail.UID, error)) error {
	o := t.Other()
	index := make(map[mail.UID]int, trashAtOnce)
	var items []store.FetchItem
	for i := from; i < min(from+trashAtOnce, len(uids)); i++ {
		index[uids[i]] = i
		items = append(items, store.FetchItem{UID: uids[i]})
	}
	var batch []*store.Outgoing
	defer func() {
		for _, out := range batch {
			out.Body.(*spool).Close()
		}
	}()
	err := s.boxes[t].Fetch(ctx, items, func(in *store.Incoming) error {
		i, ok := index[in.UID]
		if !ok {
			return nil
		}
		delete(index, in.UID)
		if in.Err != nil {
			trashed(in.UID, in.Err)
			return nil
		}
		data := &spool{}
		b := &body{src: in.Body}
		b.conv.FromCRLF, b.conv.ToCRLF = s.caps[t].CRLF, s.caps[o].CRLF
		n, err := b.WriteTo(data)
		if err != nil {
			trashed(in.UID, err)
			data.Close()
			return data.err
		}
		batch = append(batch, &store.Outgoing{Key: i, Flags: in.Flags &^ mail.FlagDeleted, Date: in.Date, Size: n, Body: data})
		return nil
	})
	if err != nil {
		return s.where(t, "trashing", err)
	}
	for _, out := range batch {
		if err := app.Put(ctx, out); err != nil {
			return s.where(o, "trashing", err)
		}
	}
	return nil
}

// openTrash opens the trash mailbox of a side's store, creating it if need be.
func (s *session) openTrash(ctx context.Context, t syncstate.Side) (store.Mailbox, error) {
	name := s.TrashBox[t]
	fail := func(err error) error {
		return fmt.Errorf("opening trash: %w", &store.BoxError{Store: s.Store[t].Name(), Box: name, Err: err})
	}
	box, err := s.Store[t].Open(ctx, name, store.OpenRequest{Deposit: true})
	if errors.Is(err, store.ErrNoBox) {
		if err := s.Store[t].Create(ctx, name); err != nil {
			return nil, fail(err)
		}
		box, err = s.Store[t].Open(ctx, name, store.OpenRequest{Deposit: true})
	}
	if err != nil {
		return nil, fail(err)
	}
	return box, nil
}
