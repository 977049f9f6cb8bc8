package testkit

import (
	"io"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Mail is a message for a server.
type Mail struct {
	Body  string // with CRLF
	Flags []string
	Date  time.Time // zero: now
}

// Client logs in with an independent IMAP client, to prepare and check the mail on the server.
// The test closes it.
func (e *Endpoint) Client(tb testing.TB, user string) *imapclient.Client {
	tb.Helper()
	c, err := imapclient.DialInsecure(e.Addr(), nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	if err := c.Login(user, Password).Wait(); err != nil {
		tb.Fatalf("login of %s: %v", user, err)
	}
	// The library sends names in UTF-8 if this is announced. A server accepts them only after
	// ENABLE (RFC 9051 §5.1).
	if c.Caps().Has(imap.CapIMAP4rev2) {
		if _, err := c.Enable(imap.CapIMAP4rev2).Wait(); err != nil {
			tb.Fatalf("enabling IMAP4rev2: %v", err)
		}
	}
	return c
}

// Seed appends messages to a mailbox and returns their UIDs. It creates the mailbox if necessary.
func (e *Endpoint) Seed(tb testing.TB, user, mailbox string, msgs ...Mail) []uint32 {
	tb.Helper()
	c := e.Client(tb, user)
	if mailbox != "INBOX" {
		// The mailbox may exist. Other errors affect the following commands.
		_ = c.Create(mailbox, nil).Wait()
	}
	cmds := make([]*imapclient.AppendCommand, len(msgs))
	for i, m := range msgs {
		opts := &imap.AppendOptions{Time: m.Date}
		for _, f := range m.Flags {
			opts.Flags = append(opts.Flags, imap.Flag(f))
		}
		cmds[i] = c.Append(mailbox, int64(len(m.Body)), opts)
		if _, err := io.WriteString(cmds[i], m.Body); err != nil {
			tb.Fatalf("append to %s: %v", mailbox, err)
		}
		if err := cmds[i].Close(); err != nil {
			tb.Fatalf("append to %s: %v", mailbox, err)
		}
	}
	uids := make([]uint32, len(msgs))
	for i, cmd := range cmds {
		data, err := cmd.Wait()
		if err != nil {
			tb.Fatalf("append to %s: %v", mailbox, err)
		}
		uids[i] = uint32(data.UID)
	}
	if err := c.Logout().Wait(); err != nil {
		tb.Fatalf("logout: %v", err)
	}
	return uids
}

// Contents returns the messages of a mailbox by UID, with their flags as the
// server lists them (including \\Recent).
func (e *Endpoint) Contents(tb testing.TB, user, mailbox string) map[uint32]Mail {
	tb.Helper()
	c := e.Client(tb, user)
	sel, err := c.Select(mailbox, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		tb.Fatalf("select %s: %v", mailbox, err)
	}
	out := make(map[uint32]Mail)
	if sel.NumMessages > 0 {
		whole := &imap.FetchItemBodySection{Peek: true}
		all, err := c.Fetch(imap.UIDSet{{Start: 1}}, &imap.FetchOptions{
			UID: true, Flags: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{whole},
		}).Collect()
		if err != nil {
			tb.Fatalf("fetch from %s: %v", mailbox, err)
		}
		for _, m := range all {
			mail := Mail{Body: string(m.FindBodySection(whole)), Date: m.InternalDate}
			for _, f := range m.Flags {
				mail.Flags = append(mail.Flags, string(f))
			}
			out[uint32(m.UID)] = mail
		}
	}
	if err := c.Logout().Wait(); err != nil {
		tb.Fatalf("logout: %v", err)
	}
	return out
}
