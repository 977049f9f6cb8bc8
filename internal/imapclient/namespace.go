package imapclient

import (
	"context"

	"isync/internal/imapwire"
)

// Namespace asks for the namespaces (RFC 2342), unless Setup has done so and the answer
// was not used yet. Prefixes are decoded. While Optimistic it returns the expected
// answer. The result must not be changed.
func (c *Client) Namespace(ctx context.Context) (*imapwire.Namespace, error) {
	if memo := c.hs.expectation(); memo != nil && memo.Namespace != nil {
		if c.hs.namespace.Load() == nil {
			// The expected answer must be compared with the real one.
			p, err := c.startNamespace(ctx)
			if err != nil {
				return nil, err
			}
			c.hs.namespace.Store(p)
		}
		return memo.Namespace, nil
	}
	p := c.hs.namespace.Swap(nil)
	if p == nil {
		var err error
		if p, err = c.startNamespace(ctx); err != nil {
			return nil, err
		}
	}
	ns, err := p.Wait(ctx)
	if err == nil && ns == nil {
		ns = new(imapwire.Namespace)
	}
	return ns, err
}

// KnownNamespace returns the latest answer of the server to a NAMESPACE on this
// connection; nil: there was none. It must not be changed.
func (c *Client) KnownNamespace() *imapwire.Namespace { return c.hs.answered.Load() }

// startNamespace starts a NAMESPACE.
func (c *Client) startNamespace(ctx context.Context) (*Pending[*imapwire.Namespace], error) {
	ns := new(*imapwire.Namespace)
	cmd := &command{data: func(r *imapwire.Response, _ bool) bool {
		if r.Kind != imapwire.KindNamespace {
			return false
		}
		*ns = r.Namespace
		for _, list := range [][]imapwire.NamespaceEntry{r.Namespace.Personal, r.Namespace.Other, r.Namespace.Shared} {
			for i, e := range list {
				if name, err := c.names.decode(e.Prefix); err == nil {
					list[i].Prefix = name
				}
			}
		}
		return true
	}, completed: func(*imapwire.Response) error {
		c.hs.noteNamespace(*ns)
		c.hs.answered.Store(*ns)
		return nil
	}}
	if memo := c.hs.expectation(); memo != nil && memo.Namespace != nil {
		cmd = c.hs.verified(cmd, func() string { return c.hs.compareNamespace(*ns) })
	}
	return begin(ctx, c, cmd, imapwire.NewCommand("NAMESPACE"), ns)
}
