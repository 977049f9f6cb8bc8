package imapclient

import (
	"context"

	"isync/internal/imapwire"
)

// ID sends the identification of the client, and returns that of the server (RFC 2971). fields are names and values
// in turn. There must be at least one pair, because some servers refuse less. The result has the same form.
func (c *Client) ID(ctx context.Context, fields ...string) ([]string, error) {
	p, err := c.StartID(ctx, fields...)
	if err != nil {
		return nil, err
	}
	return p.Wait(ctx)
}

// StartID starts an ID. The client need not wait for its answer. While Optimistic,
// Confirm waits for it: if nothing else was sent behind the login, the answer shows
// that the server has not discarded the input.
func (c *Client) StartID(ctx context.Context, fields ...string) (*Pending[[]string], error) {
	text := imapwire.NewCommand("ID")
	list := []byte{'('}
	for i, f := range fields {
		if i > 0 {
			list = append(list, ' ')
		}
		list = imapwire.AppendQuoted(list, f)
	}
	text.Raw(string(append(list, ')')))
	var answer []string
	cmd := c.hs.verified(&command{data: func(r *imapwire.Response, _ bool) bool {
		if r.Kind != imapwire.KindID {
			return false
		}
		answer = r.ID
		return true
	}}, func() string { return "" })
	return begin(ctx, c, cmd, text, &answer)
}

// introduce starts an ID, if it is needed.
func (c *Client) introduce(ctx context.Context) error {
	if len(c.opts.ID) == 0 || !c.Caps().Has("ID") {
		return nil
	}
	_, err := c.StartID(ctx, c.opts.ID...)
	return err
}
