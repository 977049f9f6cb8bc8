package imapclient

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/google/go-cmp/cmp"

	"isync/internal/imapwire"
	"isync/internal/testkit"
	"isync/internal/transport"
)

// expectedMemo is the memo for the servers of these tests, which send hello.
func expectedMemo() *ServerMemo {
	return &ServerMemo{
		Offered: "AUTH=PLAIN AUTH=XOAUTH2 IMAP4REV1 SASL-IR", Greeted: true,
		Caps: "ENABLE ID IMAP4REV1 NAMESPACE UTF8=ACCEPT", Told: true,
		UTF8:      true,
		Namespace: &imapwire.Namespace{Personal: []imapwire.NamespaceEntry{{Prefix: "Mail/", Delim: "/"}}},
	}
}

const (
	hello    = "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=XOAUTH2] hello\n"
	loggedIn = "OK [CAPABILITY IMAP4rev1 ID ENABLE UTF8=ACCEPT NAMESPACE] welcome\n"
)

// burst is what is sent behind the greeting: everything at once, whatever comes
// back.
type burst struct {
	login, id, enable, namespace, list string // tags
}

func (p *peer) burst() (b burst) {
	b.login = p.expect(`LOGIN "me" "secret"`)
	b.id = p.expect(`ID ("name" "isync")`)
	b.enable = p.expect("ENABLE UTF8=ACCEPT")
	b.namespace = p.expect("NAMESPACE")
	b.list = p.expect(`LIST "" "*"`)
	return b
}

func (p *peer) answerBurst(b burst, login string) {
	p.send("%s", login)
	p.send("* ID NIL\n%s OK\n* ENABLED UTF8=ACCEPT\n%s OK\n", b.id, b.enable)
	p.send("* NAMESPACE ((\"Mail/\" \"/\")) NIL NIL\n%s OK\n* LIST () \"/\" \"Mail/Entwürfe\"\n%s OK\n", b.namespace, b.list)
}

// outcome is the result of the commands that were sent optimistically.
type outcome struct{ login, setup, list, confirm error }

// sendOptimistically sends what burst expects, as a session of a store does.
func sendOptimistically(ctx context.Context, c *Client, login func() error) (o outcome, names []string) {
	done := make(chan error, 1)
	sent := c.LoginSent()
	go func() { done <- login() }()
	select {
	case <-sent:
	case err := <-done:
		done <- err
	}
	o.setup = c.Setup(ctx)
	var entries []ListEntry
	entries, o.list = c.List(ctx, ListRequest{Patterns: []string{"*"}})
	if o.login = <-done; o.login == nil {
		o.confirm = c.Confirm(ctx)
	}
	for _, e := range entries {
		names = append(names, e.Name)
	}
	return o, names
}

func surprise(err error) bool {
	_, ok := errors.AsType[*SurpriseError](err)
	return ok
}

// TestOptimistic has servers that answer as expected, and others.
func TestOptimistic(t *testing.T) {
	for _, tt := range []struct {
		name  string
		serve func(p *peer)
		// surprise: things are otherwise. refused: the login is.
		surprise, refused bool
		gone              bool // the connection is, for another reason
	}{
		{name: "as expected", serve: func(p *peer) {
			b := p.burst()
			p.answerBurst(b, b.login+" "+loggedIn)
		}},
		{name: "other capabilities", surprise: true, serve: func(p *peer) {
			b := p.burst()
			p.send("%s OK [CAPABILITY IMAP4rev1 ID ENABLE UTF8=ACCEPT NAMESPACE UIDPLUS] welcome\n", b.login)
			p.send("%s OK\n%s OK\n%s OK\n* LIST () \"/\" \"no\"\n%s OK\n", b.id, b.enable, b.namespace, b.list)
		}},
		{name: "capabilities that were not told", surprise: true, serve: func(p *peer) { p.send("%s OK welcome\n", p.burst().login) }},
		{name: "capabilities by themselves", serve: func(p *peer) {
			b := p.burst()
			p.answerBurst(b, "* CAPABILITY IMAP4rev1 ID ENABLE UTF8=ACCEPT NAMESPACE\n"+b.login+" OK welcome\n")
		}},
		{name: "no UTF-8", surprise: true, serve: func(p *peer) {
			b := p.burst()
			p.send("%s %s%s OK\n%s NO not today\n", b.login, loggedIn, b.id, b.enable)
			p.send("* NAMESPACE ((\"Mail/\" \"/\")) NIL NIL\n%s OK\n* LIST () \"/\" \"no\"\n%s OK\n", b.namespace, b.list)
		}},
		{name: "another namespace", surprise: true, serve: func(p *peer) {
			b := p.burst()
			p.send("%s %s%s OK\n* ENABLED UTF8=ACCEPT\n%s OK\n", b.login, loggedIn, b.id, b.enable)
			p.send("* NAMESPACE ((\"\" \"/\")) NIL NIL\n%s OK\n* LIST () \"/\" \"no\"\n%s OK\n", b.namespace, b.list)
		}},
		{name: "no namespace", surprise: true, serve: func(p *peer) {
			b := p.burst()
			p.send("%s %s%s OK\n* ENABLED UTF8=ACCEPT\n%s OK\n", b.login, loggedIn, b.id, b.enable)
			p.send("%s BAD what?\n* LIST () \"/\" \"no\"\n%s OK\n", b.namespace, b.list)
		}},
		{name: "not in turn", surprise: true, serve: func(p *peer) {
			b := p.burst()
			p.send("%s BAD log in first\n%s %s", b.id, b.login, loggedIn)
		}},
		{name: "an answer twice", surprise: true, serve: func(p *peer) {
			b := p.burst()
			p.send("%s %s%s BAD Already authenticated\n", b.login, loggedIn, b.login)
			p.send("* ID NIL\n%s OK\n", b.id)
			p.idle() // the end of the burst is lost
		}},
		{name: "broken off", surprise: true, serve: func(p *peer) { p.burst() }},
		{name: "said goodbye", surprise: true, serve: func(p *peer) {
			p.burst()
			p.send("* BYE do not talk while I do\n")
		}},
		{name: "said goodbye with a code", surprise: true, serve: func(p *peer) {
			p.burst()
			p.send("* BYE [CLIENTBUG] log in first\n")
		}},
		{name: "said goodbye, and why", gone: true, serve: func(p *peer) {
			p.burst()
			p.send("* BYE [UNAVAILABLE] too many connections\n")
		}},
		{name: "wrong password", refused: true, serve: func(p *peer) {
			b := p.burst()
			p.send("%s NO [AUTHENTICATIONFAILED] who are you?\n%s BAD log in\n%s BAD log in\n%s BAD log in\n", b.login, b.id, b.enable, b.namespace)
			p.send("* LIST () \"/\" \"no\"\n%s OK\n", b.list)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := tryConnect(t, Options{Memo: expectedMemo(), ID: []string{"name", "isync"}, Namespace: true}, func(p *peer) {
				p.send(hello)
				tt.serve(p)
				if !tt.surprise && !tt.gone {
					p.idle()
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if !c.Optimistic() {
				t.Fatal("the handshake is not optimistic")
			}
			ctx := testContext(t)
			o, names := sendOptimistically(ctx, c, func() error { return c.Login(ctx, "me", "secret") })
			switch {
			case tt.refused:
				if _, ok := errors.AsType[*ResponseError](o.login); !ok || surprise(o.login) || surprise(o.list) {
					t.Errorf("%+v", o)
				}
			case tt.gone:
				if _, lost := errors.AsType[*ConnectionError](o.login); !lost || surprise(o.login) {
					t.Errorf("%+v", o)
				}
			case tt.surprise:
				if !surprise(errors.Join(o.login, o.confirm)) {
					t.Errorf("%+v", o)
				}
			case o != outcome{} || strings.Join(names, " ") != "Mail/Entwürfe":
				t.Errorf("%+v %q", o, names)
			}
			phase := phaseConfirmed
			switch {
			case tt.surprise:
				phase = phaseSurprised
			case tt.refused, tt.gone:
				phase = phaseOptimistic // the connection is lost, for another reason
			}
			if got := c.hs.in(); got != phase {
				t.Errorf("the handshake is in phase %d, want %d", got, phase)
			}
			if tt.surprise || tt.refused || tt.gone {
				if _, lost := errors.AsType[*ConnectionError](o.list); !lost || names != nil {
					t.Errorf("what was sent optimistically led to %q, %v", names, o.list)
				}
				return
			}
			if c.Optimistic() || !c.Caps().Has("ENABLE") {
				t.Errorf("optimistic %v, capabilities %v", c.Optimistic(), c.Caps())
			}
			if diff := cmp.Diff(expectedMemo(), c.Memo()); diff != "" {
				t.Errorf("Memo: %s", diff)
			}
			if ns, err := c.Namespace(ctx); err != nil || ns.Personal[0].Prefix != "Mail/" {
				t.Errorf("%+v %v", ns, err)
			}
		})
	}
}

// TestDeaf: what would be thrown away is not sent, even where another server was
// expected.
func TestDeaf(t *testing.T) {
	c, err := tryConnect(t, Options{Memo: expectedMemo()}, func(p *peer) {
		p.send("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=XOAUTH2] Courier-IMAP ready.\n")
		p.send("%s %s", p.expect(`LOGIN "me" "secret"`), loggedIn)
		p.answer("ENABLE UTF8=ACCEPT", "* ENABLED UTF8=ACCEPT\n")
		p.idle()
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Optimistic() {
		t.Error("the handshake is optimistic")
	}
	ctx := testContext(t)
	if err := errors.Join(c.Login(ctx, "me", "secret"), c.Setup(ctx)); err != nil {
		t.Error(err)
	}
	if p := c.Memo(); p != nil {
		t.Errorf("%+v", p)
	}
}

// TestOptimisticOfWhom: when nothing is sent optimistically, and when the server must
// send its capabilities, too.
func TestOptimisticOfWhom(t *testing.T) {
	asked := expectedMemo()
	asked.Greeted = false
	late := expectedMemo()
	late.Told = false
	apple := expectedMemo()
	apple.Caps += " XAPPLEPUSHSERVICE"
	for _, tt := range []struct {
		name     string
		memo     *ServerMemo
		greeting string
		depth    int
		want     bool
	}{
		{"as before", expectedMemo(), hello, 0, true},
		{"in another order", expectedMemo(), "* OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR AUTH=PLAIN] hello\n", 0, true},
		{"nothing is known", nil, hello, 0, false},
		{"offers less", expectedMemo(), "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hello\n", 0, false},
		{"offers more", expectedMemo(), "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=XOAUTH2 LOGINDISABLED] hello\n", 0, false},
		{"tells nothing", expectedMemo(), "* OK hello\n", 0, false},
		{"tells nothing, as before, in the clear", asked, "* OK hello\n", 0, false},
		{"tells what it did not", asked, hello, 0, false},
		{"logged in already", expectedMemo(), "* PREAUTH [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=XOAUTH2] hello\n", 0, false},
		{"one after the other", expectedMemo(), hello, 1, false},
		{"rewrites", apple, hello, 0, false},
		{"told later", late, hello, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := tryConnect(t, Options{Memo: tt.memo, PipelineDepth: tt.depth}, func(p *peer) {
				p.send("%s", tt.greeting)
				if line := p.line(); line != "" {
					t.Errorf("sent %q", line)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if c.Optimistic() != tt.want {
				t.Errorf("Optimistic = %v", c.Optimistic())
			}
		})
	}
}

// TestOptimisticAsking: if the server does not send its capabilities by itself, the
// client asks for them together with the other commands, and compares them.
func TestOptimisticAsking(t *testing.T) {
	for _, tt := range []struct {
		name            string
		offered, having string
		want            bool
	}{
		{"as expected", "IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=XOAUTH2", "IMAP4rev1 NAMESPACE ID ENABLE UTF8=ACCEPT", true},
		{"offers less", "IMAP4rev1 SASL-IR AUTH=PLAIN", "IMAP4rev1 NAMESPACE ID ENABLE UTF8=ACCEPT", false},
		{"has more", "IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=XOAUTH2", "IMAP4rev1 NAMESPACE ID ENABLE UTF8=ACCEPT MOVE", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := expectedMemo()
			before.Greeted, before.Told = false, false
			d := newTLSPeer(t, func(p *peer) {
				p.send("* OK hello\n")
				first := p.expect("CAPABILITY")
				login := p.expect(`LOGIN "me" "secret"`)
				second := p.expect("CAPABILITY")
				enable, namespace, list := p.expect("ENABLE UTF8=ACCEPT"), p.expect("NAMESPACE"), p.expect(`LIST "" "*"`)
				p.send("* CAPABILITY %s\n%s OK\n%s OK in\n* CAPABILITY %s\n%s OK\n", tt.offered, first, login, tt.having, second)
				p.send("* ENABLED UTF8=ACCEPT\n%s OK\n* NAMESPACE ((\"Mail/\" \"/\")) NIL NIL\n%s OK\n* LIST () \"/\" \"x\"\n%s OK\n", enable, namespace, list)
				p.idle()
			})
			d.Memo, d.Namespace = before, true
			ctx := testContext(t)
			c, err := Dial(ctx, d)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if !c.Optimistic() {
				t.Fatal("the handshake is not optimistic")
			}
			o, names := sendOptimistically(ctx, c, func() error { return c.Login(ctx, "me", "secret") })
			if tt.want && (o != outcome{} || len(names) != 1) {
				t.Errorf("%+v %q", o, names)
			}
			if !tt.want && (!surprise(errors.Join(o.login, o.confirm)) || names != nil) {
				t.Errorf("%+v %q", o, names)
			}
			if tt.want {
				if diff := cmp.Diff(before, c.Memo()); diff != "" {
					t.Errorf("Memo: %s", diff)
				}
			}
		})
	}
}

// newTLSPeer returns options to connect to a peer that speaks TLS from the first
// byte.
func newTLSPeer(t *testing.T, serve func(p *peer)) Options {
	t.Helper()
	ca := testkit.NewCA(t)
	cert := ca.Issue(t, testkit.CertConfig{}).TLS()
	cfg, err := transport.TLSOptions{ServerName: "127.0.0.1", PEM: ca.PEM()}.Config()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { <-done })
	return Options{
		Host: "127.0.0.1", Security: ImplicitTLS, TLS: cfg,
		Dial: func(context.Context) (net.Conn, error) {
			client, server := pipe(t, true)
			go func() {
				defer close(done)
				s := tls.Server(server, &tls.Config{Certificates: []tls.Certificate{cert}})
				defer s.Close()
				serve(&peer{t, s, bufio.NewReader(s)})
			}()
			return client, nil
		},
	}
}

// TestOptimisticAuthenticate: commands are sent behind mechanisms that consist of one
// line, and not behind others. The explanation of a refusal is not lost.
func TestOptimisticAuthenticate(t *testing.T) {
	for _, tt := range []struct {
		name  string
		mech  sasl.Client
		login func(p *peer) (tag string)
		// answer is what the server says to it when it has got everything.
		answer func(p *peer, tag string)
		detail string
		alert  string // what the user is to see
	}{
		{
			name: "PLAIN", mech: sasl.NewPlainClient("", "me", "secret"),
			login:  func(p *peer) string { return p.expect("AUTHENTICATE PLAIN AG1lAHNlY3JldA==") },
			answer: func(p *peer, tag string) { p.send("%s %s", tag, loggedIn) },
		},
		{
			name: "LOGIN", mech: sasl.NewLoginClient("me", "secret"),
			login: func(p *peer) string {
				tag := p.expect("AUTHENTICATE LOGIN bWU=")
				p.send("+ UGFzc3dvcmQ6\n") // Password:
				if got := p.line(); got != "c2VjcmV0" {
					t.Errorf("got %q", got)
				}
				p.send("%s %s", tag, loggedIn)
				return ""
			},
			answer: func(*peer, string) {},
		},
		{
			name: "XOAUTH2", mech: &tokenMech{}, detail: "401",
			login: func(p *peer) string { return p.expect("AUTHENTICATE XOAUTH2 dXNlcj1tZQFhdXRoPUJlYXJlciB0b2tlbgEB") },
			answer: func(p *peer, tag string) {
				p.send("+ eyJzdGF0dXMiOiI0MDEifQ==\n") // {"status":"401"}
				p.send("%s NO [AUTHENTICATIONFAILED] no\n", tag)
			},
		},
		{
			name: "misunderstood", mech: &tokenMech{}, detail: "401",
			login: func(p *peer) string { return p.expect("AUTHENTICATE XOAUTH2 dXNlcj1tZQFhdXRoPUJlYXJlciB0b2tlbgEB") },
			answer: func(p *peer, tag string) {
				// Dovecot reads the next command as the response.
				p.send("+ eyJzdGF0dXMiOiI0MDEifQ==\n")
				p.send("%s BAD [ALERT] Invalid base64 in response\n", tag)
			},
		},
		{
			name: "alert", mech: &tokenMech{}, detail: "401", alert: "pay first",
			login: func(p *peer) string { return p.expect("AUTHENTICATE XOAUTH2 dXNlcj1tZQFhdXRoPUJlYXJlciB0b2tlbgEB") },
			answer: func(p *peer, tag string) {
				p.send("+ eyJzdGF0dXMiOiI0MDEifQ==\n")
				p.send("%s NO [ALERT] pay first\n", tag)
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var alert atomic.Value
			alert.Store("")
			hooks := Hooks{Alert: func(text string) { alert.Store(text) }}
			c, err := tryConnect(t, Options{Memo: expectedMemo(), ID: []string{"name", "isync"}, Hooks: hooks}, func(p *peer) {
				p.send(hello)
				tag := tt.login(p)
				id, enable, list := p.expect(`ID ("name" "isync")`), p.expect("ENABLE UTF8=ACCEPT"), p.expect(`LIST "" "*"`)
				tt.answer(p, tag)
				p.send("%s OK\n* ENABLED UTF8=ACCEPT\n%s OK\n* LIST () \"/\" \"x\"\n%s OK\n", id, enable, list)
				p.idle()
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx := testContext(t)
			o, names := sendOptimistically(ctx, c, func() error { return c.Authenticate(ctx, tt.mech) })
			if got := alert.Load(); got != tt.alert {
				t.Errorf("the user is shown %q, not %q", got, tt.alert)
			}
			if tt.detail == "" {
				if (o != outcome{}) || len(names) != 1 {
					t.Errorf("%+v %q", o, names)
				}
				return
			}
			if _, ok := errors.AsType[*ResponseError](o.login); !ok || names != nil {
				t.Errorf("%+v %q", o, names)
			}
			if got := tt.mech.(*tokenMech).told; !strings.Contains(got, tt.detail) {
				t.Errorf("the mechanism was told %q", got)
			}
		})
	}
}

// TestOptimisticCyrus: Cyrus loses a part of the input that is sent behind an
// AUTHENTICATE, but not behind a LOGIN. The commands after the login are still sent
// without waiting.
func TestOptimisticCyrus(t *testing.T) {
	for _, command := range []string{"LOGIN", "AUTHENTICATE"} {
		t.Run(command, func(t *testing.T) {
			c, err := tryConnect(t, Options{Memo: expectedMemo(), ID: []string{"name", "isync"}, Namespace: true}, func(p *peer) {
				p.send("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=XOAUTH2] cyrus.test Cyrus IMAP 3.10.2 server ready\n")
				if command == "LOGIN" {
					b := p.burst()
					p.answerBurst(b, b.login+" "+loggedIn)
					p.idle()
					return
				}
				tag := p.expect("AUTHENTICATE PLAIN AG1lAHNlY3JldA==")
				p.silence()
				p.send("%s %s", tag, loggedIn)
				b := burst{id: p.expect(`ID ("name" "isync")`), enable: p.expect("ENABLE UTF8=ACCEPT"), namespace: p.expect("NAMESPACE"), list: p.expect(`LIST "" "*"`)}
				p.answerBurst(b, "")
				p.idle()
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx := testContext(t)
			login := func() error { return c.Login(ctx, "me", "secret") }
			if command == "AUTHENTICATE" {
				login = func() error { return c.Authenticate(ctx, sasl.NewPlainClient("", "me", "secret")) }
			}
			if o, names := sendOptimistically(ctx, c, login); (o != outcome{}) || len(names) != 1 {
				t.Errorf("%+v %q", o, names)
			}
		})
	}
}

// silence checks that the client sends nothing for now.
func (p *peer) silence() {
	p.t.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if b, err := p.r.Peek(1); err == nil {
		p.t.Errorf("got %q too early", b)
	}
	_ = p.conn.SetReadDeadline(time.Time{})
}

// tokenMech is refused with an explanation, which comes as a challenge.
type tokenMech struct{ told string }

func (m *tokenMech) Start() (mech string, ir []byte, err error) {
	return "XOAUTH2", []byte("user=me\x01auth=Bearer token\x01\x01"), nil
}

func (m *tokenMech) Next(challenge []byte) ([]byte, error) {
	m.told = string(challenge)
	return nil, nil
}

// TestOptimisticDropped: some servers discard input that arrives during a login.
func TestOptimisticDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := tryConnect(t, Options{Memo: expectedMemo(), ID: []string{"name", "isync"}, Namespace: true, Timeout: time.Hour}, func(p *peer) {
			p.send(hello)
			p.send("%s %s", p.burst().login, loggedIn)
			p.idle()
		})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		o, names := sendOptimistically(t.Context(), c, func() error { return c.Login(t.Context(), "me", "secret") })
		if !surprise(o.confirm) || names != nil {
			t.Errorf("%+v", o)
		}
		if d := time.Since(start); d != behindLoginGrace {
			t.Errorf("noticed after %v", d)
		}
		_ = c.Close()
	})
}

// TestOptimisticSlow: the grace period ends with the first answer after the login.
func TestOptimisticSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := tryConnect(t, Options{Memo: expectedMemo(), ID: []string{"name", "isync"}, Namespace: true, Timeout: time.Hour}, func(p *peer) {
			p.send(hello)
			b := p.burst()
			time.Sleep(10 * behindLoginGrace) // to check the password
			p.send("%s %s* ID NIL\n", b.login, loggedIn)
			time.Sleep(10 * behindLoginGrace)
			p.send("%s OK\n* ENABLED UTF8=ACCEPT\n%s OK\n", b.id, b.enable)
			p.send("* NAMESPACE ((\"Mail/\" \"/\")) NIL NIL\n%s OK\n* LIST () \"/\" \"x\"\n%s OK\n", b.namespace, b.list)
			p.idle()
		})
		if err != nil {
			t.Fatal(err)
		}
		if o, names := sendOptimistically(t.Context(), c, func() error { return c.Login(t.Context(), "me", "secret") }); (o != outcome{}) || len(names) != 1 {
			t.Errorf("%+v %q", o, names)
		}
		_ = c.Close()
	})
}

// TestOptimisticConfirmed: a connection that was confirmed is not given up later, even
// if hardly anything was sent optimistically. Without any answer, nothing is confirmed.
func TestOptimisticConfirmed(t *testing.T) {
	for _, hears := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			before := expectedMemo()
			before.Caps, before.UTF8, before.Namespace = "ID IMAP4REV1", false, nil
			c, err := tryConnect(t, Options{Memo: before, ID: []string{"name", "isync"}, Timeout: time.Hour}, func(p *peer) {
				p.send(hello)
				login, id := p.expect(`LOGIN "me" "secret"`), p.expect(`ID ("name" "isync")`)
				p.send("%s OK [CAPABILITY IMAP4rev1 ID] in\n", login)
				if hears {
					time.Sleep(time.Second)
					p.send("%s OK\n", id)
					tag := p.expect("NOOP")
					time.Sleep(10 * behindLoginGrace)
					p.send("%s OK\n", tag)
				}
				p.idle()
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			login := make(chan error, 1)
			sent := c.LoginSent()
			go func() { login <- c.Login(t.Context(), "me", "secret") }()
			<-sent
			err = errors.Join(c.Setup(t.Context()), <-login, c.Confirm(t.Context()))
			if surprise(err) == hears || hears && err != nil {
				t.Errorf("confirmed, though it hears %v: %v", hears, err)
			}
			if hears {
				if err := c.Noop(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestOptimisticRefused: as soon as a refusal is known, the connection is lost, so that
// no other command is tried on it.
func TestOptimisticRefused(t *testing.T) {
	for range 300 {
		c, err := tryConnect(t, Options{Memo: expectedMemo()}, func(p *peer) {
			p.send(hello)
			p.send("%s NO [CANNOT] no\n", p.expect(`LOGIN "me" "secret"`))
			p.idle()
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Login(t.Context(), "me", "secret"); c.Err() == nil || !errors.Is(c.Err(), ErrNotLoggedIn) {
			t.Fatalf("Login = %v, connection: %v", err, c.Err())
		}
		_ = c.Close()
	}
}

// TestOptimisticNamespace: NAMESPACE is sent even if the answer is expected, and an
// unexpected answer is remembered.
func TestOptimisticNamespace(t *testing.T) {
	for _, known := range []bool{true, false} {
		before := expectedMemo()
		before.Caps, before.UTF8 = "IMAP4REV1 NAMESPACE", false
		if !known {
			before.Namespace = nil
		}
		c, err := tryConnect(t, Options{Memo: before, Namespace: !known}, func(p *peer) {
			p.send(hello)
			login, namespace := p.expect(`LOGIN "me" "secret"`), p.expect("NAMESPACE")
			p.send("%s OK [CAPABILITY IMAP4rev1 NAMESPACE] in\n* NAMESPACE ((\"new\" \"/\")) NIL NIL\n%s OK\n", login, namespace)
			p.idle()
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx := testContext(t)
		login := make(chan error, 1)
		sent := c.LoginSent()
		go func() { login <- c.Login(ctx, "me", "secret") }()
		<-sent
		err = c.Setup(ctx)
		ns, nerr := c.Namespace(ctx)
		if known {
			if err := errors.Join(err, <-login, c.Confirm(ctx)); !surprise(err) {
				t.Errorf("%+v: %v, though it is another one", ns, err)
			}
			continue
		}
		if err := errors.Join(err, nerr, <-login, c.Confirm(ctx)); err != nil || ns.Personal[0].Prefix != "new" {
			t.Fatalf("%+v %v", ns, err)
		}
		if p := c.Memo(); p == nil || p.Namespace == nil || p.Namespace.Personal[0].Prefix != "new" {
			t.Errorf("%+v", p)
		}
	}
}
