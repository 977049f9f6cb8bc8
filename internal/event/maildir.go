package event

import (
	"time"

	"isync/internal/mail"
)

// SubFoldersUnset: SubFolders of a store is not set, so Style is used.
type SubFoldersUnset struct {
	Style string
	Like  string // a directory with that layout; "": there are no sub-folders
}

// Code implements Fact.
func (SubFoldersUnset) Code() Code { return "sub-folders-unset" }

// NotAMessage: an entry of a mailbox's directory is ignored.
type NotAMessage struct {
	Path string
	Err  error // nil: it is not a file
}

// Code implements Fact.
func (NotAMessage) Code() Code { return "not-a-message" }

// MessageNotNumbered: a message gets no UID since its file cannot be renamed.
type MessageNotNumbered struct {
	Path string
	Err  error
}

// Code implements Fact.
func (MessageNotNumbered) Code() Code { return "message-not-numbered" }

// MessageInaccessible: the size of a message cannot be determined.
type MessageInaccessible struct {
	Path string
	Err  error
}

// Code implements Fact.
func (MessageInaccessible) Code() Code { return "message-inaccessible" }

// HeaderUnreadable: the header of a message cannot be read.
type HeaderUnreadable struct {
	Box  string
	UID  mail.UID
	Path string // of an entry that is not a file; "" if Err is set
	Err  error
}

// Code implements Fact.
func (HeaderUnreadable) Code() Code { return "header-unreadable" }

// BoxNameReserved: names that end in '.lock' are those of lock files.
type BoxNameReserved struct {
	Box string
}

// Code implements Fact.
func (BoxNameReserved) Code() Code { return "box-name-reserved" }

// InboxElsewhere: a directory is named INBOX, but Inbox names another one.
type InboxElsewhere struct {
	Path, Inbox string
}

// Code implements Fact.
func (InboxElsewhere) Code() Code { return "inbox-elsewhere" }

// BoxNameNotUTF8: the name of a directory is not valid UTF-8.
type BoxNameNotUTF8 struct {
	Path string
}

// Code implements Fact.
func (BoxNameNotUTF8) Code() Code { return "box-name-not-utf8" }

// BoxIncomplete: a directory has new and tmp, but no cur.
type BoxIncomplete struct {
	Path string
}

// Code implements Fact.
func (BoxIncomplete) Code() Code { return "box-incomplete" }

// BoxNamePartEmpty: there are two dots in a row in the name of a Maildir++ folder, or
// one at its end.
type BoxNamePartEmpty struct {
	Path string
}

// Code implements Fact.
func (BoxNamePartEmpty) Code() Code { return "box-name-part-empty" }

// InboxFolderName: the name of a sub-folder of INBOX in Maildir++ begins with one dot.
type InboxFolderName struct {
	Path string
}

// Code implements Fact.
func (InboxFolderName) Code() Code { return "inbox-folder-name" }

// DirectoryUnreadable: a directory is ignored because of Err.
type DirectoryUnreadable struct {
	Path string
	Err  error
}

// Code implements Fact.
func (DirectoryUnreadable) Code() Code { return "directory-unreadable" }

// LinkLoop: a symbolic link leads to a directory above it, Target.
type LinkLoop struct {
	Path, Target string
}

// Code implements Fact.
func (LinkLoop) Code() Code { return "link-loop" }

// TooManyLinks: more than Most symbolic links lead to a directory.
type TooManyLinks struct {
	Path string
	Most int
}

// Code implements Fact.
func (TooManyLinks) Code() Code { return "too-many-links" }

// MoreLinksIgnored: there are more LinkLoop and TooManyLinks than are reported.
type MoreLinksIgnored struct{}

// Code implements Fact.
func (MoreLinksIgnored) Code() Code { return "more-links-ignored" }

// UIDsReassigned: messages of a mailbox get new UIDs.
type UIDsReassigned struct {
	Box   string
	Count int
	Err   error // what is wrong with the old ones
}

// Code implements Fact.
func (UIDsReassigned) Code() Code { return "uids-reassigned" }

// UIDValidityCreated: a mailbox had no UIDVALIDITY.
type UIDValidityCreated struct {
	Box string // "": Dir is known
	Dir string
}

// Code implements Fact.
func (UIDValidityCreated) Code() Code { return "uidvalidity-created" }

// LeftOverNotRemoved: an old file in tmp cannot be removed.
type LeftOverNotRemoved struct {
	Path string
	Err  error
}

// Code implements Fact.
func (LeftOverNotRemoved) Code() Code { return "left-over-not-removed" }

// LeftOversRemoved: old files in tmp were removed.
type LeftOversRemoved struct {
	Dir   string
	Count int
}

// Code implements Fact.
func (LeftOversRemoved) Code() Code { return "left-overs-removed" }

// OutdatedFileRenamed: a file with UIDs is outdated and was renamed, since the UIDs
// were moved to a database, or back.
type OutdatedFileRenamed struct {
	Path string
	Name string // new
}

// Code implements Fact.
func (OutdatedFileRenamed) Code() Code { return "outdated-file-renamed" }

// WaitingForProgram: another program has locked a mailbox.
type WaitingForProgram struct {
	Dir string
}

// Code implements Fact.
func (WaitingForProgram) Code() Code { return "waiting-for-program" }

// WaitingForChanges: a mailbox was modified so recently that another change could not
// be detected.
type WaitingForChanges struct {
	Box  string
	Wait time.Duration
}

// Code implements Fact.
func (WaitingForChanges) Code() Code { return "waiting-for-changes" }

// UIDMapTakenOver: the UIDs in the database of the C program were copied.
type UIDMapTakenOver struct {
	Path  string
	Count int
}

// Code implements Fact.
func (UIDMapTakenOver) Code() Code { return "uid-map-taken-over" }

// LocalPolling: the system does not report changes of all directories, so some of them are
// looked at every Interval. Sysctl is the setting that limits the watches; "": none.
type LocalPolling struct {
	Interval time.Duration
	Sysctl   string
	Err      error
}

// Code implements Fact.
func (LocalPolling) Code() Code { return "local-polling" }
