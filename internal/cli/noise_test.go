package cli

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// noisyServer is an IMAP server with one mailbox, whose untagged responses can be
// spoilt on their way out.
type noisyServer struct {
	tb   testing.TB
	port int
	caps string

	mu      sync.Mutex
	msgs    []noisyMessage
	next    int
	modSeq  int
	touched []string // commands that change the mailbox
	// spoil changes what an untagged response says, or drops it by returning "".
	spoil func(line string) string
	// fetched, if not nil, makes the response to a FETCH of a body.
	fetched func(seq int, m *noisyMessage) string
	// decide, if not nil, may change the whole answer to a command: its untagged
	// responses, and what the tagged one says. Without the latter it hangs up.
	decide func(cmd string, out []string) ([]string, string)
	// accept, if not nil, is asked about each message that is to be stored. It tells
	// whether the message is kept, and what the tagged response says. Without the
	// latter the server hangs up. If it is nil, no message is kept.
	accept func(body string) (keep bool, status string)
	// commands counts commands by their first two words.
	commands map[string]int
	// transcript holds all commands.
	transcript []string
}

type noisyMessage struct {
	uid    int
	flags  string
	modSeq int
	body   string
}

func startNoisy(tb testing.TB, caps string) *noisyServer {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := &noisyServer{tb: tb, port: l.Addr().(*net.TCPAddr).Port, caps: caps, next: 1, modSeq: 1}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				s.serve(conn)
			})
		}
	})
	tb.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return s
}

func (s *noisyServer) add(flags string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.modSeq++
	s.msgs = append(s.msgs, noisyMessage{s.next, flags, s.modSeq, fmt.Sprintf("Subject: %d\r\n\r\nthe text of %d\r\n", s.next, s.next)})
	s.next++
}

func (s *noisyServer) flag(uid int, flags string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.modSeq++
	for i := range s.msgs {
		if s.msgs[i].uid == uid {
			s.msgs[i].flags, s.msgs[i].modSeq = flags, s.modSeq
		}
	}
}

var (
	changedSince = regexp.MustCompile(`\(CHANGEDSINCE (\d+)`)
	qresyncParam = regexp.MustCompile(`\(QRESYNC \(\d+ (\d+)`)
	appendSize   = regexp.MustCompile(`\{(\d+)\+?\}$`)
)

func (s *noisyServer) serve(conn net.Conn) {
	r := bufio.NewReader(conn)
	fmt.Fprintf(conn, "* OK [CAPABILITY %s] hi\r\n", s.caps)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		tag, cmd, _ := strings.Cut(line, " ")
		var body strings.Builder
		for appendSize.MatchString(cmd) {
			n, _ := strconv.Atoi(appendSize.FindStringSubmatch(cmd)[1])
			if !strings.HasSuffix(cmd, "+}") {
				fmt.Fprint(conn, "+ go on\r\n")
			}
			if _, err := io.CopyN(&body, r, int64(n)); err != nil {
				return
			}
			more, _ := r.ReadString('\n')
			cmd = appendSize.ReplaceAllString(cmd, "") + strings.TrimRight(more, "\r\n")
		}
		s.mu.Lock()
		out, status := s.answer(cmd), "OK done"
		if s.accept != nil && strings.HasPrefix(cmd, "APPEND") {
			status = s.store(body.String())
		}
		if s.commands == nil {
			s.commands = map[string]int{}
		}
		s.transcript = append(s.transcript, cmd)
		if f := strings.Fields(cmd); len(f) > 1 {
			s.commands[f[0]+" "+f[1]]++
		}
		if s.decide != nil {
			out, status = s.decide(cmd, out)
		}
		var b strings.Builder
		for _, l := range out {
			if s.spoil != nil {
				if l = s.spoil(l); l == "" {
					continue
				}
			}
			b.WriteString(l + "\r\n")
		}
		s.mu.Unlock()
		if status != "" {
			fmt.Fprintf(&b, "%s %s\r\n", tag, status)
		}
		if _, err := io.WriteString(conn, b.String()); err != nil || status == "" || strings.HasPrefix(cmd, "LOGOUT") {
			return
		}
	}
}

// store does what accept says. It returns what the tagged response says.
func (s *noisyServer) store(body string) (status string) {
	keep, status := s.accept(body)
	if keep {
		s.modSeq++
		s.msgs = append(s.msgs, noisyMessage{s.next, "", s.modSeq, body})
		s.next++
	}
	if keep && strings.HasPrefix(status, "OK") && strings.Contains(s.caps, "UIDPLUS") {
		status = fmt.Sprintf("OK [APPENDUID 7 %d] done", s.next-1)
	}
	return status
}

var knownFields = regexp.MustCompile(`(?im)^(X-TUID|Message-ID):.*\r\n`)

// refuseBody lets the server refuse to send the body of a message.
func (s *noisyServer) refuseBody(uid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.decide = func(cmd string, out []string) ([]string, string) {
		if f := strings.Fields(cmd); strings.Contains(cmd, "BODY.PEEK[]") && inSet(f[2], uid, false) {
			return nil, "NO [PARSE] cannot read it"
		}
		return out, "OK done"
	}
}

// answer returns the untagged responses to a command.
func (s *noisyServer) answer(cmd string) (out []string) {
	word := cmd
	if f := strings.Fields(cmd); len(f) > 1 && f[0] == "UID" {
		word = "UID " + f[1]
	} else if len(f) > 0 {
		word = f[0]
	}
	meta := func(i int) string {
		m := s.msgs[i]
		return fmt.Sprintf("UID %d FLAGS (%s) MODSEQ (%d) RFC822.SIZE %d", m.uid, m.flags, m.modSeq, len(m.body))
	}
	switch word {
	case "CAPABILITY":
		out = append(out, "* CAPABILITY "+s.caps)
	case "ENABLE":
		out = append(out, "* ENABLED QRESYNC")
	case "LIST":
		out = append(out, `* LIST () "/" INBOX`)
		if strings.Contains(cmd, "STATUS") {
			out = append(out, s.status())
		}
	case "STATUS":
		out = append(out, s.status())
	case "SELECT", "EXAMINE":
		out = append(out, fmt.Sprintf("* %d EXISTS", len(s.msgs)), `* FLAGS (\Answered \Flagged \Deleted \Seen \Draft)`,
			"* OK [UIDVALIDITY 7] x", fmt.Sprintf("* OK [UIDNEXT %d] x", s.next))
		if strings.Contains(s.caps, "CONDSTORE") {
			out = append(out, fmt.Sprintf("* OK [HIGHESTMODSEQ %d] x", s.modSeq))
		}
		if p := qresyncParam.FindStringSubmatch(cmd); p != nil {
			since, _ := strconv.Atoi(p[1])
			out = append(out, "* VANISHED (EARLIER) 1000")
			for i, m := range s.msgs {
				if m.modSeq > since {
					out = append(out, fmt.Sprintf("* %d FETCH (%s)", i+1, meta(i)))
				}
			}
		}
	case "UID FETCH":
		since := 0
		if p := changedSince.FindStringSubmatch(cmd); p != nil {
			since, _ = strconv.Atoi(p[1])
		}
		set := strings.Fields(cmd)[2]
		for i := range s.msgs {
			m := &s.msgs[i]
			switch last := i == len(s.msgs)-1; {
			case m.modSeq <= since, !inSet(set, m.uid, last):
			case strings.Contains(cmd, "BODY.PEEK[]") && s.fetched != nil:
				out = append(out, s.fetched(i+1, m))
			case strings.Contains(cmd, "BODY.PEEK[]"):
				out = append(out, fmt.Sprintf("* %d FETCH (%s INTERNALDATE \"01-Jan-2024 00:00:00 +0000\" BODY[] {%d}\r\n%s)", i+1, meta(i), len(m.body), m.body))
			case strings.Contains(cmd, "BODY.PEEK["):
				fields := strings.Join(knownFields.FindAllString(m.body, -1), "") + "\r\n"
				out = append(out, fmt.Sprintf("* %d FETCH (%s BODY[HEADER.FIELDS (X-TUID MESSAGE-ID)] {%d}\r\n%s)", i+1, meta(i), len(fields), fields))
			default:
				out = append(out, fmt.Sprintf("* %d FETCH (%s)", i+1, meta(i)))
			}
		}
	case "UID SEARCH":
		l := "* SEARCH"
		for i, m := range s.msgs {
			if strings.HasSuffix(cmd, "ALL") || inSet(strings.Fields(cmd)[2], i+1, i == len(s.msgs)-1) {
				l += " " + strconv.Itoa(m.uid)
			}
		}
		out = append(out, l)
	case "UID STORE", "UID EXPUNGE", "EXPUNGE", "APPEND", "UID COPY", "UID MOVE", "CLOSE":
		s.touched = append(s.touched, cmd)
	case "LOGOUT":
		out = append(out, "* BYE")
	}
	return out
}

func (s *noisyServer) status() string {
	st := fmt.Sprintf("* STATUS INBOX (MESSAGES %d UIDNEXT %d UIDVALIDITY 7", len(s.msgs), s.next)
	if strings.Contains(s.caps, "CONDSTORE") {
		st += fmt.Sprintf(" HIGHESTMODSEQ %d", s.modSeq)
	}
	return st + ")"
}

// inSet tells whether a sequence-set holds n.
func inSet(set string, n int, last bool) bool {
	for part := range strings.SplitSeq(set, ",") {
		lo, hi, ranged := strings.Cut(part, ":")
		if !ranged {
			hi = lo
		}
		if lo == "*" {
			return last
		}
		a, _ := strconv.Atoi(lo)
		b, _ := strconv.Atoi(hi)
		if n >= a && (hi == "*" || n <= b) {
			return true
		}
	}
	return false
}

// noisyWorld is a Maildir that is kept in step with a noisyServer.
func noisyWorld(t *testing.T, s *noisyServer) *world {
	w := newWorld(t, far(s.port, "TLSType None", "AuthMechs LOGIN"))
	w.write("rc", "FSync no\n\n"+far(s.port, "TLSType None", "AuthMechs LOGIN", "Retries 0")+
		"\n\nMaildirStore near\nInbox near\nPath boxes/\n\nChannel c\nFar :far:\nNear :near:\nPatterns *\nCreate Near\nExpunge Both\nSyncState *\n")
	w.write("boxes/x", "")
	return w
}

// mails returns the near messages: their subjects and flags.
func (w *world) mails() []string {
	w.tb.Helper()
	var out []string
	for _, d := range []string{"new", "cur"} {
		files, err := os.ReadDir(filepath.Join(w.dir, "near", d))
		if err != nil {
			w.tb.Fatal(err)
		}
		for _, f := range files {
			data, err := os.ReadFile(filepath.Join(w.dir, "near", d, f.Name()))
			if err != nil {
				w.tb.Fatal(err)
			}
			subject := regexp.MustCompile(`Subject: (\d+)`).FindSubmatch(data)
			if subject == nil {
				subject = [][]byte{nil, []byte("?" + string(data))}
			}
			_, flags, _ := strings.Cut(f.Name(), ":2,")
			out = append(out, string(subject[1])+flags)
		}
	}
	slices.Sort(out)
	return out
}

// TestFactsNotTold: whatever number a server fails to tell, or tells as something
// that is no number, nothing is deleted, changed or copied because of it, and
// what has happened on the server is not missed once it can be read again.
func TestFactsNotTold(t *testing.T) {
	numbers := []struct{ name, pattern string }{
		{"EXISTS", `^\* (\S+) EXISTS`},
		{"UIDNEXT", `^\* OK \[UIDNEXT (\S+)\]`},
		{"HIGHESTMODSEQ", `^\* OK \[HIGHESTMODSEQ (\S+)\]`},
		{"VANISHED", `^\* VANISHED \(EARLIER\) (\S+)`},
		{"SEARCH", `^\* SEARCH (\S+)`},
		{"FETCH", `^\* (\S+) FETCH`},
		{"UID", `^\* \S+ FETCH \(UID (\S+)`},
		{"MODSEQ", `^\* \S+ FETCH .*MODSEQ \((\S+)\)`},
		{"SIZE", `^\* \S+ FETCH .*RFC822\.SIZE (\d+)`},
		{"MESSAGES", `^\* STATUS .*MESSAGES (\d+)`},
		{"STATUS UIDNEXT", `^\* STATUS .*UIDNEXT (\d+)`},
		{"STATUS HIGHESTMODSEQ", `^\* STATUS .*HIGHESTMODSEQ (\d+)`},
	}
	const base = "IMAP4rev1 UIDPLUS LITERAL+ ENABLE LIST-EXTENDED LIST-STATUS"
	for _, rung := range []struct {
		name, caps string
		remembered bool
	}{
		{"plain", base, false},
		{"CONDSTORE", base + " CONDSTORE", true},
		{"QRESYNC", base + " CONDSTORE QRESYNC", true},
		{"CONDSTORE, nothing remembered", base + " CONDSTORE", false},
		{"QRESYNC, nothing remembered", base + " CONDSTORE QRESYNC", false},
	} {
		t.Run(rung.name, func(t *testing.T) {
			i := 0
			for _, num := range numbers {
				re := regexp.MustCompile(num.pattern)
				for _, value := range []string{"absent", "dropped", "many", "-1", "99999999999", "18446744073709551616"} {
					for changed := range 3 {
						if changed == 1 && value == "dropped" && strings.Contains(num.pattern, "FETCH") {
							continue // nobody could notice that a change of flags is kept secret
						}
						if i += 5; i%36 >= 5 && num.name != "EXISTS" && os.Getenv("ISYNC_SWEEP") == "" {
							continue // a part of them has to do
						}
						t.Run(fmt.Sprintf("%s %s %d", num.name, value, changed), func(t *testing.T) {
							t.Parallel()
							testNotTold(t, rung.caps, rung.remembered, changed, func(line string) string {
								m := re.FindStringSubmatchIndex(line)
								switch {
								case m == nil:
									return line
								case value == "dropped":
									return ""
								case value == "absent":
									return line[:m[2]] + line[m[3]:]
								}
								return line[:m[2]] + value + line[m[3]:]
							})
						})
					}
				}
			}
		})
	}
}

func testNotTold(t *testing.T, caps string, remembered bool, changed int, spoil func(string) string) {
	s := startNoisy(t, caps)
	for _, flags := range []string{`\Seen`, "", `\Flagged`} {
		s.add(flags)
	}
	w := noisyWorld(t, s)
	w.run(0, "-a")
	before := []string{"1S", "2", "3F"}
	if got := w.mails(); !slices.Equal(got, before) {
		t.Fatalf("at first: %q", got)
	}
	if !remembered {
		os.RemoveAll(filepath.Join(w.dir, "home"))
	}
	after := before
	if changed > 0 {
		s.flag(2, `\Answered`)
		after = []string{"1S", "2R", "3F"}
	}
	if changed > 1 {
		s.add("")
		after = append(after, "4")
	}
	s.mu.Lock()
	s.spoil = spoil
	s.mu.Unlock()
	for range 2 {
		w.out.Reset()
		w.err.Reset()
		code := Main(w.env, []string{"mbsync", "-c", "rc", "-a"})
		got := w.mails()
		for i, m := range got {
			// Flags may have come across, or not.
			if !slices.Contains(before, m) && !slices.Contains(after, m) || i > 0 && got[i-1] == m {
				t.Fatalf("what is near: %q\n%s", got, &w.err)
			}
		}
		if len(got) < len(before) {
			t.Fatalf("what is near: %q\n%s", got, &w.err)
		}
		if code == 0 && !slices.Equal(got, after) {
			t.Errorf("success, but what is near is %q\n%s%s", got, &w.out, &w.err)
		}
	}
	s.mu.Lock()
	s.spoil = nil
	s.mu.Unlock()
	w.run(0, "-a")
	if got := w.mails(); !slices.Equal(got, after) {
		t.Errorf("in the end: %q, want %q", got, after)
	}
	if len(s.touched) > 0 {
		t.Errorf("the mailbox was changed: %q", s.touched)
	}
}
