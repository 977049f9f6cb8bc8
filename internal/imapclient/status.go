package imapclient

import (
	"context"
	"fmt"
	"strings"

	"isync/internal/imapwire"
)

// Status is StartStatus and Wait.
func (c *Client) Status(ctx context.Context, box string, items imapwire.BoxItems) (imapwire.BoxStatus, error) {
	p, err := c.StartStatus(ctx, box, items)
	if err != nil {
		return imapwire.BoxStatus{}, err
	}
	return p.Wait(ctx)
}

// StartStatus asks for the status of a mailbox. What the server does not tell
// is missing in Has, all of it if it sent nothing.
func (c *Client) StartStatus(ctx context.Context, box string, items imapwire.BoxItems) (*Pending[imapwire.BoxStatus], error) {
	raw, err := c.names.encode(box)
	if err != nil {
		return nil, fmt.Errorf("STATUS: %w", err)
	}
	var st imapwire.BoxStatus
	cmd := &command{data: func(r *imapwire.Response, _ bool) bool {
		if r.Kind != imapwire.KindBoxStatus || boxKey(r.Box.Name) != boxKey(raw) {
			return false
		}
		st = r.Box
		return true
	}}
	return begin(ctx, c, cmd, c.statusCommand(box, items), &st)
}

// StatusText returns the command that StartStatus would send now, without its tag; "" if it
// cannot be sent in one line.
func (c *Client) StatusText(box string, items imapwire.BoxItems) string {
	return c.statusCommand(box, items).Line()
}

func (c *Client) statusCommand(box string, items imapwire.BoxItems) *imapwire.Command {
	return c.names.add(imapwire.NewCommand("STATUS"), box).Raw("(" + boxItems(items) + ")")
}

// boxItems are STATUS items in IMAP's words.
func boxItems(items imapwire.BoxItems) string {
	var names []string
	for _, it := range []struct {
		item imapwire.BoxItems
		name string
	}{
		{imapwire.BoxMessages, "MESSAGES"},
		{imapwire.BoxUIDNext, "UIDNEXT"},
		{imapwire.BoxUIDValidity, "UIDVALIDITY"},
		{imapwire.BoxUnseen, "UNSEEN"},
		{imapwire.BoxHighestModSeq, "HIGHESTMODSEQ"},
		{imapwire.BoxSize, "SIZE"},
		{imapwire.BoxMailboxID, "MAILBOXID"},
	} {
		if items&it.item != 0 {
			names = append(names, it.name)
		}
	}
	return strings.Join(names, " ")
}
