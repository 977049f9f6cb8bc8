package cli

import (
	"errors"
	"fmt"
	"strings"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/mail"
	"isync/internal/store"
)

// aboutNames advises about mailboxes that cannot go by their names.
func (a *adviser) aboutNames() string {
	if e, ok := errors.AsType[*channel.NameError](a.err); ok {
		return adviseChannelName(e)
	}
	if e, ok := errors.AsType[*channel.PatternError](a.err); ok {
		return advisePatterns(e)
	}
	e, ok := errors.AsType[*store.NameError](a.err)
	if !ok || a.store == nil {
		return ""
	}
	here := labelAt(a.store)
	const orExclude = ", or leave the mailbox out with Patterns"
	switch e.Reason {
	case store.NameNested:
		if e.Style == "Maildir++" {
			return "add to " + here + ": SubFolders Maildir++"
		}
		return fmt.Sprintf("add to %s: SubFolders %s (mailboxes that are there are to be found in this way)", here, e.Style)
	case store.NameNoPath:
		return "add a line Path to " + here + ", with the directory for mailboxes other than INBOX; or select nothing but the inbox: Patterns INBOX"
	case store.NameLayout:
		return "SubFolders Verbatim, instead of what there is" + at(a.store, "SubFolders") + ", takes any name, but needs the mailboxes to be moved" + orExclude
	case store.NameDelimiter:
		return "rename it, or use Flatten on the other side if this should be a level" + orExclude
	case store.NameFlat:
		return "add a line Flatten to " + here + ", with a character to stand for the levels" + orExclude
	case store.NameInbox:
		if strings.EqualFold(e.Name, mail.Inbox) {
			return "the inbox is called INBOX, in capital letters; if it is another mailbox, rename it" + orExclude
		}
		return "rename it" + orExclude
	case store.NameSystem, store.NameTaken, store.NameReserved:
		return "rename it on the other side" + orExclude
	}
	return ""
}

// advisePatterns advises about names of mailboxes that are nowhere.
func advisePatterns(e *channel.PatternError) string {
	line := "Patterns " + strings.Join(e.Line, " ")
	switch {
	case e.Line != nil && e.Sure:
		return "write: " + line
	case e.Line != nil:
		return "if blanks are part of a name, write: " + line
	}
	text := "mbsync -ls " + e.Channel.Far.Store.Name + " " + e.Channel.Near.Store.Name + " lists the mailboxes"
	for _, s := range []*config.Store{e.Channel.Far.Store, e.Channel.Near.Store} {
		if s.IMAP != nil && s.IMAP.SubscribedOnly {
			text += "; because of SubscribedOnly" + at(s, "SubscribedOnly") + " that is only what you have subscribed to"
		}
	}
	return text
}

func adviseChannelName(e *channel.NameError) string {
	exclude := ""
	if e.Channel != nil && e.Name != "" {
		exclude = fmt.Sprintf(`leave it out: add "!%s" to Patterns%s`, e.Name, pos(e.Channel.Pos("Patterns")))
	}
	switch e.Reason {
	case channel.NameFlattened:
		return "choose a Flatten" + at(e.Store, "Flatten") + " that is in no name, or " + exclude
	case channel.NameMapped:
		return "choose another MapInbox" + at(e.Store, "MapInbox") + ", or rename the mailbox"
	case channel.NameReserved:
		return "rename it on the other side, or " + exclude
	case channel.NameTwice:
		return exclude
	case channel.NameMissing:
		if e.Channel == nil {
			return ""
		}
		return fmt.Sprintf("give it a channel of its own, without Patterns, and leave it out here: add \"!\" at the end of Patterns%s", pos(e.Channel.Pos("Patterns")))
	case channel.NameOld: // it says itself what to do
	}
	return ""
}

// labelAt names a store with its place.
func labelAt(s *config.Store) string { return s.Label() + pos(s.At) }

// at returns where a keyword of a store was given.
func at(s *config.Store, keyword string) string { return pos(s.Pos(keyword)) }

// pos returns a place in parentheses, if it is one.
func pos(p config.Pos) string {
	if !p.IsSet() {
		return ""
	}
	return " (" + p.String() + ")"
}
