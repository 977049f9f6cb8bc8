package ui

import (
	"fmt"
	"strings"

	"isync/internal/event"
)

// goneSection is where the manual tells more about mailboxes that are gone.
const goneSection = "see MAILBOXES THAT ARE GONE in mbsync(1)"

// goneHint says what the user may do about mailboxes that are gone, one line for each
// step.
func goneHint(f event.MailboxGone) string {
	lines := make([]string, len(f.Steps))
	for i, s := range f.Steps {
		lines[i] = goneStepText(s)
	}
	return strings.Join(lines, "\n")
}

func goneStepText(s event.GoneStep) string {
	switch s := s.(type) {
	case event.MountStore:
		return fmt.Sprintf("if a file system belongs to '%s', mount it and run mbsync again; change nothing before. If the mailboxes were removed on purpose, %s", s.Dir, goneSection)
	case event.ListStore:
		return fmt.Sprintf("list the mailboxes: %s; if they have other names now, correct Path%s or %s%s. Change nothing before you know the reason. If the mailboxes were removed on purpose, %s",
			s.Command, placeText(s.Path), s.Keyword, placeText(s.InConfig), goneSection)
	case event.Subscribe:
		return "subscribe to it with a mail program, or remove SubscribedOnly" + placeText(s.SubscribedOnly)
	case event.CompareCopies:
		return fmt.Sprintf("if '%s' was renamed to '%s': %s side mailbox '%s' is a new copy of it, and '%s' is the old copy; compare them, then remove the old copy as shown below",
			s.Old, s.New, s.Side, s.NewCopy, s.OldCopy)
	case event.ChangeChannel:
		line := fmt.Sprintf("if '%s' was renamed to '%s': write %s %s in channel '%s'%s", s.Old, s.New, s.Keyword, s.Value, s.Channel, placeText(s.InConfig))
		if len(s.Commands) > 0 {
			line += ", and: " + commandsText(s.Commands)
		}
		return line
	case event.RenameCounterpart:
		return renameText(s)
	case event.UndoRenaming:
		return "to undo the renaming: " + commandsText(s.Commands)
	case event.RenameFar:
		return fmt.Sprintf("if the near side mailbox '%s' was renamed to '%s': %s", s.Old, s.New, renamingText(s.Renaming))
	case event.CreateAgain:
		return fmt.Sprintf("to create it again on the %s side, with the %s of the %s side: %s", s.Side, messagesText(s.Messages), s.Side.Other(), commandsText(s.Commands))
	case event.RemoveCounterpart:
		return removeText(s)
	case event.ShowMore:
		return "these commands are for the first mailbox; " + s.Command + " shows them for each mailbox"
	}
	return ""
}

// renameText says how to rename the other mailbox.
func renameText(s event.RenameCounterpart) string {
	how := ""
	if s.ByHand != (event.Renaming{}) {
		how = renamingText(s.ByHand)
		if len(s.Commands) > 0 {
			how += ", then: "
		}
	}
	line := fmt.Sprintf("if '%s' was renamed to '%s', do so on the %s side: %s%s", s.Old, s.New, s.Side, how, commandsText(s.Commands))
	if s.Pattern != "" {
		line += fmt.Sprintf("; and add %s to Patterns%s", s.Pattern, placeText(s.Patterns))
	}
	return line
}

// removeText says how to remove the other mailbox, which has to be empty.
func removeText(s event.RemoveCounterpart) string {
	what := fmt.Sprintf("to remove '%s' from the %s side, too", s.Box, s.Side)
	if s.Messages != 0 {
		what += ", with its " + messagesText(s.Messages) + ", permanently"
	}
	if s.Store != "" {
		return fmt.Sprintf("%s: delete these messages in %s with a mail program, then: %s", what, s.Store, commandsText(s.Commands))
	}
	return what + ": " + commandsText(s.Commands)
}

func renamingText(r event.Renaming) string {
	return fmt.Sprintf("rename '%s' to '%s' in %s with a mail program", r.From, r.To, r.Store)
}

// commandsText joins commands; each is run if the one before it has succeeded.
func commandsText(commands []string) string { return strings.Join(commands, " && ") }

// messagesText returns a number of messages as text, also if it is unknown.
func messagesText(n int) string {
	if n < 0 {
		return "message(s)"
	}
	return fmt.Sprintf("%d message(s)", n)
}
