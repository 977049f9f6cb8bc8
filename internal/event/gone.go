package event

import "isync/internal/syncstate"

// MailboxGone: mailboxes that were synchronized before do not exist any more. Steps are
// alternatives for the user.
type MailboxGone struct{ Steps []GoneStep }

// Code implements Fact.
func (MailboxGone) Code() Code { return "mailbox-gone" }

// GoneStep is one thing that the user may do about mailboxes that are gone. Steps are
// the types of this file that have the method. Commands are for a shell.
type GoneStep interface{ isGoneStep() }

// MountStore: the file system of Dir may not be mounted.
type MountStore struct{ Dir string }

// ListStore: all mailboxes of a side are gone; Command lists the existing ones. They
// may have other names, so that Path of the store, or Keyword of the channel, has to be
// changed.
type ListStore struct {
	Command  string
	Path     Place
	Keyword  string
	InConfig Place // of Keyword
}

// Subscribe: the mailbox exists, but is not subscribed to.
type Subscribe struct{ SubscribedOnly Place }

// CompareCopies: if the mailbox Old was renamed to New, it has since been copied as a
// new mailbox: Side has the copies NewCopy and OldCopy.
type CompareCopies struct {
	Old, New         string
	Side             syncstate.Side
	NewCopy, OldCopy string
}

// ChangeChannel: if the mailbox Old was renamed to New, Keyword of the channel has to name
// the new one.
type ChangeChannel struct {
	Old, New       string
	Keyword, Value string
	Channel        string
	InConfig       Place // of Keyword
	Commands       []string
}

// RenameCounterpart: if the mailbox Old was renamed to New, its counterpart on Side has to
// be renamed, too.
type RenameCounterpart struct {
	Old, New string
	Side     syncstate.Side
	// ByHand is the renaming that the user must do with a mail program before running
	// Commands.
	ByHand   Renaming
	Commands []string
	// Pattern, if not "", must be added to Patterns.
	Pattern  string
	Patterns Place
}

// Renaming is a mailbox that is to be renamed in a store; the zero value is none.
type Renaming struct{ From, To, Store string }

// UndoRenaming: the renaming can be undone.
type UndoRenaming struct{ Commands []string }

// RenameFar: if the near side mailbox Old was renamed to New, the far side one has to
// be renamed, too.
type RenameFar struct {
	Old, New string
	Renaming Renaming
}

// CreateAgain: the mailbox can be created again on Side, with the messages of the other
// side. Messages is their number; negative: unknown.
type CreateAgain struct {
	Side     syncstate.Side
	Messages int
	Commands []string
}

// RemoveCounterpart: the mailbox Box of Side can be removed, too, with its messages.
// Messages is their number; negative: unknown.
type RemoveCounterpart struct {
	Box      string
	Side     syncstate.Side
	Messages int
	// Store, if not "", is the store where the user must delete the messages with a
	// mail program before running Commands.
	Store    string
	Commands []string
}

// ShowMore: there are more mailboxes; Command shows the steps for each.
type ShowMore struct{ Command string }

func (MountStore) isGoneStep()        {}
func (ListStore) isGoneStep()         {}
func (Subscribe) isGoneStep()         {}
func (CompareCopies) isGoneStep()     {}
func (ChangeChannel) isGoneStep()     {}
func (RenameCounterpart) isGoneStep() {}
func (UndoRenaming) isGoneStep()      {}
func (RenameFar) isGoneStep()         {}
func (CreateAgain) isGoneStep()       {}
func (RemoveCounterpart) isGoneStep() {}
func (ShowMore) isGoneStep()          {}
