package imap_test

import (
	"fmt"
	"strings"
	"testing"

	goimap "github.com/emersion/go-imap/v2"

	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/testkit"
)

// BenchmarkUnchanged opens and scans a mailbox in which nothing has changed, as
// the second run does: with each way to find that out.
func BenchmarkUnchanged(b *testing.B) {
	const n = 100_000
	d := testkit.StartDovecot(b, testkit.DovecotConfig{Storage: "sdbox"})
	d.Seed(b, "user", "INBOX", testkit.Mail{Body: "Subject: x\r\n\r\n"})
	c := d.Client(b, "user")
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		b.Fatal(err)
	}
	for have := 1; have < n; {
		k := min(have, n-have)
		if _, err := c.Copy(goimap.SeqSet{{Start: 1, Stop: uint32(k)}}, "INBOX").Wait(); err != nil {
			b.Fatal(err)
		}
		have += k
	}
	for _, disable := range []string{"", "QRESYNC", "QRESYNC CONDSTORE"} {
		name := "nothing disabled"
		if disable != "" {
			name = "without " + disable
		}
		b.Run(name, func(b *testing.B) {
			opts := options(b, d, "user")
			opts.Client.DisableExtensions = strings.Fields(disable)
			remembering(&opts, b.TempDir(), "user")
			once := func(remember bool) {
				s := imap.New(opts)
				defer s.Close()
				m, err := s.Open(b.Context(), "INBOX", store.OpenRequest{})
				if err != nil {
					b.Fatal(err)
				}
				l, err := m.Scan(b.Context(), everything)
				if err != nil {
					b.Fatal(err)
				}
				if len(l.Messages) != n || l.Messages[n-1].UID != mail.UID(n) {
					b.Fatal(fmt.Sprint(len(l.Messages)))
				}
				if remember {
					m.(store.Rememberer).Remember(b.Context())
				}
				if err := m.Close(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			once(true)
			b.ReportAllocs()
			for b.Loop() {
				once(false)
			}
		})
	}
}
