package ui

import (
	"fmt"
	"strings"

	"isync/internal/event"
)

const orExclude = ", or leave the mailbox out with Patterns"

// nameHints are about names of mailboxes.
var nameHints = []wording{
	hints(goneHint),
	hints(func(f event.NameHasFlatten) string {
		return "choose a Flatten" + placeText(f.Flatten) + " that is in no name, or " + excludeText(f.Exclude)
	}),
	hints(func(f event.NameOfMapInbox) string {
		return "choose another MapInbox" + placeText(f.MapInbox) + ", or rename the mailbox"
	}),
	hints(func(f event.NameReserved) string {
		return "rename it on the other side, or " + excludeText(f.Exclude)
	}),
	hints(func(f event.NameTwice) string { return excludeText(f.Exclude) }),
	hints(func(f event.NameNotInChannel) string {
		return `give it a channel of its own, without Patterns, and leave it out here: add "!" at the end of Patterns` + placeText(f.Patterns)
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
		text := "mbsync -ls " + f.Stores[0] + " " + f.Stores[1] + " lists the mailboxes"
		for _, p := range f.SubscribedOnly {
			text += "; because of SubscribedOnly" + placeText(p) + " that is only what you have subscribed to"
		}
		return text
	}),
	hints(func(f event.UseNotFound) string {
		list := "mbsync -ls " + f.Store + " lists the mailboxes"
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
		return fmt.Sprintf("add to %s: SubFolders %s (mailboxes that are there are to be found in this way)", here, f.Style)
	}),
	hints(func(f event.PathNeeded) string {
		return "add a line Path to " + f.Section + placeText(f.At) + ", with the directory for mailboxes other than INBOX; or select nothing but the inbox: Patterns INBOX"
	}),
	hints(func(f event.NameNotInLayout) string {
		return "SubFolders Verbatim, instead of what there is" + placeText(f.SubFolders) + ", takes any name, but needs the mailboxes to be moved" + orExclude
	}),
	hint[event.NameHasDelimiter]("rename it, or use Flatten on the other side if this should be a level" + orExclude),
	hints(func(f event.NoHierarchy) string {
		return "add a line Flatten to " + f.Section + placeText(f.At) + ", with a character to stand for the levels" + orExclude
	}),
	hints(func(f event.NameOfInbox) string {
		if f.Spelling {
			return "the inbox is called INBOX, in capital letters; if it is another mailbox, rename it" + orExclude
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
	return fmt.Sprintf(`leave it out: add "!%s" to Patterns%s`, e.Name, placeText(e.Patterns))
}

// placeText returns a place in parentheses, if it is one.
func placeText(p event.Place) string {
	if p == (event.Place{}) {
		return ""
	}
	return " (" + p.String() + ")"
}
