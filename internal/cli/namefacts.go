package cli

import (
	"errors"
	"strings"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/store"
)

// aboutNames diagnoses errors of mailboxes whose names cannot be used.
func (d *diagnosis) aboutNames() event.Fact {
	if e, ok := errors.AsType[*channel.NameError](d.err); ok {
		return aboutChannelName(e)
	}
	if e, ok := errors.AsType[*channel.PatternError](d.err); ok {
		return d.aboutPatterns(e)
	}
	if e, ok := errors.AsType[*channel.UseError](d.err); ok {
		return event.UseNotFound{
			Word: "Special:" + e.Use, Keyword: e.Keyword, Line: placeOf(e.Pos), Boxes: e.Boxes, Was: e.Was,
			List: commandLineFor(d.configFile, "-ls", e.Store.Name),
		}
	}
	if e, ok := errors.AsType[*engine.UseMovedError](d.err); ok {
		return event.UseMoved{Was: e.Was, Now: e.Now, Command: removal(e.StatePath)}
	}
	e, ok := errors.AsType[*store.NameError](d.err)
	if !ok || d.store == nil {
		return nil
	}
	section, at := d.store.Label(), placeOf(d.store.At)
	switch e.Reason {
	case store.NameNested:
		return event.SubFoldersNeeded{Section: section, At: at, Style: e.Style}
	case store.NameNoPath:
		return event.PathNeeded{Section: section, At: at}
	case store.NameLayout:
		return event.NameNotInLayout{SubFolders: placeOf(d.store.Pos("SubFolders"))}
	case store.NameDelimiter:
		return event.NameHasDelimiter{}
	case store.NameFlat:
		return event.NoHierarchy{Section: section, At: at}
	case store.NameInbox:
		return event.NameOfInbox{Spelling: strings.EqualFold(e.Name, mail.Inbox)}
	case store.NameSystem, store.NameTaken, store.NameReserved:
		return event.NameImpossible{}
	}
	return nil
}

// removal returns the command that removes a sync state.
func removal(path string) string {
	words := []string{"rm", "-f", shellQuote(path)}
	for _, suffix := range []string{engine.NewSuffix, engine.JournalSuffix, engine.NotesSuffix} {
		words = append(words, shellQuote(path+suffix))
	}
	return strings.Join(words, " ")
}

// aboutPatterns describes Patterns that match no mailbox.
func (d *diagnosis) aboutPatterns(e *channel.PatternError) event.Fact {
	far, near := e.Channel.Far.Store, e.Channel.Near.Store
	f := event.PatternsMatchNothing{Line: e.Line, Sure: e.Sure, List: commandLineFor(d.configFile, "-ls", far.Name, near.Name)}
	for _, s := range []*config.Store{far, near} {
		if s.IMAP != nil && s.IMAP.SubscribedOnly {
			f.SubscribedOnly = append(f.SubscribedOnly, placeOf(s.Pos("SubscribedOnly")))
		}
	}
	return f
}

// aboutChannelName describes mailboxes that have no name in a channel.
func aboutChannelName(e *channel.NameError) event.Fact {
	var exclude event.Exclude
	if e.Channel != nil && e.Name != "" {
		exclude = event.Exclude{Name: e.Name, Patterns: placeOf(e.Channel.Pos("Patterns"))}
	}
	switch e.Reason {
	case channel.NameFlattened:
		return event.NameHasFlatten{Flatten: placeOf(e.Store.Pos("Flatten")), Exclude: exclude}
	case channel.NameMapped:
		return event.NameOfMapInbox{MapInbox: placeOf(e.Store.Pos("MapInbox"))}
	case channel.NameReserved:
		return event.NameReserved{Exclude: exclude}
	case channel.NameTwice:
		return event.NameTwice{Exclude: exclude}
	case channel.NameMissing:
		if e.Channel == nil {
			return nil
		}
		return event.NameNotInChannel{Patterns: placeOf(e.Channel.Pos("Patterns"))}
	case channel.NameOld:
		return event.NameOfOldVersion{}
	}
	return nil
}
