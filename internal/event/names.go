package event

import "isync/internal/syncstate"

// The facts of this file are the causes of errors about names of mailboxes.

// Exclude is a pattern that excludes a mailbox.
type Exclude struct {
	Name     string // "": none does
	Patterns Place
}

// NameHasFlatten: a name contains the character that Flatten uses instead of the
// delimiter.
type NameHasFlatten struct {
	Flatten Place
	Exclude Exclude
}

// Code implements Fact.
func (NameHasFlatten) Code() Code { return "name-has-flatten" }

// NameOfMapInbox: a mailbox has the name that MapInbox gives to INBOX.
type NameOfMapInbox struct {
	MapInbox Place
}

// Code implements Fact.
func (NameOfMapInbox) Code() Code { return "name-of-map-inbox" }

// NameReserved: the other store has a file or directory of its own with that name.
type NameReserved struct {
	Exclude Exclude
}

// Code implements Fact.
func (NameReserved) Code() Code { return "name-reserved" }

// NameTwice: two mailboxes would have the same name on the other side.
type NameTwice struct {
	Exclude Exclude
}

// Code implements Fact.
func (NameTwice) Code() Code { return "name-twice" }

// NameNotInChannel: the mailbox has no name within the channel.
type NameNotInChannel struct {
	Patterns Place
}

// Code implements Fact.
func (NameNotInChannel) Code() Code { return "name-not-in-channel" }

// NameOfOldVersion: the mailbox has the name that versions before 1.5 gave it.
type NameOfOldVersion struct{}

// Code implements Fact.
func (NameOfOldVersion) Code() Code { return "name-of-old-version" }

// PatternsMatchNothing: names in Patterns match no mailbox.
type PatternsMatchNothing struct {
	// Line holds the words to write instead, as far as they are known; Sure: they are
	// certain.
	Line []string
	Sure bool
	// List is the command that lists the mailboxes.
	List string
	// SubscribedOnly holds the lines where it is set for the stores.
	SubscribedOnly []Place
}

// Code implements Fact.
func (PatternsMatchNothing) Code() Code { return "patterns-match-nothing" }

// BoxOfUseRenamed: the mailbox with a special use has another name than in the last run.
type BoxOfUseRenamed struct {
	Use      string
	Side     syncstate.Side
	Was, Now string
}

// Code implements Fact.
func (BoxOfUseRenamed) Code() Code { return "box-of-use-renamed" }

// UseMoved: a special use belongs to another mailbox than in the last run. Command removes
// the sync state.
type UseMoved struct{ Was, Now, Command string }

// Code implements Fact.
func (UseMoved) Code() Code { return "use-moved" }

// UseNotFound: no mailbox, or several, have a special use.
type UseNotFound struct {
	// Word is how the configuration names the mailbox, such as Special:Sent; Keyword and Line
	// are where.
	Word, Keyword string
	Line          Place
	// Boxes have the use; none or several. Was is the mailbox of the last run; "": unknown.
	Boxes []string
	Was   string
	// List is the command that lists the mailboxes.
	List string
}

// Code implements Fact.
func (UseNotFound) Code() Code { return "use-not-found" }

// SubFoldersNeeded: the store has nested mailboxes, but SubFolders is not set.
type SubFoldersNeeded struct {
	Section string
	At      Place
	Style   string
}

// Code implements Fact.
func (SubFoldersNeeded) Code() Code { return "sub-folders-needed" }

// PathNeeded: mailboxes other than INBOX need a Path, which is not set.
type PathNeeded struct {
	Section string
	At      Place
}

// Code implements Fact.
func (PathNeeded) Code() Code { return "path-needed" }

// NameNotInLayout: the layout of sub-folders cannot express a name.
type NameNotInLayout struct {
	SubFolders Place
}

// Code implements Fact.
func (NameNotInLayout) Code() Code { return "name-not-in-layout" }

// NameHasDelimiter: a name contains the hierarchy delimiter of the server.
type NameHasDelimiter struct{}

// Code implements Fact.
func (NameHasDelimiter) Code() Code { return "name-has-delimiter" }

// NoHierarchy: the server does not support nested mailboxes.
type NoHierarchy struct {
	Section string
	At      Place
}

// Code implements Fact.
func (NoHierarchy) Code() Code { return "no-hierarchy" }

// NameOfInbox: the name means INBOX, or leads to it.
type NameOfInbox struct {
	Spelling bool // it differs from INBOX only in case
}

// Code implements Fact.
func (NameOfInbox) Code() Code { return "name-of-inbox" }

// NameImpossible: this system does not allow a file or directory of that name.
type NameImpossible struct{}

// Code implements Fact.
func (NameImpossible) Code() Code { return "name-impossible" }
