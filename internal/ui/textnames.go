package ui

import (
	"fmt"
	"strings"

	"isync/internal/event"
)

const orExclude = ", or exclude the mailbox with Patterns"

// nameHints are about names of mailboxes.
var nameHints = []wording{
	hints(goneHint),
	hints(func(f event.NameHasFlatten) string {
		return "set Flatten" + placeText(f.Flatten) + " to a delimiter that no name contains, or " + excludeText(f.Exclude)
	}),
	hints(func(f event.NameOfMapInbox) string {
		return "choose another MapInbox" + placeText(f.MapInbox) + ", or rename the mailbox"
	}),
	hints(func(f event.NameReserved) string {
		return "rename it on the other side, or " + excludeText(f.Exclude)
	}),
	hints(func(f event.NameTwice) string { return excludeText(f.Exclude) }),
	hints(func(f event.NameNotInChannel) string {
		return `give it a channel of its own, without Patterns, and exclude it here: add "!" at the end of Patterns` + placeText(f.Patterns)
	}),
	hint[event.NameOfOldVersion](""), // the error says what to do
	hints(func(f event.PatternsMatchNothing) string {
		line := "Patterns " + strings.Join(f.Line, " ")
		switch {
		case f.Line != nil && f.Sure:
			return "write: " + line
		case f.Line != nil:
			return "if blanks are part of a name, write: " + line
		}
		text := "to list the mailboxes: " + f.List
		for _, p := range f.SubscribedOnly {
			text += "; with SubscribedOnly" + placeText(p) + ", it lists only subscribed mailboxes"
		}
		return text
	}),
	hints(func(f event.UseNotFound) string {
		list := "to list the mailboxes: " + f.List
		switch {
		case len(f.Boxes) > 1:
			return "write the name of one of them instead of " + f.Word + placeText(f.Line)
		case f.Was != "":
			return "if the mail is still in '" + f.Was + "', give it the use on the server again, or write this name instead of " + f.Word + placeText(f.Line) + "; " + list
		case f.Keyword == "Patterns":
			return "write the name of the mailbox instead of " + f.Word + placeText(f.Line) + ", or remove the word; " + list
		}
		return "write the name of the mailbox instead of " + f.Word + placeText(f.Line) + "; " + list
	}),
	hints(func(f event.UseMoved) string {
		other := "give the use to that mailbox again on the server"
		if f.Was != "" {
			other = "give the use to '" + f.Was + "' again on the server, or write this name in the configuration"
		}
		return "nothing was changed; " + other + "; to synchronize '" + f.Now + "' from now on, remove the sync state: " + f.Command +
			" (the next run pairs the messages that both sides have, unless Adopt is no, and copies all others)"
	}),
	hints(func(f event.SubFoldersNeeded) string {
		here := f.Section + placeText(f.At)
		if f.Style == "Maildir++" {
			return "add to " + here + ": SubFolders Maildir++"
		}
		return fmt.Sprintf("add to %s: SubFolders %s (this is the layout of the existing mailboxes)", here, f.Style)
	}),
	hints(func(f event.PathNeeded) string {
		return "add a line Path to " + f.Section + placeText(f.At) + ", with the directory for mailboxes other than INBOX; or select only INBOX: Patterns INBOX"
	}),
	hints(func(f event.NameNotInLayout) string {
		return "set SubFolders Verbatim" + placeText(f.SubFolders) + ", which allows any name, and move the existing mailboxes" + orExclude
	}),
	hint[event.NameHasDelimiter]("rename it, or set Flatten in the other store" + orExclude),
	hints(func(f event.NoHierarchy) string {
		return "add a line Flatten to " + f.Section + placeText(f.At) + ", with a character to use instead of /" + orExclude
	}),
	hints(func(f event.NameOfInbox) string {
		if f.Spelling {
			return "write INBOX in capital letters for the inbox; if this is another mailbox, rename it" + orExclude
		}
		return "rename it" + orExclude
	}),
	hint[event.NameImpossible]("rename it on the other side" + orExclude),
}

// excludeText says how to exclude a mailbox.
func excludeText(e event.Exclude) string {
	if e.Name == "" {
		return ""
	}
	return fmt.Sprintf(`exclude it: add "!%s" to Patterns%s`, e.Name, placeText(e.Patterns))
}

// placeText returns a place in parentheses, if it is one.
func placeText(p event.Place) string {
	if p == (event.Place{}) {
		return ""
	}
	return " (" + p.String() + ")"
}
