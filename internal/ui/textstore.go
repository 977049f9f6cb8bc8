package ui

import (
	"fmt"
	"path/filepath"
	"time"

	"isync/internal/event"
)

// Hints that several facts about files share.
const (
	hintNotMail = "move it elsewhere: cur and new are only for messages"
	hintNotUTF8 = "rename it to UTF-8, for example with convmv"
	hintLink    = "if the symbolic link is a mistake, remove it"
)

// maildirWordings are about Maildir stores. Each is shown with the name of the store in
// front.
var maildirWordings = []wording{
	says(func(f event.SubFoldersUnset) string {
		why := ", as there are no sub-folders yet"
		if f.Like != "" {
			why = ", as in '" + f.Like + "'"
		}
		return fmt.Sprintf("SubFolders is not set; using %s%s: add the line 'SubFolders %s'", f.Style, why, f.Style)
	}),
	advises(func(f event.NotAMessage) (string, string) {
		if f.Err == nil {
			return fmt.Sprintf("ignoring '%s': not a file", f.Path), hintNotMail
		}
		return fmt.Sprintf("ignoring '%s': %v", f.Path, f.Err), hintNotMail
	}),
	advises(func(f event.MessageNotNumbered) (string, string) {
		return fmt.Sprintf("ignoring '%s', which cannot be given a UID: %v", f.Path, f.Err), "ask its owner to run mbsync or to rename it"
	}),
	advises(func(f event.MessageInaccessible) (string, string) {
		return fmt.Sprintf("cannot access '%s': %v", f.Path, f.Err), hintNotMail
	}),
	advises(func(f event.HeaderUnreadable) (string, string) {
		what := fmt.Sprintf("cannot read the header of message %d in mailbox '%s': ", f.UID, f.Box)
		if f.Err == nil {
			return what + fmt.Sprintf("'%s' is not a file", f.Path), hintNotMail
		}
		return what + f.Err.Error(), ""
	}),
	advises(func(f event.BoxNameReserved) (string, string) {
		return fmt.Sprintf("ignoring mailbox '%s': names ending in '.lock' are reserved", f.Box), "rename it if it is to be synchronized"
	}),
	advises(func(f event.InboxElsewhere) (string, string) {
		return fmt.Sprintf("ignoring '%s': INBOX is in '%s'", f.Path, f.Inbox), "if this is the inbox, write: Inbox " + f.Path + "; otherwise rename it"
	}),
	advises(func(f event.BoxNameNotUTF8) (string, string) {
		return fmt.Sprintf("ignoring '%q': its name is not valid UTF-8", f.Path), hintNotUTF8
	}),
	advises(func(f event.BoxIncomplete) (string, string) {
		return fmt.Sprintf("ignoring '%s': it has 'new' and 'tmp', but no 'cur', which a mailbox needs", f.Path), "if it is a mailbox, complete it: mkdir '" + filepath.Join(f.Path, "cur") + "'"
	}),
	advises(func(f event.BoxNamePartEmpty) (string, string) {
		return fmt.Sprintf("ignoring '%s': a part of its name is empty", f.Path), "rename it: use one dot between the parts of a name"
	}),
	advises(func(f event.InboxFolderName) (string, string) {
		return fmt.Sprintf("ignoring '%s': sub-folders of INBOX are named '..sub'", f.Path), "rename it, so that it begins with two dots in place of '.INBOX.'"
	}),
	advises(func(f event.DirectoryUnreadable) (string, string) {
		return fmt.Sprintf("ignoring '%s': %v", f.Path, f.Err), "if it contains mailboxes, make it readable; otherwise move it elsewhere"
	}),
	advises(func(f event.LinkLoop) (string, string) {
		return fmt.Sprintf("ignoring '%s': symbolic link loop, same directory as '%s'", f.Path, f.Target), hintLink
	}),
	advises(func(f event.TooManyLinks) (string, string) {
		return fmt.Sprintf("ignoring the contents of '%s': more than %d symbolic links lead to this directory", f.Path, f.Most), hintLink
	}),
	advises(func(event.MoreLinksIgnored) (string, string) {
		return "ignoring more directories that symbolic links lead to", "if these symbolic links are a mistake, remove them"
	}),
	says(func(f event.UIDsReassigned) string {
		return fmt.Sprintf("mailbox '%s': %d message(s) get a new UID: %v", f.Box, f.Count, f.Err)
	}),
	says(func(f event.UIDValidityCreated) string {
		if f.Box != "" {
			return fmt.Sprintf("mailbox '%s' has no UIDVALIDITY, creating a new one", f.Box)
		}
		return fmt.Sprintf("'%s' has no UIDVALIDITY, creating a new one", f.Dir)
	}),
	advises(func(f event.LeftOverNotRemoved) (string, string) {
		return fmt.Sprintf("cannot remove the leftover file '%s': %v", f.Path, f.Err), "ask its owner to remove it"
	}),
	says(func(f event.LeftOversRemoved) string {
		return fmt.Sprintf("removed %d file(s) older than 24 hours from '%s'", f.Count, f.Dir)
	}),
	says(func(f event.OutdatedFileRenamed) string {
		return fmt.Sprintf("renamed the outdated '%s' to '%s'", f.Path, f.Name)
	}),
	advises(func(f event.LocalPolling) (string, string) {
		why, hint := f.Err.Error(), ""
		if f.Sysctl != "" {
			why = "the limit " + f.Sysctl + " is reached"
			hint = "to show the limit: sysctl " + f.Sysctl + "\nto raise it: sudo sysctl " + f.Sysctl + "=NUMBER, and write " + f.Sysctl + "=NUMBER to a file in /etc/sysctl.d"
		}
		return fmt.Sprintf("the operating system does not report changes of some directories, so they are polled every %v seconds: %s", f.Interval.Seconds(), why), hint
	}),
	says(func(f event.WaitingForProgram) string {
		return fmt.Sprintf("waiting for another program that uses '%s'", f.Dir)
	}),
	says(func(f event.WaitingForChanges) string {
		return fmt.Sprintf("waiting %v because mailbox '%s' was modified just now", f.Wait.Round(time.Millisecond), f.Box)
	}),
	says(func(f event.UIDMapTakenOver) string {
		return fmt.Sprintf("took over the %d UID(s) in '%s'", f.Count, f.Path)
	}),
}

// imapWordings are about IMAP stores. Each is shown with the name of the store in front.
var imapWordings = []wording{
	advises(func(f event.ConnectionsLimited) (string, string) {
		return fmt.Sprintf("the server refused another connection, so mbsync continues with %d: %v", f.Count, f.Err),
			fmt.Sprintf("to avoid this, write Connections %d in the section of the account", f.Count)
	}),
	says(func(f event.LineMeasured) string {
		then := "the messages are not compressed"
		if f.Compress {
			then = "the messages are compressed from now on"
		}
		return fmt.Sprintf("the connection transfers %.1f MB/s: %s", f.Rate/1e6, then)
	}),
	says(func(f event.TryingAgain) string {
		what := ""
		if f.Box != "" {
			what = "mailbox '" + f.Box + "': "
		}
		then := "trying again"
		if f.Throttled {
			then = "the server limits the rate of requests: trying again"
		}
		if f.Wait >= time.Second/2 {
			then += " in " + f.Wait.Round(time.Second).String()
		}
		return what + OneLine(f.Err.Error()) + "; " + then
	}),
	advises(func(f event.UIDValidityNotReported) (string, string) {
		return fmt.Sprintf("the server of store '%s' does not report the UIDVALIDITY of mailbox '%s'", f.Store, f.Box),
			"if the mailbox is deleted and created again, or gets new UIDs, mbsync cannot detect it and may confuse messages"
	}),
	advises(func(f event.BoxRefused) (string, string) {
		return fmt.Sprintf("refusing mailbox %q: %v", f.Name, f.Err), "ask the administrator of the server to rename or remove it"
	}),
	advises(func(f event.BoxIgnored) (string, string) {
		return fmt.Sprintf("ignoring mailbox %q: %v", f.Name, f.Err), "rename it on the server if it is to be synchronized"
	}),
	advises(func(f event.BoxNameTwice) (string, string) {
		return fmt.Sprintf("ignoring mailbox %q: it has the same name as %q", f.Name, f.Other), "rename one of them on the server"
	}),
	says(func(f event.ServerAlert) string { return "alert from the server: " + f.Text }),
	says(func(f event.ServerMessage) string { return "message from the server: " + f.Text }),
	says(func(f event.MoreServerMessages) string {
		return fmt.Sprintf("the server sent more than %d alerts and messages; the others are not shown", f.Most)
	}),
	says(unsupportedText),
	says(func(f event.PasswordInClear) string {
		text := "the password is sent in clear text over an unencrypted connection"
		if f.Token {
			text = "the token is sent in clear text over an unencrypted connection"
		}
		if f.Also.Names != "" {
			text = unsupportedText(f.Also) + "; " + text
		}
		return text
	}),
	says(func(f event.MoreBoxesIgnored) string {
		return fmt.Sprintf("more than %d mailbox names of the server are ignored; the others are not shown", f.Most)
	}),
}

// unsupportedText says which mechanisms are not supported.
func unsupportedText(f event.MechanismsUnsupported) string {
	return fmt.Sprintf("AuthMechs names %s, which is not supported; using %s instead", f.Names, f.Using)
}
