package imap

import (
	"context"

	"isync/internal/imapclient"
	"isync/internal/mail"
)

// maxTrash is the number of messages that one command moves to the trash. Some servers close the connection
// if there are more.
const maxTrash = 100

// Trash implements store.Trasher.
func (m *mailbox) Trash(ctx context.Context, uids []mail.UID, trash string, done func(i int, err error)) error {
	sess, err := m.change(ctx)
	if err != nil {
		return err
	}
	name, err := m.store.serverName(ctx, trash)
	if err != nil {
		return err
	}
	if err := sess.ShowAppended(ctx); err != nil {
		return m.fail("moving messages to "+trash, err)
	}
	t := &trasher{box: m, client: sess.Client, name: name, failed: make(map[mail.UID]error)}
	for _, set := range mail.NewUIDSet(uids...).Split(t.maxSet(), maxTrash) {
		if err := t.set(ctx, set); err != nil {
			return m.fail("moving messages to "+trash, err)
		}
	}
	for i, u := range uids {
		done(i, judged(t.failed[u]))
	}
	return nil
}

// trasher is a Trash in progress.
type trasher struct {
	box    *mailbox
	client *imapclient.Client
	name   string // of the trash on the server
	failed map[mail.UID]error
	made   bool // the trash was looked for, and created if need be
}

// maxSet returns the maximum length of sets in a command with the name of the trash.
func (t *trasher) maxSet() int { return max(t.box.store.sets.maxSet()-2*len(t.name), minSet/4) }

// set moves some messages to the trash. Its error is the error of the whole call.
func (t *trasher) set(ctx context.Context, set mail.UIDSet) error {
	err := t.move(ctx, set)
	if refused(err) && !t.made && missing(ctx, t.client, t.name, err) {
		t.made = true
		if err := t.box.store.create(ctx, t.client, t.name); err != nil {
			return err
		}
		err = t.move(ctx, set)
	}
	if sets := t.box.store.sets; sets.tooLong(err, set) {
		for _, piece := range set.Split(t.maxSet(), 0) {
			if err := t.set(ctx, piece); err != nil {
				return err
			}
		}
		return nil
	}
	if err == nil || !refused(err) {
		return err
	}
	if set.Len() == 1 {
		t.failed[set[0].First] = err
		return nil
	}
	row := 0
	for u := range set.All() {
		one := err
		if row < giveUp {
			if one = t.move(ctx, mail.NewUIDSet(u)); one != nil && !refused(one) {
				return one
			}
		}
		if one == nil {
			row = 0
			continue
		}
		row++
		t.failed[u] = one
	}
	return nil
}

// move moves messages to the trash, or copies them if the server does not support MOVE. The copies are
// marked as deleted, too. If the mark was removed before the copy, and the connection was lost then, the
// messages would not look deleted any more.
func (t *trasher) move(ctx context.Context, set mail.UIDSet) error {
	if t.client.Caps().Has("MOVE") {
		_, err := t.client.Move(ctx, set, t.name)
		return err
	}
	_, err := t.client.Copy(ctx, set, t.name)
	return err
}
