package cli

import (
	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/event"
)

// selectChannels returns the channels that the command line names, with their operations, or all
// errors.
func selectChannels(cfg *config.Config, c *commandLine) ([]channel.Selection, []event.Message) {
	var s selector
	s.cfg = cfg
	switch {
	case c.all && len(cfg.Channels) == 0:
		s.problem(config.Pos{}, event.NoChannels{File: cfg.File})
	case c.all:
		for _, ch := range cfg.Channels {
			s.add(ch, nil, ch.At)
		}
	}
	if !c.all {
		for _, name := range c.names {
			s.named(name)
		}
	}
	s.deletions(c)
	s.override(c)
	return s.out, s.problems
}

// selector collects channels.
type selector struct {
	cfg      *config.Config
	out      []channel.Selection
	problems []event.Message
}

func (s *selector) problem(pos config.Pos, f event.Fact) {
	s.problems = append(s.problems, event.Message{Severity: event.Error, Place: placeOf(pos), Fact: f})
}

// named adds the channels that a word of the command line names.
func (s *selector) named(word string) {
	// A group hides a channel of the same name.
	if g := s.cfg.Group(word); g != nil {
		for _, m := range g.Members {
			if m.Channel == nil {
				s.problem(m.Pos, event.GroupMemberUnknown{Group: g.Name, Channel: m.Name})
				continue
			}
			s.add(m.Channel, m.Boxes, m.Pos)
		}
		return
	}
	ref, ok := config.ParseChannelRef(word, true)
	if !ok {
		s.problem(config.Pos{}, event.ArgumentMalformed{Word: word})
		return
	}
	ch := s.cfg.Channel(ref.Name)
	switch {
	case ch != nil:
		s.add(ch, ref.Boxes, config.Pos{})
	case ref.Boxes != nil && s.cfg.Group(ref.Name) != nil:
		s.problem(config.Pos{}, event.GroupMailboxes{Group: ref.Name})
	default:
		s.problem(config.Pos{}, s.unknown(ref.Name))
	}
}

// unknown returns a fact about an unknown name, with some known names.
func (s *selector) unknown(name string) event.ChannelUnknown {
	var names []string
	for _, g := range s.cfg.Groups {
		names = append(names, g.Name)
	}
	for _, ch := range s.cfg.Channels {
		names = append(names, ch.Name)
	}
	best := config.Nearest(name, names, maxTypingErrors)
	const max = 10
	if len(names) > max {
		names = append(names[:max:max], "...")
	}
	return event.ChannelUnknown{Name: name, File: s.cfg.File, Meant: best, Known: names}
}

// add adds a channel or some of its mailboxes, unless they are selected already.
func (s *selector) add(ch *config.Channel, boxes []string, pos config.Pos) {
	if boxes != nil && len(ch.Patterns) == 0 {
		s.problem(pos, event.NoPatterns{Channel: ch.Name, At: placeOf(ch.At)})
		return
	}
	for _, o := range s.out {
		if o.Channel == ch && o.Boxes == nil {
			return
		}
	}
	sel := channel.Selection{Channel: ch, Boxes: boxes}
	if ch.Far.Store.IMAP != nil || ch.Near.Store.IMAP != nil {
		sel.Boxes, sel.Uses = usesOf(boxes)
	}
	s.out = append(s.out, sel)
}

// usesOf separates words such as Special:Sent from names of mailboxes.
func usesOf(words []string) (boxes, uses []string) {
	if words == nil {
		return nil, nil
	}
	boxes = []string{}
	for _, w := range words {
		use, name := config.ParseBox(w)
		if use == "" {
			boxes = append(boxes, name)
		} else {
			uses = append(uses, use)
		}
	}
	return boxes, uses
}

// override applies the operations of the command line to the selection.
func (s *selector) override(c *commandLine) {
	over, errs := c.ops.Build()
	for _, e := range errs {
		with := ""
		if e.Kind == config.ConflictingOps {
			with = c.spelled[e.With]
		}
		s.problem(config.Pos{}, event.OptionConflict{Option: c.spelled[e.Ref], Err: e, With: with})
	}
	for i := range s.out {
		sel := &s.out[i]
		sel.Ops = over.Over(sel.Channel.Ops)
		if err := sel.Ops.Check(); err != nil {
			s.problem(sel.Channel.At, event.OperationsConflict{Channel: sel.Channel.Name, Err: err})
		}
	}
}
