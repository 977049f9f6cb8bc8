package cli

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"isync/internal/oauth"
	"isync/internal/vfs"
)

// serveNotConnected answers connections as Exchange does if a good token gives no access, or
// lets them in.
func serveNotConnected(t *testing.T, l net.Listener, in bool, logins *atomic.Int32) {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				fmt.Fprintf(c, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hello\r\n")
				for r := bufio.NewScanner(c); r.Scan(); {
					tag, command, _ := strings.Cut(r.Text(), " ")
					switch word, _, _ := strings.Cut(command, " "); {
					case word == "AUTHENTICATE" && !in:
						logins.Add(1)
						fmt.Fprintf(c, "%s NO User is authenticated but not connected.\r\n", tag)
					case word == "LIST":
						fmt.Fprintf(c, "* LIST () \"/\" INBOX\r\n%s OK done\r\n", tag)
					case word == "LOGOUT":
						fmt.Fprintf(c, "* BYE\r\n%s OK done\r\n", tag)
						return
					default:
						if word == "AUTHENTICATE" {
							logins.Add(1)
						}
						fmt.Fprintf(c, "%s OK done\r\n", tag)
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
}

// TestNotConnected: after "User is authenticated but not connected" over IPv6, IPv4 is tried
// once. If that does not help, the error shows the four possible reasons.
func TestNotConnected(t *testing.T) {
	for _, tt := range []struct {
		host string
		in   bool
	}{{"localhost", true}, {"localhost", false}, {"::1", false}} {
		in := tt.in
		four, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := four.Addr().(*net.TCPAddr).Port
		six, err := net.Listen("tcp6", net.JoinHostPort("::1", strconv.Itoa(port)))
		if err != nil {
			t.Skip("no IPv6: ", err)
		}
		var logins4, logins6 atomic.Int32
		serveNotConnected(t, four, in, &logins4)
		serveNotConnected(t, six, false, &logins6)
		w := newWorld(t, fmt.Sprintf("IMAPStore far\nHost %s\nPort %d\nUser me\nTLSType None\nAuthMechs XOAUTH2\nRetries 0\nOAuth custom\nOAuthClientId id\n"+
			"OAuthAuthURL http://localhost:9/a\nOAuthTokenURL http://localhost:9/t\nTokenFile tokens/t\n", tt.host, port))
		store := &oauth.FileStore{FS: vfs.OS{}, Path: w.dir + "/tokens/t"}
		room, err := store.Reserve(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		g := &oauth.Grant{
			Provider: "custom", Client: "id", Server: "http://localhost:9/t", Access: "s3cr3t", Refresh: "s3cr3t-too",
			Obtained: time.Now(), Expires: time.Now().Add(time.Hour),
		}
		if err := room.Save(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		code := 0
		if !in {
			code = 1
		}
		w.run(code, "-ls", "far")
		// What localhost is first depends on the system.
		want4, most6 := int32(1), int32(1)
		if tt.host == "::1" {
			want4, most6 = 0, 2
		}
		if logins4.Load() != want4 || logins6.Load() > most6 || tt.host == "::1" && logins6.Load() != 2 {
			t.Errorf("%s: %d logins over IPv4, %d over IPv6", tt.host, logins4.Load(), logins6.Load())
		}
		if !in {
			w.says(&w.err, "User is authenticated but not connected", "hint: the server accepted the token, but does not open the mailbox; possible reasons: (1) the mailbox of User (rc:4)", "(4) the server")
		}
		w.silent("s3cr3t")
	}
}
