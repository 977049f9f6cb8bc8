package check

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/store"
)

// maxSamples is how many mailboxes are shown as examples.
const maxSamples = 5

// link is a channel in the course of being explained.
type link struct {
	*config.Channel
	sel    channel.Selection
	ops    config.Ops // the command line included
	named  []string   // mailboxes on the command line; nil: none
	prev   *channel.Previewer
	stores [2]store.Store
	// unseen are the sides of servers that are not asked.
	unseen [2]bool
	// suspects are mailboxes with names that mbsync before 1.5 may have given them.
	suspects []string
	*rehearsal
}

// channel explains a channel and tests it.
func (c *checker) channel(ctx context.Context, s channel.Selection, seen *overlaps) {
	ch := s.Channel
	l := &link{Channel: ch, sel: s, ops: s.Ops, named: s.Boxes}
	c.subject, c.lenient = subject{"Channel", strconv.Quote(ch.Name)}, false
	c.head("Channel "+strconv.Quote(ch.Name), ch.At.String())
	c.field("far", ch.Far.Store.Label())
	c.field("near", ch.Near.Store.Label())
	for t, e := range []config.End{ch.Far, ch.Near} {
		if c.failed[e.Store.At] {
			c.mark(markFail, e.Store.Label()+" ("+e.Store.At.String()+") cannot be used, see above", "")
			c.brief(true, "cannot be synchronized because of "+e.Store.Label())
			return
		}
		l.stores[t] = c.stores[e.Store.At]
		l.unseen[t] = e.Store.IMAP != nil && c.Probe == nil
	}
	if err := channel.EnoughConnections(l.stores); err != nil {
		c.error(err)
		c.brief(true, "cannot be synchronized")
		return
	}
	before := c.problems
	l.prev = channel.NewPreviewer(ch, l.stores, c.Config.Global)
	l.rehearsal = c.rehearse(ctx, l)
	if ctx.Err() != nil {
		return
	}
	c.boxes(l)
	c.operations(l)
	c.limits(l)
	c.hooks(l)
	c.state(l)
	c.outcome(l)
	c.risks(l)
	seen.add(c, l)
	c.brief(c.problems > before, briefly(l))
}

// boxes shows which mailboxes belong together.
func (c *checker) boxes(l *link) {
	if l.unseen != [2]bool{} && (l.Far.Use != "" || l.Near.Use != "" || l.Patterns.HasUses()) {
		defer c.note("to ask the server: "+c.Command("--check", "--online"), "only the server knows which mailboxes Special:... means")
	}
	switch {
	case len(l.Patterns) == 0:
		c.field("mailboxes", "one pair (there are no Patterns):")
	case l.named != nil:
		c.field("mailboxes", "those named on the command line:")
	default:
		c.field("patterns", patternsText(l.Patterns))
		if len(l.pairs) > 0 {
			what := count(len(l.pairs), "mailbox") + " found" + l.whereFound()
			if len(l.pairs) > maxSamples {
				what += ", such as"
			}
			c.field("mailboxes", what+":")
		}
	}
	for _, p := range l.pairs[:min(maxSamples, len(l.pairs))] {
		c.pairLine(c.boxText(l, config.Far, p.Box[config.Far]), c.boxText(l, config.Near, p.Box[config.Near]))
	}
}

// whereFound tells which side was looked at, if it was one only.
func (l *link) whereFound() string {
	switch {
	case l.unseen[config.Far] && l.unseen[config.Near]:
		return "" // there are none
	case l.unseen[config.Far]:
		return " on the near side"
	case l.unseen[config.Near]:
		return " on the far side"
	}
	return ""
}

// pairLine shows two mailboxes that belong together, on one line if they fit.
func (c *checker) pairLine(far, near string) {
	const gap = " <=> "
	if indent+labelWidth+len(far)+len(gap)+len(near) <= c.columns {
		c.field("", far+gap+near)
		return
	}
	c.field("", far)
	c.field("", "<=> "+near)
}

// boxText shows where one mailbox of a pair is.
func (c *checker) boxText(l *link, side config.Side, box string) string {
	if local, ok := store.As[store.Local](l.stores[side]); ok {
		if dir, err := local.BoxPath(box); err == nil {
			return c.tilde(dir)
		}
	}
	return box
}

// patternsText puts patterns into words.
func patternsText(ps config.Patterns) string {
	words := make([]string, len(ps))
	for i, p := range ps {
		words[i] = p.String()
	}
	text := strings.Join(words, " ")
	if len(ps) > 1 && slices.ContainsFunc(ps, func(p config.Pattern) bool { return p.Exclude }) {
		text += "  (the last one that matches decides)"
	}
	return text
}

// operations tells what a run would do.
func (c *checker) operations(l *link) {
	c.field("pull", messageOps(l.ops.On[config.Pull]))
	push := messageOps(l.ops.On[config.Push])
	if push != "nothing" && push == messageOps(l.ops.On[config.Pull]) {
		push = "the same"
	}
	c.field("push", push)
	c.field("create", sides(l.ops, config.OpCreate, "mailboxes missing on"))
	c.field("remove", sides(l.ops, config.OpRemove, "mailboxes, if empty, on"))
	switch {
	case l.ops.On[0].Has(config.OpExpungeSolo), l.ops.On[1].Has(config.OpExpungeSolo):
		if l.ops.On[0].Has(config.OpExpunge) || l.ops.On[1].Has(config.OpExpunge) {
			c.field("expunge", sides(l.ops, config.OpExpunge, "messages marked as deleted on"))
		}
		c.field("expunge", sides(l.ops, config.OpExpungeSolo, "messages marked as deleted that have no counterpart, on"))
	default:
		c.field("expunge", sides(l.ops, config.OpExpunge, "messages marked as deleted on"))
	}
	if l.CopyArrivalDate {
		c.field("dates", "copies keep the time of arrival")
	}
}

// messageOps puts what is done to the messages of one side into words.
func messageOps(ops config.OpSet) string {
	var words []string
	for _, o := range []struct {
		op   config.OpSet
		text string
	}{
		{config.OpNew, "new messages"},
		{config.OpOld, "older messages that earlier runs did not copy"},
		{config.OpUpgrade, "messages for flagged placeholders"},
		{config.OpGone, "deletions"},
		{config.OpFlags, "flag changes"},
	} {
		if ops.Has(o.op) {
			words = append(words, o.text)
		}
	}
	if len(words) == 0 {
		return "nothing"
	}
	return strings.Join(words, ", ")
}

// sides tells on which sides an operation is done.
func sides(ops config.Ops, op config.OpSet, what string) string {
	far, near := ops.On[config.Far].Has(op), ops.On[config.Near].Has(op)
	switch {
	case far && near:
		return what + " either side"
	case far:
		return what + " the far side"
	case near:
		return what + " the near side"
	}
	return "nothing"
}

// limits tells about sizes and numbers.
func (c *checker) limits(l *link) {
	for _, e := range []config.End{l.Far, l.Near} {
		if n := e.Store.MaxSize; n > 0 {
			c.field("size", "messages larger than "+size(n)+" come to "+quoted(e.Store.Name)+" as placeholders")
		}
	}
	if l.MaxMessages <= 0 {
		return
	}
	text := fmt.Sprintf("the %s side keeps %s", l.ExpireSide, count(l.MaxMessages, "message"))
	switch l.ExpireUnread {
	case config.Yes:
		text += "; flagged messages are always kept"
	case config.No, config.Unset:
		text += "; flagged and unread messages are always kept"
	}
	c.field("number", text)
}

// wereThey makes "1 run was" and "2 runs were".
func wereThey(n int, what string) string {
	if n == 1 {
		return count(n, what) + " was"
	}
	return count(n, what) + " were"
}

// hooks shows when the commands of the channel are run. It does not show the commands, which
// may contain secrets.
func (c *checker) hooks(l *link) {
	for _, h := range []struct{ command, keyword, when string }{
		{l.Hooks.OnChange, "OnChange", "something has changed"},
		{l.Hooks.OnNew, "OnNew", "there are new messages on the near side"},
		{l.Hooks.OnError, "OnError", "something has failed"},
	} {
		if h.command != "" {
			c.field("hook", h.keyword+" ("+l.Pos(h.keyword).String()+") is run when "+h.when)
		}
	}
}
