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
	"time"

	"github.com/klauspost/compress/flate"
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
	links    map[*link]bool // whose server has not hung up yet
	nth      int            // command that fails; 0: none
	how      string
	commands []string // so far
	dead     bool     // the client is no more
	closed   bool
}

func newProxy(tb testing.TB, target string) *proxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &proxy{target: target, listen: l, links: make(map[*link]bool)}
	p.done.Go(p.accept)
	tb.Cleanup(p.close)
	return p
}

// close ends all connections.
func (p *proxy) close() {
	p.listen.Close()
	p.mu.Lock()
	p.closed = true
	for l := range p.links {
		l.end()
		l.server.Close()
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
		l := &link{proxy: p, client: client, server: server.(*net.TCPConn), toC: client, ended: make(chan struct{})}
		p.mu.Lock()
		p.links[l] = true
		if p.closed || p.dead {
			l.end()
		}
		p.mu.Unlock()
		p.done.Go(l.toServer)
		p.done.Go(l.toClient)
	}
}

// inject begins to count anew, and makes the n-th command fail.
func (p *proxy) inject(nth int, how string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nth, p.how, p.commands, p.dead = nth, how, nil, false
}

// kill ends all connections, as if the client had been killed; until inject there are no
// others.
func (p *proxy) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
	for l := range p.links {
		l.end()
	}
}

// settle waits until the server is through with all that it has got from clients
// that have hung up. Until then it may go on storing what they have sent, and a
// client that is back already would not see it.
func (p *proxy) settle(tb testing.TB) {
	tb.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		p.mu.Lock()
		n := len(p.links)
		p.mu.Unlock()
		if n == 0 {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("the server does not end %d connections", n)
		}
	}
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
	proxy  *proxy
	client net.Conn
	server *net.TCPConn
	ended  chan struct{} // closed when no more responses come

	mu    sync.Mutex // held while a response is written to the client
	toC   io.Writer  // to the client
	fatal string     // tag whose response is not delivered any more
	// asked is the tag of a command whose answer toServer waits for, be it that it
	// may go on with a literal or the end of the command.
	asked  string
	answer chan string
}

// end hangs up. What the server has got it works on.
func (l *link) end() {
	l.client.Close()
	_ = l.server.CloseWrite()
}

var literal = regexp.MustCompile(`\{(\d+)(\+?)\}\r\n$`)

// toServer passes commands on.
func (l *link) toServer() {
	defer l.end()
	r := bufio.NewReader(l.client)
	var w io.Writer = l.server
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		tag, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch how := l.proxy.command(text); how {
		case cutAfter:
			l.mu.Lock()
			l.fatal = tag
			l.mu.Unlock()
			fallthrough
		case "":
			if text != "COMPRESS DEFLATE" {
				err = l.command(r, tag, line, w)
				break
			}
			var ok string
			if ok, err = l.ask(tag, line, w); err == nil && strings.HasPrefix(ok, tag+" OK") {
				r = bufio.NewReader(flate.NewReader(r))
				w = newDeflater(w)
			}
		case answerNo, answerBad:
			l.say(fmt.Sprintf("%s %s injected failure\r\n", tag, how))
			err = drop(r, line)
		case sayBye:
			l.say("* BYE injected failure\r\n")
			return
		default:
			return
		}
		if err != nil {
			return
		}
	}
}

// deflater sends what it is given at once, compressed.
type deflater struct{ w *flate.Writer }

func newDeflater(w io.Writer) deflater {
	f, err := flate.NewWriter(w, flate.BestSpeed)
	if err != nil {
		panic(err) // the level is wrong
	}
	return deflater{f}
}

func (d deflater) Write(p []byte) (int, error) {
	n, err := d.w.Write(p)
	if err == nil {
		err = d.w.Flush()
	}
	return n, err
}

// ask sends a line and waits for the server's answer to it.
func (l *link) ask(tag, line string, w io.Writer) (string, error) {
	answer := make(chan string, 1)
	l.mu.Lock()
	l.asked, l.answer = tag, answer
	l.mu.Unlock()
	if _, err := io.WriteString(w, line); err != nil {
		return "", err
	}
	select {
	case a := <-answer:
		return a, nil
	case <-l.ended:
		return "", io.ErrUnexpectedEOF
	}
}

// command passes on a command. If the server does not want a literal that it is
// asked about, the client does not send it, nor what would come after it.
func (l *link) command(r *bufio.Reader, tag, line string, w io.Writer) error {
	for {
		m := literal.FindStringSubmatch(line)
		if m == nil || m[2] == "+" {
			if _, err := io.WriteString(w, line); err != nil || m == nil {
				return err
			}
		} else if a, err := l.ask(tag, line, w); err != nil || !strings.HasPrefix(a, "+") {
			return err
		}
		var err error
		if line, err = afterLiteral(r, m[1], w); err != nil {
			return err
		}
	}
}

// afterLiteral passes on a literal of that many bytes, and returns the line that
// goes on behind it.
func afterLiteral(r *bufio.Reader, size string, w io.Writer) (line string, err error) {
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil {
		return "", err
	}
	if _, err := io.CopyN(w, r, n); err != nil {
		return "", err
	}
	return r.ReadString('\n')
}

// pass passes on a response that begins with a line: that line, and literals with
// the lines that follow them.
func pass(r *bufio.Reader, line string, w io.Writer) error {
	for {
		if _, err := io.WriteString(w, line); err != nil {
			return err
		}
		m := literal.FindStringSubmatch(line)
		if m == nil {
			return nil
		}
		var err error
		if line, err = afterLiteral(r, m[1], w); err != nil {
			return err
		}
	}
}

// drop throws away a command that was refused. Where the client would ask whether
// to go on, it does not.
func drop(r *bufio.Reader, line string) error {
	for {
		m := literal.FindStringSubmatch(line)
		if m == nil || m[2] == "" {
			return nil
		}
		var err error
		if line, err = afterLiteral(r, m[1], io.Discard); err != nil {
			return err
		}
	}
}

// say says something to the client in the server's place.
func (l *link) say(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = io.WriteString(l.toC, line)
}

// toClient passes responses on, and waits for the server to hang up.
func (l *link) toClient() {
	defer func() {
		close(l.ended)
		l.end()
		_, _ = io.Copy(io.Discard, l.server)
		l.server.Close()
		l.proxy.mu.Lock()
		defer l.proxy.mu.Unlock()
		delete(l.proxy.links, l)
	}()
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
		compressed := false
		if l.asked != "" && (strings.HasPrefix(line, "+") || strings.HasPrefix(line, l.asked+" ")) {
			// Whoever asked is to know before the client goes on.
			compressed = l.answersCompress(line)
			l.asked = ""
			l.answer <- line
		}
		err = pass(r, line, l.toC)
		if compressed {
			r = bufio.NewReader(flate.NewReader(r))
			l.toC = newDeflater(l.client)
		}
		l.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// answersCompress tells whether the answer to what was asked is a yes to
// COMPRESS, which is the only command without literals that is asked about.
func (l *link) answersCompress(line string) bool { return strings.HasPrefix(line, l.asked+" OK") }
