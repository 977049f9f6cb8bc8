package listing

import (
	"fmt"

	"isync/internal/imapclient"
	"isync/internal/mail"
	"isync/internal/memo"
)

// Selection is the data that the SELECT of a mailbox returned.
type Selection struct {
	*imapclient.Selected
	// ModSeq is HIGHESTMODSEQ, or 0 if the mailbox must not be remembered.
	ModSeq mail.ModSeq
	// Next is UIDNEXT, which may have been found out in another way.
	Next mail.UID
}

// Compare checks whether a remembered listing can be used. If not, wrong is the reason.
// Otherwise current is the listing as of the SELECT, if changes contain enough for
// that; changes is nil if they were not requested. unsure: there are UIDs about which
// the server should have reported more.
func (s *Selection) Compare(base *memo.Listing, changes *Delta) (current *memo.Listing, unsure bool, wrong string) {
	switch {
	case s.UIDValidity != base.UIDValidity:
		return nil, false, "UIDVALIDITY has changed"
	case base.MailboxID != "" && s.MailboxID != "" && s.MailboxID != base.MailboxID:
		return nil, false, "MAILBOXID has changed"
	case s.ModSeq == 0:
		return nil, false, "the mailbox has no mod-sequences any more"
	case s.ModSeq < base.ModSeq:
		return nil, false, "HIGHESTMODSEQ has gone back"
	case s.UIDNext != 0 && s.UIDNext < base.UIDNext:
		return nil, false, "UIDNEXT has gone back"
	}
	if changes != nil {
		return s.resync(base, changes)
	}
	if s.ModSeq == base.ModSeq && s.Next == base.UIDNext && int(s.Exists) == len(base.Messages) {
		// No flags have changed, nothing is new, and so nothing is gone.
		return base, false, ""
	}
	return nil, false, ""
}

// resync applies the changes that a SELECT with QRESYNC has reported. If they are inconsistent, the server
// does not keep track of changes. Then it must not be asked for changes in another way either.
func (s *Selection) resync(base *memo.Listing, changes *Delta) (current *memo.Listing, unsure bool, wrong string) {
	changes.Sort()
	msgs, ok := changes.Apply(base)
	switch n := len(msgs); {
	case changes.flaw != "":
		wrong = changes.flaw
	case !ok:
		wrong = Impossible
	case n != int(s.Exists):
		wrong = fmt.Sprintf("with the changes that the server reports there are %d messages, but it has %d", n, s.Exists)
	case !changes.Placed(msgs):
		wrong = Misplaced
	case s.UIDNext != 0 && n > 0 && msgs[n-1].UID >= s.UIDNext && s.UIDNext != mail.MaxUID:
		wrong = "the server reports messages beyond UIDNEXT"
	}
	if wrong != "" {
		return nil, false, wrong
	}
	unsure = !changes.Explained(msgs, base.UIDNext, s.Next)
	next := Above(msgs, s.Next)
	if len(changes.changed) == 0 && len(changes.gone) == 0 && s.ModSeq == base.ModSeq && next == base.UIDNext {
		return base, unsure, ""
	}
	return &memo.Listing{
		UIDValidity: base.UIDValidity, UIDNext: next, ModSeq: s.ModSeq, Complete: base.Complete, Messages: msgs,
	}, unsure, ""
}

// Reasons why the reported changes cannot be right.
const (
	Impossible = "the server reports impossible changes"
	Misplaced  = "the changes that the server reports lead to other sequence numbers"
)

// Fits checks whether a remembered incomplete listing can be used. It returns the
// reason if not, else "".
func (s *Selection) Fits(p *memo.Part) (wrong string) {
	switch {
	case s.UIDValidity != p.UIDValidity:
		return "UIDVALIDITY has changed"
	case s.ModSeq == 0:
		return "the mailbox has no mod-sequences any more"
	case s.ModSeq < p.ModSeq:
		return "HIGHESTMODSEQ has gone back"
	case s.UIDNext != 0 && s.UIDNext <= p.Last() && p.Last() != mail.MaxUID:
		return "UIDNEXT has gone back"
	}
	return ""
}
