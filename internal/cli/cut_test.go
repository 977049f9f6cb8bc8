package cli

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"isync/internal/testkit"
)

// startCutter passes connections on to a server, and cuts each off after so many bytes
// from the server. It returns its port.
func startCutter(tb testing.TB, server string, most int64) int {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer client.Close()
				conn, err := net.Dial("tcp", server)
				if err != nil {
					return
				}
				defer conn.Close()
				go func() { _, _ = io.Copy(conn, client) }()
				_, _ = io.CopyN(client, conn, most)
			})
		}
	})
	tb.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return l.Addr().(*net.TCPAddr).Port
}

// TestCutOff: over connections that are cut off again and again, each run brings
// messages. Where the server has mod-sequences, the listing of the mailbox is kept from one
// run to the next: it takes most of what comes before a connection is cut off.
func TestCutOff(t *testing.T) {
	const n, most = 5000, 200_000
	for name, tt := range map[string]struct {
		disable string
		runs    int
		words   int // in a message
	}{
		"QRESYNC":   {"", 25, 120},
		"CONDSTORE": {"QRESYNC", 25, 120},
		"neither":   {"QRESYNC CONDSTORE", 60, 10}, // lists everything anew
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := testkit.StartDovecot(t, testkit.DovecotConfig{})
			port := startCutter(t, fmt.Sprintf("%s:%d", srv.Host, srv.Port), most)
			disable := ""
			if tt.disable != "" {
				disable = "DisableExtensions " + tt.disable + "\n"
			}
			w := newWorld(t, fmt.Sprintf("FSync no\n\nIMAPStore far\nHost %s\nPort %d\nUser user\nPassCmd \"cat '$DIR/secret'\"\nTLSType None\nAuthMechs PLAIN\n%s\n", srv.Host, port, disable)+
				"MaildirStore near2\nInbox near2\n\nChannel d\nFar :far:INBOX\nNear :near2:INBOX\nCreate Near\nExpunge Both\nSyncState *\n")
			w.write("secret", testkit.Password+"\n")
			cache := filepath.Join(w.dir, "cache")
			w.env.Config.Getenv = func(name string) string {
				if name == "XDG_CACHE_HOME" {
					return cache
				}
				return ""
			}
			var mails []testkit.Mail
			for i := range n {
				mails = append(mails, testkit.Mail{Body: fmt.Sprintf("Subject: s%d\r\nMessage-Id: <m%d@x>\r\n\r\n%s\r\n", i, i, strings.Repeat("text ", tt.words))})
			}
			srv.Seed(t, "user", "INBOX", mails...)
			runs, code := 0, 1
			for code != 0 && runs < 100 {
				w.out.Reset()
				w.err.Reset()
				code = Main(w.env, []string{"mbsync", "-c", "rc", "d"})
				runs++
			}
			got := map[string]int{}
			for _, d := range []string{"new", "cur"} {
				files, _ := os.ReadDir(filepath.Join(w.dir, "near2", d))
				for _, f := range files {
					data, _ := os.ReadFile(filepath.Join(w.dir, "near2", d, f.Name()))
					_, s, _ := strings.Cut(string(data), "Subject: ")
					s, _, _ = strings.Cut(s, "\n")
					got[s]++
				}
			}
			for s, k := range got {
				if k != 1 {
					t.Errorf("%s is there %d times", s, k)
				}
			}
			t.Logf("%d runs for %d messages", runs, len(got))
			if len(got) != n || runs > tt.runs {
				t.Errorf("%d messages after %d runs\n%s", len(got), runs, &w.err)
			}
			if far := strings.Count(srv.Doveadm(t, "", "fetch", "-u", "user", "uid", "mailbox", "INBOX", "all"), "uid:"); far != n {
				t.Errorf("%d messages on the server", far)
			}
		})
	}
}
