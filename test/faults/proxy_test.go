package faults

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// The ways in which a command fails.
const (
	answerNo  = "NO"        // refused; it does not reach the server
	answerBad = "BAD"       // likewise
	sayBye    = "BYE"       // the server says goodbye instead
	cutBefore = "cut"       // the connection is lost instead
	cutAfter  = "cut after" // it is lost before the response to the command
)

var commandFaults = []string{answerNo, answerBad, sayBye, cutBefore, cutAfter}

// proxy stands between a client and an IMAP server, counts the commands of all
// connections, and makes one of them fail.
type proxy struct {
	target string
	listen net.Listener
	done   sync.WaitGroup

	mu       sync.Mutex
	conns    map[net.Conn]bool
	nth      int // command that fails; 0: none
	how      string
	commands []string // so far
	closed   bool
}

func newProxy(tb testing.TB, target string) *proxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &proxy{target: target, listen: l, conns: make(map[net.Conn]bool)}
	p.done.Go(p.accept)
	tb.Cleanup(p.close)
	return p
}

// close ends all connections.
func (p *proxy) close() {
	p.listen.Close()
	p.mu.Lock()
	p.closed = true
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.done.Wait()
}

func (p *proxy) accept() {
	for {
		client, err := p.listen.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		if p.closed {
			client.Close()
			server.Close()
		}
		p.mu.Unlock()
		l := &link{proxy: p, client: client, server: server}
		p.done.Go(l.toServer)
		p.done.Go(l.toClient)
	}
}

// inject begins to count anew, and makes the n-th command fail.
func (p *proxy) inject(nth int, how string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nth, p.how, p.commands = nth, how, nil
}

// seen returns the commands since inject.
func (p *proxy) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.commands
}

// command counts a command, and returns how it is to fail, "" if it is not.
func (p *proxy) command(line string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.commands = append(p.commands, line)
	if len(p.commands) == p.nth {
		return p.how
	}
	return ""
}

// link is a connection through the proxy.
type link struct {
	proxy          *proxy
	client, server net.Conn

	mu    sync.Mutex // held while a response is written to the client
	fatal string     // tag whose response is not delivered any more
}

// end closes both ends.
func (l *link) end() {
	l.client.Close()
	l.server.Close()
}

var literal = regexp.MustCompile(`\{(\d+)(\+?)\}\r\n$`)

// toServer passes commands on.
func (l *link) toServer() {
	defer l.end()
	r := bufio.NewReader(l.client)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		tag, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch how := l.proxy.command(text); how {
		case "":
			err = pass(r, line, l.server)
		case answerNo, answerBad:
			l.answer(fmt.Sprintf("%s %s injected failure\r\n", tag, how))
			if m := literal.FindStringSubmatch(line); m == nil || m[2] == "+" {
				err = pass(r, line, io.Discard)
			}
		case cutAfter:
			l.mu.Lock()
			l.fatal = tag
			l.mu.Unlock()
			err = pass(r, line, l.server)
		case sayBye:
			l.answer("* BYE injected failure\r\n")
			return
		default:
			return
		}
		if err != nil {
			return
		}
	}
}

// pass passes on what begins with a line: that line, and literals with the
// lines that follow them.
func pass(r *bufio.Reader, line string, w io.Writer) error {
	for {
		if _, err := io.WriteString(w, line); err != nil {
			return err
		}
		m := literal.FindStringSubmatch(line)
		if m == nil {
			return nil
		}
		n, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			return err
		}
		if _, err := io.CopyN(w, r, n); err != nil {
			return err
		}
		if line, err = r.ReadString('\n'); err != nil {
			return err
		}
	}
}

// answer says something to the client in the server's place.
func (l *link) answer(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = io.WriteString(l.client, line)
}

// toClient passes responses on.
func (l *link) toClient() {
	defer l.end()
	r := bufio.NewReader(l.server)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		l.mu.Lock()
		if l.fatal != "" && strings.HasPrefix(line, l.fatal+" ") {
			l.mu.Unlock()
			return
		}
		err = pass(r, line, l.client)
		l.mu.Unlock()
		if err != nil {
			return
		}
	}
}
