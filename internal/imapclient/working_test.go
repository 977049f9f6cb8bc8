package imapclient

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/transport"
)

// TestTalkOfWork: what a server tells of the work that a command has given it is not
// taken for talk about other things.
func TestTalkOfWork(t *testing.T) {
	const n = 50 // of timeout/2 each, more than transport.TalkLimit allows
	for _, c := range []struct {
		name string
		run  func(ctx context.Context, c *Client) error
		line func(p *peer, i int)
	}{
		{"changes in a SELECT with QRESYNC", func(ctx context.Context, c *Client) error {
			_, err := c.Select(ctx, "x", SelectOptions{QResync: QResync{
				UIDValidity: 1, ModSeq: 1, Known: mail.UIDsFrom(1), Changed: func(*imapwire.Fetch) {},
			}})
			return err
		}, func(p *peer, i int) { p.send("* %d FETCH (UID %d FLAGS () MODSEQ (9))\n", i+1, i+1) }},
		{"EXPUNGE", func(ctx context.Context, c *Client) error {
			return c.ExpungeUIDs(ctx, mail.UIDsFrom(1))
		}, func(p *peer, _ int) { p.send("* 1 EXPUNGE\n") }},
		{"VANISHED", func(ctx context.Context, c *Client) error {
			return c.ExpungeUIDs(ctx, mail.UIDsFrom(1))
		}, func(p *peer, i int) { p.send("* VANISHED %d\n", i+1) }},
		{"MOVE", func(ctx context.Context, c *Client) error {
			_, err := c.Move(ctx, mail.UIDsFrom(1), "y")
			return err
		}, func(p *peer, _ int) { p.send("* 1 EXPUNGE\n") }},
		{"STORE", func(ctx context.Context, c *Client) error {
			_, err := c.Store(ctx, StoreRequest{UIDs: mail.UIDsFrom(1), Flags: mail.FlagSeen})
			return err
		}, func(p *peer, i int) { p.send("* %d FETCH (UID %d FLAGS (\\Seen))\n", i+1, i+1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := connect(t, Options{Timeout: timeout}, "", func(p *peer) {
					tag := p.expect("NOOP")
					p.send("* %d EXISTS\n%s OK\n", n, tag)
					p.line()
					for i := range n {
						time.Sleep(timeout / 2)
						c.line(p, i)
					}
					p.send("A2 OK\n")
					p.idle()
				})
				if err := cl.Noop(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := c.run(t.Context(), cl); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestSlowSinkIsNoTalk: the time that a sink takes is not the server's. The message has
// no body, or one that came before the rest.
func TestSlowSinkIsNoTalk(t *testing.T) {
	for _, c := range []struct {
		name, line string
		body       BodyKind
	}{
		{"flags", "* 1 FETCH (UID 1 FLAGS ())\n", NoBody},
		{"body first", "* 1 FETCH (BODY[] {1}\nx FLAGS () UID 1)\n", FullBody},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				req := FetchRequest{UIDs: mail.NewUIDSet(1), Items: imapwire.ItemFlags, Body: c.body}
				cl := connect(t, Options{Timeout: timeout}, "", func(p *peer) {
					p.line()
					p.send("%s", c.line)
					p.send("A1 OK\n")
					p.idle()
				})
				err := cl.Fetch(t.Context(), req, func(*Message) error {
					time.Sleep(2 * transport.TalkLimit * timeout)
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestBodiesOfNobody: bodies of which it is never told whose they are do not count.
func TestBodiesOfNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*transport.TalkLimit*timeout)
		defer cancel()
		c := connect(t, Options{Timeout: timeout}, "", func(p *peer) {
			p.line()
			for ctx.Err() == nil && p.try("* 1 FETCH (BODY[] {1}\r\nx)") {
				time.Sleep(timeout / 4)
			}
		})
		err := c.Fetch(ctx, FetchRequest{UIDs: mail.NewUIDSet(1), Body: FullBody}, func(*Message) error { return nil })
		if te, ok := errors.AsType[*transport.TimeoutError](err); !ok || !te.Talking {
			t.Errorf("Fetch = %v", err)
		}
	})
}

// TestFlood: a server that talks so fast that we never wait for it is given up, too.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*transport.TalkLimit*timeout)
		defer cancel()
		opts := Options{Timeout: timeout}
		// It is the client that is slow; the server sends whenever it can.
		opts.Hooks.Fetch = func(*imapwire.Fetch) { time.Sleep(time.Second) }
		c := connect(t, opts, "", func(p *peer) {
			p.line()
			for ctx.Err() == nil && p.try("* 1 FETCH (FLAGS ())") {
			}
		})
		err := c.Fetch(ctx, FetchRequest{UIDs: mail.NewUIDSet(1)}, func(*Message) error { return nil })
		if te, ok := errors.AsType[*transport.TimeoutError](err); !ok || !te.Talking {
			t.Errorf("Fetch = %v", err)
		}
	})
}

// TestCountingUp: a server that answers a SELECT with ever more messages is given up.
func TestCountingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*transport.TalkLimit*timeout)
		defer cancel()
		c := connect(t, Options{Timeout: timeout}, "", func(p *peer) {
			p.line()
			for i := 1; ctx.Err() == nil && p.try(fmt.Sprintf("* %d EXISTS", i)); i++ {
				time.Sleep(timeout / 4)
			}
		})
		_, err := c.Select(ctx, "x", SelectOptions{})
		if te, ok := errors.AsType[*transport.TimeoutError](err); !ok || !te.Talking {
			t.Errorf("Select = %v", err)
		}
	})
}
