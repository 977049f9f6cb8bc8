package check

import (
	"strings"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/event"
)

// risks points out what is legal but may lose mail, or not do what was meant.
func (c *checker) risks(l *link) {
	far, near := l.ops.On[config.Far], l.ops.On[config.Near]
	either := far | near
	if !either.Any(config.OpSync) {
		c.note("", "Sync None: no message is propagated")
	}
	c.deletions(l)
	if either.Has(config.OpRemove) {
		c.note("", "Remove: if a mailbox no longer exists on one side, for whatever reason, it is removed from the other side if it holds no messages")
	}
	c.expiry(l)
	for t, e := range []config.End{l.Far, l.Near} {
		if e.Store.MaxSize > 0 && l.ops.On[t].Has(config.OpNew) && !l.ops.On[t].Has(config.OpUpgrade) {
			c.note("add Upgrade to Sync", "MaxSize makes placeholders on the %s side, but without Upgrade flagging them does not fetch the message", config.Side(t))
		}
	}
	c.patterns(l)
}

// deletions points out where deletions are final.
func (c *checker) deletions(l *link) {
	const expunge = config.OpExpunge | config.OpExpungeSolo
	var bare []string
	for t, e := range []config.End{l.Far, l.Near} {
		other := []config.End{l.Near, l.Far}[t]
		if l.ops.On[t].Any(expunge) && e.Store.Trash == "" && !(other.Store.Trash != "" && other.Store.TrashRemoteNew) {
			bare = append(bare, config.Side(t).String())
		}
		if e.Store.Trash != "" && !l.ops.On[t].Any(expunge) && !(e.Store.TrashRemoteNew && l.ops.On[1-t].Any(expunge)) {
			c.note("", "Trash of %s is not filled by this channel: nothing is expunged there", e.Store.Label())
		}
	}
	if len(bare) > 0 {
		where := "the " + bare[0] + " side"
		if len(bare) > 1 {
			where = "both sides"
		}
		c.note("to keep a copy of them, set Trash in the store", "messages marked as deleted are removed from %s permanently: Trash is not set", where)
	}
	if l.ops.On[config.Far].Any(expunge) != l.ops.On[config.Near].Any(expunge) {
		kept := config.Far
		if l.ops.On[config.Far].Any(expunge) {
			kept = config.Near
		}
		c.note("", "nothing is expunged from the %s side: messages deleted there stay, marked as deleted", kept)
	}
}

// expiry points out what MaxMessages does not do.
func (c *checker) expiry(l *link) {
	if l.MaxMessages <= 0 {
		return
	}
	if !l.ops.On[l.ExpireSide].Any(config.OpExpunge | config.OpExpungeSolo) {
		c.note("", "MaxMessages without Expunge on the %s side: expired messages are only marked as deleted there", l.ExpireSide)
	}
	if l.ExpireUnread == config.Unset {
		c.note("set ExpireUnread yes (unread messages expire, too) or no (they stay)", "ExpireUnread is not set: a run fails if the unread messages in excess of MaxMessages are more than half of MaxMessages")
	}
}

// patterns points out patterns that select nothing, or what cannot be.
func (c *checker) patterns(l *link) {
	if len(l.Patterns) == 0 || l.named != nil {
		return
	}
	selects := false
	for i, p := range l.Patterns {
		if p.Exclude {
			continue
		}
		selects = true
		if hidden := l.hiddenBy(i); hidden != "" {
			c.note("the last pattern that matches decides: write the excluding pattern first", "pattern %s selects nothing: the pattern !%s after it excludes the same mailboxes", p.Text, hidden)
		}
	}
	if !selects {
		c.note("add a pattern that selects mailboxes, such as *, before them", "all patterns exclude mailboxes: no mailbox is selected")
		return
	}
	if l.unseen == [2]bool{} && l.err == nil && len(l.pairs) == 0 {
		c.note("to list the mailboxes: "+c.Command("-ls", l.Far.Store.Name, l.Near.Store.Name), "the patterns match no mailbox of either side")
	}
}

// hiddenBy returns the text of a later pattern that excludes everything that
// pattern i selects, as far as that is easy to see: it is a mere wildcard or the
// same text.
func (l *link) hiddenBy(i int) string {
	for _, q := range l.Patterns[i+1:] {
		if q.Exclude && (q.Text == "*" || q.Text == l.Patterns[i].Text) {
			return q.Text
		}
	}
	return ""
}

// overlaps knows what the channels so far have to do with.
type overlaps struct {
	boxes  map[string]claim // by store.Place's Identity
	states map[string]claim // by path
}

// claim is a pair in a channel.
type claim struct {
	channel string
	pair    event.Pair
	other   string // identity of the other mailbox of the pair
	state   string // path of its sync state
}

func newOverlaps() *overlaps {
	return &overlaps{map[string]claim{}, map[string]claim{}}
}

// add looks for mailboxes and sync states that another channel has, too.
func (o *overlaps) add(c *checker, l *link) {
	told := map[string]bool{} // channels
	for i := range l.pairs {
		if l.pairs[i].err != nil {
			continue
		}
		v := l.prev.Pair(l.pairs[i].Name)
		if v.Err != nil {
			continue
		}
		var id [2]string
		for t := range id {
			id[t], _ = l.stores[t].Identity(v.Box[t])
		}
		o.state(c, l, v, told)
		for t := range id {
			o.box(c, l, v, config.Side(t), id, told)
		}
	}
}

// state looks whether another channel would use the sync state of a pair, or a
// file that belongs to it.
func (o *overlaps) state(c *checker, l *link, v channel.Preview, told map[string]bool) {
	path := v.StatePath
	was, ok := o.states[path]
	for _, suffix := range engine.StateSuffixes() {
		if ok {
			break
		}
		if was, ok = o.states[path+suffix]; ok {
			break
		}
		if owner, is := strings.CutSuffix(path, suffix); is {
			was, ok = o.states[owner]
		}
	}
	switch {
	case !ok:
		o.states[path] = claim{channel: l.Name, pair: v.Pair}
	case was.channel != l.Name && (was.pair.Store != v.Store || was.pair.Box != v.Box) && !told[was.channel]:
		told[was.channel] = true
		c.fail("set another SyncState in one of the two channels, or remove the line",
			"%s would use the same sync state as %s of channel %s: %s", thePair(v.Name), thePair(was.pair.Name), quoted(was.channel), c.tilde(path))
	}
}

// box looks whether another channel has a mailbox.
func (o *overlaps) box(c *checker, l *link, v channel.Preview, t config.Side, id [2]string, told map[string]bool) {
	was, ok := o.boxes[id[t]]
	if !ok {
		o.boxes[id[t]] = claim{l.Name, v.Pair, id[1-t], v.StatePath}
		return
	}
	if was.channel == l.Name || told[was.channel] {
		return
	}
	switch {
	case was.other != id[1-t]:
		c.note("", "mailbox %s of the %s side is also synchronized by channel %s, with another mailbox: new messages in one of them are copied to all of them",
			quoted(v.Box[t]), t, quoted(was.channel))
	case was.state != v.StatePath:
		c.note("select these mailboxes in only one of the channels (Patterns), or set the same SyncState in both",
			"%s is also synchronized by channel %s, with another sync state: each channel copies the messages of the other again, as duplicates",
			thePair(v.Name), quoted(was.channel))
	default:
		return
	}
	told[was.channel] = true
}

// thePair names a pair.
func thePair(name string) string {
	if name == "" {
		return "the pair of mailboxes"
	}
	return "mailbox " + quoted(name)
}
