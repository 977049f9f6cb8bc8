package testkit

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A script plays the server's part of a conversation, line by line. Blank lines
// and lines that begin with # are skipped; the space after a mark is optional.
//
//	S: text       sends the text and CR LF
//	S= "go\r\n"   sends a string in Go syntax, as it is
//	C: text       expects a line that is the text
//	C~ regexp     expects a line that matches all of the regular expression
//	L: text       expects the literal that the last line announced, with this content
//	L= "go\r\n"   the same with a string in Go syntax
//	L*            reads the literal that the last line announced, whatever it holds
//	starttls      does the TLS handshake, with the certificate of the script
//	sleep 10ms    waits
//	stall         takes whatever comes and says nothing any more, until the
//	              client gives up
//	close         closes the connection
//
// In C: lines a word $x, where x is a letter or several, matches any one word,
// and later on stands for it in C:, S: and S= lines; thus "C: $a NOOP" and
// "S: $a OK". In C~ lines named groups do the same. $$ is a dollar sign.
//
// A literal announced as "{5}" is one that waits: the script has to send the
// go-ahead itself before its L line.
//
// After the last line the client must close the connection and must not send
// anything more.

// scriptPatience is how long a script waits for the client.
const scriptPatience = 10 * time.Second

// ScriptConn plays a script on one end of a pipe and returns the other end. The test fails if the
// client does not follow the complete script.
func ScriptConn(tb testing.TB, script string) net.Conn {
	tb.Helper()
	client, server := net.Pipe()
	p := parseScript(tb, script)
	var wg sync.WaitGroup
	wg.Go(func() { play(tb, "script", p, server, nil) })
	tb.Cleanup(func() {
		client.Close()
		wg.Wait()
	})
	return client
}

// ScriptServer is a server on a loopback port that plays scripts.
type ScriptServer struct {
	Host string
	Port int

	mu      sync.Mutex
	scripts [][]scriptLine
	next    int
}

// NewScriptServer starts a server that plays one script for each connection, in order. The number
// of connections must be that of scripts. cert is for starttls, and may be nil.
func NewScriptServer(tb testing.TB, cert *Certificate, scripts ...string) *ScriptServer {
	tb.Helper()
	s := &ScriptServer{Host: "127.0.0.1"}
	for _, text := range scripts {
		s.scripts = append(s.scripts, parseScript(tb, text))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s.Port = l.Addr().(*net.TCPAddr).Port
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			script, n, ok := s.take()
			if !ok {
				conn.Close()
				tb.Errorf("script server: more than %d connections", len(s.scripts))
				continue
			}
			wg.Go(func() { play(tb, fmt.Sprintf("script %d", n), script, conn, cert) })
		}
	})
	tb.Cleanup(func() {
		l.Close()
		wg.Wait()
		if s.next != len(s.scripts) {
			tb.Errorf("script server: %d connections, there are %d scripts", s.next, len(s.scripts))
		}
	})
	return s
}

// Addr returns the server's address.
func (s *ScriptServer) Addr() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// take returns the next script.
func (s *ScriptServer) take() (script []scriptLine, n int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == len(s.scripts) {
		return nil, 0, false
	}
	s.next++
	return s.scripts[s.next-1], s.next, true
}

// scriptLine is a line of a script.
type scriptLine struct {
	num  int
	mark string // "S:", "S=", "C:", "C~", "L:", "L=", "L*", or the word of a command
	text string
}

func parseScript(tb testing.TB, script string) []scriptLine {
	tb.Helper()
	var out []scriptLine
	for i, line := range strings.Split(script, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		l := scriptLine{num: i + 1}
		if len(line) >= 2 && strings.Contains("SCL", line[:1]) && strings.Contains(":=~*", line[1:2]) {
			l.mark, l.text = line[:2], strings.TrimPrefix(line[2:], " ")
		} else {
			l.mark, l.text, _ = strings.Cut(line, " ")
		}
		err := error(nil)
		switch l.mark {
		case "S=", "L=":
			l.text, err = strconv.Unquote(l.text)
		case "C~":
			_, err = regexp.Compile(l.text)
		case "sleep":
			_, err = time.ParseDuration(l.text)
		case "S:", "C:", "L:", "L*", "starttls", "stall", "close":
		default:
			err = errors.New("unknown mark")
		}
		if err != nil {
			tb.Fatalf("script line %d: %q: %v", l.num, line, err)
		}
		out = append(out, l)
	}
	return out
}

// player plays a script on a connection.
type player struct {
	conn       net.Conn
	r          *bufio.Reader
	cert       *Certificate
	vars       map[string]string
	lastLine   string // from the client
	transcript []string
}

// errEnd ends a script before its last line without an error.
var errEnd = errors.New("end")

func play(tb testing.TB, name string, script []scriptLine, conn net.Conn, cert *Certificate) {
	p := &player{conn: conn, r: bufio.NewReader(conn), cert: cert, vars: map[string]string{"$": "$"}}
	defer func() { p.conn.Close() }()
	for _, l := range script {
		err := p.line(l)
		if errors.Is(err, errEnd) || err != nil && l.mark[0] == 'S' && strings.HasSuffix(p.lastLine, " LOGOUT") {
			return // after closing, nothing more is expected
		}
		if err != nil {
			tb.Errorf("%s, line %d (%s %s): %v\nconversation so far:\n%s", name, l.num, l.mark, l.text, err, strings.Join(p.transcript, "\n"))
			return
		}
	}
	if err := p.end(); err != nil {
		tb.Errorf("%s, after its end: %v\nconversation so far:\n%s", name, err, strings.Join(p.transcript, "\n"))
	}
}

// note appends a line to the transcript.
func (p *player) note(who, text string) {
	if len(text) > 500 {
		text = fmt.Sprintf("%s… (%d bytes)", text[:500], len(text))
	}
	p.transcript = append(p.transcript, fmt.Sprintf("  %s %q", who, text))
}

func (p *player) line(l scriptLine) error {
	// This fails if the client has closed the connection. That does not matter while data of the
	// client can be read.
	_ = p.conn.SetDeadline(time.Now().Add(scriptPatience))
	switch l.mark {
	case "S:":
		return p.send(p.expand(l.text) + "\r\n")
	case "S=":
		return p.send(p.expand(l.text))
	case "C:":
		return p.expect(p.pattern(l.text))
	case "C~":
		return p.expect(l.text)
	case "L:", "L=":
		got, err := p.literal()
		if err == nil && got != l.text {
			err = fmt.Errorf("the literal is %q", got)
		}
		return err
	case "L*":
		_, err := p.literal()
		return err
	case "starttls":
		return p.startTLS()
	case "sleep":
		d, err := time.ParseDuration(l.text)
		time.Sleep(d)
		return err
	case "stall":
		return p.stall()
	default: // close
		return errEnd
	}
}

func (p *player) send(s string) error {
	p.note("S", s)
	_, err := io.WriteString(p.conn, s)
	return err
}

var variable = regexp.MustCompile(`\$([A-Za-z]+|\$)`)

// expand replaces the variables in a text. Unknown variables are kept.
func (p *player) expand(text string) string {
	return variable.ReplaceAllStringFunc(text, func(v string) string {
		if val, ok := p.vars[v[1:]]; ok {
			return val
		}
		return v
	})
}

// pattern makes a regular expression of a C: line. A variable without a value matches a word.
func (p *player) pattern(text string) string {
	var re strings.Builder
	for {
		m := variable.FindStringSubmatchIndex(text)
		if m == nil {
			return re.String() + regexp.QuoteMeta(text)
		}
		re.WriteString(regexp.QuoteMeta(text[:m[0]]))
		name := text[m[2]:m[3]]
		if val, ok := p.vars[name]; ok {
			re.WriteString(regexp.QuoteMeta(val))
		} else {
			fmt.Fprintf(&re, `(?P<%s>\S+)`, name)
		}
		text = text[m[1]:]
	}
}

// expect reads a line and compares it with pattern.
func (p *player) expect(pattern string) error {
	line, err := p.r.ReadString('\n')
	if line != "" {
		p.note("C", line)
	}
	if err != nil {
		return fmt.Errorf("the client sent %q, then: %w", line, err)
	}
	line, ok := strings.CutSuffix(line, "\r\n")
	if !ok {
		return fmt.Errorf("the client sent %q without CR", line)
	}
	p.lastLine = line
	re, err := regexp.Compile("^(?s:" + pattern + ")$")
	if err != nil {
		return err
	}
	m := re.FindStringSubmatch(line)
	if m == nil {
		return fmt.Errorf("the client sent %q", line)
	}
	for i, name := range re.SubexpNames() {
		if name != "" {
			p.vars[name] = m[i]
		}
	}
	return nil
}

// literal reads the literal that the last line announced.
func (p *player) literal() (string, error) {
	m := literalMark.FindStringSubmatch(p.lastLine)
	if m == nil {
		return "", fmt.Errorf("the last line %q announces no literal", p.lastLine)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return "", err
	}
	buf := make([]byte, n)
	k, err := io.ReadFull(p.r, buf)
	p.note("L", string(buf[:k]))
	if err != nil {
		return "", fmt.Errorf("%d of %d bytes of the literal came, then: %w", k, n, err)
	}
	return string(buf), nil
}

func (p *player) startTLS() error {
	if p.cert == nil {
		return errors.New("the script has no certificate")
	}
	if n := p.r.Buffered(); n > 0 {
		return fmt.Errorf("the client sent %d bytes too early", n)
	}
	conn := tls.Server(p.conn, &tls.Config{Certificates: []tls.Certificate{p.cert.TLS()}})
	if err := conn.Handshake(); err != nil {
		return err
	}
	p.conn, p.r = conn, bufio.NewReader(conn)
	return nil
}

// stall waits until the client gives up.
func (p *player) stall() error {
	p.note("S", "(stalls)")
	_, err := p.wait()
	if err != nil {
		return err
	}
	return errEnd
}

// end makes sure that the client sends nothing more.
func (p *player) end() error {
	rest, err := p.wait()
	if err == nil && rest != "" {
		err = fmt.Errorf("the client sent %q", rest)
	}
	return err
}

// wait waits until the client closes the connection, and returns the data that it sent until
// then.
func (p *player) wait() (string, error) {
	_ = p.conn.SetDeadline(time.Now().Add(scriptPatience))
	var rest strings.Builder
	for {
		line, err := p.r.ReadString('\n')
		rest.WriteString(line)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return rest.String(), errors.New("the client does not close the connection")
		}
		if err != nil {
			return rest.String(), nil //nolint:nilerr // closed, one way or another
		}
	}
}
