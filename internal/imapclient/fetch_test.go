package imapclient

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/imapwire"
	"isync/internal/mail"
)

// got is a message as a sink saw it; Body is "-" if there was none.
type got struct {
	UID   mail.UID
	Has   imapwire.Items
	Flags mail.Flags
	Body  string
}

// collect returns a sink that appends to list.
func collect(list *[]got) func(*Message) error {
	return func(m *Message) error {
		g := got{m.UID, m.Has, m.Flags, "-"}
		if m.Body != nil {
			b, err := io.ReadAll(m.Body)
			if err != nil {
				return err
			}
			if int64(len(b)) != m.BodySize {
				return fmt.Errorf("body of %d bytes announced as %d", len(b), m.BodySize)
			}
			g.Body = string(b)
		}
		*list = append(*list, g)
		return nil
	}
}

func TestFetchInPieces(t *testing.T) {
	const (
		meta = imapwire.ItemUID | imapwire.ItemFlags
		all  = meta | imapwire.ItemBody
	)
	tests := []struct {
		name, data string
		want       []got
	}{
		{"in order", "* 1 FETCH (UID 5 FLAGS (\\Seen) BODY[] {2}\nab)\n", []got{{5, all, mail.FlagSeen, "ab"}}},
		{"body first", "* 1 FETCH (BODY[] {2}\nab UID 5 FLAGS (\\Seen))\n", []got{{5, all, mail.FlagSeen, "ab"}}},
		{"flags last", "* 1 FETCH (UID 5 BODY[] {2}\nab FLAGS (\\Seen))\n", []got{{5, all, mail.FlagSeen, "ab"}}},
		{"split, body last", "* 1 FETCH (UID 5 FLAGS (\\Seen))\n* 1 FETCH (UID 5 BODY[] {2}\nab)\n", []got{{5, all, mail.FlagSeen, "ab"}}},
		{"split, body last, UID behind it", "* 1 FETCH (UID 5 FLAGS (\\Seen))\n* 1 FETCH (BODY[] {2}\nab UID 5)\n", []got{{5, all, mail.FlagSeen, "ab"}}},
		{"split, body first", "* 1 FETCH (UID 5 BODY[] {2}\nab)\n* 1 FETCH (UID 5 FLAGS (\\Seen))\n", []got{{5, all, mail.FlagSeen, "ab"}}},
		{
			"split and interleaved", "* 1 FETCH (UID 5 FLAGS (\\Seen))\n* 2 FETCH (UID 6 FLAGS ())\n* 2 FETCH (UID 6 BODY[] {1}\ny)\n* 1 FETCH (UID 5 BODY[] {1}\nx)\n",
			[]got{{6, all, 0, "y"}, {5, all, mail.FlagSeen, "x"}},
		},
		{"not asked for", "* 1 FETCH (UID 4 FLAGS () BODY[] {2}\nab)\n* 2 FETCH (BODY[] {2}\nab UID 8 FLAGS ())\n", nil},
		{"UID 0", "* 1 FETCH (UID 0 FLAGS () BODY[] {2}\nab)\n", nil},
		{"no UID", "* 1 FETCH (FLAGS () BODY[] {2}\nab)\n", nil},
		{"twice", "* 1 FETCH (UID 5 FLAGS () BODY[] {2}\nab)\n* 1 FETCH (UID 5 FLAGS () BODY[] {2}\ncd)\n* 1 FETCH (BODY[] {2}\ncd UID 5 FLAGS ())\n", []got{{5, all, 0, "ab"}}},
		{"flags change meanwhile", "* 1 FETCH (UID 5 FLAGS () BODY[] {2}\nab)\n* 1 FETCH (UID 5 FLAGS (\\Seen))\n", []got{{5, all, 0, "ab"}}},
		{"no body", "* 1 FETCH (UID 5 FLAGS (\\Seen) BODY[] NIL)\n", []got{{5, meta | imapwire.ItemNilBody, mail.FlagSeen, "-"}}},
		{"no flags", "* 1 FETCH (UID 5 BODY[] {2}\nab)\n", []got{{5, imapwire.ItemUID | imapwire.ItemBody, 0, "ab"}}},
		{"other section", "* 1 FETCH (UID 5 FLAGS () BODY[TEXT] {2}\nxx BODY[]<3> {1}\nx BODY[] {2}\nab BODY[] {1}\nz)\n", []got{{5, all, 0, "ab"}}},
		{"quoted", "* 1 FETCH (UID 5 FLAGS () BODY[] \"ab\")\n* 2 FETCH (BODY[] \"\" UID 6 FLAGS ())\n", []got{{5, all, 0, "ab"}, {6, all, 0, ""}}},
		{"nonsense between", "* 1 FETCH (BODY[] {2}\nab UID x\"\n* 1 FETCH (UID 5 FLAGS () BODY[] {2}\nab)\n", []got{{5, all, 0, "ab"}}},
		{"unsolicited between", "* 1 EXPUNGE\n* 7 EXISTS\n* 9 FETCH (FLAGS (\\Seen))\n* 1 FETCH (UID 5 FLAGS () BODY[] {2}\nab)\n", []got{{5, all, 0, "ab"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := connect(t, Options{}, "", func(p *peer) {
				p.answer("UID FETCH 5:7 (UID FLAGS BODY.PEEK[])", tt.data)
				p.idle()
			})
			var list []got
			req := FetchRequest{Items: imapwire.ItemFlags, Body: FullBody}
			req.UIDs.AddRange(5, 7)
			if err := c.Fetch(testContext(t), req, collect(&list)); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, list); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestFetchLastMessage checks that "n:*", which always yields at least the
// last message, does not deliver one below n.
func TestFetchLastMessage(t *testing.T) {
	var changed []mail.UID
	c := connect(t, Options{Hooks: Hooks{Fetch: func(f *imapwire.Fetch) { changed = append(changed, f.UID) }}}, "", func(p *peer) {
		p.answer("UID FETCH 10:* (UID FLAGS)", "* 1 FETCH (UID 5 FLAGS (\\Seen))\n")
		p.idle()
	})
	err := c.Fetch(testContext(t), FetchRequest{UIDs: mail.UIDsFrom(10), Items: imapwire.ItemFlags}, func(m *Message) error {
		return fmt.Errorf("UID %d delivered", m.UID)
	})
	if err != nil {
		t.Error(err)
	}
	if d := cmp.Diff([]mail.UID{5}, changed); d != "" {
		t.Error(d)
	}
}

// countingSpool counts what is open.
type countingSpool struct {
	*os.File
	open *int
}

func (s countingSpool) Close() error {
	*s.open--
	return s.File.Close()
}

func TestSpool(t *testing.T) {
	opened, open := 0, 0
	spool := func() (SpoolFile, error) {
		f, err := os.Create(t.TempDir() + "/spool")
		opened++
		open++
		return countingSpool{f, &open}, err
	}
	sizes := []int{0, 1, spoolMemory - 1, spoolMemory, spoolMemory + 1, 5*spoolMemory + 3}
	text := bytes.Repeat([]byte("0123456789"), spoolMemory)
	c := connect(t, Options{Spool: spool}, "", func(p *peer) {
		tag := p.expect("UID FETCH 1:100 (UID BODY.PEEK[])")
		for i, n := range sizes {
			p.send("* %d FETCH (BODY[] {%d}\n%s UID %d)\n", i+1, n, text[:n], i+1)
		}
		// These are never wanted.
		p.send("* 9 FETCH (BODY[] {%d}\n%s UID 1000)\n", spoolMemory+1, text[:spoolMemory+1])
		p.send("* 9 FETCH (BODY[] {%d}\n%s UID 1 BOGUS\n", spoolMemory+1, text[:spoolMemory+1])
		p.send("%s OK done\n", tag)
		p.idle()
	})
	var list []got
	req := FetchRequest{Body: FullBody}
	req.UIDs.AddRange(1, 100)
	if err := c.Fetch(testContext(t), req, collect(&list)); err != nil {
		t.Fatal(err)
	}
	if len(list) != len(sizes) {
		t.Fatalf("%d messages", len(list))
	}
	for i, n := range sizes {
		if list[i].UID != mail.UID(i+1) || list[i].Body != string(text[:n]) {
			t.Errorf("message of %d bytes differs", n)
		}
	}
	_ = c.Close()
	if opened != 5 || open != 0 {
		t.Errorf("%d spool files opened, %d of them still open", opened, open)
	}
}

// TestHeldBounds checks that a server that never completes its messages cannot
// make the client hoard them.
func TestHeldBounds(t *testing.T) {
	const n = 3 * maxHeld
	c := connect(t, Options{}, "", func(p *peer) {
		tag := p.expect("UID FETCH 1:* (UID FLAGS RFC822.SIZE)")
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "* %d FETCH (UID %d FLAGS ())\n", i+1, i+1)
		}
		for range n {
			// One message in pieces, over and over again.
			b.WriteString("* 1 FETCH (UID 7 FLAGS ())\n* 1 FETCH (UID 7 RFC822.SIZE 4)\n")
		}
		p.send("%s%s OK done\n", b.String(), tag)
		p.idle()
	})
	var f *fetch
	seen, most, mostOrder := mail.UIDSet{}, 0, 0
	err := c.Fetch(testContext(t), FetchRequest{UIDs: mail.UIDsFrom(1), Items: imapwire.ItemFlags | imapwire.ItemSize}, func(m *Message) error {
		if f == nil {
			f = (*c.queue.Load())[0].fetch
		}
		most, mostOrder = max(most, len(f.held)), max(mostOrder, len(f.order))
		seen.Add(m.UID)
		return nil
	})
	if err != nil || seen.Len() != n {
		t.Errorf("%v, %d messages", err, seen.Len())
	}
	if most > maxHeld+1 || mostOrder > 3*maxHeld {
		t.Errorf("held %d messages, %d entries", most, mostOrder)
	}
}

func TestSinkError(t *testing.T) {
	boom := errors.New("disk full")
	c := connect(t, Options{}, "", func(p *peer) {
		p.answer("UID FETCH 1:* (UID BODY.PEEK[])", "* 1 FETCH (UID 1 BODY[] {2}\nab)\n* 2 FETCH (UID 2 BODY[] {2}\nab)\n* 3 FETCH (BODY[] {2}\nab UID 3)\n")
		p.answer("NOOP", "")
		p.idle()
	})
	calls := 0
	err := c.Fetch(testContext(t), FetchRequest{UIDs: mail.UIDsFrom(1), Body: FullBody}, func(*Message) error {
		calls++
		return boom
	})
	if err != boom || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	if err := c.Noop(testContext(t)); err != nil {
		t.Errorf("the connection suffered: %v", err)
	}
}

// TestPipelinedFetches checks that data finds its command, in and out of order.
func TestPipelinedFetches(t *testing.T) {
	c := connect(t, Options{}, "", func(p *peer) {
		t1 := p.expect("UID FETCH 1:5 (UID BODY.PEEK[])")
		t2 := p.expect("UID FETCH 6:9 (UID BODY.PEEK[])")
		t3 := p.expect("UID FETCH 1:9 (UID FLAGS)")
		p.send("* 1 FETCH (UID 1 BODY[] {1}\na)\n* 6 FETCH (BODY[] {1}\nf UID 6)\n* 7 FETCH (UID 7 BODY[] {1}\ng)\n")
		p.send("%s OK\n* 9 FETCH (UID 9 FLAGS ())\n%s OK\n%s OK\n", t1, t2, t3)
		p.idle()
	})
	ctx := testContext(t)
	var list [3][]got
	var pending []*Pending[struct{}]
	for i, r := range []mail.UIDRange{{First: 1, Last: 5}, {First: 6, Last: 9}, {First: 1, Last: 9}} {
		req := FetchRequest{UIDs: mail.UIDSet{r}, Body: FullBody}
		if i == 2 {
			req.Body, req.Items = NoBody, imapwire.ItemFlags
		}
		p, err := c.StartFetch(ctx, req, collect(&list[i]))
		if err != nil {
			t.Fatal(err)
		}
		pending = append(pending, p)
	}
	for _, p := range pending {
		if _, err := p.Wait(ctx); err != nil {
			t.Error(err)
		}
	}
	const full = imapwire.ItemUID | imapwire.ItemBody
	want := [3][]got{
		{{1, full, 0, "a"}},
		{{6, full, 0, "f"}, {7, full, 0, "g"}},
		{{9, imapwire.ItemUID | imapwire.ItemFlags, 0, "-"}},
	}
	if d := cmp.Diff(want, list); d != "" {
		t.Error(d)
	}
}

func TestChangedSince(t *testing.T) {
	c := connect(t, Options{}, "", func(p *peer) {
		p.answer("UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 7 VANISHED)", "* VANISHED (EARLIER) 3:4\n* 1 FETCH (UID 1 FLAGS () MODSEQ (9))\n* VANISHED 5\n")
		p.idle()
	})
	var gone mail.UIDSet
	var list []got
	req := FetchRequest{
		UIDs: mail.UIDsFrom(1), Items: imapwire.ItemFlags, ChangedSince: 7,
		Vanished: func(s mail.UIDSet) { gone = s },
	}
	if err := c.Fetch(testContext(t), req, collect(&list)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(mail.NewUIDSet(3, 4), gone); d != "" {
		t.Error(d)
	}
	if len(list) != 1 || list[0].UID != 1 {
		t.Errorf("%+v", list)
	}
}

// TestFetchPart: a body that is limited is requested as a part, and accepted from the
// beginning only. It may also come as a whole.
func TestFetchPart(t *testing.T) {
	c := connect(t, Options{}, "", func(p *peer) {
		tag := p.expect("UID FETCH 5:7 (UID BODY.PEEK[]<0.3>)")
		p.send("* 1 FETCH (UID 5 BODY[]<0> {3}\nabc)\n* 2 FETCH (UID 6 BODY[] {4}\nabcd)\n* 3 FETCH (UID 7 BODY[]<3> {3}\ndef)\n%s OK\n", tag)
		tag = p.expect("UID FETCH 5 (UID BODY.PEEK[])")
		p.send("* 1 FETCH (UID 5 BODY[]<0> {3}\nabc)\n%s OK\n", tag)
		p.idle()
	})
	var list []got
	for _, req := range []FetchRequest{
		{UIDs: mail.UIDSet{{First: 5, Last: 7}}, Body: FullBody, Upto: 3},
		{UIDs: mail.NewUIDSet(5), Body: FullBody},
	} {
		if err := c.Fetch(t.Context(), req, collect(&list)); err != nil {
			t.Fatal(err)
		}
	}
	const all = imapwire.ItemUID | imapwire.ItemBody
	want := []got{{5, all, 0, "abc"}, {6, all, 0, "abcd"}, {7, imapwire.ItemUID, 0, "-"}, {5, imapwire.ItemUID, 0, "-"}}
	if d := cmp.Diff(want, list); d != "" {
		t.Error(d)
	}
}

func TestFetchItems(t *testing.T) {
	c := connect(t, Options{}, "", func(p *peer) {
		p.answer("UID FETCH 1 (UID FLAGS MODSEQ INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (X-TUID Message-Id)])",
			"* 1 FETCH (UID 1 FLAGS (\\Draft) MODSEQ (4) INTERNALDATE \" 1-Jan-2026 00:00:00 +0100\" RFC822.SIZE 99 BODY[HEADER.FIELDS (X-TUID MESSAGE-ID)] {2}\n\n)\n")
		p.answer("UID FETCH 1 (UID BODY.PEEK[HEADER])", "* 1 FETCH (UID 1 BODY[HEADER] {2}\n\n)\n")
		p.idle()
	})
	ctx := testContext(t)
	n := 0
	err := c.Fetch(ctx, FetchRequest{
		UIDs:  mail.NewUIDSet(1),
		Items: imapwire.ItemFlags | imapwire.ItemModSeq | imapwire.ItemDate | imapwire.ItemSize,
		Body:  FieldsBody, Fields: []string{"X-TUID", "Message-Id"},
	}, func(m *Message) error {
		n++
		if m.ModSeq != 4 || m.Size != 99 || m.Flags != mail.FlagDraft || m.BodySize != 2 ||
			!m.Date.Equal(time.Date(2025, 12, 31, 23, 0, 0, 0, time.UTC)) {
			t.Errorf("%+v", m)
		}
		return nil
	})
	if err != nil || n != 1 {
		t.Error(err, n)
	}
	err = c.Fetch(ctx, FetchRequest{UIDs: mail.NewUIDSet(1), Body: HeaderBody}, func(*Message) error { n++; return nil })
	if err != nil || n != 2 {
		t.Error(err, n)
	}
}
