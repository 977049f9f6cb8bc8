package imapclient

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"

	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/transport"
)

// A tracer keeps what a trace is shown.
type tracer struct {
	mu    sync.Mutex
	lines []string
}

func (tr *tracer) trace(dir Direction, line string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.lines = append(tr.lines, [...]string{">", "<"}[dir]+line)
}

func (tr *tracer) String() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return strings.Join(tr.lines, "\n")
}

func TestLoginCapabilities(t *testing.T) {
	for _, tt := range []struct{ name, greeting, answer, want string }{
		{"asked for", "IMAP4rev1 A", "%TAG% OK in\n", "ASKED"},
		{"in the OK", "IMAP4rev1 A", "%TAG% OK [CAPABILITY B] in\n", "B"},
		{"before the OK", "IMAP4rev1 A", "* CAPABILITY C\n%TAG% OK in\n", "C"},
		{"a proxy that rewrites", "IMAP4rev1", "%TAG% OK [CAPABILITY XAPPLELITERAL] in\n", "ASKED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := tryConnect(t, Options{}, func(p *peer) {
				p.send("* OK [CAPABILITY %s] hi\n", tt.greeting)
				tag := p.expect(`LOGIN "joe" "secret"`)
				p.send("%s", strings.ReplaceAll(tt.answer, "%TAG%", tag))
				for {
					line := p.line()
					if tag, ok := strings.CutSuffix(line, " CAPABILITY"); ok {
						p.send("* CAPABILITY ASKED\n%s OK\n", tag)
						continue
					}
					return
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Login(testContext(t), "joe", "secret"); err != nil {
				t.Fatal(err)
			}
			if got := c.Caps().String(); got != tt.want {
				t.Errorf("capabilities %s", got)
			}
		})
	}
}

// loginMech is the mechanism LOGIN without an initial response.
type loginMech []string

func (m *loginMech) Start() (string, []byte, error) { return "LOGIN", nil, nil }

func (m *loginMech) Next([]byte) ([]byte, error) {
	reply := (*m)[0]
	*m = (*m)[1:]
	return []byte(reply), nil
}

func TestAuthenticate(t *testing.T) {
	var tr tracer
	const (
		plain = "AGpvZQBzM2NyZXQ=" // \0joe\0s3cret
		user  = "am9l"
		pass  = "czNjcmV0"
	)
	c := connect(t, Options{Hooks: Hooks{Trace: tr.trace}}, "SASL-IR", func(p *peer) {
		p.send("%s NO no user s3cret here\n", p.expect("AUTHENTICATE PLAIN "+plain))
		tag := p.expect("AUTHENTICATE LOGIN")
		p.send("+ VXNlcm5hbWU6\n")
		if got := p.line(); got != user {
			t.Errorf("user %q", got)
		}
		p.send("+ UGFzc3dvcmQ6\n")
		if got := p.line(); got != pass {
			t.Errorf("password %q", got)
		}
		p.send("%s BAD %s? [sic]\n", tag, pass)
		// A challenge that makes no sense.
		tag = p.expect("AUTHENTICATE PLAIN " + plain)
		p.send("+ ###\n")
		if got := p.line(); got != "*" {
			t.Errorf("cancelled with %q", got)
		}
		p.send("%s BAD cancelled\n", tag)
		// No initial response in the command any more.
		p.send("* CAPABILITY IMAP4rev1\n")
		p.answer("NOOP", "")
		tag = p.expect("AUTHENTICATE PLAIN")
		p.send("+ \n")
		if got := p.line(); got != plain {
			t.Errorf("response %q", got)
		}
		p.send("* CAPABILITY X\n%s OK in\n", tag)
		p.idle()
	})
	ctx := testContext(t)
	if _, ok := errors.AsType[*ResponseError](c.Authenticate(ctx, sasl.NewPlainClient("", "joe", "s3cret"))); !ok {
		t.Error("login was not refused")
	}
	err := c.Authenticate(ctx, &loginMech{"joe", "s3cret"})
	if r, ok := errors.AsType[*ResponseError](err); !ok || strings.Contains(r.Text, pass) {
		t.Error(err)
	}
	if err := c.Authenticate(ctx, sasl.NewPlainClient("", "joe", "s3cret")); err == nil || errors.As(err, new(*ResponseError)) {
		t.Error(err)
	}
	if err := c.Noop(ctx); err != nil {
		t.Error(err)
	}
	if err := c.Authenticate(ctx, sasl.NewPlainClient("", "joe", "s3cret")); err != nil {
		t.Error(err)
	}
	for _, secret := range []string{plain, pass, "s3cret", "VXNlcm5hbWU6"} {
		if strings.Contains(tr.String(), secret) {
			t.Errorf("the trace tells %q:\n%s", secret, &tr)
		}
	}
}

// Whatever a server repeats of a password, in whatever it says, is not shown.
func TestEchoedPassword(t *testing.T) {
	for _, password := range []string{"s3cret-w0rd", `s3cret-"w\0rd`} {
		var tr tracer
		hook := func(what string) { tr.trace(Received, what) }
		c := connect(t, Options{Hooks: Hooks{
			Trace: tr.trace, Alert: hook,
			Unknown: func(what string, err error) { hook(what + ": " + err.Error()) },
			Notice:  func(_ imapwire.Status, _ imapwire.Code, text string) { hook(text) },
		}}, "", func(p *peer) {
			tag, sent, _ := strings.Cut(p.line(), " ")
			p.send("* OK [ALERT] %s\n* BAD %s\n* %s\n%s OK\n* %s\n", sent, sent, password, password, sent)
			p.send("%s NO [X %s] %s\n", tag, password, sent)
			p.idle()
		})
		err := c.Login(testContext(t), "joe", password)
		if r, ok := errors.AsType[*ResponseError](err); !ok || !strings.Contains(r.Text, "****") {
			t.Errorf("%v", err)
		}
		all := fmt.Sprintf("%v\n%s", err, &tr)
		if strings.Contains(all, "s3cret") || strings.Contains(all, "0rd") || strings.Count(all, "unknown response") != 2 {
			t.Error(all)
		}
	}
}

// proverMech is PLAIN with a server that has to prove something.
type proverMech struct {
	sasl.Client
	err error
}

func (p *proverMech) Proven() error { return p.err }

// The server's OK is not the last word.
func TestAuthenticateProven(t *testing.T) {
	for _, want := range []error{nil, errors.New("not proven")} {
		c := connect(t, Options{}, "SASL-IR", func(p *peer) {
			p.send("%s NO [AUTHENTICATIONFAILED] no\n", p.expect("AUTHENTICATE PLAIN AGpvZQBzM2NyZXQ="))
			p.send("%s OK [CAPABILITY X] in\n", p.expect("AUTHENTICATE PLAIN AGpvZQBzM2NyZXQ="))
			p.idle()
		})
		mech := &proverMech{sasl.NewPlainClient("", "joe", "s3cret"), want}
		err := c.Authenticate(testContext(t), mech)
		if r, ok := errors.AsType[*ResponseError](err); !ok || r.Command != "AUTHENTICATE PLAIN" {
			t.Errorf("%v", err)
		}
		if err := c.Authenticate(testContext(t), mech); !errors.Is(err, want) {
			t.Errorf("%v instead of %v", err, want)
		}
	}
}

// The state of TLS is there after either kind of handshake, and not without.
func TestTLSState(t *testing.T) {
	ca := newCert(t, "ca", true, time.Now().Add(time.Hour), nil)
	cert := newCert(t, "mail.example", false, time.Now().Add(time.Hour), ca)
	cfg, err := transport.TLSOptions{ServerName: "mail.example", PEM: ca.pem}.Config()
	if err != nil {
		t.Fatal(err)
	}
	for _, security := range []Security{PlainText, StartTLS, ImplicitTLS} {
		c, err := tryConnect(t, Options{Security: security, TLS: cfg}, func(p *peer) {
			if security == ImplicitTLS && !p.secure(cert) {
				return
			}
			p.send("* OK [CAPABILITY STARTTLS] hi\n")
			if security == StartTLS {
				p.answer("STARTTLS", "")
				p.secure(cert)
			}
			p.idle()
		})
		if err != nil {
			t.Fatal(err)
		}
		if s := c.TLSState(); (s != nil) != (security != PlainText) || s != nil && !s.HandshakeComplete {
			t.Errorf("%v: %+v", security, s)
		}
	}
}

func TestTrace(t *testing.T) {
	var tr tracer
	c := connect(t, Options{Hooks: Hooks{Trace: tr.trace}}, "LITERAL+", func(p *peer) {
		p.send("%s NO bad password hunter2\n", p.expect(`LOGIN "joe" "hunter2"`))
		tag := p.expect(`LOGIN "joe" {6+}`)
		p.bytes(6)
		p.line()
		p.send("%s OK [CAPABILITY LITERAL+]\n", tag)
		p.answer("UID FETCH 1 (UID BODY.PEEK[])", "* 1 FETCH (UID 1 BODY[] {6}\nsecret)\n")
		p.expect(`APPEND "x" {6+}`)
		p.bytes(6)
		p.line()
		p.send("A4 OK\n")
		p.idle()
	})
	ctx := testContext(t)
	err := c.Login(ctx, "joe", "hunter2")
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
	if err := c.Login(ctx, "joe", "hünt\r"[:6]); err != nil {
		t.Error(err)
	}
	err = c.Fetch(ctx, FetchRequest{UIDs: mail.NewUIDSet(1), Body: FullBody}, func(*Message) error { return nil })
	if err != nil {
		t.Error(err)
	}
	if _, err := c.Append(ctx, "x", message("secret")); err != nil {
		t.Error(err)
	}
	want := []string{
		"<* OK [CAPABILITY IMAP4rev1 LITERAL+] hello",
		`>A1 LOGIN "joe" ****`,
		"<A1 NO bad password ****",
		`>A2 LOGIN "joe" {****}`,
		"<A2 OK [CAPABILITY LITERAL+]",
		">A3 UID FETCH 1 (UID BODY.PEEK[])",
		"<* 1 FETCH (UID 1 BODY[] {6})",
		"<A3 OK done",
		`>A4 APPEND "x" {6}`,
		"<A4 OK",
	}
	if got := tr.String(); got != strings.Join(want, "\n") {
		t.Errorf("trace:\n%s", got)
	}
}

// A certificate made for a test.
type certificate struct {
	tls  tls.Certificate
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

// newCert makes a certificate for a name, signed by ca or by itself.
func newCert(t *testing.T, name string, isCA bool, expires time.Time, ca *certificate) *certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: expires,
		IsCA: isCA, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := tmpl, key
	if ca != nil {
		parent, signer = ca.cert, ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &certificate{
		tls:  tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		cert: cert, key: key, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
	}
}

// secure turns a peer's connection into TLS.
func (p *peer) secure(cert *certificate) bool {
	conn := tls.Server(p.conn, &tls.Config{Certificates: []tls.Certificate{cert.tls}, ClientAuth: tls.RequestClientCert})
	if err := conn.Handshake(); err != nil {
		return false
	}
	p.conn, p.r = conn, bufio.NewReader(conn)
	return true
}

func TestCertificates(t *testing.T) {
	soon := time.Now().Add(time.Hour)
	past := time.Now().Add(-time.Hour)
	ca := newCert(t, "ca", true, soon, nil)
	good := newCert(t, "mail.example", false, soon, ca)
	expired := newCert(t, "mail.example", false, past, ca)
	self := newCert(t, "other.example", false, past, nil)
	selfGood := newCert(t, "other.example", false, soon, nil)
	for _, tt := range []struct {
		name   string
		cert   *certificate
		host   string
		pem    []byte
		ok     bool
		reason any
	}{
		{"authority", good, "mail.example", ca.pem, true, nil},
		{"two in one file", good, "mail.example", slices.Concat([]byte("junk\n"), self.pem, ca.pem), true, nil},
		{"unknown authority", good, "mail.example", nil, false, new(x509.UnknownAuthorityError)},
		{"wrong host", good, "imap.example", ca.pem, false, new(x509.HostnameError)},
		{"no host", good, "", ca.pem, false, nil},
		{"expired", expired, "mail.example", ca.pem, false, new(x509.CertificateInvalidError)},
		{"expired, wrong host, but pinned", self, "mail.example", self.pem, true, nil},
		{"another one is pinned", selfGood, "other.example", self.pem, false, new(x509.UnknownAuthorityError)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := transport.TLSOptions{ServerName: tt.host, PEM: tt.pem}.Config()
			if err != nil {
				t.Fatal(err)
			}
			c, err := tryConnect(t, Options{Security: ImplicitTLS, TLS: cfg}, func(p *peer) {
				if p.secure(tt.cert) {
					p.send("* OK [CAPABILITY IMAP4rev1] hi\n")
					p.idle()
				}
			})
			if tt.ok {
				if err != nil || !c.Secure() {
					t.Error(err)
				}
				return
			}
			if err == nil {
				t.Fatal("accepted")
			}
			if tt.reason != nil && !errors.As(err, tt.reason) {
				t.Errorf("%v", err)
			}
			if w := waitingFor(err); w != "the TLS handshake" {
				t.Errorf("waiting for %q", w)
			}
		})
	}
	if _, err := (transport.TLSOptions{PEM: []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")}).Config(); err == nil {
		t.Error("nonsense is taken for a certificate")
	}
	if _, err := Dial(t.Context(), Options{Security: StartTLS}); err == nil {
		t.Error("STARTTLS without a configuration")
	}
}

// TestResumption checks that verification is not skipped when a session is
// resumed.
func TestResumption(t *testing.T) {
	ca := newCert(t, "ca", true, time.Now().Add(time.Hour), nil)
	cert := newCert(t, "mail.example", false, time.Now().Add(time.Hour), ca)
	cfg, err := transport.TLSOptions{ServerName: "mail.example", PEM: ca.pem}.Config()
	if err != nil {
		t.Fatal(err)
	}
	server := &tls.Config{Certificates: []tls.Certificate{cert.tls}}
	for i := range 2 {
		resumed := make(chan bool, 1)
		c, err := tryConnect(t, Options{Security: ImplicitTLS, TLS: cfg}, func(p *peer) {
			conn := tls.Server(p.conn, server)
			_, _ = io.WriteString(conn, "* OK hi\r\n")
			resumed <- conn.ConnectionState().DidResume
			_, _ = io.Copy(io.Discard, conn)
		})
		if err != nil {
			t.Fatal(err)
		}
		if did := <-resumed; did != (i == 1) {
			t.Errorf("connection %d resumed: %v", i, did)
		}
		_ = c.Close()
	}
}

func TestClientCertificate(t *testing.T) {
	ca := newCert(t, "ca", true, time.Now().Add(time.Hour), nil)
	cert := newCert(t, "mail.example", false, time.Now().Add(time.Hour), ca)
	mine := newCert(t, "me", false, time.Now().Add(time.Hour), ca)
	cfg, err := transport.TLSOptions{ServerName: "mail.example", PEM: ca.pem, ClientCert: &mine.tls}.Config()
	if err != nil {
		t.Fatal(err)
	}
	shown := make(chan string, 1)
	_, err = tryConnect(t, Options{Security: ImplicitTLS, TLS: cfg}, func(p *peer) {
		if !p.secure(cert) {
			return
		}
		certs := p.conn.(*tls.Conn).ConnectionState().PeerCertificates
		if len(certs) == 1 {
			shown <- certs[0].Subject.CommonName
		}
		close(shown)
		p.send("* OK hi\n")
		p.idle()
	})
	if err != nil || <-shown != "me" {
		t.Error(err)
	}
}

func TestStartTLS(t *testing.T) {
	ca := newCert(t, "ca", true, time.Now().Add(time.Hour), nil)
	cert := newCert(t, "mail.example", false, time.Now().Add(time.Hour), ca)
	cfg, err := transport.TLSOptions{ServerName: "mail.example", PEM: ca.pem}.Config()
	if err != nil {
		t.Fatal(err)
	}
	opts := Options{Security: StartTLS, TLS: cfg, Timeout: time.Minute}
	c, err := tryConnect(t, opts, func(p *peer) {
		p.send("* OK hi\n")
		p.answer("CAPABILITY", "* CAPABILITY STARTTLS EVIL\n")
		p.answer("STARTTLS", "")
		if !p.secure(cert) {
			return
		}
		p.answer(`LOGIN "joe" "secret"`, "")
		p.answer("CAPABILITY", "* CAPABILITY GOOD\n")
		p.idle()
	})
	if err != nil {
		t.Fatal(err)
	}
	if !c.Secure() || len(c.Caps()) != 0 {
		t.Errorf("secure %v, capabilities %v", c.Secure(), c.Caps())
	}
	if err := c.Login(testContext(t), "joe", "secret"); err != nil || !c.Caps().Has("GOOD") {
		t.Error(err, c.Caps())
	}
	for name, serve := range map[string]func(p *peer){
		"not offered": func(p *peer) { p.send("* OK [CAPABILITY IMAP4rev1] hi\n"); p.idle() },
		"preauth":     func(p *peer) { p.send("* PREAUTH [CAPABILITY STARTTLS] hi\n"); p.idle() },
		"injected": func(p *peer) {
			p.send("* OK [CAPABILITY STARTTLS] hi\n")
			p.send("%s OK\n* CAPABILITY EVIL\n", p.expect("STARTTLS"))
			p.secure(cert)
		},
		"refused": func(p *peer) {
			p.send("* OK [CAPABILITY STARTTLS] hi\n")
			p.send("%s NO\n", p.expect("STARTTLS"))
			p.idle()
		},
		"cut in the handshake": func(p *peer) {
			p.send("* OK [CAPABILITY STARTTLS] hi\n")
			p.answer("STARTTLS", "")
		},
	} {
		c, err := tryConnect(t, opts, serve)
		if err == nil || c != nil {
			t.Errorf("%s: connected", name)
		}
	}
}

func TestPreauth(t *testing.T) {
	c, err := tryConnect(t, Options{}, func(p *peer) { p.send("* PREAUTH hi\n"); p.idle() })
	if err != nil || !c.Preauth() || c.Secure() {
		t.Error(err)
	}
	if _, err := tryConnect(t, Options{}, func(p *peer) { p.send("* NO go away\n"); p.idle() }); err == nil {
		t.Error("connected")
	}
	dialErr := errors.New("no network")
	_, err = Dial(t.Context(), Options{Dial: func(context.Context) (net.Conn, error) { return nil, dialErr }})
	if !errors.Is(err, dialErr) {
		t.Error(err)
	}
}

func TestCompress(t *testing.T) {
	c := connect(t, Options{}, "COMPRESS=DEFLATE LITERAL+", func(p *peer) {
		tag := p.expect("COMPRESS DEFLATE")
		// The compressed stream begins in the same packet.
		var packet bytes.Buffer
		packet.WriteString(tag + " OK\r\n")
		w, _ := flate.NewWriter(&packet, flate.BestSpeed)
		say := func(s string) {
			_, _ = io.WriteString(w, s)
			_ = w.Flush()
			_, _ = packet.WriteTo(p.conn)
		}
		say("* 5 EXISTS\r\n")
		p.r = bufio.NewReader(flate.NewReader(p.r))
		say(p.expect("NOOP") + " OK\r\n")
		tag = p.expect(`APPEND "x" {300000+}`)
		if got := p.bytes(300000); got != strings.Repeat("a", 300000) {
			t.Error("literal differs")
		}
		p.line()
		say(tag + " OK\r\n")
		p.idle()
	})
	ctx := testContext(t)
	if err := c.Compress(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Compress(ctx); err != nil {
		t.Error("twice:", err)
	}
	if err := c.Noop(ctx); err != nil || c.Exists() != 5 {
		t.Error(err, c.Exists())
	}
	if _, err := c.Append(ctx, "x", message(strings.Repeat("a", 300000))); err != nil {
		t.Error(err)
	}
}
