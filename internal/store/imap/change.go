package imap

import (
	"context"
	"slices"

	"isync/internal/imapclient"
	"isync/internal/mail"
	"isync/internal/store"
)

// maxTrash is how many messages are trashed by one command; some servers drop
// the connection over larger numbers.
const maxTrash = 100

// giveUp is after how many refusals in a row, of commands for single messages,
// the others are spared the attempt.
const giveUp = 20

// SetFlags implements store.Mailbox.
func (m *mailbox) SetFlags(ctx context.Context, changes []store.FlagChange, done func(i int, err error)) error {
	sess, err := m.change(ctx)
	if err != nil {
		return err
	}
	if err := sess.collect(ctx); err != nil {
		return m.fail("setting flags", err)
	}
	for start := 0; start < len(changes); {
		// Changes of the same message must not be mixed up.
		end := start
		seen := make(map[mail.UID]bool)
		for end < len(changes) && !seen[changes[end].UID] {
			seen[changes[end].UID] = true
			end++
		}
		err := m.setFlags(ctx, sess, changes[start:end], func(i int, err error) { done(start+i, err) })
		if err != nil {
			return m.fail("setting flags", err)
		}
		start = end
	}
	return nil
}

// flagKey is one kind of flag change.
type flagKey struct {
	mode  imapclient.StoreMode
	flags mail.Flags
}

// setFlags changes flags of messages, each of which is there once: one command
// for each kind of change, all of them sent at once.
func (m *mailbox) setFlags(ctx context.Context, sess *session, changes []store.FlagChange, done func(i int, err error)) error {
	sets := make(map[flagKey]mail.UIDSet)
	var order []flagKey
	add := func(mode imapclient.StoreMode, f mail.Flags, u mail.UID) {
		if f == 0 {
			return
		}
		k := flagKey{mode, f}
		set, ok := sets[k]
		if !ok {
			order = append(order, k)
		}
		set.Add(u)
		sets[k] = set
	}
	for _, c := range changes {
		add(imapclient.AddFlags, c.Add, c.UID)
		add(imapclient.RemoveFlags, c.Remove, c.UID)
	}
	var cmds []imapclient.StoreRequest
	for _, k := range order {
		for _, set := range sets[k].Split(m.store.pool.past.maxSet(), 0) {
			cmds = append(cmds, imapclient.StoreRequest{UIDs: set, Mode: k.mode, Flags: k.flags})
		}
	}
	cmds, errs, err := m.storeShorter(ctx, sess.client, cmds)
	if err != nil {
		return err
	}
	failed, err := m.retrySingly(ctx, sess.client, cmds, errs)
	if err != nil {
		return err
	}
	for i, c := range changes {
		done(i, failed[c.UID])
	}
	return nil
}

// storeShorter is storeAll that cuts commands which may have been too long for
// the server. It returns the commands that were sent in the end.
func (m *mailbox) storeShorter(ctx context.Context, c *imapclient.Client, todo []imapclient.StoreRequest) (cmds []imapclient.StoreRequest, errs []error, err error) {
	lines := &m.store.pool.past
	for again := false; ; again = true {
		all, err := m.storeAll(ctx, c, todo)
		var pieces []imapclient.StoreRequest
		for i, req := range todo {
			if !lines.tooLong(all[i], req.UIDs) {
				cmds, errs = append(cmds, req), append(errs, all[i])
				continue
			}
			for _, set := range req.UIDs.Split(lines.maxSet(), 0) {
				piece := req
				piece.UIDs = set
				pieces = append(pieces, piece)
			}
		}
		if again && len(all) > 0 && !slices.ContainsFunc(all, func(err error) bool { return err != nil }) {
			lines.shortWorked()
		}
		if err != nil || len(pieces) == 0 {
			return cmds, errs, err
		}
		todo = pieces
	}
}

// storeAll runs commands at once and returns what each was refused with.
func (m *mailbox) storeAll(ctx context.Context, c *imapclient.Client, cmds []imapclient.StoreRequest) ([]error, error) {
	var pending []*imapclient.Pending[imapclient.Stored]
	var failed error
	for _, req := range cmds {
		p, err := c.StartStore(ctx, req)
		if err != nil {
			failed = err
			break
		}
		pending = append(pending, p)
	}
	errs := make([]error, len(cmds))
	for i, p := range pending {
		_, err := p.Wait(ctx)
		if err != nil && !refused(err) && failed == nil {
			failed = err
		}
		errs[i] = err
	}
	return errs, failed
}

// retrySingly repeats commands that were refused message by message, to find
// out which ones it is about, and returns the errors of those.
func (m *mailbox) retrySingly(ctx context.Context, c *imapclient.Client, cmds []imapclient.StoreRequest, errs []error) (map[mail.UID]error, error) {
	failed := make(map[mail.UID]error)
	for i, req := range cmds {
		if errs[i] == nil {
			continue
		}
		if req.UIDs.Len() == 1 {
			failed[req.UIDs[0].First] = errs[i]
			continue
		}
		row := 0
		for u := range req.UIDs.All() {
			err := errs[i]
			if row < giveUp {
				one := req
				one.UIDs = mail.NewUIDSet(u)
				if _, err = c.Store(ctx, one); err != nil && !refused(err) {
					return nil, err
				}
			}
			if err == nil {
				row = 0
				continue
			}
			row++
			failed[u] = err
		}
	}
	return failed, nil
}

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
	if err := sess.collect(ctx); err != nil {
		return m.fail("moving messages to "+trash, err)
	}
	t := &trasher{box: m, client: sess.client, name: name, failed: make(map[mail.UID]error)}
	for _, set := range mail.NewUIDSet(uids...).Split(t.maxSet(), maxTrash) {
		if err := t.set(ctx, set); err != nil {
			return m.fail("moving messages to "+trash, err)
		}
	}
	for i, u := range uids {
		done(i, t.failed[u])
	}
	return nil
}

// trasher is a Trash under way.
type trasher struct {
	box    *mailbox
	client *imapclient.Client
	name   string // of the trash on the server
	failed map[mail.UID]error
	made   bool // the trash was looked for, and created if need be
}

// maxSet returns the maximum length of sets in a command with the name of the trash.
func (t *trasher) maxSet() int { return max(t.box.store.pool.past.maxSet()-2*len(t.name), minSet/4) }

// set trashes some messages. Its error is that of the whole call.
func (t *trasher) set(ctx context.Context, set mail.UIDSet) error {
	err := t.move(ctx, set)
	if refused(err) && !t.made && missing(ctx, t.client, t.name, err) {
		t.made = true
		if err := t.box.store.create(ctx, t.client, t.name); err != nil {
			return err
		}
		err = t.move(ctx, set)
	}
	if lines := &t.box.store.pool.past; lines.tooLong(err, set) {
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

// move moves messages to the trash, or copies them if the server cannot move.
// The copies take over the mark of deletion. To remove it before would clear the
// trash of it, but if we were cut off then, nothing would tell any more that
// these messages are deleted.
func (t *trasher) move(ctx context.Context, set mail.UIDSet) error {
	if t.client.Caps().Has("MOVE") {
		_, err := t.client.Move(ctx, set, t.name)
		return err
	}
	_, err := t.client.Copy(ctx, set, t.name)
	return err
}
