package imapclient

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/imapwire"
	"isync/internal/mail"
)

func message(text string) AppendMessage {
	return AppendMessage{Size: int64(len(text)), Body: strings.NewReader(text)}
}

func TestResponseError(t *testing.T) {
	c := connect(t, Options{}, "", func(p *peer) {
		p.send("%s NO [ALREADYEXISTS] it is there\n", p.expect(`CREATE "x"`))
		p.send("%s BAD what?\n", p.expect("CHECK"))
		p.answer("NOOP", "")
		p.idle()
	})
	ctx := testContext(t)
	err := c.Create(ctx, "x")
	want := "server refused CREATE: NO [ALREADYEXISTS] it is there"
	if !HasCode(err, imapwire.CodeAlreadyExists) || err.Error() != want {
		t.Error(err)
	}
	if r, ok := errors.AsType[*ResponseError](c.Check(ctx)); !ok || r.Status != imapwire.StatusBad || r.Command != "CHECK" {
		t.Error(r)
	}
	if err := c.Noop(ctx); err != nil {
		t.Error(err)
	}
}

// TestPipelineDepth checks how many commands are on their way at a time.
func TestPipelineDepth(t *testing.T) {
	for _, depth := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			result := make(chan int, 1)
			c := connect(t, Options{PipelineDepth: depth}, "", func(p *peer) {
				lines := make(chan string)
				go func() {
					defer close(lines)
					for {
						line := p.line()
						if line == "" {
							return
						}
						lines <- line
					}
				}()
				var open []string
				most := 0
				defer func() { result <- most }()
				for {
					synctest.Wait()
					select {
					case line, ok := <-lines:
						if !ok {
							return
						}
						open = append(open, strings.Fields(line)[0])
						continue
					default:
					}
					if len(open) == 0 {
						line, ok := <-lines
						if !ok {
							return
						}
						open = append(open, strings.Fields(line)[0])
						continue
					}
					most = max(most, len(open))
					p.send("%s OK\n", open[0])
					open = open[1:]
				}
			})
			var pending []*Pending[Stored]
			for i := range 7 {
				p, err := c.StartStore(t.Context(), StoreRequest{UIDs: mail.NewUIDSet(mail.UID(i + 1)), Flags: mail.FlagSeen})
				if err != nil {
					t.Fatal(err)
				}
				pending = append(pending, p)
			}
			for _, p := range pending {
				if _, err := p.Wait(t.Context()); err != nil {
					t.Error(err)
				}
			}
			_ = c.Close()
			if most := <-result; most != depth {
				t.Errorf("depth %d: %d under way", depth, most)
			}
		})
	}
}

// TestConcurrentUse runs commands of all sorts from many goroutines.
func TestConcurrentUse(t *testing.T) {
	c := connect(t, Options{PipelineDepth: 4}, "", func(p *peer) {
		for {
			line := p.line()
			if line == "" {
				return
			}
			tag, rest, _ := strings.Cut(line, " ")
			if strings.HasPrefix(rest, "APPEND") {
				p.send("+ go\n")
				p.bytes(5)
				p.line()
			}
			p.send("%s OK %s\n", tag, rest)
		}
	})
	ctx := testContext(t)
	errs := make(chan error)
	const n = 20
	for i := range n {
		go func() {
			for range 20 {
				var err error
				switch i % 3 {
				case 0:
					err = c.Noop(ctx)
				case 1:
					_, err = c.Append(ctx, "x", message("hello"))
				case 2:
					_, err = c.Search(ctx, "ALL")
				}
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// TestNoDeadlock has the server send so much before it reads that all buffers
// fill up, while the client sends as much.
func TestNoDeadlock(t *testing.T) {
	const n, size = 20, 200_000
	c := connect(t, Options{}, "LITERAL+", func(p *peer) {
		for i := range n {
			tag := p.expect(fmt.Sprintf(`APPEND "x" {%d+}`, size))
			// net.Pipe has no buffer at all: this blocks until the client reads.
			p.send("%s", strings.Repeat("* 1 EXISTS\n", 10000))
			p.bytes(size)
			p.line()
			p.send("%s OK [APPENDUID 1 %d] stored\n", tag, i+1)
		}
		p.idle()
	})
	ctx := testContext(t)
	var pending []*Pending[Appended]
	for range n {
		p, err := c.StartAppend(ctx, "x", message(strings.Repeat("a", size)))
		if err != nil {
			t.Fatal(err)
		}
		pending = append(pending, p)
	}
	for i, p := range pending {
		if a, err := p.Wait(ctx); err != nil || a.UID() != mail.UID(i+1) || a.UIDValidity != 1 {
			t.Errorf("%d: %+v, %v", i, a, err)
		}
	}
}

func TestLiterals(t *testing.T) {
	long := strings.Repeat("b", 4097)
	date := time.Date(2026, 2, 7, 21, 0, 9, 0, time.UTC)
	c := connect(t, Options{}, "LITERAL-", func(p *peer) {
		p.expect(`APPEND "x" (\Seen) " 7-Feb-2026 21:00:09 +0000" {5+}`)
		if got := p.bytes(5); got != "hello" {
			t.Errorf("literal %q", got)
		}
		p.line()
		p.send("A1 OK\n")
		p.expect(`APPEND "x" {4097}`)
		p.send("+ go ahead\n")
		if got := p.bytes(4097); got != long {
			t.Errorf("literal %q", got)
		}
		p.line()
		p.send("A2 OK [APPENDUID 5 7,9] both?\n")
		// Refused instead of continued.
		p.expect(`APPEND "x" {4097}`)
		p.send("A3 NO [TOOBIG] no\n")
		p.answer("NOOP", "")
		// Several messages.
		p.expect(`APPEND "x" {1+}`)
		p.bytes(1)
		if got := p.line(); got != ` (\Draft) {2+}` {
			t.Errorf("%q", got)
		}
		p.bytes(2)
		p.line()
		p.send("A5 OK [APPENDUID 5 7,9]\n")
		p.idle()
	})
	ctx := testContext(t)
	m := message("hello")
	m.Flags, m.Date = mail.FlagSeen, date
	if a, err := c.Append(ctx, "x", m); err != nil || a.UID() != 0 {
		t.Error(a, err)
	}
	if a, err := c.Append(ctx, "x", message(long)); err != nil || a.UID() != 0 || a.UIDs != nil {
		t.Error(a, err)
	}
	if _, err := c.Append(ctx, "x", message(long)); !HasCode(err, imapwire.CodeTooBig) {
		t.Error(err)
	}
	if err := c.Noop(ctx); err != nil {
		t.Error(err)
	}
	m = message("de")
	m.Flags = mail.FlagDraft
	a, err := c.Append(ctx, "x", message("c"), m)
	if d := cmp.Diff(mail.NewUIDSet(7, 9), a.UIDs.Set()); err != nil || d != "" {
		t.Error(err, d)
	}
}

// brokenBody fails after some bytes.
type brokenBody struct {
	n   int
	err error
}

func (b brokenBody) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(bytes.Repeat([]byte{'x'}, b.n))
	if err == nil {
		err = b.err
	}
	return int64(n), err
}

func TestBodyError(t *testing.T) {
	boom := errors.New("disk on fire")
	c := connect(t, Options{}, "LITERAL+", func(p *peer) {
		p.answer("NOOP", "")
		// A large one breaks off; nothing may complete that command.
		rest, _ := io.ReadAll(p.r)
		if len(rest) > 50100 {
			t.Errorf("%d bytes sent of half a message", len(rest))
		}
	})
	ctx := testContext(t)
	for _, m := range []AppendMessage{
		{Size: 10, Body: brokenBody{5, boom}},
		{Size: 10, Body: brokenBody{9, nil}},
		{Size: 10, Body: brokenBody{11, nil}},
	} {
		_, err := c.Append(ctx, "x", m)
		b, ok := errors.AsType[*BodyError](err)
		if !ok || b.Conn != nil {
			t.Errorf("small: %v", err)
		}
	}
	if err := c.Noop(ctx); err != nil {
		t.Fatal(err)
	}
	_, err := c.Append(ctx, "x", AppendMessage{Size: 100000, Body: brokenBody{50000, boom}})
	if b, ok := errors.AsType[*BodyError](err); !ok || b.Conn == nil || !errors.Is(err, boom) {
		t.Errorf("large: %v", err)
	}
	if _, ok := errors.AsType[*ConnectionError](c.Noop(ctx)); !ok {
		t.Error("the connection goes on")
	}
}

func TestBoxes(t *testing.T) {
	c := connect(t, Options{}, "LIST-EXTENDED ESEARCH", func(p *peer) {
		p.answer("NAMESPACE", "* NAMESPACE ((\"INBOX.&APw-.\" \".\")) NIL NIL\n")
		p.answer(`LIST "" "Entw&APw-rfe*"`, "* LIST (\\HasNoChildren \\Sent) \"/\" &APw-\n* LIST () NIL \"a/&bad\"\n")
		p.answer(`LIST (SUBSCRIBED) "" ("a" "b%") RETURN (SPECIAL-USE STATUS (MESSAGES UIDNEXT))`,
			"* LIST () \"/\" Inbox\n* STATUS INBOX (MESSAGES 3 UIDNEXT 9)\n* LIST () \"/\" a\n* LIST () \"/\" a\n* STATUS a (MESSAGES 1)\n* STATUS b (MESSAGES 1)\n")
		t1 := p.expect(`STATUS "a" (MESSAGES)`)
		t2 := p.expect(`STATUS "inbox" (UIDVALIDITY HIGHESTMODSEQ)`)
		p.send("* STATUS INBOX (UIDVALIDITY 8 HIGHESTMODSEQ 5)\n%s OK\n* STATUS \"a\" (MESSAGES 7)\n%s OK\n", t2, t1)
		p.answer(`UID SEARCH RETURN (ALL) HEADER X-TUID "abc"`, "* ESEARCH (TAG \"A6\") UID ALL 4:5\n* SEARCH 9\n* ESEARCH (TAG \"A99\") UID ALL 1\n")
		p.answer(`UID COPY 1:3 "t"`, "")
		p.send("* OK [COPYUID 7 1:3 11,20:21] moved\n* 1 EXPUNGE\n%s OK\n", p.expect(`UID MOVE 1:3 "t"`))
		p.answer(`DELETE "t"`, "")
		p.answer(`SUBSCRIBE "t"`, "")
		p.answer(`ENABLE CONDSTORE UTF8=ACCEPT`, "* ENABLED CONDSTORE UTF8=ACCEPT\n")
		p.answer(`CREATE "ü"`, "")
		p.answer(`EXAMINE "ü" (QRESYNC (7 5 1:9))`,
			"* OK [CLOSED]\n* 4 EXISTS\n* OK [HIGHESTMODSEQ 9]\n* OK [UIDVALIDITY 7]\n* VANISHED (EARLIER) 3\n* 1 FETCH (UID 1 FLAGS () MODSEQ (8))\n")
		p.answer("UNSELECT", "")
		p.answer(`SELECT "ü" (CONDSTORE)`, "* 0 EXISTS\n* OK [NOMODSEQ]\n* OK [UIDNOTSTICKY]\n* OK [UNSEEN 3]\n* FLAGS (\\Seen)\n")
		p.answer("EXPUNGE", "")
		p.answer("CLOSE", "")
		p.answer(`ID ("name" "x")`, "* ID (\"name\" \"y\")\n")
		p.idle()
	})
	ctx := testContext(t)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	ns, err := c.Namespace(ctx)
	check(err)
	if d := cmp.Diff(&imapwire.Namespace{Personal: []imapwire.NamespaceEntry{{Prefix: "INBOX.ü.", Delim: "."}}}, ns); d != "" {
		t.Error(d)
	}
	boxes, err := c.List(ctx, ListRequest{Patterns: []string{"Entwürfe*"}})
	check(err)
	if len(boxes) != 2 || boxes[0].Name != "ü" || boxes[0].Err != nil || !boxes[0].HasAttr(`\sent`) || boxes[0].Delim != "/" ||
		boxes[1].Name != "a/&bad" || boxes[1].Err != nil || boxes[1].Delim != "" {
		t.Errorf("%+v", boxes)
	}
	boxes, err = c.List(ctx, ListRequest{
		Patterns: []string{"a", "b%"}, Subscribed: true, Return: []string{"SPECIAL-USE"},
		Status: imapwire.BoxMessages | imapwire.BoxUIDNext,
	})
	check(err)
	if len(boxes) != 3 || boxes[0].Status == nil || boxes[0].Status.UIDNext != 9 || boxes[2].Status == nil || boxes[2].Status.Messages != 1 {
		t.Errorf("%+v", boxes)
	}
	p1, err := c.StartStatus(ctx, "a", imapwire.BoxMessages)
	check(err)
	p2, err := c.StartStatus(ctx, "inbox", imapwire.BoxUIDValidity|imapwire.BoxHighestModSeq)
	check(err)
	st, err := p1.Wait(ctx)
	check(err)
	if st.Messages != 7 {
		t.Errorf("%+v", st)
	}
	st, err = p2.Wait(ctx)
	check(err)
	if st.UIDValidity != 8 || st.HighestModSeq != 5 || st.Has != imapwire.BoxUIDValidity|imapwire.BoxHighestModSeq {
		t.Errorf("%+v", st)
	}
	found, err := c.Search(ctx, `HEADER X-TUID "abc"`)
	check(err)
	if d := cmp.Diff(mail.NewUIDSet(4, 5, 9), found); d != "" {
		t.Error(d)
	}
	three := mail.NewUIDSet(1, 2, 3)
	m, err := c.Copy(ctx, three, "t")
	check(err)
	for range m.All() {
		t.Error("copied, nobody knows where to")
	}
	m, err = c.Move(ctx, three, "t")
	check(err)
	pairs := map[mail.UID]mail.UID{}
	for src, dst := range m.All() {
		pairs[src] = dst
	}
	if d := cmp.Diff(map[mail.UID]mail.UID{1: 11, 2: 20, 3: 21}, pairs); d != "" {
		t.Error(d)
	}
	check(c.Delete(ctx, "t"))
	check(c.Subscribe(ctx, "t"))
	on, err := c.Enable(ctx, "CONDSTORE", "UTF8=ACCEPT")
	check(err)
	if !on.Has("CONDSTORE") || !c.Enabled().Has("UTF8=ACCEPT") {
		t.Errorf("%v", on)
	}
	check(c.Create(ctx, "ü"))
	var gone mail.UIDSet
	var changed []mail.UID
	q := QResync{
		UIDValidity: 7, ModSeq: 5, Known: mail.UIDSet{{First: 1, Last: 9}},
		Vanished: func(s mail.UIDSet) { gone = s },
		Changed:  func(f *imapwire.Fetch) { changed = append(changed, f.UID) },
	}
	sel, err := c.Select(ctx, "ü", SelectOptions{ReadOnly: true, QResync: q})
	check(err)
	if !sel.ReadOnly || sel.Exists != 4 || sel.HighestModSeq != 9 || !gone.Contains(3) || !slices.Equal(changed, []mail.UID{1}) {
		t.Errorf("%+v %v %v", sel, gone, changed)
	}
	check(c.Unselect(ctx))
	sel, err = c.Select(ctx, "ü", SelectOptions{CondStore: true})
	check(err)
	if !sel.NoModSeq || !sel.UIDNotSticky || sel.ReadOnly || sel.Settable() != mail.FlagSeen {
		t.Errorf("%+v", sel)
	}
	check(c.Expunge(ctx))
	check(c.CloseBox(ctx))
	id, err := c.ID(ctx, "name", "x")
	check(err)
	if d := cmp.Diff([]string{"name", "y"}, id); d != "" {
		t.Error(d)
	}
}

func TestLsub(t *testing.T) {
	c := connect(t, Options{DisableExtensions: []string{"list-extended", "Esearch"}}, "LIST-EXTENDED ESEARCH", func(p *peer) {
		p.answer(`LSUB "" "*"`, "* LSUB () \"/\" a\n* LIST () \"/\" b\n")
		p.answer("UID SEARCH ALL", "* SEARCH 3 1\n* SEARCH\n")
		p.idle()
	})
	ctx := testContext(t)
	boxes, err := c.List(ctx, ListRequest{Patterns: []string{"*"}, Subscribed: true})
	if err != nil || len(boxes) != 2 {
		t.Errorf("%v %v", boxes, err)
	}
	found, err := c.Search(ctx, "ALL")
	if d := cmp.Diff(mail.NewUIDSet(1, 3), found); d != "" || err != nil {
		t.Error(d, err)
	}
}

func TestHooks(t *testing.T) {
	var log []string
	note := func(format string, args ...any) { log = append(log, fmt.Sprintf(format, args...)) }
	c := connect(t, Options{Hooks: Hooks{
		Alert:    func(s string) { note("alert %s", s) },
		Notice:   func(s imapwire.Status, _ imapwire.Code, text string) { note("notice %s %s", s, text) },
		Unknown:  func(what string, _ error) { note("unknown %s", what) },
		Exists:   func(n uint32) { note("exists %d", n) },
		Expunge:  func(n uint32) { note("expunge %d", n) },
		Vanished: func(s mail.UIDSet) { note("vanished %s", s) },
		Fetch:    func(f *imapwire.Fetch) { note("fetch %d %s", f.Seq, f.Flags) },
	}}, "", func(p *peer) {
		p.send("* OK [ALERT] quota\n* NO care\x1b\xfful\n* XYZ {3}\nabc\n* 9 EXISTS\n* 2 EXPUNGE\n* VANISHED 4:5\n* 1 FETCH (FLAGS (\\Seen))\n+ huh\nZ9 OK\n")
		p.send("%s NO [ALERT] broke\n", p.expect("NOOP"))
		p.idle()
	})
	if err := c.Noop(testContext(t)); err == nil {
		t.Error("no error")
	}
	want := []string{
		"alert quota", "notice NO care??ul", "unknown XYZ", "exists 9", "expunge 2", "vanished 4:5", "fetch 1 S", "unknown +", "unknown Z9", "alert broke",
	}
	if d := cmp.Diff(want, log); d != "" {
		t.Error(d)
	}
	if c.Exists() != 6 {
		t.Errorf("%d messages", c.Exists())
	}
}
