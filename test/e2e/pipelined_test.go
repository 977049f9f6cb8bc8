//go:build linux

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"isync/internal/testkit"
)

// TestPipelinedMailboxes counts how often a run waits for the server that opens many
// mailboxes: with one connection, some 16 of them are listed in each round trip.
func TestPipelinedMailboxes(t *testing.T) {
	const boxes, alone = 64, "PipelineDepth 1"
	exchange := testkit.DovecotConfig{Capability: "IMAP4rev1 ID IDLE NAMESPACE UIDPLUS UNSELECT LITERAL+"}
	condstore := testkit.DovecotConfig{Capability: noQResync}
	for _, tt := range []struct {
		name    string
		server  testkit.DovecotConfig
		account string
		cold    bool // nothing is remembered
		fresh   int  // mailboxes with a new message
		waits   int
		selects int
	}{
		{name: "nothing remembered", cold: true, waits: 9, selects: boxes},
		{name: "nothing remembered, three connections", account: "Connections 3", cold: true, waits: 9, selects: boxes},
		{name: "no CONDSTORE", server: exchange, waits: 9, selects: boxes},
		{name: "no CONDSTORE, nothing remembered", server: exchange, cold: true, waits: 10, selects: boxes},
		{name: "new messages", fresh: 32, waits: 6, selects: 32},
		{name: "new messages, no QRESYNC", server: condstore, fresh: 32, waits: 6, selects: 32},
		{name: "new messages, no CONDSTORE", server: exchange, fresh: 32, waits: 14, selects: boxes + 32},
		{name: "one command at a time", account: alone, cold: true, waits: 3 * boxes, selects: boxes},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			account := tt.account
			if !strings.Contains(account, "Connections") {
				account = "Connections 1\n" + account
			}
			w := newWorld(t, setup{server: tt.server, account: account, channel: "Expunge Both\nCreate Near\nPatterns box*"})
			box := func(i int) string { return fmt.Sprintf("box%02d", i) }
			want := make([]int, boxes)
			for i := range boxes {
				want[i] = 3
				w.server.Seed(t, w.user, box(i), testkit.Mail{Body: note(i, 300).crlf()}, testkit.Mail{Body: note(100+i, 300).crlf()}, testkit.Mail{Body: note(200+i, 300).crlf()})
			}
			relay := testkit.StartRelay(t, w.server.Addr(), 0)
			w.configure(strings.Replace(w.config(), fmt.Sprintf("Port %d\n", w.server.Port), fmt.Sprintf("Port %d\n", relay.Port()), 1))
			for range 3 {
				w.sync(ours())
				time.Sleep(300 * time.Millisecond)
			}
			for i := range tt.fresh {
				want[i]++
				w.server.Seed(t, w.user, box(i), testkit.Mail{Body: note(300+i, 300).crlf()})
			}
			if tt.cold {
				if err := os.RemoveAll(w.path("cache")); err != nil {
					t.Fatal(err)
				}
				if err := os.RemoveAll(w.path(".cache")); err != nil {
					t.Fatal(err)
				}
			}
			relay.Take()
			w.server.ForgetCommands(t)
			rtt := 80 * time.Millisecond
			if tt.account == alone {
				rtt /= 8
			}
			relay.SetRTT(rtt)
			w.sync(ours())
			waits := relay.Take().Bursts
			if waits > tt.waits || tt.account == alone && waits < boxes {
				t.Errorf("waited %d times, want %d", waits, tt.waits)
			}
			t.Logf("waited %d times", waits)
			selects := 0
			cmds := w.server.Commands(t, w.user)
			for _, c := range cmds {
				if strings.HasPrefix(c, "SELECT ") {
					selects++
				}
			}
			if selects != tt.selects {
				t.Errorf("%d SELECTs, want %d", selects, tt.selects)
			}
			if t.Failed() {
				t.Logf("%q", cmds)
			}
			for i, n := range want {
				if got := w.countNear(box(i)); got != n {
					t.Errorf("%d messages in %s, want %d", got, box(i), n)
				}
			}
		})
	}
}
