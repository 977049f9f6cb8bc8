package imapclient

import (
	"context"

	"isync/internal/imapwire"
	"isync/internal/mail"
)

// Copied maps the UIDs of messages to those of their copies. It is empty if the server does not report them (no
// UIDPLUS).
type Copied struct {
	UIDValidity uint32
	// Src and Dst correspond one by one.
	Src, Dst imapwire.UIDList
}

// All yields pairs of old and new UIDs.
func (m *Copied) All() func(yield func(src, dst mail.UID) bool) {
	return func(yield func(src, dst mail.UID) bool) {
		d, off := 0, mail.UID(0)
		for src := range m.Src.All() {
			for d < len(m.Dst) && m.Dst[d].First+off > m.Dst[d].Last {
				d, off = d+1, 0
			}
			if d == len(m.Dst) || !yield(src, m.Dst[d].First+off) {
				return
			}
			off++
		}
	}
}

// Copy is StartCopy and Wait.
func (c *Client) Copy(ctx context.Context, uids mail.UIDSet, box string) (Copied, error) {
	p, err := c.StartCopy(ctx, uids, box)
	if err != nil {
		return Copied{}, err
	}
	return p.Wait(ctx)
}

// StartCopy starts a UID COPY to another mailbox.
func (c *Client) StartCopy(ctx context.Context, uids mail.UIDSet, box string) (*Pending[Copied], error) {
	return c.copyOrMove(ctx, "UID COPY", uids, box)
}

// Move is StartMove and Wait.
func (c *Client) Move(ctx context.Context, uids mail.UIDSet, box string) (Copied, error) {
	p, err := c.StartMove(ctx, uids, box)
	if err != nil {
		return Copied{}, err
	}
	return p.Wait(ctx)
}

// StartMove starts a UID MOVE to another mailbox (RFC 6851).
func (c *Client) StartMove(ctx context.Context, uids mail.UIDSet, box string) (*Pending[Copied], error) {
	return c.copyOrMove(ctx, "UID MOVE", uids, box)
}

func (c *Client) copyOrMove(ctx context.Context, verb string, uids mail.UIDSet, box string) (*Pending[Copied], error) {
	var m Copied
	note := func(r *imapwire.Response) bool {
		if r.Code.Name != imapwire.CodeCopyUID {
			return false
		}
		m.UIDValidity = uint32(r.Code.Num)
		m.Src = append(m.Src, r.Code.Src...)
		m.Dst = append(m.Dst, r.Code.Dst...)
		return true
	}
	cmd := &command{
		reports: goneKinds, // of MOVE
		// MOVE reports it before the messages are expunged.
		data: func(r *imapwire.Response, head bool) bool {
			return head && r.Kind == imapwire.KindStatus && note(r)
		},
		completed: func(r *imapwire.Response) error {
			note(r)
			return nil
		},
	}
	text := c.names.add(imapwire.NewCommand(verb).Set(uids), box)
	return begin(ctx, c, cmd, text, &m)
}
