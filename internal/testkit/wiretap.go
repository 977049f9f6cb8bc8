package testkit

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// Sign is traffic that shows that an optimization is used. docs/performance.md describes the
// optimizations.
type Sign string

// The signs that a Wiretap detects.
const (
	MultiAppend   Sign = "several messages in one APPEND"
	Unasked       Sign = "literals that are sent without asking"
	Asked         Sign = "literals that are asked for"
	Moved         Sign = "UID MOVE"
	UIDExpunge    Sign = "UID EXPUNGE"
	Resync        Sign = "SELECT with QRESYNC"
	ChangedSince  Sign = "FETCH with CHANGEDSINCE"
	ListStatus    Sign = "LIST with STATUS"
	Statuses      Sign = "STATUS"
	Compressed    Sign = "COMPRESS"
	Pipelined     Sign = "a command before the one before it is answered"
	Optimistic    Sign = "a command before the login is answered"
	Several       Sign = "several connections"
	StoredOutside Sign = "APPEND by a connection that has selected nothing"
)

// Wiretap reads the traffic of IMAP connections and counts signs. It ignores compressed data.
type Wiretap struct {
	mu     sync.Mutex
	signs  map[Sign]int
	counts map[string]int // of commands
	run    int            // number of calls of NextRun
	logins int            // since NextRun, on open connections
}

// NextRun marks the beginning of another run. It applies to connections from now on.
func (w *Wiretap) NextRun() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.run++
	w.logins = 0
}

// Seen returns how often a sign was seen.
func (w *Wiretap) Seen(s Sign) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.signs[s]
}

// Count returns the number of commands with a name, without "UID".
func (w *Wiretap) Count(command string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts[command]
}

func (w *Wiretap) note(s Sign) {
	if w.signs == nil {
		w.signs = map[Sign]int{}
	}
	w.signs[s]++
}

// ear parses one connection. Each method gets the data of one direction before it is passed on. A
// nil ear ignores it.
type ear struct {
	tap *Wiretap

	// Guarded by tap.mu:
	fromClient, fromServer stream
	deaf                   bool
	tag                    string // of the command that is being sent
	first                  string // its first line
	appends                int    // number of its literals, if it is APPEND
	waiting                map[string]bool
	login                  string // its tag
	run                    int    // the run of the login
	selected               bool
}

func (w *Wiretap) listen() *ear {
	if w == nil {
		return nil
	}
	return &ear{tap: w, waiting: map[string]bool{}}
}

// stream splits one direction into lines without literals.
type stream struct {
	line []byte
	skip int // remaining bytes of a literal
}

var literalEnd = regexp.MustCompile(`\{(\d+)(\+?)\}$`)

// lines calls f for each complete line.
func (s *stream) lines(p []byte, f func(line string)) {
	for len(p) > 0 {
		if s.skip > 0 {
			n := min(s.skip, len(p))
			s.skip -= n
			p = p[n:]
			continue
		}
		b := p[0]
		p = p[1:]
		if b != '\n' {
			s.line = append(s.line, b)
			continue
		}
		line := strings.TrimSuffix(string(s.line), "\r")
		s.line = s.line[:0]
		if m := literalEnd.FindStringSubmatch(line); m != nil {
			s.skip, _ = strconv.Atoi(m[1])
		}
		f(line)
	}
}

func (e *ear) up(p []byte) {
	if e == nil {
		return
	}
	e.tap.mu.Lock()
	defer e.tap.mu.Unlock()
	if !e.deaf {
		e.fromClient.lines(p, e.sent)
	}
}

// over records that the client has closed its side. A connection that replaces this one does not
// count as a further connection.
func (e *ear) over() {
	if e == nil {
		return
	}
	e.tap.mu.Lock()
	defer e.tap.mu.Unlock()
	if e.login != "" && e.run == e.tap.run {
		e.tap.logins--
	}
	e.login = ""
}

func (e *ear) down(p []byte) {
	if e == nil {
		return
	}
	e.tap.mu.Lock()
	defer e.tap.mu.Unlock()
	if !e.deaf {
		e.fromServer.lines(p, e.received)
	}
}

// sent handles a line of the client.
func (e *ear) sent(line string) {
	w := e.tap
	if e.tag == "" {
		tag, rest, ok := strings.Cut(line, " ")
		if !ok {
			return
		}
		e.tag, e.first, e.appends = tag, rest, 0
		if len(e.waiting) > 0 {
			w.note(Pipelined)
		}
		if e.login != "" && e.waiting[e.login] {
			w.note(Optimistic)
		}
		e.waiting[tag] = true
	}
	if m := literalEnd.FindStringSubmatch(line); m != nil {
		if strings.HasPrefix(e.first, "APPEND ") {
			e.appends++
			if m[2] == "+" {
				w.note(Unasked)
			} else {
				w.note(Asked)
			}
		}
		return
	}
	e.complete(e.first)
	e.tag = ""
}

// complete handles a complete command; text is its first line.
func (e *ear) complete(text string) {
	w := e.tap
	verb, args, _ := strings.Cut(strings.TrimPrefix(text, "UID "), " ")
	if w.counts == nil {
		w.counts = map[string]int{}
	}
	w.counts[verb]++
	has := func(s string) bool { return strings.Contains(args, s) }
	switch verb {
	case "LOGIN", "AUTHENTICATE":
		e.login, e.run = e.tag, w.run
		if w.logins++; w.logins > 1 {
			w.note(Several)
		}
	case "SELECT", "EXAMINE":
		e.selected = true
		if has("(QRESYNC (") {
			w.note(Resync)
		}
	case "FETCH":
		if has("(CHANGEDSINCE ") {
			w.note(ChangedSince)
		}
	case "LIST":
		if has("RETURN (") && has("STATUS (") {
			w.note(ListStatus)
		}
	case "STATUS":
		w.note(Statuses)
	case "MOVE":
		w.note(Moved)
	case "EXPUNGE":
		if strings.HasPrefix(text, "UID ") {
			w.note(UIDExpunge)
		}
	case "COMPRESS":
		w.note(Compressed)
		e.deaf = true
	case "APPEND":
		if e.appends > 1 {
			w.note(MultiAppend)
		}
		if !e.selected {
			w.note(StoredOutside)
		}
	}
}

// received handles a line of the server.
func (e *ear) received(line string) {
	tag, _, _ := strings.Cut(line, " ")
	delete(e.waiting, tag)
	if e.tag != "" && tag == e.tag {
		// The server has refused the literal, so the client does not send it.
		e.tag, e.fromClient.skip = "", 0
	}
}
