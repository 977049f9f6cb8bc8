package imap

import (
	"context"
	"slices"

	"isync/internal/imapclient"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/imap/session"
)

// SetFlags implements store.Mailbox.
func (m *mailbox) SetFlags(ctx context.Context, changes []store.FlagChange, done func(i int, err error)) error {
	sess, err := m.changeCounted(ctx)
	if err != nil {
		return err
	}
	if err := sess.ShowAppended(ctx); err != nil {
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

// giveUp is the number of refusals in a row of commands for single messages after which no more are tried.
const giveUp = 20

// flagKey is one kind of flag change.
type flagKey struct {
	mode  imapclient.StoreMode
	flags mail.Flags
}

// setFlags changes flags of messages. Each message is in changes once. It sends one command for each kind
// of change, all of them at once.
func (m *mailbox) setFlags(ctx context.Context, sess *session.Session, changes []store.FlagChange, done func(i int, err error)) error {
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
		for _, set := range sets[k].Split(m.store.sets.maxSet(), 0) {
			cmds = append(cmds, imapclient.StoreRequest{UIDs: set, Mode: k.mode, Flags: k.flags})
		}
	}
	cmds, err := m.storeUnchanged(ctx, sess, cmds)
	if err != nil {
		return err
	}
	if len(cmds) > 0 {
		m.noteUnknown()
	}
	cmds, errs, err := m.storeShorter(ctx, sess.Client, cmds)
	if err != nil {
		return err
	}
	failed, err := m.retrySingly(ctx, sess.Client, cmds, errs)
	if err != nil {
		return err
	}
	for i, c := range changes {
		done(i, judged(failed[c.UID]))
	}
	return nil
}

// storeShorter is storeAll, but splits commands that may have been too long for the server. It returns the
// commands that were finally sent.
func (m *mailbox) storeShorter(ctx context.Context, c *imapclient.Client, todo []imapclient.StoreRequest) (cmds []imapclient.StoreRequest, errs []error, err error) {
	sets := m.store.sets
	for again := false; ; again = true {
		all, err := m.storeAll(ctx, c, todo)
		var pieces []imapclient.StoreRequest
		for i, req := range todo {
			if !sets.tooLong(all[i], req.UIDs) {
				cmds, errs = append(cmds, req), append(errs, all[i])
				continue
			}
			for _, set := range req.UIDs.Split(sets.maxSet(), 0) {
				piece := req
				piece.UIDs = set
				pieces = append(pieces, piece)
			}
		}
		if again && len(all) > 0 && !slices.ContainsFunc(all, func(err error) bool { return err != nil }) {
			sets.shortWorked()
		}
		if err != nil || len(pieces) == 0 {
			return cmds, errs, err
		}
		todo = pieces
	}
}

// storeAll sends all commands at once, and returns the refusal of each.
func (m *mailbox) storeAll(ctx context.Context, c *imapclient.Client, cmds []imapclient.StoreRequest) ([]error, error) {
	_, errs, err := m.storeEach(ctx, c, cmds)
	return errs, err
}

// storeEach is storeAll that also returns the messages that each command has left alone
// because of UnchangedSince.
func (m *mailbox) storeEach(ctx context.Context, c *imapclient.Client, cmds []imapclient.StoreRequest) ([]mail.UIDSet, []error, error) {
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
	errs, modified := make([]error, len(cmds)), make([]mail.UIDSet, len(cmds))
	for i, p := range pending {
		st, err := p.Wait(ctx)
		modified[i] = st.Modified
		if err != nil && !refused(err) && failed == nil {
			failed = err
		}
		errs[i] = err
	}
	return modified, errs, failed
}

// retrySingly repeats refused commands message by message, to find the messages that are refused. It
// returns their errors.
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
