package imap

import (
	"isync/internal/mail"
	"isync/internal/store"
)

// ownChanges are the changes that this side has made to an open mailbox.
type ownChanges struct {
	// sent is the number of APPEND commands, done of those with the answer OK. uids are the
	// UIDs of the messages.
	sent, done mail.ModSeq
	uids       mail.UIDSet
	// unknown: there were other changes, or it is not known what they have led to.
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

// SettledMark implements store.Settler. Each change, by whomever, has a mod-sequence of its
// own (RFC 7162 §3.1). If HIGHESTMODSEQ grows by the number of our own changes, there is
// none left for another one. The numbers of messages must agree, too. A server that skips
// numbers never has this mark.
func (m *mailbox) SettledMark() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	sel, own := m.sel, &m.own
	if sel == nil || sel.mark == "" || own.unknown || own.sent != own.done {
		return ""
	}
	n := own.uids.Len()
	if n == 0 && own.done == 0 {
		return sel.mark
	}
	last := uint64(sel.next) + n
	if len(own.uids) != 1 || own.uids[0].First != sel.next || last > uint64(mail.MaxUID) {
		return ""
	}
	return mark(sel.validity, mail.UID(last), sel.reported.Exists()+uint32(n), sel.modSeq+own.done)
}
