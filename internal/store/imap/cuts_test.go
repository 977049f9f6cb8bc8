package imap_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"isync/internal/mail"
	"isync/internal/memo"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/testkit"
)

// shortConn is a connection that ends after so many bytes from the server.
type shortConn struct {
	net.Conn
	left int
}

func (c *shortConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		_ = c.Close()
		return 0, io.EOF
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// TestRandomCuts: listings are cut off anywhere, again and again, while others change the
// mailbox between them and during them. Whoever gets to the end sees what is there.
func TestRandomCuts(t *testing.T) {
	const rounds, tries = 6, 8
	for _, c := range rungs {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			rng := rand.New(rand.NewPCG(seed, 0))
			d := testkit.StartDovecot(t, c.dovecot)
			opts := options(t, d, "user")
			if c.change != nil {
				c.change(&opts)
			}
			continued, completed := 0, 0
			opts.Debug = func(text string) {
				if strings.Contains(text, "forgetting") && !strings.Contains(text, "the connection was lost") && !strings.Contains(text, "other messages than it told") {
					t.Errorf("a good server was distrusted: %s", text)
				}
			}
			addr := net.JoinHostPort(opts.Client.Host, strconv.Itoa(opts.Client.Port))
			w := newWriter(t, d)
			const body = "Subject: x\r\n\r\n"
			mails := slices.Repeat([]testkit.Mail{{Body: body}}, 150)
			for round := range rounds {
				remembering(&opts, t.TempDir(), "user") // nothing
				d.Seed(t, "user", "INBOX", mails...)
				for _, m := range truth(t, d, "user") {
					if _, known := w.ever[m.UID]; !known {
						w.ever[m.UID] = int64(len(body))
					}
				}
				for range tries {
					for range rng.IntN(3) {
						w.change(rng)
					}
					limit := 1500 + rng.IntN(6000)
					opts.Client.Dial = func(ctx context.Context) (net.Conn, error) {
						conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
						return &shortConn{conn, limit}, err
					}
					s := imap.New(opts)
					m, err := s.Open(t.Context(), "INBOX", store.OpenRequest{})
					if err == nil {
						need := everything
						if rng.IntN(3) == 0 {
							need.SizesFrom = mail.UID(1 + rng.IntN(60))
						}
						busy := rng.IntN(3) == 0
						var wg sync.WaitGroup
						if busy {
							more := rand.New(rand.NewPCG(rng.Uint64(), 1))
							wg.Go(func() { w.change(more) })
						}
						l, err := m.Scan(t.Context(), need)
						wg.Wait()
						if err == nil {
							completed++
							w.sane(round, need, l.Messages)
							if !busy {
								w.equal(round, need, l.Messages)
							}
						}
						m.Close(t.Context())
					}
					s.Close()
					if p, _, _ := opts.Listings.LoadPart(memo.Key{Account: "user", Box: "INBOX"}); p != nil {
						continued++
					}
				}
				opts.Client.Dial = nil
				visit(t, opts, "INBOX", store.OpenRequest{}, func(m store.Mailbox) {
					w.equal(round, everything, scan(t, m, everything))
				})
				if t.Failed() {
					return
				}
			}
			t.Logf("%d parts were left, %d listings completed", continued, completed)
			if continued == 0 || completed == 0 {
				t.Error("not everything was tried")
			}
		})
	}
}
