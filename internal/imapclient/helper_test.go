package imapclient

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// pipeTo, in the environment, makes the test a program that connects its
// standard input and output with an address.
const pipeTo = "ISYNC_TEST_PIPE_TO"

func TestMain(m *testing.M) {
	if addr := os.Getenv(pipeTo); addr != "" {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		go func() {
			_, _ = io.Copy(conn, os.Stdin)
			_ = conn.(*net.TCPConn).CloseWrite()
		}()
		_, _ = io.Copy(os.Stdout, conn)
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// A peer is the server's side of a connection, played by a test.
type peer struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

// line reads a line without its line end; "" at the end.
func (p *peer) line() string {
	s, err := p.r.ReadString('\n')
	if err != nil {
		return ""
	}
	return strings.TrimRight(s, "\r\n")
}

// expect reads a command and returns its tag. The rest of the line must be want.
func (p *peer) expect(want string) (tag string) {
	p.t.Helper()
	line := p.line()
	tag, rest, _ := strings.Cut(line, " ")
	if rest != want {
		p.t.Errorf("server got %q, want %q", line, "TAG "+want)
	}
	return tag
}

// send writes lines; "\n" becomes CRLF.
func (p *peer) send(format string, args ...any) {
	s := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "\r\n")
	if _, err := io.WriteString(p.conn, s); err != nil {
		p.t.Logf("server cannot send %.40q: %v", s, err)
	}
}

// answer expects a command and answers it: untagged lines, then OK.
func (p *peer) answer(want, data string) {
	p.t.Helper()
	tag := p.expect(want)
	p.send("%s%s OK done\n", data, tag)
}

// bytes reads n bytes.
func (p *peer) bytes(n int) string {
	b := make([]byte, n)
	if _, err := io.ReadFull(p.r, b); err != nil {
		p.t.Errorf("server: %v", err)
	}
	return string(b)
}

// connect dials a server whose side is played by serve, which runs on its own
// goroutine and should return soon after the connection is closed. The greeting
// tells of capabilities caps.
func connect(t *testing.T, opts Options, caps string, serve func(p *peer)) *Client {
	t.Helper()
	c, err := tryConnect(t, opts, func(p *peer) {
		p.send("* OK [CAPABILITY IMAP4rev1 %s] hello\n", caps)
		serve(p)
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func tryConnect(t *testing.T, opts Options, serve func(p *peer)) (*Client, error) {
	t.Helper()
	var wg sync.WaitGroup
	if opts.Dial == nil {
		opts.Dial = func(context.Context) (net.Conn, error) {
			client, server := pipe(t, opts.Security != PlainText)
			wg.Go(func() {
				defer server.Close()
				serve(&peer{t, server, bufio.NewReader(server)})
			})
			return client, nil
		}
	}
	if opts.Host == "" {
		opts.Host = "testhost"
	}
	c, err := Dial(t.Context(), opts)
	t.Cleanup(func() {
		if c != nil {
			_ = c.Close()
		}
		wg.Wait()
	})
	return c, err
}

// pipe returns two ends of a connection. TLS needs one with buffers: it writes
// alerts to peers that are writing, too.
func pipe(t *testing.T, buffered bool) (client, server net.Conn) {
	if !buffered {
		return net.Pipe()
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if client, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	return client, server
}

// idle waits until the client hangs up.
func (p *peer) idle() { _, _ = io.Copy(io.Discard, p.r) }

// ctx returns a context that ends with the test, or when it has hung for long.
func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}
