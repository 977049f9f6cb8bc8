package imapclient

import (
	"slices"
	"sync/atomic"

	"isync/internal/imapwire"
)

// messageCount is the number of messages in the selected mailbox.
type messageCount struct {
	n       atomic.Uint32
	unknown atomic.Bool // a response about it was invalid: n may be wrong
}

// Exists returns the number of messages in the selected mailbox, by the
// latest valid number from the server. See Counted.
func (c *Client) Exists() uint32 { return c.messages.n.Load() }

// Counted reports whether Exists is reliable: no later response about the number of
// messages was invalid.
func (c *Client) Counted() bool { return !c.messages.unknown.Load() }

// unsolicited handles unsolicited data.
func (c *Client) unsolicited(r *imapwire.Response) {
	h := &c.opts.Hooks
	switch r.Kind {
	case imapwire.KindExists:
		c.count(r.Num)
		if h.Exists != nil {
			h.Exists(r.Num)
		}
	case imapwire.KindRecent:
		if h.Recent != nil {
			h.Recent(r.Num)
		}
	case imapwire.KindBoxStatus:
		if h.BoxStatus != nil {
			c.boxStatus(r)
		}
	case imapwire.KindList:
		if h.List != nil {
			c.listed(r)
		}
	case imapwire.KindExpunge:
		if r.Num == 0 || r.Num > c.messages.n.Load() {
			c.misled(imapwire.KindExpunge)
			return
		}
		c.reported(imapwire.KindExpunge)
		c.shrink(1)
		if h.Expunge != nil {
			h.Expunge(r.Num)
		}
	case imapwire.KindVanished:
		if r.Earlier {
			return // an answer that nobody waits for
		}
		c.reported(imapwire.KindVanished)
		c.shrink(r.UIDs.Len())
		if h.Vanished != nil {
			h.Vanished(r.UIDs)
		}
	}
}

// The kinds of responses with which commands report that messages are gone.
var goneKinds = []imapwire.Kind{imapwire.KindExpunge, imapwire.KindVanished}

// reported notes a response that may report the effects of a command on messages.
func (c *Client) reported(kind imapwire.Kind) {
	for _, cmd := range c.aboutSelected() {
		if slices.Contains(cmd.reports, kind) {
			c.took(&cmd.reported, maxFetched)
			return
		}
	}
}

// shrink notes that messages were expunged.
func (c *Client) shrink(n uint64) {
	have := c.messages.n.Load()
	if n > uint64(have) {
		// There were fewer messages, so the number is not reliable.
		c.messages.unknown.Store(true)
		return
	}
	c.messages.n.Store(have - uint32(n))
}

// count notes the number of messages.
func (c *Client) count(n uint32) {
	c.messages.n.Store(n)
	c.messages.unknown.Store(false)
}

// misled notes that the server has sent an invalid response about the mailbox.
func (c *Client) misled(kind imapwire.Kind) {
	if kind != imapwire.KindFetch {
		c.messages.unknown.Store(true)
	}
	if c.opts.Hooks.Unreadable != nil {
		c.opts.Hooks.Unreadable(kind)
	}
}
