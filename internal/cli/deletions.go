package cli

import (
	"slices"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/event"
	"isync/internal/plan"
	"isync/internal/syncstate"
)

// pairScope is the set of mailbox pairs that an option applies to.
type pairScope struct {
	all   bool     // all selected pairs
	words []string // channels, groups, and mailboxes of channels
}

func (s *pairScope) given() bool { return s.all || len(s.words) > 0 }

// deletions applies --allow-deletions and --restore-deleted to the selection. It also selects the
// mailboxes that their arguments name.
func (s *selector) deletions(c *commandLine) {
	scope, what := c.allow, plan.Allowed
	if c.restore.given() {
		scope, what = c.restore, plan.Restored
	}
	if !scope.given() {
		return
	}
	named := selector{cfg: s.cfg}
	for _, word := range scope.words {
		named.named(word)
	}
	s.problems = append(s.problems, named.problems...)
	for _, n := range named.out {
		s.also(n.Channel, n.Boxes)
	}
	for i := range s.out {
		sel := &s.out[i]
		if scope.all {
			sel.Deletions = channel.DeletionScope{What: what, All: true}
			continue
		}
		for _, n := range named.out {
			if n.Channel != sel.Channel {
				continue
			}
			sel.Deletions.What = what
			sel.Deletions.All = sel.Deletions.All || n.Boxes == nil
			sel.Deletions.Boxes = append(sel.Deletions.Boxes, n.Boxes...)
		}
	}
}

// also selects the mailboxes of a channel that are not yet selected by name.
func (s *selector) also(ch *config.Channel, boxes []string) {
	var left []string
	for _, b := range boxes {
		if !slices.ContainsFunc(s.out, func(o channel.Selection) bool { return o.Channel == ch && slices.Contains(o.Boxes, b) }) {
			left = append(left, b)
		}
	}
	if boxes == nil || len(left) > 0 {
		s.add(ch, left, config.Pos{})
	}
}

// aboutDeletions returns the options of the user for deletions that were not propagated, with the
// commands.
func (r *run) aboutDeletions(e *engine.TooManyDeletionsError) event.TooManyDeletions {
	arg := pairArg(e.Pair)
	return event.TooManyDeletions{
		Side: e.Side, Allow: r.command("--allow-deletions", arg), Restore: r.command("--restore-deleted", arg),
	}
}

// aboutHeldBoxes returns the options of the user for mailboxes that are not removed.
func (r *run) aboutHeldBoxes(e *channel.GoneError) event.TooManyDeletions {
	return event.TooManyDeletions{
		Side: syncstate.Side(e.Side.Other()), Boxes: true,
		Allow: r.command("--allow-deletions", e.Channel.Name), Restore: r.command("--restore-deleted", e.Channel.Name),
	}
}
