package event

import (
	"isync/internal/mail"
	"isync/internal/syncstate"
)

// UIDDoubt is why the UIDs of a side may belong to other messages now.
type UIDDoubt struct {
	Side syncstate.Side
	// Was and Now are the UIDVALIDITY of the sync state and of the mailbox.
	Was, Now uint32
	// Next is UIDNEXT of the mailbox, and Top the highest UID that was synchronized.
	// They matter if UIDVALIDITY is the same.
	Next, Top mail.UID
}

// Changed reports whether UIDVALIDITY has changed; if not, UIDNEXT went back.
func (d UIDDoubt) Changed() bool { return d.Now != d.Was }

// DeletionWins: message UID was changed on Side, but deleted on the other side.
type DeletionWins struct {
	Side syncstate.Side
	UID  mail.UID
}

// Code implements Fact.
func (DeletionWins) Code() Code { return "deletion-wins" }

// FlagNotStorable: Side cannot store a flag.
type FlagNotStorable struct {
	Side syncstate.Side
	Flag mail.Flags // one
}

// Code implements Fact.
func (FlagNotStorable) Code() Code { return "flag-not-storable" }

// UIDsRecovered: UIDVALIDITY has changed, but the messages still have their UIDs.
type UIDsRecovered struct {
	UIDDoubt
}

// Code implements Fact.
func (UIDsRecovered) Code() Code { return "uids-recovered" }

// HighestUIDCorrected: a mailbox has messages above UIDNEXT, which are the same as before.
type HighestUIDCorrected struct {
	UIDDoubt
}

// Code implements Fact.
func (HighestUIDCorrected) Code() Code { return "highest-uid-corrected" }

// MailboxRestored: a mailbox was restored from a backup. Same is the number of messages
// that are unchanged, Copied that of messages to be copied to it again, and Paired that
// of messages that were matched by their Message-ID.
type MailboxRestored struct {
	UIDDoubt
	Same, Copied, Paired int
}

// Code implements Fact.
func (MailboxRestored) Code() Code { return "mailbox-restored" }

// AllMessagesNew: the UIDs of a side are in doubt, and no message is paired.
type AllMessagesNew struct {
	UIDDoubt
}

// Code implements Fact.
func (AllMessagesNew) Code() Code { return "all-messages-new" }

// MailAdopted: the sync state is missing or no longer valid, and both mailboxes hold messages.
// Identical messages are paired; messages that only one side has are new. For Ambiguous messages
// this is not certain: they are copied if Copied is set, and otherwise the command Copy copies
// them.
type MailAdopted struct {
	Doubt           [2]UIDDoubt // why the state is not valid, by side; zero: no reason there
	Pairs           int
	Only, Ambiguous [2]int
	Copied          bool
	Copy            string
}

// Code implements Fact.
func (MailAdopted) Code() Code { return "mail-adopted" }

// NewMailPaired: both sides have new messages. Pairs of them are identical, so they are paired
// instead of copied. For Ambiguous messages this is not certain: they are copied if Copied is
// set, and otherwise the command Copy copies them.
type NewMailPaired struct {
	Pairs     int
	Ambiguous [2]int
	Copied    bool
	Copy      string
}

// Code implements Fact.
func (NewMailPaired) Code() Code { return "new-mail-paired" }

// MailAmbiguous: this number of messages of each side was not copied when the sync state was
// rebuilt, because the other side may have them. The command Copy copies them.
type MailAmbiguous struct {
	Count [2]int
	Copy  string
}

// Code implements Fact.
func (MailAmbiguous) Code() Code { return "mail-ambiguous" }

// MessageNotCopied: a message could not be copied. Each run tries again, until the user
// gives it up with the command Skip.
type MessageNotCopied struct {
	Skip string
}

// Code implements Fact.
func (MessageNotCopied) Code() Code { return "message-not-copied" }

// NoSelectiveExpunge: the server of Side cannot expunge single messages.
type NoSelectiveExpunge struct {
	Side syncstate.Side
}

// Code implements Fact.
func (NoSelectiveExpunge) Code() Code { return "no-selective-expunge" }

// NothingExpunged: messages of Side could not be moved to the trash, so nothing is
// expunged.
type NothingExpunged struct {
	Side syncstate.Side
}

// Code implements Fact.
func (NothingExpunged) Code() Code { return "nothing-expunged" }

// NotesUnreadable: the list of messages that could not be copied is damaged.
type NotesUnreadable struct {
	Err error
}

// Code implements Fact.
func (NotesUnreadable) Code() Code { return "notes-unreadable" }

// CopiesLost: messages that were copied to Side cannot be found there.
type CopiesLost struct {
	Side  syncstate.Side
	Count int
}

// Code implements Fact.
func (CopiesLost) Code() Code { return "copies-lost" }

// SurplusCopies: copies that an interrupted run had sent to Side appeared after the
// messages had been copied again.
type SurplusCopies struct {
	Side  syncstate.Side
	Count int
}

// Code implements Fact.
func (SurplusCopies) Code() Code { return "surplus-copies" }

// BothMailboxesGone: neither mailbox of a pair exists any more. The sync state is
// removed, or would be in a dry run.
type BothMailboxesGone struct {
	DryRun bool
}

// Code implements Fact.
func (BothMailboxesGone) Code() Code { return "both-mailboxes-gone" }

// MailboxWouldBeCreated: a dry run does not create the mailbox.
type MailboxWouldBeCreated struct {
	Side syncstate.Side
	Box  string
}

// Code implements Fact.
func (MailboxWouldBeCreated) Code() Code { return "mailbox-would-be-created" }

// MailboxWouldBeRemoved: a dry run does not remove the mailbox.
type MailboxWouldBeRemoved struct {
	Side syncstate.Side
	Box  string
}

// Code implements Fact.
func (MailboxWouldBeRemoved) Code() Code { return "mailbox-would-be-removed" }

// JournalIncomplete: the last entry of the journal was not written completely.
type JournalIncomplete struct {
	Err error
}

// Code implements Fact.
func (JournalIncomplete) Code() Code { return "journal-incomplete" }

// JournalIgnored: the sync state is missing, but there is the journal of a run that continued
// one. The journal is not used.
type JournalIgnored struct{}

// Code implements Fact.
func (JournalIgnored) Code() Code { return "journal-ignored" }

// TooManyDeletions: messages are not deleted on Side, because MaxDelete allows fewer deletions.
// The command Allow carries out the deletions, and Restore undoes them.
type TooManyDeletions struct {
	Side syncstate.Side
	// Boxes: this is about whole mailboxes, of which more than half are gone.
	Boxes          bool
	Allow, Restore string
}

// Code implements Fact.
func (TooManyDeletions) Code() Code { return "too-many-deletions" }
