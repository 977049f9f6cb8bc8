package check

import (
	"strings"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/engine"
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
		c.note("", "Remove: a mailbox that vanishes from one side, for whatever reason, is removed from the other if it holds no messages")
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
		c.note("Trash, in the store, keeps a copy", "what is marked as deleted is removed from %s for good: there is no Trash", where)
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
		c.note("ExpireUnread yes lets unread messages expire, no keeps them", "ExpireUnread is not set: more unread messages than half of MaxMessages in excess of it are an error")
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
			c.note("patterns that exclude go last, those that bring back behind them", "pattern %s selects nothing: !%s behind it excludes the same", p.Text, hidden)
		}
	}
	if !selects {
		c.note("put a pattern in front that selects, such as *", "the patterns only exclude: no mailbox is selected")
		return
	}
	if l.unseen == [2]bool{} && l.err == nil && len(l.pairs) == 0 {
		c.note("mbsync -ls "+shellQuote(l.Far.Store.Name)+" "+shellQuote(l.Near.Store.Name)+" lists what there is", "the patterns match no mailbox of either side")
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
	boxes  map[string]claim // by channel.Identity
	states map[string]claim // by path
}

// claim is a pair in a channel.
type claim struct {
	channel string
	pair    engine.PairName
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
			id[t] = channel.Identity(l.Channel, l.stores[t], config.Side(t), v.Box[t])
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
		o.states[path] = claim{channel: l.Name, pair: v.PairName}
	case was.channel != l.Name && (was.pair.Store != v.Store || was.pair.Box != v.Box) && !told[was.channel]:
		told[was.channel] = true
		c.fail("give one of the two another SyncState, or leave it out",
			"%s would have the same sync state as %s of channel %s: %s", thePair(v.Name), thePair(was.pair.Name), quoted(was.channel), c.tilde(path))
	}
}

// box looks whether another channel has a mailbox.
func (o *overlaps) box(c *checker, l *link, v channel.Preview, t config.Side, id [2]string, told map[string]bool) {
	was, ok := o.boxes[id[t]]
	if !ok {
		o.boxes[id[t]] = claim{l.Name, v.PairName, id[1-t], v.StatePath}
		return
	}
	if was.channel == l.Name || told[was.channel] {
		return
	}
	switch {
	case was.other != id[1-t]:
		c.note("", "mailbox %s of the %s side is also synchronized by channel %s, with another mailbox: what arrives in one comes to all of them",
			quoted(v.Box[t]), t, quoted(was.channel))
	case was.state != v.StatePath:
		c.note("let only one of the channels have these mailboxes (Patterns), or give both the same SyncState",
			"%s is also synchronized by channel %s, which remembers it elsewhere: each takes for new what the other has copied, and messages double",
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
