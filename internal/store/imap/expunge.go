package imap

import (
	"context"
	"errors"
	"fmt"

	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/imap/session"
)

// errNoUIDPlus says that messages cannot be removed one by one.
var errNoUIDPlus = errors.New("server cannot expunge single messages (no UIDPLUS)")

// Remove implements store.Mailbox.
func (m *mailbox) Remove(ctx context.Context, req store.RemoveRequest) error {
	sess, err := m.change(ctx)
	if err != nil {
		return err
	}
	if err := sess.ShowAppended(ctx); err != nil {
		return m.fail("expunging messages", err)
	}
	switch {
	case req.All:
		err = sess.Client.Expunge(ctx)
	case !sess.Client.Caps().Has("UIDPLUS"):
		err = errNoUIDPlus
	default:
		err = m.expungeTold(ctx, sess, &req)
	}
	return m.fail("expunging messages", err)
}

// expungeTold is expunge that also returns which messages are gone, if the server reports their UIDs
// (VANISHED, RFC 7162 §3.2.10). With EXPUNGE it reports sequence numbers, which cannot be mapped to
// messages here.
func (m *mailbox) expungeTold(ctx context.Context, sess *session.Session, req *store.RemoveRequest) error {
	var vanished mail.UIDSet
	sess.ListenVanished(func(uids mail.UIDSet) { vanished.AddSet(uids) })
	err := m.expunge(ctx, sess, req.UIDs)
	sess.ListenVanished(nil)
	if req.Gone != nil {
		for u := range keepUIDs(req.UIDs, vanished).All() {
			req.Gone(u)
		}
	}
	return err
}

// expunge expunges the messages that are marked as deleted.
func (m *mailbox) expunge(ctx context.Context, sess *session.Session, uids mail.UIDSet) error {
	if m.store.run().plainExpunge.Load() {
		return m.expungeAll(ctx, sess, uids, nil)
	}
	sets := m.store.sets
	cut := false
	todo := uids.Split(sets.maxSet(), 0)
	for len(todo) > 0 {
		set := todo[0]
		err := sess.Client.ExpungeUIDs(ctx, set)
		switch {
		case err == nil:
			todo = todo[1:]
			if cut {
				sets.shortWorked()
				cut = false
			}
		case sets.tooLong(err, set):
			cut = true
			todo = append(set.Split(sets.maxSet(), 0), todo[1:]...)
		case refused(err):
			return m.expungeAll(ctx, sess, uids, err)
		default:
			return err
		}
	}
	return nil
}

// expungeAll removes the messages by EXPUNGE, if no others are marked as deleted.
// refusal is the refusal of UID EXPUNGE; nil if it was refused before.
func (m *mailbox) expungeAll(ctx context.Context, sess *session.Session, uids mail.UIDSet, refusal error) error {
	m.scanning.Lock()
	defer m.scanning.Unlock()
	// Earlier listings cannot be used: another program may have marked a message since, and it
	// must not be expunged.
	need := store.Need{UIDs: mail.UIDsFrom(1), Flags: true}
	list, err := m.scanAll(ctx, &source{sess: sess}, m.newScanner(need), nil)
	if err != nil {
		return fmt.Errorf("searching for messages that are marked as deleted: %w", err)
	}
	marked := 0
	var others mail.UIDSet
	for _, msg := range list.Messages {
		switch {
		case msg.Flags&mail.FlagDeleted == 0:
		case uids.Contains(msg.UID):
			marked++
		default:
			others.Add(msg.UID)
		}
	}
	if !others.Empty() {
		return &OthersMarkedError{N: others.Len(), First: others[0].First, Refusal: refusal}
	}
	if marked == 0 {
		return nil
	}
	if err := sess.Client.Expunge(ctx); err != nil {
		return err
	}
	if refusal != nil && !m.store.run().plainExpunge.Swap(true) {
		m.store.debugf("the server announces UIDPLUS, but refuses UID EXPUNGE; using EXPUNGE: %v", refusal)
	}
	return nil
}

// OthersMarkedError says that messages cannot be expunged, because the server
// would expunge other messages, too.
type OthersMarkedError struct {
	// N is the number of other messages marked as deleted, First the UID of the first.
	N     uint64
	First mail.UID
	// Refusal is the refusal of UID EXPUNGE; nil if it was refused before.
	Refusal error
}

func (e *OthersMarkedError) Error() string {
	why := "the server refuses UID EXPUNGE"
	if e.Refusal != nil {
		why = e.Refusal.Error()
	}
	return fmt.Sprintf("%s; EXPUNGE would also remove %d other message(s) that are marked as deleted, the first of them UID %d", why, e.N, e.First)
}

// Unwrap returns the refusal.
func (e *OthersMarkedError) Unwrap() error { return e.Refusal }
