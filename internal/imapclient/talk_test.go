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

// TestTalk: a server that goes on to talk, but sends nothing that was asked for, is
// given up after a while. One that sends what was asked for is not, however slow it is.
func TestTalk(t *testing.T) {
	for _, line := range []string{
		"* OK still here", "* 3 EXISTS", "* 1 FETCH (FLAGS (\\Seen))", "* 2 FETCH (UID 99 FLAGS ())", "* LIST () \"/\" a",
		"* 1 EXPUNGE", "* nonsense", "* CAPABILITY IMAP4rev1", "* 2 FETCH (UID 99 BODY[] {1}\nx)",
	} {
		t.Run(line, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				c := connect(t, Options{Timeout: timeout}, "", func(p *peer) {
					p.line()
					for ctx.Err() == nil && p.try(line) {
						time.Sleep(timeout / 4)
					}
				})
				begin := time.Now()
				err := c.Fetch(t.Context(), FetchRequest{UIDs: mail.UIDsFrom(1000), Items: imapwire.ItemFlags}, func(*Message) error { return nil })
				cancel()
				var te *transport.TimeoutError
				if !errors.As(err, &te) || !te.Talking {
					t.Errorf("Fetch = %v", err)
				}
				if d := time.Since(begin); d < transport.TalkLimit*timeout || d > (transport.TalkLimit+1)*timeout {
					t.Errorf("given up after %v", d)
				}
			})
		})
	}
	t.Run("slow, but to the point", func(t *testing.T) {
		const n = 200
		synctest.Test(t, func(t *testing.T) {
			c := connect(t, Options{Timeout: timeout}, "", func(p *peer) {
				tag := p.expect("UID FETCH 1:* (UID FLAGS)")
				for i := range n {
					time.Sleep(timeout / 2)
					p.send("* %d FETCH (UID %d FLAGS ())\n", i+1, i+1)
				}
				p.send("%s OK\n", tag)
				p.idle()
			})
			got := 0
			err := c.Fetch(t.Context(), FetchRequest{UIDs: mail.UIDsFrom(1), Items: imapwire.ItemFlags}, func(*Message) error {
				got++
				return nil
			})
			if err != nil || got != n {
				t.Error(err, got)
			}
		})
	})
}

// try sends a line, if there still is somebody to read it.
func (p *peer) try(line string) bool {
	_, err := fmt.Fprintf(p.conn, "%s\r\n", line)
	return err == nil
}
