package imapclient

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"isync/internal/testkit"
	"isync/internal/transport"
)

// silentServer greets, and then only listens. It returns what one client has
// sent, and how that ended.
func silentServer(t *testing.T, cfg *tls.Config) (port int, heard <-chan string, end <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lines, ended := make(chan string, 1), make(chan error, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			ended <- err
			return
		}
		if cfg != nil {
			conn = tls.Server(conn, cfg)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "* OK [CAPABILITY IMAP4rev1] hello\r\n")
		got, err := io.ReadAll(bufio.NewReader(conn))
		lines <- string(got)
		ended <- err
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().(*net.TCPAddr).Port, lines, ended
}

// TestLeave leaves a server that does not answer: it hears LOGOUT, and a proper
// end, at once.
func TestLeave(t *testing.T) {
	ca := testkit.NewCA(t)
	client, err := transport.TLSOptions{ServerName: "127.0.0.1", PEM: ca.PEM()}.Config()
	if err != nil {
		t.Fatal(err)
	}
	for _, encrypted := range []bool{false, true} {
		opts := Options{Host: "127.0.0.1", Timeout: 10 * time.Second}
		var server *tls.Config
		if encrypted {
			server = &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, testkit.CertConfig{}).TLS()}}
			opts.Security, opts.TLS = ImplicitTLS, client
		}
		port, heard, end := silentServer(t, server)
		opts.Port = port
		c, err := Dial(testContext(t), opts)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := c.Leave(testContext(t)); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d >= logoutGrace/2 {
			t.Errorf("took %v", d)
		}
		if got := <-heard; !strings.HasSuffix(got, " LOGOUT\r\n") || strings.Count(got, "\n") != 1 {
			t.Errorf("server heard %q", got)
		}
		// Without TLS's own farewell this would be io.ErrUnexpectedEOF.
		if err := <-end; err != nil {
			t.Errorf("encrypted %v: the end was %v", encrypted, err)
		}
	}
}

// TestLeaveBusy waits for what is under way, and for the goodbye then.
func TestLeaveBusy(t *testing.T) {
	answered := make(chan struct{})
	c := connect(t, Options{}, "", func(p *peer) {
		tag := p.expect("NOOP")
		bye := p.expect("LOGOUT")
		p.send("%s OK\n", tag)
		close(answered)
		p.send("* BYE\n%s OK\n", bye)
	})
	got := make(chan error, 1)
	go func() { got <- c.Noop(testContext(t)) }()
	for !c.Busy() {
		time.Sleep(time.Millisecond)
	}
	if err := c.Leave(testContext(t)); err != nil {
		t.Error(err)
	}
	<-answered
	if err := <-got; err != nil {
		t.Error(err)
	}
	if _, ok := errors.AsType[*ConnectionError](c.Noop(t.Context())); !ok {
		t.Error("the connection is still there")
	}
}

// TestNamespaceOfSetup: Namespace returns the answer that Setup has asked for, once.
func TestNamespaceOfSetup(t *testing.T) {
	c := connect(t, Options{Namespace: true}, "NAMESPACE", func(p *peer) {
		p.answer("NAMESPACE", `* NAMESPACE (("A." ".")) NIL NIL`+"\n")
		p.answer("NAMESPACE", `* NAMESPACE (("B/" "/")) NIL NIL`+"\n")
	})
	if err := c.Setup(testContext(t)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"A.", "B/"} {
		ns, err := c.Namespace(testContext(t))
		if err != nil || len(ns.Personal) != 1 || ns.Personal[0].Prefix != want {
			t.Fatal(ns, err)
		}
		if known := c.KnownNamespace(); known == nil || want == "B/" && known.Personal[0].Prefix != want {
			t.Error(known)
		}
	}
}
