package imapclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/transport"
)

// waitingFor returns what a lost connection was waiting for.
func waitingFor(err error) string {
	if e, ok := errors.AsType[*ConnectionError](err); ok {
		return string(e.Waiting)
	}
	return "?"
}

func wantTimeout(t *testing.T, err error, waiting string, after time.Duration) {
	t.Helper()
	e, ok := errors.AsType[*transport.TimeoutError](err)
	if !ok || e.After != after || waitingFor(err) != waiting {
		t.Errorf("error %v (waiting for %q)", err, waitingFor(err))
	}
}

const timeout = 20 * time.Second

func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, Options{Timeout: timeout}, "", func(p *peer) {
			p.expect("NOOP")
			p.idle()
		})
		// Nothing is waited for: that may last.
		time.Sleep(time.Hour)
		start := time.Now()
		err := c.Noop(t.Context())
		wantTimeout(t, err, "NOOP", timeout)
		if d := time.Since(start); d < timeout || d > timeout+time.Second {
			t.Errorf("after %v", d)
		}
	})
}

func TestStalledGreeting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := tryConnect(t, Options{Timeout: timeout}, func(p *peer) { p.idle() })
		wantTimeout(t, err, "the greeting", timeout)
	})
}

// TestStalledHandshake has a server that takes nothing, or says nothing.
func TestStalledHandshake(t *testing.T) {
	cfg, err := transport.TLSOptions{ServerName: "x"}.Config()
	if err != nil {
		t.Fatal(err)
	}
	for _, serve := range []func(net.Conn){
		func(net.Conn) {},
		func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) },
	} {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			go serve(server)
			_, err := Dial(t.Context(), Options{
				Security: ImplicitTLS, TLS: cfg, Timeout: timeout,
				Dial: func(context.Context) (net.Conn, error) { return client, nil },
			})
			wantTimeout(t, err, "the TLS handshake", timeout)
		})
	}
}

// TestSlowProgress checks that the timeout is about progress, not the total.
func TestSlowProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, Options{Timeout: timeout}, "LITERAL+", func(p *peer) {
			tag := p.expect("UID FETCH 1 (UID BODY.PEEK[])")
			p.send("* 1 FETCH (UID 1 BODY[] {60}\n")
			for range 60 {
				time.Sleep(timeout - time.Second)
				p.send("x")
			}
			p.send(")\n%s OK\n", tag)
			// Now the other way round.
			p.expect(fmt.Sprintf(`APPEND "x" {%d+}`, 20*transport.SendChunk))
			for range 20 {
				time.Sleep(timeout - time.Second)
				p.bytes(transport.SendChunk)
			}
			p.line()
			p.send("A2 OK\n")
			p.idle()
		})
		n := 0
		err := c.Fetch(t.Context(), FetchRequest{UIDs: mail.NewUIDSet(1), Body: FullBody}, func(m *Message) error {
			b, err := io.ReadAll(m.Body)
			n = len(b)
			return err
		})
		if err != nil || n != 60 {
			t.Error(err, n)
		}
		body := bytes.Repeat([]byte{'a'}, 20*transport.SendChunk)
		if _, err := c.Append(t.Context(), "x", AppendMessage{Size: int64(len(body)), Body: bytes.NewReader(body)}); err != nil {
			t.Error(err)
		}
	})
}

func TestSendStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, Options{Timeout: timeout}, "LITERAL+", func(p *peer) {
			p.line()
			time.Sleep(time.Hour) // takes nothing
		})
		body := bytes.Repeat([]byte{'a'}, 20*transport.SendChunk)
		_, err := c.Append(t.Context(), "x", AppendMessage{Size: int64(len(body)), Body: bytes.NewReader(body)})
		wantTimeout(t, err, "APPEND", timeout)
	})
}

// TestSlowSink checks that time spent in a sink is not held against the server,
// although commands cannot be sent meanwhile either.
func TestSlowSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, Options{Timeout: timeout}, "LITERAL+", func(p *peer) {
			tag := p.expect("UID FETCH 1 (UID BODY.PEEK[])")
			p.send("* 1 FETCH (UID 1 BODY[] {200000}\n")
			p.send("%s", strings.Repeat("x", 200000)) // blocks until the sink reads
			p.send(")\n%s OK\n", tag)
			p.expect(fmt.Sprintf(`APPEND "x" {%d+}`, 20*transport.SendChunk))
			p.bytes(20 * transport.SendChunk)
			p.line()
			p.send("A2 OK\n")
			p.idle()
		})
		p, err := c.StartFetch(t.Context(), FetchRequest{UIDs: mail.NewUIDSet(1), Body: FullBody}, func(m *Message) error {
			time.Sleep(10 * timeout)
			_, err := io.Copy(io.Discard, m.Body)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		body := bytes.Repeat([]byte{'a'}, 20*transport.SendChunk)
		if _, err := c.Append(t.Context(), "x", AppendMessage{Size: int64(len(body)), Body: bytes.NewReader(body)}); err != nil {
			t.Error(err)
		}
		if _, err := p.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, Options{}, "", func(p *peer) {
			p.expect("NOOP")
			p.idle()
		})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		err := c.Noop(ctx)
		if !errors.Is(err, context.Canceled) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if err := c.Noop(t.Context()); !errors.Is(err, context.Canceled) {
			t.Errorf("then %v", err)
		}
		<-c.Done()
	})
}

// TestCancelTurn checks that giving up before a command was begun harms nobody.
func TestCancelTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, Options{PipelineDepth: 1}, "", func(p *peer) {
			tag := p.expect("NOOP")
			time.Sleep(time.Minute)
			p.send("%s OK\n", tag)
			p.answer("CHECK", "")
			p.idle()
		})
		p, err := begin(t.Context(), c, new(command), imapwire.NewCommand("NOOP"), new(struct{}))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Check(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if _, err := p.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if err := c.Check(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestLogoutIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, Options{}, "", func(p *peer) { p.idle() })
		start := time.Now()
		if err := c.Logout(t.Context()); err == nil {
			t.Error("no error")
		}
		if d := time.Since(start); d != logoutGrace {
			t.Errorf("took %v", d)
		}
	})
}

func TestLogoutCutShort(t *testing.T) {
	for _, bye := range []string{"", "* BYE\n"} {
		c := connect(t, Options{}, "", func(p *peer) {
			p.expect("LOGOUT")
			p.send("%s", bye)
		})
		if err := c.Logout(testContext(t)); err != nil {
			t.Error(err)
		}
	}
}

func TestBye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, Options{}, "", func(p *peer) {
			p.expect("NOOP")
			p.send("* BYE [UNAVAILABLE] going down\n")
			p.idle() // but the connection stays open
		})
		err := c.Noop(t.Context())
		b, ok := errors.AsType[*ByeError](err)
		if !ok || b.Text != "going down" || b.Code.Name != imapwire.CodeUnavailable || waitingFor(err) != "NOOP" {
			t.Error(err)
		}
	})
	_, err := tryConnect(t, Options{}, func(p *peer) { p.send("* BYE too many connections\n") })
	if b, ok := errors.AsType[*ByeError](err); !ok || b.Text != "too many connections" {
		t.Error(err)
	}
}

// TestByeWhileSending checks that the server's parting words are found although
// it takes no more data.
func TestByeWhileSending(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "* OK [CAPABILITY LITERAL+] hi\r\n")
		_, _ = io.ReadFull(conn, make([]byte, 100))
		_, _ = io.WriteString(conn, "* BYE over quota\r\n")
		_ = conn.(*net.TCPConn).CloseWrite()
		// Read on, so that the words are not lost to a reset.
		_, _ = io.CopyN(io.Discard, conn, 1<<20)
	}()
	c, err := Dial(t.Context(), Options{Host: "127.0.0.1", Port: ln.Addr().(*net.TCPAddr).Port})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	body := bytes.Repeat([]byte{'a'}, 30<<20)
	_, err = c.Append(testContext(t), "x", AppendMessage{Size: int64(len(body)), Body: bytes.NewReader(body)})
	if b, ok := errors.AsType[*ByeError](err); !ok || b.Text != "over quota" {
		t.Error(err)
	}
}

// transcript is a session that meets most of what a client reads.
const transcript = "* OK [CAPABILITY IMAP4rev1] hi\r\n" +
	"* 2 EXISTS\r\n* OK [UIDVALIDITY 1]\r\nA1 OK [READ-WRITE] selected\r\n" +
	"* 1 FETCH (UID 1 FLAGS (\\Seen) BODY[] {5}\r\nab\r\nc)\r\n* 2 FETCH (BODY[] {2}\r\nxy UID 2 FLAGS ())\r\nA2 OK\r\n" +
	"* LIST () \"/\" {5}\r\na\"b\\c\r\nA3 OK\r\n"

// play runs the session above over conn.
func play(ctx context.Context, conn net.Conn) (string, error) {
	c, err := Dial(ctx, Options{Timeout: time.Minute, Dial: func(context.Context) (net.Conn, error) { return conn, nil }})
	if err != nil {
		return "", err
	}
	defer c.Close()
	sel, err := c.Select(ctx, "INBOX", SelectOptions{})
	if err != nil {
		return "", err
	}
	out := fmt.Sprint(sel.Exists, sel.UIDValidity)
	err = c.Fetch(ctx, FetchRequest{UIDs: mail.UIDsFrom(1), Items: imapwire.ItemFlags, Body: FullBody}, func(m *Message) error {
		b, err := io.ReadAll(m.Body)
		out += fmt.Sprintf(" %d%s%q", m.UID, m.Flags, b)
		return err
	})
	if err != nil {
		return out, err
	}
	boxes, err := c.List(ctx, ListRequest{Patterns: []string{"*"}})
	if err != nil || len(boxes) == 0 {
		return out, err
	}
	return out + " " + boxes[0].Name, nil
}

const played = `2 1 1S"ab\r\nc" 2"xy" a"b\c`

// shortConn yields at most n bytes per read, and ends after cut bytes.
type shortConn struct {
	net.Conn
	n, cut int
}

func (c *shortConn) Read(p []byte) (int, error) {
	if c.cut == 0 {
		return 0, io.EOF
	}
	n, err := c.Conn.Read(p[:min(len(p), c.n, c.cut)])
	c.cut -= n
	return n, err
}

// serveTranscript sends the transcript, each part when its command came.
func serveTranscript(conn net.Conn) {
	parts := strings.SplitAfter(transcript, "\r\n")
	line := make([]byte, 1)
	for i, part := range parts {
		if _, err := io.WriteString(conn, part); err != nil {
			return
		}
		if i > 0 && !strings.HasPrefix(part, "A") {
			continue
		}
		for line[0] = 0; line[0] != '\n'; {
			if _, err := conn.Read(line); err != nil {
				return
			}
		}
	}
}

func TestByteByByte(t *testing.T) {
	client, server := net.Pipe()
	go func() { serveTranscript(server); server.Close() }()
	got, err := play(testContext(t), &shortConn{client, 1, 1 << 30})
	if err != nil || got != played {
		t.Errorf("%q, %v", got, err)
	}
}

// TestCutAnywhere cuts the connection after each byte that the server sends.
func TestCutAnywhere(t *testing.T) {
	for cut := range len(transcript) {
		client, server := net.Pipe()
		go func() { serveTranscript(server); server.Close() }()
		_, err := play(testContext(t), &shortConn{client, 1000, cut})
		e, ok := errors.AsType[*ConnectionError](err)
		if !ok || !errors.Is(e, transport.ErrPeerClosed) {
			t.Errorf("cut after %d bytes: %v", cut, err)
		}
	}
}

// FuzzServer has a server send anything.
func FuzzServer(f *testing.F) {
	f.Add([]byte(transcript))
	f.Add([]byte("* OK hi\r\nA1 OK\r\n* 1 FETCH (BODY[] {2}\r\nab UID 1)\r\n* 1 FETCH (FLAGS () UID 1)\r\n* 2 FETCH (UID 7)\r\nA2 OK\r\nA3 OK\r\n"))
	f.Add([]byte("* PREAUTH [CAPABILITY X]\r\nA2 OK\r\n+ x\r\nA1 OK\r\n* 1 FETCH (UID 0 BODY[] NIL)\r\n* BYE\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		client, server := net.Pipe()
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = io.Copy(io.Discard, server) })
		wg.Go(func() {
			_, _ = server.Write(data)
			_ = server.Close()
		})
		_, _ = play(t.Context(), client)
		wg.Wait()
	})
}
