package cli

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/imapclient"
	"isync/internal/mail"
	"isync/internal/memo"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/store/mem"
	"isync/internal/ui"
	"isync/internal/vfs/vfstest"
)

// FuzzSession: whole runs with a server whose answers are altered, line by line. The bytes
// say how: lines are dropped, repeated, cut, changed or replaced, the connection is closed or
// stalls. A run must end. As long as the alterations only take away from what the server
// says, no message is deleted or marked as deleted on either side, and as soon as the server
// answers in full again, both sides have each message once.
func FuzzSession(f *testing.F) {
	f.Add([]byte{0})
	for op := range byte(opKinds) {
		for at := range byte(12) {
			f.Add(slices.Concat([]byte{at % byte(len(sessionCaps))}, bytes.Repeat([]byte{opNothing}, int(at)*3), []byte{op, at, op + at}))
		}
	}
	f.Add([]byte("\x01\x07\x05* 0 EXISTS"))
	for i := range claims {
		f.Add([]byte{1, opNothing, opNothing, opNothing, opClaim, byte(i), opNothing, opClaim, byte(i)})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4096 {
			t.Skip()
		}
		synctest.Test(t, func(t *testing.T) { playSession(t, data) })
	})
}

// TestSessions does what FuzzSession does with random alterations.
func TestSessions(t *testing.T) { randomSessions(t, time.Second) }

// TestSweepSessions does so for a long time.
func TestSweepSessions(t *testing.T) {
	d, err := time.ParseDuration(os.Getenv("ISYNC_SWEEP"))
	if err != nil {
		t.Skip("a long sweep: set ISYNC_SWEEP")
	}
	randomSessions(t, d)
}

func randomSessions(t *testing.T, long time.Duration) {
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	n := 0
	for begin := time.Now(); time.Since(begin) < long; n++ {
		data := make([]byte, 1+rng.IntN(120))
		rare := 1 + rng.IntN(30) // one line of so many is altered
		harmless := rng.IntN(3) > 0
		for i := range data {
			switch {
			case rng.IntN(rare) > 0:
			case harmless:
				data[i] = byte(rng.IntN(opNoise + 1))
			default:
				data[i] = byte(rng.Uint32())
			}
		}
		data[0] = byte(rng.IntN(len(sessionCaps)))
		ok := t.Run("session", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playSession(t, data) })
		})
		if !ok {
			t.Fatalf("seed %d, session %d: %q", seed, n, data)
		}
	}
	t.Logf("%d sessions, 0 messages lost, 0 doubled", n)
}

// sessionCaps are the kinds of servers.
var sessionCaps = []string{
	"IMAP4rev1 UIDPLUS LITERAL+",
	"IMAP4rev1 UIDPLUS LITERAL+ ENABLE CONDSTORE QRESYNC",
	"IMAP4rev1",
}

// What can be done with a line of an answer.
const (
	opNothing = iota
	opDrop
	opRepeat
	opCut
	opHangUp
	opStall
	opRefuse // the tagged response is NO or BAD
	opNoise  // a line that says nothing is put before it
	// What follows may make the server say something else.
	opFlip
	opNumber
	opClaim
	opRaw
	opKinds
)

// claims are lines that a server may say at the wrong moment.
var claims = []string{
	"* 0 EXISTS", "* 3 EXISTS", "* VANISHED 1:6", "* VANISHED (EARLIER) 1:4294967295", "* 1 EXPUNGE",
	"* OK [UIDVALIDITY 8] x", "* OK [UIDNEXT 1] x", "* OK [HIGHESTMODSEQ 0] x", "* OK [NOMODSEQ] x",
	`* LIST () "/" "../../x"`, "* CAPABILITY IMAP4rev1", "+ ", "* PREAUTH", "* BYE", "* SEARCH",
	`* 1 FETCH (UID 1 FLAGS (\Deleted))`, "* 9 FETCH (UID 9 FLAGS () BODY[] {3}\r\nabc)", "* STATUS INBOX (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 7)",
}

// alteringConn alters what the server writes.
type alteringConn struct {
	net.Conn
	*alteration
	server *noisyServer
}

// alteration says how the answers of a server are altered, on all its connections.
type alteration struct {
	mu   sync.Mutex
	data []byte
	// lied: the server may have said what is not true.
	lied bool
	// answers counts what was written.
	answers int
}

func (a *alteration) next() int {
	if len(a.data) == 0 {
		return opNothing
	}
	b := a.data[0]
	a.data = a.data[1:]
	return int(b)
}

var aNumber = regexp.MustCompile(`\d+`)

// stores reports whether the server may be answering an APPEND.
func (c *alteringConn) stores() bool {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	last := c.server.transcript[max(0, len(c.server.transcript)-4):]
	return slices.ContainsFunc(last, func(cmd string) bool { return strings.HasPrefix(cmd, "APPEND") })
}

// maxAnswers is how much a run may ask for.
const maxAnswers = 3000

func (c *alteringConn) Write(p []byte) (int, error) {
	out, then := c.alter(p)
	_, err := c.Conn.Write(out)
	switch then {
	case opHangUp:
		_ = c.Close()
	case opStall:
		// A run ends a connection that stalls.
		time.Sleep(time.Hour)
	}
	return len(p), err
}

func (c *alteringConn) alter(p []byte) (out []byte, then int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers++
	literal := 0 // bytes that are left of one
	for line := range bytes.SplitAfterSeq(p, []byte("\r\n")) {
		text := strings.TrimSuffix(string(line), "\r\n")
		within := literal > 0
		literal -= len(line)
		if m := appendSize.FindStringSubmatch(text); m != nil && !within {
			literal, _ = strconv.Atoi(m[1])
			within = true
		}
		if within && len(c.data) > 0 {
			switch c.data[0] % opKinds {
			case opNothing, opHangUp, opStall:
			default: // the message becomes another one
				c.lied = true
			}
		}
		switch op := c.next(); op % opKinds {
		case opDrop:
			continue
		case opRepeat:
			out = append(out, line...)
		case opCut:
			text = text[:min(len(text), c.next())]
		case opHangUp, opStall:
			return out, op % opKinds
		case opRefuse:
			if tag, _, ok := strings.Cut(text, " "); ok && tag != "*" {
				c.lied = c.lied || c.stores() // as the message is stored all the same
				text = tag + [...]string{" NO", " BAD", " NO [SERVERBUG] x", " NO [UNAVAILABLE] x", " BAD [TOOBIG] x", " NO [NONEXISTENT] x", " NO [OVERQUOTA] x", " BYE"}[c.next()%8]
			}
		case opNoise:
			out = append(out, [...]string{"* OK still here\r\n", "* NO hm\r\n", "* XYZ 1 2 3 (\r\n", "\r\n", "* 5\r\n", "*\r\n", "* OK [ALERT] \x1b[31m\r\n", "x OK\r\n"}[c.next()%8]...)
		case opFlip:
			c.lied = true
			if b := []byte(text); len(b) > 0 {
				b[c.next()%len(b)] ^= byte(1 << (c.next() % 8))
				text = string(b)
			}
		case opNumber:
			c.lied = true
			at := aNumber.FindAllStringIndex(text, -1)
			if len(at) > 0 {
				i := at[c.next()%len(at)]
				text = text[:i[0]] + [...]string{"0", "", "1", "4294967295", "4294967296", "99999999999999999999", "-1", "7"}[c.next()%8] + text[i[1]:]
			}
		case opClaim:
			c.lied = true
			out = append(out, claims[c.next()%len(claims)]+"\r\n"...)
		case opRaw:
			c.lied = true
			n := min(len(c.data), c.next())
			n = min(n, len(c.data))
			text = string(c.data[:n])
			c.data = c.data[n:]
		}
		out = append(out, text...)
		if bytes.HasSuffix(line, []byte("\r\n")) {
			out = append(out, "\r\n"...)
		}
	}
	return out, opNothing
}

// playSession runs a channel between the server and a mailbox in memory: in full, altered
// as data says, and in full again.
func playSession(t *testing.T, data []byte) {
	caps := sessionCaps[0]
	if len(data) > 0 {
		caps = sessionCaps[int(data[0])%len(sessionCaps)]
		data = data[1:]
	}
	s := &noisyServer{tb: t, caps: caps, next: 1, modSeq: 1}
	s.accept = func(body string) (bool, string) { return true, "OK done" }
	w := newSessionWorld(t, s)
	for range 4 {
		s.add("")
	}
	w.deliver("a", "b")
	w.run(&alteration{}, true)
	if got, want := w.both(), []string{"1 2 3 4 a b", "1 2 3 4 a b"}; !slices.Equal(got[:], want) {
		t.Fatalf("first run: %q", got)
	}
	s.add("")
	w.deliver("c")
	s.touched = nil

	a := &alteration{data: data}
	w.run(a, false)
	if a.answers > maxAnswers {
		t.Errorf("a run asked %d times", a.answers)
	}
	if a.lied {
		w.run(&alteration{}, false)
		return
	}
	w.nothingDeleted()
	for range 3 {
		if w.run(&alteration{}, false) {
			break
		}
	}
	w.run(&alteration{}, true)
	w.nothingDeleted()
	if got, want := w.both(), []string{"1 2 3 4 7 a b c", "1 2 3 4 7 a b c"}; !slices.Equal(got[:], want) {
		t.Errorf("in the end: %q; %s", got, w.told)
	}
}

// sessionWorld is a channel between a server and a mailbox in memory.
type sessionWorld struct {
	t      *testing.T
	server *noisyServer
	cfg    *config.Config
	near   *mem.Disk
	fs     *vfstest.Mem
	memo   *memo.Dir
	told   *bytes.Buffer
}

func newSessionWorld(t *testing.T, s *noisyServer) *sessionWorld {
	cfg, _, err := config.Parse("/rc", []byte("SyncState /state/\n\nIMAPStore far\nHost x\nUser me\nPass x\nTLSType None\n\n"+
		"MaildirStore near\nPath /near/\nInbox /inbox\n\nChannel c\nFar :far:\nNear :near:\nCreate Both\nRemove Both\nExpunge Both\n"), config.Env{})
	if err != nil {
		t.Fatal(err)
	}
	w := &sessionWorld{t: t, server: s, cfg: cfg, near: mem.NewDisk(), fs: vfstest.NewMem(nil), told: &bytes.Buffer{}}
	w.near.Set(mail.Inbox, mem.BoxState{})
	w.memo = memo.NewDir(w.fs, "/memo")
	return w
}

func (w *sessionWorld) deliver(names ...string) {
	for _, n := range names {
		w.near.Deliver(mail.Inbox, mem.Message{Body: "Subject: " + n + "\n\nthe text of " + n + "\n"})
	}
}

// run synchronizes the channel. It reports whether that succeeded, which it must if sound is
// set.
func (w *sessionWorld) run(a *alteration, sound bool) bool {
	w.t.Helper()
	w.told.Reset()
	var wg sync.WaitGroup
	o := imap.Options{
		Name: "far", Place: "far",
		Client: imapclient.Options{Host: "x", Timeout: 20 * time.Second, Dial: func(context.Context) (net.Conn, error) {
			client, server := net.Pipe()
			wg.Go(func() {
				w.server.serve(&alteringConn{server, a, w.server})
				_ = server.Close()
			})
			return client, nil
		}},
		Login:    func(ctx context.Context, c *imapclient.Client) error { return c.Login(ctx, "me", "x") },
		Listings: w.memo, Account: func(context.Context) (string, error) { return "me", nil },
	}
	printer := ui.New(ui.Options{Out: w.told, Err: w.told})
	runner := channel.NewRunner(channel.Options{
		Global: w.cfg.Global, FS: w.fs, TUIDs: counter(), Events: printer,
		Open: func(s *config.Store) (store.Store, error) {
			if s.Name == "far" {
				return imap.New(o), nil
			}
			return mem.New(w.near, mem.Options{Name: "near", Caps: mem.MaildirCaps}), nil
		},
	})
	ctx, cancel := context.WithTimeout(w.t.Context(), 24*time.Hour)
	defer cancel()
	sum := runner.Run(ctx, []channel.Selection{{Channel: w.cfg.Channels[0], Ops: w.cfg.Channels[0].Ops}})
	if ctx.Err() != nil {
		w.t.Error("the run does not end")
	}
	runner.Close()
	wg.Wait()
	if sound && sum.Failed {
		w.t.Errorf("a run with a sound server failed: %s", w.told)
	}
	return !sum.Failed
}

var subjectLine = regexp.MustCompile(`Subject: (\w+)`)

// both returns the messages of both sides, in alphabetic order.
func (w *sessionWorld) both() (out [2]string) {
	var names [2][]string
	name := func(body string) string {
		if m := subjectLine.FindStringSubmatch(body); m != nil {
			return m[1]
		}
		return strconv.Quote(body)
	}
	for _, m := range w.server.msgs {
		names[0] = append(names[0], name(m.body))
	}
	box, _ := w.near.Box(mail.Inbox)
	for _, m := range box.Messages {
		names[1] = append(names[1], name(m.Body))
	}
	for t := range names {
		slices.Sort(names[t])
		out[t] = strings.Join(names[t], " ")
	}
	return out
}

// nothingDeleted checks that nothing was deleted or marked as deleted.
func (w *sessionWorld) nothingDeleted() {
	w.t.Helper()
	box, _ := w.near.Box(mail.Inbox)
	for _, m := range box.Messages {
		if m.Flags.Has(mail.FlagDeleted) {
			w.t.Errorf("near message %d is marked as deleted; %s", m.UID, w.told)
		}
	}
	near := w.both()[1]
	for _, name := range strings.Fields("1 2 3 4 a b c") {
		if !slices.Contains(strings.Fields(near), name) {
			w.t.Errorf("near message %s is gone: %s; %s", name, near, w.told)
		}
	}
	for _, cmd := range w.server.touched {
		if strings.Contains(cmd, "EXPUNGE") || strings.Contains(cmd, `\Deleted`) || strings.HasPrefix(cmd, "CLOSE") {
			w.t.Errorf("the server was told %q; %s", cmd, w.told)
		}
	}
}
