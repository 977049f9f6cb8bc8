package cli

import (
	"fmt"
	"strings"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/ui"
)

// tryHelp is the advice for unusable command lines.
const tryHelp = "'mbsync --help' lists the options, mbsync(1) explains them"

// noChannelNamed says what to do about a command line without channels.
var noChannelNamed = ui.Problem{
	Text: "no channel was named",
	Hint: "name channels or groups, or use -a for all channels; " + tryHelp,
}

// selectChannels returns the channels that the command line is about, each with
// what may be done, or everything that is wrong with that.
func selectChannels(cfg *config.Config, c *commandLine) ([]channel.Selection, []ui.Problem) {
	var s selector
	s.cfg = cfg
	switch {
	case c.all && len(cfg.Channels) == 0:
		s.problem("", "no channels are configured in "+cfg.File, "")
	case c.all:
		for _, ch := range cfg.Channels {
			s.add(ch, nil, "channel '"+ch.Name+"'", ch.At)
		}
	}
	if !c.all {
		for _, name := range c.names {
			s.named(name)
		}
	}
	s.override(c)
	return s.out, s.problems
}

// selector collects channels.
type selector struct {
	cfg      *config.Config
	out      []channel.Selection
	problems []ui.Problem
}

func (s *selector) problem(place, text, hint string) {
	s.problems = append(s.problems, ui.Problem{Place: place, Text: text, Hint: hint})
}

// named adds what a word of the command line names.
func (s *selector) named(word string) {
	// Groups hide channels of the same name.
	if g := s.cfg.Group(word); g != nil {
		for _, m := range g.Members {
			if m.Channel == nil {
				s.problem(m.Pos.String(), fmt.Sprintf("group '%s' names channel '%s', which does not exist", g.Name, m.Name), "")
				continue
			}
			s.add(m.Channel, m.Boxes, fmt.Sprintf("channel '%s'", m.Name), m.Pos)
		}
		return
	}
	ref, ok := config.ParseChannelRef(word, true)
	if !ok {
		s.problem("", fmt.Sprintf("malformed argument '%s'", word), "write channel:mailbox,mailbox")
		return
	}
	ch := s.cfg.Channel(ref.Name)
	switch {
	case ch != nil:
		s.add(ch, ref.Boxes, fmt.Sprintf("channel '%s'", ref.Name), config.Pos{})
	case ref.Boxes != nil && s.cfg.Group(ref.Name) != nil:
		s.problem("", fmt.Sprintf("'%s' is a group, whose mailboxes cannot be named", ref.Name), "")
	default:
		s.problem("", fmt.Sprintf("there is no channel or group '%s' in %s", ref.Name, s.cfg.File), s.known(ref.Name))
	}
}

// known gives advice when a name is unknown.
func (s *selector) known(name string) string {
	var names []string
	for _, g := range s.cfg.Groups {
		names = append(names, g.Name)
	}
	for _, ch := range s.cfg.Channels {
		names = append(names, ch.Name)
	}
	best, bestAt := "", 3
	for _, n := range names {
		if d := distance(strings.ToLower(name), strings.ToLower(n), bestAt); d < bestAt {
			best, bestAt = n, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean '%s'?", best)
	}
	const max = 10
	if len(names) > max {
		names = append(names[:max:max], "...")
	}
	return "there are: " + strings.Join(names, ", ")
}

// add adds a channel, unless what is asked for is selected already.
func (s *selector) add(ch *config.Channel, boxes []string, what string, pos config.Pos) {
	if boxes != nil && len(ch.Patterns) == 0 {
		s.problem(pos.String(), what+" has no Patterns, so it is one pair of mailboxes, and none can be named",
			"name the channel alone, or give it Patterns ("+ch.At.String()+")")
		return
	}
	for _, o := range s.out {
		if o.Channel == ch && o.Boxes == nil {
			return
		}
	}
	s.out = append(s.out, channel.Selection{Channel: ch, Boxes: boxes})
}

// override works the operations of the command line into the selection.
func (s *selector) override(c *commandLine) {
	over, errs := c.ops.Build()
	for _, e := range errs {
		with := ""
		if e.Kind == config.ConflictingOps {
			with = fmt.Sprintf(" ('%s')", c.spelled[e.With])
		}
		s.problem("", fmt.Sprintf("option '%s': %v%s", c.spelled[e.Ref], e, with), tryHelp)
	}
	for i := range s.out {
		sel := &s.out[i]
		sel.Ops = over.Over(sel.Channel.Ops)
		if err := sel.Ops.Check(); err != nil {
			s.problem(sel.Channel.At.String(), fmt.Sprintf("channel '%s' with the options of the command line: %v", sel.Channel.Name, err),
				"-X- turns off Expunge, -x- turns off ExpungeSolo")
		}
	}
}
