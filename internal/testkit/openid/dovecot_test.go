package openid

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"isync/internal/testkit"
)

// login logs in with a token, and returns what the server says in the end, and its challenge
// before, which tells what is wrong.
func login(t *testing.T, addr, mechanism, user, token string) (end, challenge string) {
	t.Helper()
	host, port, _ := net.SplitHostPort(addr)
	said := map[string]string{
		"OAUTHBEARER": fmt.Sprintf("n,a=%s,\x01host=%s\x01port=%s\x01auth=Bearer %s\x01\x01", user, host, port, token),
		"XOAUTH2":     fmt.Sprintf("user=%s\x01auth=Bearer %s\x01\x01", user, token),
	}[mechanism]
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "a AUTHENTICATE %s %s\r\n", mechanism, base64.StdEncoding.EncodeToString([]byte(said)))
	for r := bufio.NewReader(conn); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("%v after %q", err, line)
		}
		switch {
		case strings.HasPrefix(line, "a "):
			return line, challenge
		case strings.HasPrefix(line, "+ "):
			data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(line[2:]))
			if err != nil {
				t.Fatalf("challenge %q: %v", line, err)
			}
			challenge = string(data)
			answer := "" // as XOAUTH2 has it
			if mechanism == "OAUTHBEARER" {
				answer = "AQ=="
			}
			fmt.Fprintf(conn, "%s\r\n", answer)
		}
	}
}

// Dovecot takes the tokens of the provider, with both mechanisms, and refuses those that are not
// good with a challenge of JSON.
func TestDovecotTakesTokens(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB, *testkit.DovecotOAuth) testkit.Server{
		"installed": func(tb testing.TB, o *testkit.DovecotOAuth) testkit.Server {
			return testkit.StartDovecot(tb, testkit.DovecotConfig{Users: []string{"ann", "bob"}, OAuth: o})
		},
		"2.4": func(tb testing.TB, o *testkit.DovecotOAuth) testkit.Server {
			d := testkit.StartDovecot24OAuth(tb, o)
			d.AddUser(tb, "ann")
			d.AddUser(tb, "bob")
			return d
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := Start(t, Config{TLS: true, Users: []string{"ann", "bob"}})
			server := start(t, p.OAuth())
			addr := server.At().Addr()
			others := p.Consent(t, "bob", "mail").Access
			check := func(what, user, token string, good bool) {
				t.Helper()
				for _, mechanism := range []string{"OAUTHBEARER", "XOAUTH2"} {
					end, challenge := login(t, addr, mechanism, user, token)
					if strings.HasPrefix(end, "a OK") != good {
						t.Errorf("%s, %s: %s", what, mechanism, end)
					}
					// Dovecot 2.4 says nothing more of a token that is good for another user.
					var says struct{ Status string }
					if err := json.Unmarshal([]byte(challenge), &says); !good && token != others && (err != nil || says.Status == "") {
						t.Errorf("%s, %s: challenge %q: %v", what, mechanism, challenge, err)
					}
				}
			}
			tok := p.Consent(t, "ann", "mail")
			check("a good token", "ann", tok.Access, true)
			check("another user's", "ann", others, false)
			check("no token", "ann", "nonsense", false)
			server.Client(t, "ann").Close() // still with a password, too

			p.Stop()
			check("the provider cannot be reached by others", "ann", tok.Access, true)
			p.ExpireAccess()
			check("an expired token", "ann", tok.Access, false)
			tok = p.Consent(t, "bob", "mail")
			check("a new token", "bob", tok.Access, true)
			p.Withdraw("bob")
			check("a withdrawn consent", "bob", tok.Access, false)
			if p.Stats().Introspections == 0 {
				t.Error("the server did not ask")
			}
		})
	}
}
