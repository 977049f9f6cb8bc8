package imapclient

import (
	"context"
	"errors"
	"strings"

	"isync/internal/imapwire"
)

// The events of NOTIFY (RFC 5465 §5).
const (
	EventMessageNew         = "MessageNew"
	EventMessageExpunge     = "MessageExpunge"
	EventFlagChange         = "FlagChange"
	EventMailboxName        = "MailboxName"
	EventSubscriptionChange = "SubscriptionChange"
)

// Notify makes the server report these events in all mailboxes of the personal namespaces
// from now on (RFC 5465), through Hooks.BoxStatus and Hooks.List. It first reports the
// status of each mailbox, which the hook gets before Notify returns. Changes of flags
// are reported if CONDSTORE or QRESYNC is enabled, as a new HIGHESTMODSEQ.
//
// A refusal is a *ResponseError; see SupportedEvents. If the server later ends the reports,
// because there are too many events, Hooks.Overflow is called.
func (c *Client) Notify(ctx context.Context, events ...string) error {
	cmd := &command{data: func(r *imapwire.Response, _ bool) bool {
		if r.Kind != imapwire.KindBoxStatus || c.opts.Hooks.BoxStatus == nil {
			return false
		}
		c.boxStatus(r)
		return true
	}}
	text := imapwire.NewCommand("NOTIFY").Raw("SET STATUS (personal (" + strings.Join(events, " ") + "))")
	if err := c.start(ctx, cmd, text); err != nil {
		return err
	}
	return c.wait(ctx, cmd)
}

// EndNotify ends the reports that Notify has asked for.
func (c *Client) EndNotify(ctx context.Context) error {
	return c.simple(ctx, imapwire.NewCommand("NOTIFY").Raw("NONE"))
}

// codeBadEvent and codeOverflow are response codes of RFC 5465 §5 and §5.8.
const (
	codeBadEvent = "BADEVENT"
	codeOverflow = "NOTIFICATIONOVERFLOW"
)

// SupportedEvents returns the events that the server supports, if err is a refusal of
// Notify because of an event that it does not support. The names may differ in case.
func SupportedEvents(err error) (events []string, ok bool) {
	r, isRefusal := errors.AsType[*ResponseError](err)
	if !isRefusal || r.Code.Name != codeBadEvent {
		return nil, false
	}
	return strings.Fields(strings.Trim(r.Code.Args, "()")), true
}

// boxStatus passes an unsolicited STATUS to the hook.
func (c *Client) boxStatus(r *imapwire.Response) {
	st := r.Box
	if name, err := c.names.decode(st.Name); err == nil {
		st.Name = name
	}
	c.opts.Hooks.BoxStatus(&st)
}

// listed passes an unsolicited LIST to the hook.
func (c *Client) listed(r *imapwire.Response) {
	e := &ListEntry{Name: r.List.Name, Attrs: r.List.Attrs, Delim: r.List.Delim, raw: r.List.Name}
	if c.names.utf8.Load() {
		c.names.ampersands.learn(e.raw)
	}
	if name, err := c.names.decode(e.raw); err == nil {
		e.Name = name
	} else {
		e.Err = err
	}
	c.opts.Hooks.List(e)
}
