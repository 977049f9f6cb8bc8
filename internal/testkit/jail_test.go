//go:build linux

package testkit

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"
)

// TestKinds: each server lets in who knows the password, over all kinds of
// connections, while another one of its kind runs.
func TestKinds(t *testing.T) {
	for _, kind := range Kinds() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			s, other := kind.Start(t), kind.Start(t)
			t.Logf("two started in %v", time.Since(begin))
			conn, r := dial(t, s.At().Addr())
			got := talk(t, conn, r, "x CAPABILITY", login("user"), "c CAPABILITY", "n NAMESPACE", "s SELECT INBOX", "l LOGOUT")
			for _, want := range []string{"STARTTLS", "a OK", "UIDPLUS", `"` + s.Traits().Separator + `"`, "s OK"} {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in\n%s", want, got)
				}
			}
			for _, able := range []string{"QRESYNC", "LITERAL+", "MOVE", "COMPRESS=DEFLATE", "[UIDNEXT "} {
				if has := strings.Contains(got, able); has != (kind.Name != "courier") {
					t.Errorf("%s: %t; docs/servers.md says otherwise", able, has)
				}
			}

			conn, r = dial(t, s.At().Addr())
			talk(t, conn, r, "s STARTTLS")
			conf := &tls.Config{RootCAs: s.At().CA.Pool(), ServerName: "localhost"}
			secure := tls.Client(conn, conf)
			if got := talk(t, secure, bufio.NewReader(secure), login("user"), "z LOGOUT"); !strings.Contains(got, "a OK") {
				t.Errorf("STARTTLS: %s", got)
			}
			secure, err := tls.Dial("tcp", s.At().TLSAddr(), conf)
			if err != nil {
				t.Fatal(err)
			}
			defer secure.Close()
			if got := talk(t, secure, bufio.NewReader(secure), login("user"), "z LOGOUT"); !strings.Contains(got, "a OK") {
				t.Errorf("IMAPS: %s", got)
			}

			s.AddUser(t, "late")
			s.At().Seed(t, "late", s.Traits().Prefix+"box", Mail{Body: "Subject: x\r\n\r\ny\r\n"})
			conn, r = dial(t, other.At().Addr())
			if got := talk(t, conn, r, login("late")); !strings.Contains(got, "a NO") {
				t.Errorf("a user of the other server: %s", got)
			}
		})
	}
}

// TestJailEnds: nothing is left when the test has ended.
func TestJailEnds(t *testing.T) {
	var j *jail
	t.Run("with a session", func(t *testing.T) {
		c := StartCourier(t, CourierConfig{})
		j = c.jail
		conn, r := dial(t, c.Addr())
		talk(t, conn, r, login("user"))
		if len(inmates(j.dir)) < 3 {
			t.Errorf("processes %v", inmates(j.dir))
		}
	})
	if j == nil {
		return // skipped
	}
	if left := inmates(j.dir); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
	if _, err := os.Stat(j.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: %v", j.dir, err)
	}
}
