package imapclient

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"isync/internal/transport"
)

// TestNoCloseNotify has servers that end TLS without saying so.
func TestNoCloseNotify(t *testing.T) {
	ca := newCert(t, "ca", true, time.Now().Add(time.Hour), nil)
	cert := newCert(t, "mail.example", false, time.Now().Add(time.Hour), ca)
	cfg, err := transport.TLSOptions{ServerName: "mail.example", PEM: ca.pem}.Config()
	if err != nil {
		t.Fatal(err)
	}
	dial := func(end string) *Client {
		c, err := tryConnect(t, Options{Security: ImplicitTLS, TLS: cfg, Timeout: time.Minute}, func(p *peer) {
			if !p.secure(cert) {
				return
			}
			p.send("* OK [CAPABILITY IMAP4rev1] hi\n")
			tag, _, _ := strings.Cut(p.line(), " ")
			p.send("%s", strings.ReplaceAll(end, "TAG", tag))
			_ = p.conn.(*tls.Conn).NetConn().Close()
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, end := range []string{"", "* BYE bye\n", "* BYE bye\nTAG OK out\n"} {
		if err := dial(end).Logout(testContext(t)); err != nil {
			t.Errorf("%q: %v", end, err)
		}
	}
	err = dial("").Noop(testContext(t))
	if !errors.Is(err, transport.ErrPeerClosed) || waitingFor(err) != "NOOP" {
		t.Error(err)
	}
	// What comes before counts.
	if err := dial("TAG OK done\n").Noop(testContext(t)); err != nil {
		t.Error(err)
	}
}

// TestByeAnywhere has servers that say goodbye in the course of each step of a
// beginning session, and close the connection, or do not.
func TestByeAnywhere(t *testing.T) {
	steps := []string{"CAPABILITY", "LOGIN", "ID", "ENABLE", "COMPRESS", "LIST", "SELECT"}
	for i, at := range steps {
		for _, closes := range []bool{true, false} {
			t.Run(fmt.Sprint(at, closes), func(t *testing.T) {
				c, err := tryConnect(t, Options{ID: []string{"name", "x"}, Compression: CompressAlways}, func(p *peer) {
					p.send("* OK hi\n")
					for _, step := range steps[:i+1] {
						tag, rest, _ := strings.Cut(p.line(), " ")
						if !strings.HasPrefix(rest, step) {
							return // it was the reader that found out
						}
						switch step {
						case at:
							p.send("* BYE [UNAVAILABLE] enough\n")
							if !closes {
								p.idle()
							}
							return
						case "CAPABILITY":
							p.send("* CAPABILITY IMAP4rev1 ID ENABLE UTF8=ACCEPT COMPRESS=DEFLATE\n%s OK\n", tag)
						case "LOGIN":
							p.send("%s OK [CAPABILITY IMAP4rev1 ID ENABLE UTF8=ACCEPT COMPRESS=DEFLATE] in\n", tag)
						case "COMPRESS":
							p.send("%s NO not now\n", tag)
						default:
							p.send("%s OK\n", tag)
						}
					}
				})
				if err != nil {
					t.Fatal(err)
				}
				ctx := testContext(t)
				for _, f := range []func() error{
					func() error { return c.Capability(ctx) },
					func() error { return c.Login(ctx, "joe", "secret") },
					func() error { return c.Setup(ctx) },
					func() error { _, err := c.List(ctx, ListRequest{Patterns: []string{"*"}}); return err },
					func() error { _, err := c.Select(ctx, "INBOX", SelectOptions{}); return err },
				} {
					if err = f(); err != nil {
						break
					}
				}
				b, ok := errors.AsType[*ByeError](err)
				if !ok || b.Text != "enough" || b.Code.Name != "UNAVAILABLE" {
					t.Error(err)
				}
			})
		}
	}
}

// TestRewrittenCapabilities: what a proxy puts into the answer to the login
// counts for nothing until CAPABILITY has been asked for (see rewrites), and so
// nothing that it may have made up is used.
func TestRewrittenCapabilities(t *testing.T) {
	c := connect(t, Options{ID: []string{"name", "x"}, Compression: CompressAlways}, "XAPPLEPUSHSERVICE", func(p *peer) {
		p.send("%s OK [CAPABILITY IMAP4rev1 XAPPLELITERAL COMPRESS=DEFLATE ENABLE UTF8=ACCEPT] in\n", p.expect(`LOGIN "joe" "secret"`))
		p.answer("CAPABILITY", "* CAPABILITY IMAP4rev1 XAPPLELITERAL ID\n")
		p.answer(`ID ("name" "x")`, "* ID NIL\n")
		p.answer("NOOP", "")
		p.idle()
	})
	ctx := testContext(t)
	if err := c.Login(ctx, "joe", "secret"); err != nil {
		t.Fatal(err)
	}
	if err := c.Setup(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Noop(ctx); err != nil {
		t.Error(err)
	}
}

// TestStartTLSDisabled: to disable STARTTLS is not to do without TLS.
func TestStartTLSDisabled(t *testing.T) {
	cfg, err := transport.TLSOptions{ServerName: "x"}.Config()
	if err != nil {
		t.Fatal(err)
	}
	_, err = tryConnect(t, Options{Security: StartTLS, TLS: cfg, DisableExtensions: []string{"starttls"}}, func(p *peer) {
		p.send("* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\n")
		if line := p.line(); line != "" {
			t.Errorf("server got %q", line)
		}
	})
	if err == nil || !strings.Contains(err.Error(), "STARTTLS is required") {
		t.Error(err)
	}
}
