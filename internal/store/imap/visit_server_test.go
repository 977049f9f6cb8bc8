package imap_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"isync/internal/mail"
)

// manyBoxes is a server in memory with many mailboxes. It changes them while they are being
// listed, and misbehaves on request.
type manyBoxes struct {
	caps string // besides IMAP4rev1: "", "CONDSTORE", or with QRESYNC

	mu    sync.Mutex
	rng   *rand.Rand
	boxes map[string]*aBox
	// fault is what goes wrong with the commands of the connection; cut is after how many
	// bytes the first connection breaks; 0: it does not.
	fault string
	cut   int
	conns int
	// sent counts the bytes of the answers of the first connection, and together the
	// commands that were received before an answer was sent.
	sent, together int
	selects        int
	log            []string
}

// aBox is a mailbox. In changed are the messages that have changed in this round.
type aBox struct {
	validity uint32
	next     mail.UID
	modSeq   uint64
	msgs     []aMessage
	gone     map[mail.UID]uint64
	changed  map[mail.UID]bool
}

type aMessage struct {
	uid    mail.UID
	flags  mail.Flags
	modSeq uint64
}

func newManyBoxes(rng *rand.Rand, caps string, n int) *manyBoxes {
	s := &manyBoxes{caps: caps, rng: rng, boxes: map[string]*aBox{}}
	for i := range n {
		b := &aBox{validity: uint32(100 + i), next: 1, modSeq: 1, gone: map[mail.UID]uint64{}, changed: map[mail.UID]bool{}}
		s.boxes[fmt.Sprintf("box%02d", i)] = b
		for range rng.IntN(5) {
			b.arrive(rng)
		}
	}
	return s
}

func (b *aBox) arrive(rng *rand.Rand) {
	b.modSeq++
	b.msgs = append(b.msgs, aMessage{b.next, randomFlags(rng), b.modSeq})
	b.changed[b.next] = true
	b.next++
}

func randomFlags(rng *rand.Rand) (f mail.Flags) {
	for _, one := range []mail.Flags{mail.FlagSeen, mail.FlagFlagged} {
		if rng.IntN(2) == 0 {
			f |= one
		}
	}
	return f
}

// change changes something at random.
func (b *aBox) change(rng *rand.Rand) (what string) {
	n := len(b.msgs)
	switch k := rng.IntN(3); {
	case k == 0 || n == 0:
		b.arrive(rng)
		return fmt.Sprintf("* %d EXISTS", len(b.msgs))
	case k == 1:
		i := rng.IntN(n)
		m := &b.msgs[i]
		b.modSeq++
		m.flags, m.modSeq = randomFlags(rng), b.modSeq
		b.changed[m.uid] = true
		return fmt.Sprintf("* %d FETCH (UID %d FLAGS (%s))", i+1, m.uid, wireFlags(m.flags))
	default:
		i := rng.IntN(n)
		b.modSeq++
		u := b.msgs[i].uid
		b.gone[u], b.changed[u] = b.modSeq, true
		b.msgs = slices.Delete(b.msgs, i, i+1)
		return fmt.Sprintf("* %d EXPUNGE\x00* VANISHED %d", i+1, u)
	}
}

func wireFlags(f mail.Flags) string {
	var out []string
	if f&mail.FlagSeen != 0 {
		out = append(out, `\Seen`)
	}
	if f&mail.FlagFlagged != 0 {
		out = append(out, `\Flagged`)
	}
	return strings.Join(out, " ")
}

// begin begins a round.
func (s *manyBoxes) begin(fault string, cut int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault, s.cut, s.conns, s.sent, s.selects, s.together, s.log = fault, cut, 0, 0, 0, 0, nil
	for _, b := range s.boxes {
		clear(b.changed)
	}
}

func (s *manyBoxes) dial(context.Context) (net.Conn, error) {
	here, there := net.Pipe()
	s.mu.Lock()
	s.conns++
	n := s.conns
	s.mu.Unlock()
	c := &boxConn{s: s, conn: there, n: n, first: n == 1, lines: make(chan string, 1000)}
	go c.receive()
	go c.serve()
	return here, nil
}

// boxConn is a connection to the server.
type boxConn struct {
	s     *manyBoxes
	conn  net.Conn
	n     int
	first bool
	lines chan string
	out   strings.Builder

	box  *aBox
	name string
	// qresync: it was enabled.
	qresync bool
	held    string // a tagged answer that comes late
	behind  int    // commands that were received together, and not answered yet
	batch   int    // commands that were received together
	body    bool   // bodies are asked for
}

func (c *boxConn) receive() {
	defer close(c.lines)
	r := bufio.NewReader(c.conn)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		c.lines <- strings.TrimRight(line, "\r\n")
	}
}

func (c *boxConn) tell(format string, args ...any) { fmt.Fprintf(&c.out, format+"\r\n", args...) }

func (c *boxConn) flush() bool {
	c.s.mu.Lock()
	text := c.out.String()
	if text != "" {
		c.s.log = append(c.s.log, fmt.Sprintf("%d S: %s", c.n, strings.ReplaceAll(text, "\r\n", " | ")))
	}
	cut := false
	if c.first && c.s.cut > 0 && c.s.sent+len(text) >= c.s.cut {
		text, cut = text[:max(0, c.s.cut-c.s.sent)], true
	}
	if c.first {
		c.s.sent += len(text)
	}
	c.s.mu.Unlock()
	c.out.Reset()
	_, err := c.conn.Write([]byte(text))
	return err == nil && !cut
}

func (c *boxConn) serve() {
	defer c.conn.Close()
	c.tell("* PREAUTH [CAPABILITY IMAP4rev1 LITERAL+ UIDPLUS UNSELECT %s] hi", c.s.caps)
	if !c.flush() {
		return
	}
	for {
		line, ok := <-c.lines
		if !ok {
			return
		}
		batch := []string{line}
		// What is sent without waiting comes together.
		for more := true; more; {
			select {
			case line, ok := <-c.lines:
				if more = ok; ok {
					batch = append(batch, line)
				}
			case <-time.After(2 * time.Millisecond):
				more = false
			}
		}
		c.s.mu.Lock()
		c.s.together = max(c.s.together, len(batch))
		c.s.mu.Unlock()
		c.batch = len(batch)
		c.s.mu.Lock()
		hangsUp := c.s.fault == "dead" || c.s.fault == "hangs up" && c.batch > 2
		c.s.mu.Unlock()
		if hangsUp {
			return
		}
		for i, line := range batch {
			c.behind = len(batch) - i - 1
			c.s.mu.Lock()
			c.s.log = append(c.s.log, fmt.Sprintf("%d C: %s", c.n, line))
			stop := c.answer(line)
			c.s.mu.Unlock()
			if !c.flush() || stop {
				return
			}
		}
	}
}

// unsolicited changes the selected mailbox, and tells so.
func (c *boxConn) unsolicited() {
	if c.box == nil {
		return
	}
	what := c.box.change(c.s.rng)
	expunge, vanished, both := strings.Cut(what, "\x00")
	if both && c.qresync {
		c.tell("%s", vanished)
		return
	}
	c.tell("%s", expunge)
}

func (c *boxConn) answer(line string) (stop bool) {
	s := c.s
	tag, rest, _ := strings.Cut(line, " ")
	verb, args, _ := strings.Cut(rest, " ")
	chance := func(n int) bool { return s.rng.IntN(n) == 0 }
	if s.fault == "unsolicited between" && chance(3) {
		c.unsolicited()
	}
	done := func(format string, a ...any) {
		text := tag + " " + fmt.Sprintf(format, a...)
		if s.fault == "disorder" && c.held == "" && c.behind > 0 && verb == "UID" && chance(3) {
			c.held = text
			return
		}
		c.tell("%s", text)
		if c.held != "" && c.held != text {
			c.tell("%s", c.held)
			c.held = ""
		}
	}
	switch verb {
	case "ENABLE":
		c.qresync = true
		c.tell("* ENABLED QRESYNC")
		done("OK")
	case "SELECT", "EXAMINE":
		s.selects++
		name := strings.Trim(strings.Fields(args)[0], `"`)
		b := s.boxes[name]
		refuse := ""
		switch {
		case b == nil:
			refuse = "NO [NONEXISTENT] no such mailbox"
		case s.fault == "refuses" && chance(4):
			refuse = "NO [UNAVAILABLE] later"
		case s.fault == "bad" && c.batch > 2:
			refuse = "BAD what"
		case s.fault == "bye" && chance(8):
			c.tell("* BYE enough")
			return true
		}
		if refuse != "" {
			if s.fault != "keeps" && s.fault != "refuses" {
				c.box = nil
			}
			done("%s", refuse)
			return false
		}
		if c.box != nil && c.qresync {
			if s.fault == "unsolicited between" && chance(2) {
				c.unsolicited()
			}
			c.tell("* OK [CLOSED] bye")
		}
		c.box, c.name = b, name
		c.tell(`* FLAGS (\Answered \Flagged \Deleted \Seen \Draft)`)
		c.tell(`* OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft \*)] ok`)
		if s.fault != "no EXISTS" || !chance(3) {
			c.tell("* %d EXISTS", len(b.msgs))
		}
		c.tell("* OK [UIDVALIDITY %d] ok", b.validity)
		if s.fault != "no UIDNEXT" {
			c.tell("* OK [UIDNEXT %d] ok", b.next)
		}
		if strings.Contains(s.caps, "CONDSTORE") {
			c.tell("* OK [HIGHESTMODSEQ %d] ok", b.modSeq)
		}
		if i := strings.Index(args, "(QRESYNC ("); i >= 0 {
			f := strings.Fields(args[i+len("(QRESYNC ("):])
			validity, _ := strconv.ParseUint(f[0], 10, 32)
			since, _ := strconv.ParseUint(strings.TrimRight(f[1], ")"), 10, 64)
			if uint32(validity) == b.validity {
				var gone []mail.UID
				for u, m := range b.gone {
					if m > since {
						gone = append(gone, u)
					}
				}
				if len(gone) > 0 {
					c.tell("* VANISHED (EARLIER) %s", mail.NewUIDSet(gone...))
				}
				c.list(since, mail.UIDsFrom(1))
			}
		}
		if s.fault == "unsolicited in SELECT" && chance(3) {
			c.unsolicited()
		}
		done("OK [READ-WRITE] done")
	case "UID":
		if c.box == nil {
			done("BAD no mailbox selected")
			return false
		}
		f := strings.Fields(args)
		if f[0] == "SEARCH" {
			c.tell("* SEARCH%s", c.found())
			done("OK")
			return false
		}
		set := parseSet(f[1], c.box)
		since := uint64(0)
		if i := strings.Index(args, "CHANGEDSINCE "); i >= 0 {
			since, _ = strconv.ParseUint(strings.TrimRight(args[i+len("CHANGEDSINCE "):], ")"), 10, 64)
		}
		if s.fault == "unsolicited before" && chance(3) {
			c.unsolicited()
		}
		c.body = strings.Contains(args, "BODY.PEEK[]")
		c.list(since, set)
		c.body = false
		if s.fault == "unsolicited after" && chance(3) {
			c.unsolicited()
		}
		if s.fault == "no" && chance(4) {
			done("NO some of it cannot be read")
			return false
		}
		done("OK done")
	case "NOOP", "UNSELECT":
		if verb == "UNSELECT" {
			c.box = nil
		}
		done("OK")
	case "STATUS":
		name := strings.Trim(strings.Fields(args)[0], `"`)
		if b := s.boxes[name]; b != nil {
			c.tell("* STATUS %s (UIDNEXT %d UIDVALIDITY %d MESSAGES %d)", name, b.next, b.validity, len(b.msgs))
			done("OK")
		} else {
			done("NO [NONEXISTENT] none")
		}
	case "LIST":
		if name := strings.Trim(strings.Fields(args)[1], `"`); s.boxes[name] != nil {
			c.tell(`* LIST () "/" %s`, name)
		}
		done("OK")
	case "LOGOUT":
		c.tell("* BYE")
		done("OK")
		return true
	default:
		done("BAD what is %s", verb)
	}
	return false
}

// bodyOf returns the text of a message.
func bodyOf(box string, u mail.UID) string { return fmt.Sprintf("Subject: %s %d\r\n\r\n", box, u) }

// found lists the UIDs.
func (c *boxConn) found() string {
	out := ""
	for _, m := range c.box.msgs {
		out += fmt.Sprintf(" %d", m.uid)
	}
	return out
}

// list lists messages that have changed.
func (c *boxConn) list(since uint64, set mail.UIDSet) {
	for i, m := range c.box.msgs {
		if m.modSeq <= since || !set.Contains(m.uid) {
			continue
		}
		if c.s.fault == "leaves out" && c.s.rng.IntN(10) == 0 && since == 0 {
			continue
		}
		modSeq := ""
		if strings.Contains(c.s.caps, "CONDSTORE") {
			modSeq = fmt.Sprintf(" MODSEQ (%d)", m.modSeq)
		}
		if c.body {
			text := bodyOf(c.name, m.uid)
			modSeq += fmt.Sprintf(` INTERNALDATE " 1-Jan-2020 00:00:00 +0000" RFC822.SIZE %d BODY[]<0> {%d}`+"\r\n%s", len(text), len(text), text)
		}
		c.tell("* %d FETCH (UID %d FLAGS (%s)%s)", i+1, m.uid, wireFlags(m.flags), modSeq)
	}
}

// parseSet parses a set of UIDs.
func parseSet(text string, b *aBox) (set mail.UIDSet) {
	for part := range strings.SplitSeq(text, ",") {
		lo, hi, both := strings.Cut(part, ":")
		first, _ := strconv.ParseUint(lo, 10, 32)
		last := first
		switch {
		case hi == "*":
			last = uint64(mail.MaxUID)
		case lo == "*":
			if n := len(b.msgs); n > 0 {
				first = uint64(b.msgs[n-1].uid)
				last = first
			}
		case both:
			last, _ = strconv.ParseUint(hi, 10, 32)
		}
		if first > 0 {
			set.AddRange(mail.UID(first), mail.UID(last))
		}
	}
	return set
}

// holds fails the test unless a listing is right: a message that has not changed in this round
// is in it once, with its flags, and there are no others, but for changed ones.
func (s *manyBoxes) holds(tb testing.TB, box string, got []mail.Meta) {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.boxes[box]
	listed := map[mail.UID]mail.Flags{}
	for i, m := range got {
		if i > 0 && got[i-1].UID >= m.UID {
			tb.Errorf("%s: %d twice, or out of order", box, m.UID)
		}
		listed[m.UID] = m.Flags
	}
	for _, m := range b.msgs {
		flags, ok := listed[m.uid]
		if !b.changed[m.uid] && (!ok || flags != m.flags) {
			tb.Errorf("%s: message %d: listed %v with %q, want %q", box, m.uid, ok, flags, m.flags)
		}
		delete(listed, m.uid)
	}
	for u := range listed {
		if !b.changed[u] {
			tb.Errorf("%s: message %d does not exist: %v of %+v", box, u, got, *b)
		}
	}
}
