package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/mail"
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
	// there are the names of mailboxes that were found on a side; nil: not
	// looked for.
	there [2][]string
	// samples are names of pairs, found or made up.
	samples []string
	madeUp  bool
}

// channel explains a channel and tests it.
func (c *checker) channel(ctx context.Context, s channel.Selection, seen *overlaps) {
	ch := s.Channel
	l := &link{Channel: ch, sel: s, ops: s.Ops, named: s.Boxes}
	c.head("Channel "+strconv.Quote(ch.Name), ch.At.String())
	c.field("far", ch.Far.Store.Label())
	c.field("near", ch.Near.Store.Label())
	for t, e := range []config.End{ch.Far, ch.Near} {
		l.stores[t] = c.open(e.Store)
	}
	if l.stores[0] == nil || l.stores[1] == nil {
		c.fail("", "a store of this channel cannot be used, see above")
		return
	}
	if err := channel.EnoughConnections(ch); err != nil {
		c.error(err)
	}
	l.prev = channel.NewPreviewer(ch, l.stores, c.Config.Global)
	c.look(ctx, l)
	c.boxes(l)
	c.operations(l)
	c.limits(l)
	c.state(l)
	c.risks(l)
	seen.add(c, l)
	if c.Probe != nil {
		c.pairs(ctx, l)
	}
}

// look finds out which mailboxes there are, where that can be done without a
// server, and picks examples.
func (c *checker) look(ctx context.Context, l *link) {
	if len(l.Patterns) == 0 {
		l.samples = []string{""}
		return
	}
	for t, e := range []config.End{l.Far, l.Near} {
		if e.Store.Maildir == nil || c.failed[e.Store.At] {
			continue
		}
		names, err := l.prev.Side(ctx, config.Side(t))
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				c.error(err)
			}
			continue
		}
		l.there[t] = append([]string{}, names...)
		for _, n := range names {
			if !slices.Contains(l.samples, n) {
				l.samples = append(l.samples, n)
			}
		}
	}
	if l.named != nil {
		l.samples = l.named
	} else {
		var left []error
		l.samples, left = l.prev.WithOwnState(l.samples)
		for _, err := range left {
			c.note("", "%v", err)
		}
	}
	if len(l.samples) == 0 {
		l.samples, l.madeUp = inventions(l.Channel), true
	}
}

// inventions makes up names that the patterns of a channel select.
func inventions(ch *config.Channel) (out []string) {
	names := []string{mail.Inbox}
	for _, e := range []config.End{ch.Far, ch.Near} {
		if e.Store.MapInbox != "" {
			names = append(names, e.Store.MapInbox)
		}
	}
	for _, p := range ch.Patterns {
		if !p.Exclude {
			names = append(names, strings.NewReplacer("*", "Lists/go", "%", "Work").Replace(p.Text))
		}
	}
	for _, n := range names {
		// A mere wildcard does not mean the inbox everywhere.
		if n != "" && ch.Patterns.Match(n) && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// boxes shows which mailboxes belong together.
func (c *checker) boxes(l *link) {
	switch {
	case len(l.Patterns) == 0:
		c.field("mailboxes", "one pair (there are no Patterns):")
	case l.named != nil:
		c.field("mailboxes", "those named on the command line:")
	default:
		c.field("patterns", patternsText(l.Patterns))
		what := "for example:"
		if !l.madeUp {
			what = fmt.Sprintf("%s found%s:", count(len(l.samples), "mailbox"), c.whereFound(l))
			if len(l.samples) > maxSamples {
				what = strings.TrimSuffix(what, ":") + ", such as:"
			}
		}
		if len(l.samples) > 0 {
			c.field("mailboxes", what)
		}
	}
	for _, name := range l.samples[:min(maxSamples, len(l.samples))] {
		v := l.prev.Pair(name)
		far, near := c.boxText(l, config.Far, v), c.boxText(l, config.Near, v)
		if v.Err != nil {
			c.fail("", "%s: %v", quoted(boxLabel(name)), v.Err)
			continue
		}
		c.pairLine(far, near)
		if len(l.Patterns) == 0 || l.named != nil {
			c.single(l, v)
		}
	}
}

// single tests whether the mailboxes of a pair that was not found by looking are
// there, or would be created.
func (c *checker) single(l *link, v channel.Preview) {
	for t, e := range []config.End{l.Far, l.Near} {
		local, ok := store.As[store.Local](l.stores[t])
		if !ok || c.failed[e.Store.At] {
			continue
		}
		dir, err := local.BoxPath(v.Box[t])
		if err != nil {
			continue
		}
		if _, err := c.FS.Stat(filepath.Join(dir, "cur")); err == nil || !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		side := config.Side(t)
		if l.ops.On[t].Has(config.OpCreate) {
			c.ok("%s is not there yet, and will be created", c.tilde(dir))
			continue
		}
		c.fail("Create, or -C"+side.String()[:1]+", makes it", "%s does not exist, and there is no Create for the %s side", c.tilde(dir), side)
	}
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

// whereFound tells which sides were looked at.
func (c *checker) whereFound(l *link) string {
	switch {
	case l.there[0] != nil && l.there[1] != nil:
		return ""
	case l.there[1] != nil:
		return " on the near side"
	}
	return " on the far side"
}

// boxText shows where one mailbox of a pair is.
func (c *checker) boxText(l *link, side config.Side, v channel.Preview) string {
	if local, ok := store.As[store.Local](l.stores[side]); ok {
		if dir, err := local.BoxPath(v.Box[side]); err == nil {
			return c.tilde(dir)
		}
	}
	return v.Box[side]
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
		{config.OpOld, "messages passed over earlier"},
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
		text += "; flagged ones stay beyond that"
	case config.No, config.Unset:
		text += "; flagged and unread ones stay beyond that"
	}
	c.field("number", text)
}

// state tells where the state of synchronization is, and tests whether it can be
// there.
func (c *checker) state(l *link) {
	if len(l.samples) == 0 {
		return
	}
	v := l.prev.Pair(l.samples[0])
	if v.Err != nil && v.StatePath == "" {
		if l.SyncState.Kind == config.StateInBox {
			c.fail("give the channel another SyncState, or leave it out", "%v", v.Err)
		}
		return
	}
	switch {
	case l.SyncState.Kind == config.StateInBox:
		c.field("state", ".mbsyncstate in each near mailbox")
	case len(l.Patterns) == 0:
		c.field("state", c.tilde(v.StatePath))
	default:
		c.field("state", c.tilde(v.StatePath)+" and so on, one for each pair")
	}
	dir := filepath.Dir(v.StatePath)
	if l.SyncState.Kind != config.StateInBox {
		p := examine(c.FS, dir)
		switch {
		case p.err != nil:
			c.pathFailed("sync state", p.err)
			return
		case p.exists:
			c.ok("sync states can be written to %s", c.tilde(dir))
		default:
			c.ok("%s is not there yet, and can be made in %s", c.tilde(dir), c.tilde(p.at))
		}
	}
	c.stateFiles(l)
}

// stateFiles looks at the states that exist.
func (c *checker) stateFiles(l *link) {
	known, interrupted, held := 0, 0, 0
	for _, name := range l.samples {
		path := l.prev.Pair(name).StatePath
		if path == "" {
			continue
		}
		if _, err := c.FS.Stat(path); err == nil {
			known++
		}
		if _, err := c.FS.Stat(path + engine.JournalSuffix); err == nil {
			if _, err := c.FS.Stat(path + engine.NewSuffix); err == nil {
				interrupted++
			}
		}
		notes, err := engine.ReadNotes(c.FS, path)
		if err != nil {
			c.note("without the list, these messages are not tried again, unless Old is given", "cannot read the list of messages that could not be copied: %v", err)
		}
		held += len(notes.Held)
		tried, busy, err := tryLock(c.FS, path+engine.LockSuffix)
		switch {
		case busy:
			c.note("", "%s is being synchronized by another process at this moment", quoted(boxLabel(name)))
		case tried && err != nil:
			c.fail("the file system must support fcntl locks; keep sync states elsewhere (SyncState)", "cannot lock %s: %v", c.tilde(path+engine.LockSuffix), err)
		}
	}
	switch {
	case l.madeUp:
	case known > 0:
		c.ok("%d of %s synchronized before", known, wereThey(len(l.samples), "pair"))
	default:
		c.ok("nothing was synchronized yet: there are no sync states")
	}
	if interrupted > 0 {
		c.note("", "%s interrupted; the next one goes on from there", wereThey(interrupted, "run"))
	}
	if held > 0 {
		c.note("", "%s not copied so far; each run tries again and reports the failures", wereThey(held, "message"))
	}
}

// wereThey makes "1 run was" and "2 runs were".
func wereThey(n int, what string) string {
	if n == 1 {
		return count(n, what) + " was"
	}
	return count(n, what) + " were"
}
