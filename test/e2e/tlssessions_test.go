//go:build linux

package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"isync/internal/testkit"
)

// TestTLSSessions: a run resumes the TLS session of the one before, unless TLSSessionCache
// forbids it, and never waits for the server more often because of TLS than the protocol needs.
func TestTLSSessions(t *testing.T) {
	for _, tt := range []struct {
		security, versions string
		full, resumed      int // bursts
	}{
		// ClientHello, Finished and then the greeting, login and everything else, logout
		{"IMAPS", "", 4, 4},
		{"IMAPS", "TLSVersions -1.3", 4, 4},
		// STARTTLS after the greeting, ClientHello, Finished with the login, logout
		{"STARTTLS", "", 4, 4},
		// Finished of the server comes first in a full handshake.
		{"STARTTLS", "TLSVersions -1.3", 5, 4},
	} {
		t.Run(strings.TrimSpace(tt.security+" "+tt.versions), func(t *testing.T) {
			t.Parallel()
			// By default, each process of Dovecot for logins has a key of its own for tickets, and ends
			// after one connection.
			shared := testkit.DovecotConfig{Extra: "service imap-login {\n  service_count = 0\n  process_limit = 1\n}\n"}
			w := newWorld(t, setup{server: shared, security: tt.security, account: "AuthMechs LOGIN\n" + tt.versions, modern: true})
			w.server.Seed(t, w.user, "INBOX", testkit.Mail{Body: note(1, 300).crlf()})
			port, addr := w.server.Port, w.server.Addr()
			if tt.security == "IMAPS" {
				port, addr = w.server.TLSPort, w.server.TLSAddr()
			}
			relay := testkit.StartRelay(t, addr, 0)
			rc := strings.Replace(w.config(), fmt.Sprintf("Port %d\n", port), fmt.Sprintf("Port %d\n", relay.Port()), 1)
			off := strings.Replace(rc, "IMAPStore far\n", "IMAPStore far\nTLSSessionCache no\n", 1)
			measure := func(rc string) (tr testkit.Traffic, took time.Duration) {
				w.configure(rc)
				relay.SetRTT(0)
				for range 3 {
					w.run(ours(), "-a")
				}
				relay.Take()
				relay.SetRTT(100 * time.Millisecond)
				begin := time.Now()
				w.run(ours(), "-a")
				return relay.Take(), time.Since(begin)
			}
			full, fullTook := measure(off)
			if files, _ := filepath.Glob(w.path(".cache", "isync", "*tls*")); len(files) > 0 {
				t.Errorf("TLSSessionCache no, and there is %q", files)
			}
			resumed, resumedTook := measure(rc)
			t.Logf("full: %d bursts, %d and %d bytes, %v; resumed: %d bursts, %d and %d bytes, %v",
				full.Bursts, full.Up, full.Down, fullTook, resumed.Bursts, resumed.Up, resumed.Down, resumedTook)
			if full.Bursts > tt.full || resumed.Bursts > tt.resumed {
				t.Errorf("%d bursts, %d with a session; want %d and %d", full.Bursts, resumed.Bursts, tt.full, tt.resumed)
			}
			// The certificates are not sent again.
			if resumed.Down > full.Down-300 {
				t.Errorf("%d bytes are received, and %d with a session: it was not resumed", full.Down, resumed.Down)
			}
			files, _ := filepath.Glob(w.path(".cache", "isync", "*.tls"))
			if len(files) != 1 {
				t.Errorf("%q", files)
			}
			// A session is of no use where the certificate is not trusted any more.
			w.write("ca.pem", string(testkit.NewCA(t).PEM()))
			if res := w.start(ours(), "-a").wait(); res.code == 0 || !strings.Contains(res.stderr, "certificate") {
				t.Errorf("exit code %d without the CA: %s", res.code, res.stderr)
			}
		})
	}
}
