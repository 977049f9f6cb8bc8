package imap_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"isync/internal/imapclient"
	"isync/internal/store/imap"
)

// storer is a server that does nothing but take messages, and tells what it was
// given.
type storer struct {
	tb       testing.TB
	listener net.Listener
	caps     string
	// refuse says with what a command that stores these messages is refused; ""
	// for not at all.
	refuse func(texts []string) string
	// delay is how long it takes to open a mailbox, or to ask for a literal.
	delay time.Duration

	mu       sync.Mutex
	texts    []string
	appends  int
	others   []string // other commands
	sessions int
	waiting  int // literals that had to be asked for
}

func newStorer(tb testing.TB, caps string, refuse func([]string) string) *storer {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := &storer{tb: tb, listener: l, caps: caps, refuse: refuse}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.serve(conn) })
		}
	})
	tb.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return s
}

// store returns a store on that server.
func (s *storer) store(tb testing.TB) *imap.Store {
	tb.Helper()
	st := imap.New(imap.Options{
		MaxSessions: 3,
		Name:        "far",
		Client:      imapclient.Options{Host: "127.0.0.1", Port: s.listener.Addr().(*net.TCPAddr).Port, Timeout: 5 * time.Second},
		HasPath:     true,
		Delimiter:   "/",
	})
	tb.Cleanup(func() {
		if err := st.Close(); err != nil {
			tb.Error(err)
		}
	})
	return st
}

// stored returns the messages in the order of their UIDs, which begin with 1.
func (s *storer) stored() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.texts
}

// commands returns how many APPENDs there were.
func (s *storer) commands() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.appends
}

// lines returns the commands that were neither SELECT nor APPEND, since the last
// call of forget.
func (s *storer) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.others
}

func (s *storer) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.others = nil
}

var announced = regexp.MustCompile(`\{(\d+)(\+?)\}$`)

func (s *storer) serve(conn net.Conn) {
	defer conn.Close()
	s.mu.Lock()
	s.sessions++
	s.mu.Unlock()
	r := bufio.NewReader(conn)
	say := func(format string, args ...any) { fmt.Fprintf(conn, format+"\r\n", args...) }
	say("* PREAUTH [CAPABILITY IMAP4rev1 %s] hi", s.caps)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		tag, rest, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		switch verb, _, _ := strings.Cut(rest, " "); verb {
		case "SELECT":
			say(`* FLAGS (\Answered \Flagged \Deleted \Seen \Draft)`)
			say("* 0 EXISTS")
			say("* OK [UIDVALIDITY 7] x")
			say("* OK [UIDNEXT 1] x")
			time.Sleep(s.delay)
			say("%s OK [READ-WRITE] x", tag)
		case "APPEND":
			texts, err := s.read(conn, r, rest)
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, syscall.ECONNRESET) {
					s.tb.Errorf("storer: %v", err)
				}
				return
			}
			say("%s %s", tag, s.take(texts))
		case "LOGOUT":
			say("* BYE")
			say("%s OK", tag)
			return
		default:
			s.mu.Lock()
			s.others = append(s.others, rest)
			s.mu.Unlock()
			say("%s OK", tag)
		}
	}
}

// read reads the messages of an APPEND that begins with line.
func (s *storer) read(conn net.Conn, r *bufio.Reader, line string) (texts []string, err error) {
	for {
		m := announced.FindStringSubmatch(line)
		if m == nil {
			if line != "" {
				err = fmt.Errorf("a message is followed by %q", line)
			}
			return texts, err
		}
		if m[2] == "" {
			s.mu.Lock()
			s.waiting++
			s.mu.Unlock()
			time.Sleep(s.delay)
			fmt.Fprintf(conn, "+ go on\r\n")
		}
		n, _ := strconv.Atoi(m[1])
		text := make([]byte, n)
		if _, err := io.ReadFull(r, text); err != nil {
			return nil, err
		}
		texts = append(texts, string(text))
		if line, err = r.ReadString('\n'); err != nil {
			return nil, err
		}
		line = strings.TrimRight(line, "\r\n")
	}
}

// take stores messages, or refuses to.
func (s *storer) take(texts []string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.appends++
	if why := s.refuse; why != nil && why(texts) != "" {
		return why(texts)
	}
	first := len(s.texts) + 1
	s.texts = append(s.texts, texts...)
	return fmt.Sprintf("OK [APPENDUID 7 %d:%d] stored", first, len(s.texts))
}
