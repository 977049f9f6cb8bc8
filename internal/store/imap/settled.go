package imap

import (
	"context"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/imap/session"
)

// ownChanges are the changes that this side has made to an open mailbox.
type ownChanges struct {
	// sent is the number of APPEND commands, and done of those with the answer OK, each with
	// the number of changes of flags that are proven to be ours. uids are the UIDs of the
	// messages that were stored.
	sent, done mail.ModSeq
	uids       mail.UIDSet
	// unknown: there were other changes, or the effect of changes is not known.
	unknown bool
}

// noteSent notes an APPEND.
func (m *mailbox) noteSent() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.own.sent++
}

// noteStored notes the OK for an APPEND, with the UIDs of the messages; 0: not reported.
func (m *mailbox) noteStored(uids ...mail.UID) {
	m.store.opts.Sessions.account.Expect(m.name)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.own.done++
	for _, u := range uids {
		if u == 0 {
			m.own.unknown = true
			return
		}
		m.own.uids.Add(u)
	}
}

// noteUnknown notes a change whose effect is not known.
func (m *mailbox) noteUnknown() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.own.unknown = true
}

var _ store.Settler = (*mailbox)(nil)

// SettledMark implements store.Settler. Each change has its own mod-sequence (RFC 7162 §3.1). If
// HIGHESTMODSEQ has grown by the number of this side's changes, there was no other change. The numbers of
// messages must agree, too. If a server skips mod-sequences, there is no such mark.
func (m *mailbox) SettledMark() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	sel, own := m.sel, &m.own
	if sel == nil || sel.mark == "" || own.unknown || own.sent != own.done {
		return ""
	}
	n := own.uids.Len()
	last := uint64(sel.next) + n
	if n > 0 && (len(own.uids) != 1 || own.uids[0].First != sel.next) || last > uint64(mail.MaxUID) {
		return ""
	}
	return mark(sel.validity, mail.UID(last), sel.reported.Exists()+uint32(n), sel.modSeq+own.done)
}

// maxUnchanged is the maximum number of messages for storeUnchanged.
const maxUnchanged = 100

// storeUnchanged sends STORE commands that have an effect only on messages that nobody has
// changed since the SELECT (UNCHANGEDSINCE), if the server reports changes by NOTIFY. So the
// mod-sequences that they lead to are known to be ours. It returns the commands that must
// still be sent, without that condition: for each message whose change the server does not
// report in this way.
func (m *mailbox) storeUnchanged(ctx context.Context, sess *session.Session, cmds []imapclient.StoreRequest) ([]imapclient.StoreRequest, error) {
	m.mu.Lock()
	modSeq, unknown := m.sel.modSeq, m.own.unknown
	m.mu.Unlock()
	if modSeq == 0 || unknown || !m.store.opts.Sessions.account.Notifies() {
		return cmds, nil
	}
	var uids mail.UIDSet
	total := uint64(0)
	for _, c := range cmds {
		uids.AddSet(c.UIDs)
		total += c.UIDs.Len()
	}
	if total > maxUnchanged || uids.Len() != total { // a second command for a message would fail
		return cmds, nil
	}
	effects := storeEffects{uids: uids, since: modSeq, found: make(map[mail.UID]mail.ModSeq)}
	sess.ListenStored(effects.note)
	conditional := make([]imapclient.StoreRequest, len(cmds))
	for i, c := range cmds {
		c.UnchangedSince = modSeq
		conditional[i] = c
	}
	modified, errs, err := m.storeEach(ctx, sess.Client, conditional)
	sess.ListenStored(nil)
	if err != nil {
		return nil, err
	}
	var rest []imapclient.StoreRequest
	for i, c := range cmds {
		if errs[i] == nil {
			c.UIDs = c.UIDs.Without(effects.done().Without(modified[i]))
		}
		if !c.UIDs.Empty() {
			rest = append(rest, c)
		}
	}
	if len(rest) > 0 || effects.other {
		m.noteUnknown()
		return rest, nil
	}
	n := effects.changes()
	if n > 0 {
		m.store.opts.Sessions.account.Expect(m.name)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.own.sent += n
	m.own.done += n
	return nil, nil
}

// storeEffects gathers the mod-sequences that STORE commands lead to. It is filled on the
// reader goroutine.
type storeEffects struct {
	uids  mail.UIDSet
	since mail.ModSeq
	found map[mail.UID]mail.ModSeq
	// other: another client has changed a message, too. Then the server sends the flags, although
	// the commands are silent.
	other bool
}

func (e *storeEffects) note(f *imapwire.Fetch) {
	if f.Has&imapwire.ItemUID == 0 || !e.uids.Contains(f.UID) || f.Has&imapwire.ItemFlags != 0 || f.Has&imapwire.ItemModSeq == 0 {
		e.other = true
		return
	}
	if before, ok := e.found[f.UID]; ok && before != f.ModSeq || f.ModSeq <= e.since {
		e.other = true
	}
	e.found[f.UID] = f.ModSeq
}

// done returns the messages that have got another mod-sequence.
func (e *storeEffects) done() (set mail.UIDSet) {
	for u := range e.found {
		set.Add(u)
	}
	return set
}

// changes returns the number of different mod-sequences.
func (e *storeEffects) changes() mail.ModSeq {
	different := make(map[mail.ModSeq]bool)
	for _, m := range e.found {
		different[m] = true
	}
	return mail.ModSeq(len(different))
}
