package cli

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/xdg-go/scram"

	"isync/internal/testkit"
)

// loginServer is a server with an empty inbox, whose point is who gets in and
// how.
type loginServer struct {
	host string
	port int

	tb   testing.TB
	caps string
	tls  *tls.Config // nil: none
	// judge answers an attempt to log in: the n-th, from 1, with a mechanism
	// ("LOGIN" for the command) and its first response, or the words of LOGIN.
	// It returns the tagged answer without the tag. It may converse before.
	judge func(c *loginConn, n int, mech, first string) string

	// impatient is how many connections it ends before anybody logs in.
	impatient atomic.Int32

	mu       sync.Mutex
	attempts []string
}

// loginConn is a connection to a loginServer.
type loginConn struct {
	net.Conn
	r   *bufio.Reader
	srv *loginServer
}

// startLoginServer starts a server that ends with the test.
func startLoginServer(t testing.TB, caps string, cert *testkit.Certificate, judge func(c *loginConn, n int, mech, first string) string) *loginServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &loginServer{host: "127.0.0.1", port: l.Addr().(*net.TCPAddr).Port, tb: t, caps: caps, judge: judge}
	if cert != nil {
		s.tls = &tls.Config{Certificates: []tls.Certificate{cert.TLS()}}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if s.tls != nil {
				conn = tls.Server(conn, s.tls)
			}
			wg.Go(func() {
				defer conn.Close()
				(&loginConn{Conn: conn, r: bufio.NewReader(conn), srv: s}).serve()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return s
}

// tried returns the mechanisms of the attempts so far, and forgets them.
func (s *loginServer) tried() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := strings.Join(s.attempts, " ")
	s.attempts = nil
	return out
}

func (c *loginConn) say(format string, args ...any) {
	_, _ = fmt.Fprintf(c, format+"\r\n", args...)
}

func (c *loginConn) line() string {
	s, _ := c.r.ReadString('\n')
	return strings.TrimRight(s, "\r\n")
}

// ask sends a challenge and returns the response; "*" is one, too.
func (c *loginConn) ask(challenge string) string {
	c.say("+ %s", base64.StdEncoding.EncodeToString([]byte(challenge)))
	line := c.line()
	if line == "*" {
		return line
	}
	dec, err := base64.StdEncoding.DecodeString(line)
	if err != nil {
		c.srv.tb.Errorf("response %q", line)
	}
	return string(dec)
}

func (c *loginConn) serve() {
	c.say("* OK [CAPABILITY IMAP4rev1 %s] hello", c.srv.caps)
	if c.srv.impatient.Add(-1) >= 0 {
		c.say("* BYE Disconnected for inactivity.")
		return
	}
	for {
		words := strings.Fields(c.line())
		if len(words) < 2 {
			return
		}
		tag, cmd := words[0], strings.ToUpper(words[1])
		switch cmd {
		case "LOGIN":
			c.say("%s %s", tag, c.attempt("LOGIN", strings.Join(words[2:], " ")))
			continue
		case "AUTHENTICATE":
			first := ""
			switch {
			case len(words) == 4 && words[3] != "=":
				dec, err := base64.StdEncoding.DecodeString(words[3])
				if err != nil {
					c.srv.tb.Errorf("%q", words)
				}
				first = string(dec)
			case len(words) == 3 && !slices.Contains([]string{"CRAM-MD5", "LOGIN"}, words[2]):
				first = c.ask("")
			}
			c.say("%s %s", tag, c.attempt(words[2], first))
			continue
		case "CAPABILITY":
			c.say("* CAPABILITY IMAP4rev1 %s", c.srv.caps)
		case "SELECT", "EXAMINE":
			c.say("* FLAGS (\\Seen)\r\n* 0 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 1] x")
		case "LOGOUT":
			c.say("* BYE\r\n%s OK", tag)
			return
		}
		c.say("%s OK done", tag)
	}
}

func (c *loginConn) attempt(mech, first string) string {
	c.srv.mu.Lock()
	c.srv.attempts = append(c.srv.attempts, mech)
	n := len(c.srv.attempts)
	c.srv.mu.Unlock()
	return c.srv.judge(c, n, mech, first)
}

// scramJudge lets in who proves, by any SCRAM, to know the password of "me".
// With offers of -PLUS it insists on bindings of a type.
func scramJudge(t testing.TB, password string, plus bool, cbType scram.ChannelBindingType) func(c *loginConn, n int, mech, first string) string {
	return func(c *loginConn, _ int, mech, first string) string {
		hash := scram.SHA256
		if strings.HasPrefix(mech, "SCRAM-SHA-1") {
			hash = scram.SHA1
		}
		client, err := hash.NewClient("me", password, "")
		if err != nil {
			t.Error(err)
		}
		srv, err := hash.NewServer(func(string) (scram.StoredCredentials, error) {
			return client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "salt", Iters: 4096})
		})
		if err != nil {
			t.Error(err)
		}
		conv := srv.NewConversation()
		if plus {
			state := c.Conn.(*tls.Conn).ConnectionState()
			var cb scram.ChannelBinding
			switch cbType {
			case scram.ChannelBindingTLSExporter:
				cb, err = scram.NewTLSExporterBinding(&state)
			case scram.ChannelBindingTLSUnique:
				cb = scram.NewTLSUniqueBinding(state.TLSUnique)
			case scram.ChannelBindingTLSServerEndpoint:
				// The library takes it from the certificate of the peer, which
				// is the other way round here.
				leaf := c.srv.tls.Certificates[0].Leaf
				state.PeerCertificates = append(state.PeerCertificates, leaf)
				cb, err = scram.NewTLSServerEndpointBinding(&state)
			default:
				cb = scram.ChannelBinding{Type: scram.ChannelBindingTLSExporter, Data: []byte("another connection")}
			}
			if err != nil {
				t.Error(err)
			}
			conv = srv.NewConversationWithChannelBinding(cb)
		}
		msg := first
		for range 2 {
			answer, _ := conv.Step(msg) // errors are in the answer
			msg = c.ask(answer)
			if msg == "*" {
				return "BAD cancelled"
			}
		}
		if !conv.Valid() {
			return "NO [AUTHENTICATIONFAILED] no"
		}
		return "OK in"
	}
}
