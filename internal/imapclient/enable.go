package imapclient

import (
	"context"
	"strings"

	"isync/internal/imapwire"
)

// Enable turns on extensions (RFC 5161), and returns those that the server has confirmed. It may only be called
// before a mailbox is selected.
func (c *Client) Enable(ctx context.Context, names ...string) (Caps, error) {
	p, err := c.StartEnable(ctx, names...)
	if err != nil {
		return nil, err
	}
	return p.Wait(ctx)
}

// StartEnable starts an ENABLE.
func (c *Client) StartEnable(ctx context.Context, names ...string) (*Pending[Caps], error) {
	return c.startEnable(ctx, nil, names...)
}

// startEnable starts an ENABLE. compare, if not nil, compares what was enabled
// with the memo, while Optimistic.
func (c *Client) startEnable(ctx context.Context, compare func(got Caps) (wrong string), names ...string) (*Pending[Caps], error) {
	got := Caps{}
	cmd := &command{data: func(r *imapwire.Response, _ bool) bool {
		if r.Kind != imapwire.KindEnabled {
			return false
		}
		for _, name := range r.Caps {
			got[name] = struct{}{}
		}
		c.hs.noteEnabled(r.Caps)
		if acceptsUTF8(got) {
			c.names.utf8.Store(true)
		}
		return true
	}}
	if compare != nil {
		cmd = c.hs.verified(cmd, func() string { return compare(got) })
	}
	return begin(ctx, c, cmd, imapwire.NewCommand("ENABLE").Raw(strings.Join(names, " ")), &got)
}

// Enabled returns the extensions that the server has confirmed.
func (c *Client) Enabled() Caps {
	c.hs.mu.Lock()
	defer c.hs.mu.Unlock()
	return c.hs.enabled
}

// acceptsUTF8 reports whether UTF8=ACCEPT is among the enabled extensions.
func acceptsUTF8(got Caps) bool { return got.Has("UTF8=ACCEPT") || got.Has("UTF8=ONLY") }

// enableUTF8 starts to enable UTF8=ACCEPT, which servers with UTF8=ONLY require. It returns nil if that is not
// needed.
func (c *Client) enableUTF8(ctx context.Context) (*Pending[Caps], error) {
	caps := c.Caps()
	if !caps.Has("ENABLE") || c.hs.disabled.Has("UTF8=ACCEPT") || !caps.Has("UTF8=ACCEPT") && !caps.Has("UTF8=ONLY") {
		return nil, nil
	}
	return c.startEnable(ctx, func(got Caps) string {
		if on := acceptsUTF8(got); on != c.hs.memo.UTF8 {
			return "the server answers ENABLE UTF8=ACCEPT differently than before"
		}
		return ""
	}, "UTF8=ACCEPT")
}
