package watching

import (
	"strings"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
)

// maxKnown bounds the number of mailboxes whose status is kept. Others count as changed
// whenever they are mentioned.
const maxKnown = 100_000

// maxName is the length of the longest name, in bytes, of a mailbox that is reported. No
// store has mailboxes with longer names.
const maxName = 4096

// marks are items of a status by which changes are recognized.
const marks = imapwire.BoxMessages | imapwire.BoxUIDNext | imapwire.BoxUIDValidity | imapwire.BoxHighestModSeq

// known is the last known status of the mailboxes, by their names on the server.
type known map[string]imapwire.BoxStatus

// change is how a mailbox differs from what is known. fresh: it was not known. changed: it
// has changed, or may have, since only a HIGHESTMODSEQ proves that it has not. arrived is by
// how much UIDNEXT has grown, if that is known.
type change struct {
	fresh, changed bool
	arrived        uint32
}

// note updates the status of a mailbox.
func (k known) note(st *imapwire.BoxStatus) change {
	name := nameKey(st.Name)
	old, ok := k[name]
	if !ok && len(k) >= maxKnown {
		return change{changed: true}
	}
	now := old
	now.Name, now.Has = name, (old.Has|st.Has)&marks
	differs := false
	arrived := uint32(0)
	if old.Has&st.Has&imapwire.BoxUIDNext != 0 && st.UIDNext > old.UIDNext {
		arrived = uint32(st.UIDNext - old.UIDNext)
	}
	for _, item := range []struct {
		item     imapwire.BoxItems
		same     bool
		takeOver func()
	}{
		{imapwire.BoxMessages, old.Messages == st.Messages, func() { now.Messages = st.Messages }},
		{imapwire.BoxUIDNext, old.UIDNext == st.UIDNext, func() { now.UIDNext = st.UIDNext }},
		{imapwire.BoxUIDValidity, old.UIDValidity == st.UIDValidity, func() { now.UIDValidity = st.UIDValidity }},
		{imapwire.BoxHighestModSeq, old.HighestModSeq == st.HighestModSeq && st.HighestModSeq != 0, func() { now.HighestModSeq = st.HighestModSeq }},
	} {
		if st.Has&item.item == 0 {
			continue
		}
		if old.Has&item.item == 0 || !item.same {
			differs = true
		}
		item.takeOver()
	}
	k[name] = now
	return change{!ok, differs || st.Has&imapwire.BoxHighestModSeq == 0, arrived}
}

// forget makes the next status of a mailbox count as a change.
func (k known) forget(name string) {
	name = nameKey(name)
	if old, ok := k[name]; ok {
		k[name] = imapwire.BoxStatus{Name: old.Name}
	}
}

// add adds a mailbox whose status is not known.
func (k known) add(name string) {
	name = nameKey(name)
	if _, ok := k[name]; !ok && len(k) < maxKnown {
		k[name] = imapwire.BoxStatus{Name: name}
	}
}

// remove removes a mailbox.
func (k known) remove(name string) { delete(k, nameKey(name)) }

// statusOf returns what a SELECT has told, as a status.
func statusOf(name string, sel *imapclient.Selected) *imapwire.BoxStatus {
	st := &imapwire.BoxStatus{
		Name: name, Messages: sel.Exists, UIDNext: sel.UIDNext, UIDValidity: sel.UIDValidity, HighestModSeq: sel.HighestModSeq,
	}
	if sel.HasExists {
		st.Has |= imapwire.BoxMessages
	}
	if sel.UIDNext != 0 {
		st.Has |= imapwire.BoxUIDNext
	}
	if sel.UIDValidity != 0 {
		st.Has |= imapwire.BoxUIDValidity
	}
	if sel.HighestModSeq != 0 {
		st.Has |= imapwire.BoxHighestModSeq
	}
	return st
}

// nameKey returns the same for all spellings of a name: that of the inbox is
// case-insensitive.
func nameKey(name string) string {
	if strings.EqualFold(name, mail.Inbox) {
		return mail.Inbox
	}
	return name
}
