package imapwire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/mail"
)

// body is a section as a test saw it.
type body struct {
	Before  Fetch
	Section Section
	Text    string
}

// readAll decodes a whole stream.
func readAll(r io.Reader) (resps []Response, bodies []body, err error) {
	d := NewDecoder(r)
	for {
		var resp Response
		err := d.Read(&resp, func(f *Fetch, s Section, l *Literal) {
			text, err := io.ReadAll(l)
			if err != nil {
				text = append(text, "!"+err.Error()...)
			} else if int64(len(text)) != l.Size() {
				text = append(text, "!size"...)
			}
			bodies = append(bodies, body{*f, s, string(text)})
		})
		if err == io.EOF {
			return resps, bodies, nil
		}
		if err != nil {
			return resps, bodies, err
		}
		resps = append(resps, resp)
	}
}

// one decodes a stream of one response, in one piece and byte by byte.
func one(t *testing.T, in string) (Response, []body) {
	t.Helper()
	resps, bodies, err := readAll(strings.NewReader(in))
	if err != nil || len(resps) != 1 {
		t.Fatalf("%q: %d responses, %v", in, len(resps), err)
	}
	resps2, bodies2, err := readAll(iotest.OneByteReader(strings.NewReader(in)))
	if err != nil {
		t.Fatalf("%q, byte by byte: %v", in, err)
	}
	if d := cmp.Diff(resps, resps2); d != "" {
		t.Errorf("%q: byte by byte differs:\n%s", in, d)
	}
	if d := cmp.Diff(bodies, bodies2); d != "" {
		t.Errorf("%q: bodies byte by byte differ:\n%s", in, d)
	}
	return resps[0], bodies
}

func TestResponses(t *testing.T) {
	set := func(s string) mail.UIDSet {
		u, err := ParseUIDSet(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	status := func(tag string, st Status, text string) Response {
		return Response{Kind: KindStatus, Tag: tag, Status: st, Text: text}
	}
	withCode := func(r Response, c Code) Response {
		r.Code = c
		return r
	}
	date := time.Date(1996, 7, 17, 9, 44, 25, 0, time.UTC)
	tests := []struct {
		in   string
		want Response
	}{
		{"* OK ready\r\n", status("", StatusOK, "ready")},
		{"* ok ready\n", status("", StatusOK, "ready")},
		{"A1 NO  no {5}\r\n", status("A1", StatusNo, "no {5}")},
		{"A1 BAD\r\n", status("A1", StatusBad, "")},
		{"* BYE\r\n", status("", StatusBye, "")},
		{"* PREAUTH [x] y\r\n", withCode(status("", StatusPreauth, "y"), Code{Name: "X"})},
		{"* OK [HIGHESTMODSEQ 17]\r\n", withCode(status("", StatusOK, ""), Code{Name: CodeHighestModSeq, Args: "17", Num: 17})},
		{
			"* OK [PERMANENTFLAGS (\\Seen a]b $forwarded \\*)] Limited\r\n",
			withCode(status("", StatusOK, "Limited"), Code{
				Name: CodePermanentFlags, Args: `(\Seen a]b $forwarded \*)`,
				Flags: FlagSet{Flags: mail.FlagSeen | mail.FlagForwarded, Any: true},
			}),
		},
		{
			"A2 OK [COPYUID 7 1:3,9 10:12,20] done\r\n",
			withCode(status("A2", StatusOK, "done"), Code{
				Name: CodeCopyUID, Args: "7 1:3,9 10:12,20", Num: 7,
				Src: ranges(1, 3, 9, 9), Dst: ranges(10, 12, 20, 20),
			}),
		},
		{"A2 OK [COPYUID 7 1:3,9 10:12] done\r\n", withCode(status("A2", StatusOK, "done"), Code{Name: CodeCopyUID, Args: "7 1:3,9 10:12"})},
		{"A2 OK [APPENDUID 7 12:11] x\r\n", withCode(status("A2", StatusOK, "x"), Code{Name: CodeAppendUID, Args: "7 12:11", Num: 7, Dst: ranges(11, 12)})},
		{"A2 OK [unclosed\r\n", status("A2", StatusOK, "[unclosed")},
		{"A2 OK [BADCHARSET (\"a]b\")] x\r\n", withCode(status("A2", StatusOK, "x"), Code{Name: "BADCHARSET", Args: `("a]b")`})},
		{"A2 OK [capability IMAP4rev1 idle] x\r\n", withCode(status("A2", StatusOK, "x"), Code{Name: "CAPABILITY", Args: "IMAP4rev1 idle", Caps: []string{"IMAP4REV1", "IDLE"}})},
		{"+ go on\r\n", Response{Kind: KindContinuation, Text: "go on"}},
		{"+\r\n", Response{Kind: KindContinuation}},
		{"+ \r\n", Response{Kind: KindContinuation}},
		{"\r\n* 3 exists\r\n", Response{Kind: KindExists, Num: 3}},
		{"* 3 EXISTS \r\n", Response{Kind: KindExists, Num: 3}},
		{"* 1 RECENT\r\n", Response{Kind: KindRecent, Num: 1}},
		{"* 44 EXPUNGE\r\n", Response{Kind: KindExpunge, Num: 44}},
		{"* CAPABILITY IMAP4rev1 auth=plain \r\n", Response{Kind: KindCapability, Caps: []string{"IMAP4REV1", "AUTH=PLAIN"}}},
		{"* ENABLED\r\n", Response{Kind: KindEnabled}},
		{"* ENABLED QRESYNC\r\n", Response{Kind: KindEnabled, Caps: []string{"QRESYNC"}}},
		{"* FLAGS (\\Answered \\Draft foo])\r\n", Response{Kind: KindFlags, Flags: FlagSet{Flags: mail.FlagAnswered | mail.FlagDraft}}},
		{"* FLAGS NIL\r\n", Response{Kind: KindFlags}},
		{"* LIST (\\HasNoChildren) \"/\" INBOX\r\n", Response{Kind: KindList, List: List{Attrs: []string{`\HasNoChildren`}, Delim: "/", Name: "INBOX"}}},
		{"* LIST () NIL \"a \\\"b\\\\\"\r\n", Response{Kind: KindList, List: List{Name: `a "b\`}}},
		{"* LIST () \"\\\\\" {7}\r\nfoo\r\nba (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n", Response{Kind: KindList, List: List{Delim: `\`, Name: "foo\r\nba"}}},
		{"* LSUB (\\NoSelect) \"<>\" NIL\r\n", Response{Kind: KindLsub, List: List{Attrs: []string{`\NoSelect`}, Delim: "<>", Name: "NIL"}}},
		{"* LIST () \"/\" a(b)]\xff\r\n", Response{Kind: KindList, List: List{Delim: "/", Name: "a(b)]\xff"}}},
		{
			"* STATUS \"a b\" (MESSAGES 3 UIDNEXT 8 MAILBOXID (x) UNSEEN NIL UIDVALIDITY 1 HIGHESTMODSEQ 99999999999 )\r\n",
			Response{Kind: KindBoxStatus, Box: BoxStatus{
				Name: "a b", Has: BoxMessages | BoxUIDNext | BoxUIDValidity | BoxHighestModSeq | BoxMailboxID,
				Messages: 3, UIDNext: 8, UIDValidity: 1, HighestModSeq: 99999999999, MailboxID: "x",
			}},
		},
		{"* STATUS a (MAILBOXID (\x9b\xfcV))\r\n", Response{Kind: KindBoxStatus, Box: BoxStatus{Name: "a"}}},
		{"* STATUS a (MAILBOXID (x y) UIDNEXT 8)\r\n", Response{Kind: KindBoxStatus, Box: BoxStatus{Name: "a", Has: BoxUIDNext, UIDNext: 8}}},
		{"* STATUS a (MAILBOXID x UIDNEXT 8)\r\n", Response{Kind: KindBoxStatus, Box: BoxStatus{Name: "a", Has: BoxUIDNext, UIDNext: 8}}},
		{"* SEARCH\r\n", Response{Kind: KindSearch}},
		{"* SEARCH 5 2 3 1 9 0 (MODSEQ 12)\r\n", Response{Kind: KindSearch, UIDs: set("1:3,5,9"), ModSeq: 12}},
		{"* SEARCH NIL\r\n", Response{Kind: KindSearch}},
		{"* ESEARCH (TAG \"A3\") UID ALL 4:2,8 COUNT 4 MODSEQ 7 RELEVANCY (1 2)\r\n", Response{Kind: KindESearch, Tag: "A3", UID: true, UIDs: set("2:4,8"), Counted: true, Count: 4, ModSeq: 7}},
		{"* ESEARCH (TAG {2}\r\nA3) UID\r\n", Response{Kind: KindESearch, Tag: "A3", UID: true}},
		{"* VANISHED (EARLIER) 41,43:116\r\n", Response{Kind: KindVanished, Earlier: true, UIDs: set("41,43:116")}},
		{"* VANISHED 405\r\n", Response{Kind: KindVanished, UIDs: set("405")}},
		{
			"* NAMESPACE ((\"\" \"/\")(\"#mh/\" \"/\" \"X-PARAM\" (\"F\" \"G\"))) NIL ((\"Public\" NIL))\r\n",
			Response{Kind: KindNamespace, Namespace: &Namespace{
				Personal: []NamespaceEntry{{"", "/"}, {"#mh/", "/"}},
				Shared:   []NamespaceEntry{{"Public", ""}},
			}},
		},
		{"* ID NIL\r\n", Response{Kind: KindID}},
		{"* ID (\"name\" \"Cyrus\" \"os\" NIL)\r\n", Response{Kind: KindID, ID: []string{"name", "Cyrus", "os", ""}}},

		{"* 12 FETCH (UID 7 FLAGS (\\seen $Forwarded kw \\Recent))\r\n", fetched(Fetch{
			Seq: 12, Has: ItemUID | ItemFlags, UID: 7, Flags: mail.FlagSeen | mail.FlagForwarded,
		})},
		{"* 12 FETCH ( FLAGS () UID 7 )\r\n", fetched(Fetch{Seq: 12, Has: ItemUID | ItemFlags, UID: 7})},
		{"* 12 FETCH (FLAGS NIL RFC822.SIZE NIL UID NIL INTERNALDATE NIL MODSEQ NIL BODY[] NIL)\r\n", fetched(Fetch{Seq: 12, Has: ItemFlags | ItemNilBody})},
		{"* 12 FETCH (MODSEQ (5) RFC822.SIZE 5000000000 INTERNALDATE \"17-Jul-1996 02:44:25 -0700\")\r\n", fetched(Fetch{
			Seq: 12, Has: ItemModSeq | ItemSize | ItemDate, ModSeq: 5, Size: 5000000000, Date: date,
		})},
		{"* 12 FETCH (MODSEQ 5 INTERNALDATE {26}\r\n17-Jul-1996 02:44:25 -0700 X-GM-LABELS (\"a\" {1}\r\n) b) UID 3)\r\n", fetched(Fetch{
			Seq: 12, Has: ItemModSeq | ItemDate | ItemUID, ModSeq: 5, Date: date, UID: 3,
		})},
		{"* 1 FETCH (ENVELOPE (NIL \"x)\\\"\" {3}\r\n)))((a))) BODYSTRUCTURE ((((())))) BODY (\"TEXT\") BODY[1.MIME]<3.4> {2}\r\n)) UID 9)\r\n", fetched(Fetch{Seq: 1, Has: ItemUID | ItemBody, UID: 9})},
		{"* 1 FETCH (UID 9\r\n", fetched(Fetch{Seq: 1, Has: ItemUID, UID: 9})},

		{"* XYMHIGHESTMODSEQ 5\r\n", unknown("XYMHIGHESTMODSEQ", errUnknown)},
		{"* X {3}\r\n)\r\n \"{5}\" {2+}\r\nab\r\n", unknown("X", errUnknown)},
		{"* 1 FETCH (UID 5 FLAGS (\\Seen {4}\r\n* OK x)) )))\r\n", fetched(Fetch{Seq: 1, Has: ItemUID | ItemFlags, UID: 5, Flags: mail.FlagSeen})},
		{"* 1 FETCH (UID 5 FLAGS \"\r\n", garbled(KindFetch, "FETCH", errAtom)},
		{"* 1 FETCH (UID 99999999999999999999 FLAGS {3}\r\nabc)\r\n", garbled(KindFetch, "FETCH", errOpen)},
		{"* 99999999999 EXISTS\r\n", garbled(KindExists, "EXISTS", errOverflow)},
		{"* many EXISTS\r\n", garbled(KindExists, "many", errNumber)},
		{"* -1 exists\r\n", garbled(KindExists, "-1", errNumber)},
		{"* 5x EXISTS\r\n", garbled(KindExists, "EXISTS", errNumber)},
		{"* EXISTS\r\n", garbled(KindExists, "EXISTS", errNumber)},
		{"* 18446744073709551616 EXPUNGE\r\n", garbled(KindExpunge, "EXPUNGE", errOverflow)},
		{"* many FETCH (UID 1 BODY[] {3}\r\nabc)\r\n", garbled(KindFetch, "many", errNumber)},
		{"* VANISHED (EARLIER) many\r\n", garbled(KindVanished, "VANISHED", errNumber)},
		{"* VANISHED 3,-1\r\n", garbled(KindVanished, "VANISHED", errNumber)},
		{"* VANISHED 3 4\r\n", garbled(KindVanished, "VANISHED", errSet)},
		{"* SEARCH 1 many 3\r\n", garbled(KindSearch, "SEARCH", errNumber)},
		{"* SEARCH 1 -1\r\n", garbled(KindSearch, "SEARCH", errNumber)},
		{"* SEARCH 1 2x\r\n", garbled(KindSearch, "SEARCH", errNumber)},
		{"* SEARCH 99999999999\r\n", garbled(KindSearch, "SEARCH", errOverflow)},
		{"* ESEARCH (TAG \"A1\") UID ALL many\r\n", garbled(KindESearch, "ESEARCH", errNumber)},
		{"* ESEARCH (TAG \"A1\") UID ALL 1:3x\r\n", garbled(KindESearch, "ESEARCH", errSet)},
		{"* 1 FETCH (UID many MODSEQ (18446744073709551616) RFC822.SIZE -1 FLAGS ())\r\n", fetched(Fetch{Seq: 1, Has: ItemFlags})},
		{"* 1 FETCH (UID 18446744073709551616 MODSEQ (x) RFC822.SIZE 3x FLAGS ())\r\n", fetched(Fetch{Seq: 1, Has: ItemFlags})},
		{
			"* STATUS a (MESSAGES many UIDNEXT -1 UIDVALIDITY 99999999999 HIGHESTMODSEQ 18446744073709551616 UNSEEN 4)\r\n",
			Response{Kind: KindBoxStatus, Box: BoxStatus{Name: "a", Has: BoxUnseen, Unseen: 4}},
		},
		{"* LIST (\\x) \"/ INBOX\r\n", garbled(KindList, "LIST", errQuoted)},
		{"A1 PREAUTH x\r\n", unknown("PREAUTH", errUnknown)},
		{"garbage\r\n", unknown("", errSpace)},
		{" \r\n", unknown("", errAtom)},
	}
	for _, tt := range tests {
		// What follows must not be harmed.
		got, _ := one(t, tt.in)
		if tt.want.Kind == KindUnknown {
			tt.want.Err = got.Err // compared below
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%q:\n%s", tt.in, d)
		}
		resps, _, err := readAll(strings.NewReader(tt.in + "* 77 EXISTS\r\n"))
		if err != nil || len(resps) != 2 || resps[1].Kind != KindExists || resps[1].Num != 77 {
			t.Errorf("%q: the response behind it is lost: %v %+v", tt.in, err, resps)
		}
	}
	for _, tt := range tests {
		if tt.want.Kind != KindUnknown {
			continue
		}
		if got, _ := one(t, tt.in); !errors.Is(got.Err, tt.want.Err) {
			t.Errorf("%q: error %v, want %v", tt.in, got.Err, tt.want.Err)
		}
	}
}

func fetched(f Fetch) Response { return Response{Kind: KindFetch, Fetch: f} }

func unknown(word string, err error) Response {
	return Response{Kind: KindUnknown, Text: word, Err: err}
}

func garbled(meant Kind, word string, err error) Response {
	return Response{Kind: KindUnknown, Text: word, Meant: meant, Err: err}
}

func TestBodies(t *testing.T) {
	in := "* 1 FETCH (UID 5 BODY[] {5}\r\nab\r\nc FLAGS (\\Seen))\r\n"
	_, got := one(t, in)
	want := []body{{Fetch{Seq: 1, Has: ItemUID | ItemBody, UID: 5}, Section{Kind: SectionAll}, "ab\r\nc"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	in = "* 2 FETCH (BODY[HEADER.FIELDS (\"X-TUID\" Message-Id)] \"x\\\"y\" BODY[TEXT]<7> \"\" RFC822 {0}\r\n BINARY[] ~{1}\r\n\x00 RFC822.HEADER NIL BODY[header] {1+}\r\n))\r\n"
	resp, got := one(t, in)
	want = []body{
		{Fetch{Seq: 2, Has: ItemBody}, Section{Kind: SectionFields}, `x"y`},
		{Fetch{Seq: 2, Has: ItemBody}, Section{Kind: SectionText, Partial: true, Origin: 7}, ""},
		{Fetch{Seq: 2, Has: ItemBody}, Section{Kind: SectionAll}, ""},
		{Fetch{Seq: 2, Has: ItemBody}, Section{Kind: SectionAll}, "\x00"},
		{Fetch{Seq: 2, Has: ItemBody | ItemNilBody}, Section{Kind: SectionHeader}, ")"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if resp.Kind != KindFetch {
		t.Errorf("%+v", resp)
	}
}

// TestBodyLeftUnread checks that what a sink does not read is skipped, however
// the literal lies in the buffer.
func TestBodyLeftUnread(t *testing.T) {
	for _, size := range []int{0, 1, 100, bufferSize - 10, bufferSize, 3*bufferSize + 7} {
		for _, take := range []int{0, 1, 50, bufferSize - 1, 3 * bufferSize} {
			text := strings.Repeat("x\r\n", size/3+1)[:size]
			in := fmt.Sprintf("* 1 FETCH (BODY[] {%d}\r\n%s UID 4)\r\n* 2 EXISTS\r\n", size, text)
			d := NewDecoder(strings.NewReader(in))
			var r Response
			var kept *Literal
			err := d.Read(&r, func(_ *Fetch, _ Section, l *Literal) {
				kept = l
				b := make([]byte, min(take, size))
				if _, err := io.ReadFull(l, b); err != nil || string(b) != text[:len(b)] {
					t.Errorf("size %d, take %d: %v", size, take, err)
				}
			})
			if err != nil || r.Fetch.UID != 4 {
				t.Fatalf("size %d, take %d: %v %+v", size, take, err, r)
			}
			if _, err := kept.Read(make([]byte, 1)); err == nil {
				t.Error("a literal outlives its function")
			}
			if err := d.Read(&r, nil); err != nil || r.Num != 2 {
				t.Fatalf("size %d, take %d: then %v %+v", size, take, err, r)
			}
		}
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestLiteralWriteTo(t *testing.T) {
	text := strings.Repeat("0123456789", 20000)
	in := fmt.Sprintf("* 1 FETCH (BODY[] {%d}\r\n%s UID 4)\r\n", len(text), text)
	for _, r := range []io.Reader{strings.NewReader(in), iotest.HalfReader(strings.NewReader(in)), iotest.DataErrReader(strings.NewReader(in))} {
		d := NewDecoder(r)
		var got bytes.Buffer
		var resp Response
		err := d.Read(&resp, func(_ *Fetch, _ Section, l *Literal) {
			n, err := l.WriteTo(&got)
			if err != nil || n != int64(len(text)) {
				t.Errorf("%d, %v", n, err)
			}
		})
		if err != nil || got.String() != text || resp.Fetch.UID != 4 {
			t.Errorf("%v, %d bytes, %+v", err, got.Len(), resp)
		}
	}
	// A writer that fails.
	d := NewDecoder(strings.NewReader(in))
	boom := errors.New("boom")
	var resp Response
	err := d.Read(&resp, func(_ *Fetch, _ Section, l *Literal) {
		if _, err := l.WriteTo(writerFunc(func([]byte) (int, error) { return 0, boom })); err != boom {
			t.Error(err)
		}
	})
	if err != nil || resp.Fetch.UID != 4 {
		t.Errorf("%v %+v", err, resp)
	}
}

func TestCutOff(t *testing.T) {
	in := "* 1 FETCH (UID 5 BODY[] {5}\r\nabcde FLAGS (\\Seen))\r\n"
	for n := 1; n < len(in); n++ {
		resps, bodies, err := readAll(strings.NewReader(in[:n]))
		if err != io.ErrUnexpectedEOF || len(resps) != 0 {
			t.Errorf("cut after %d: %v, %d responses", n, err, len(resps))
		}
		if len(bodies) > 0 && bodies[0].Text != "abcde" && !strings.Contains(bodies[0].Text, "!unexpected EOF") {
			t.Errorf("cut after %d: body %q", n, bodies[0].Text)
		}
	}
	boom := errors.New("boom")
	_, _, err := readAll(io.MultiReader(strings.NewReader("* 1 FE"), iotest.ErrReader(boom)))
	if err != boom {
		t.Errorf("error of the stream: %v", err)
	}
}

// TestHostile feeds what would need much memory or time if it were kept.
func TestHostile(t *testing.T) {
	endless := io.MultiReader(strings.NewReader("* SEARCH"), repeat(" ", MaxLine+10))
	if _, _, err := readAll(endless); err != ErrLineTooLong {
		t.Errorf("endless line: %v", err)
	}
	for name, in := range map[string]io.Reader{
		"long name":    io.MultiReader(strings.NewReader("* LIST () \"/\" \""), repeat("a", 1<<20), strings.NewReader("\"\r\n")),
		"long atom":    io.MultiReader(strings.NewReader("* LIST () \"/\" "), repeat("a", 1<<20), strings.NewReader("\r\n")),
		"long literal": io.MultiReader(strings.NewReader("* LIST () \"/\" {1048576}\r\n"), repeat("a", 1<<20), strings.NewReader("\r\n")),
		"deep":         io.MultiReader(strings.NewReader("* X "), repeat("(", 1<<20), strings.NewReader("\r\n")),
		"deep fetch":   io.MultiReader(strings.NewReader("* 1 FETCH (ENVELOPE "), repeat("(", 1<<20), strings.NewReader("\r\n")),
		"capabilities": io.MultiReader(strings.NewReader("* CAPABILITY"), repeat(" A", 1<<20), strings.NewReader("\r\n")),
		"attributes":   io.MultiReader(strings.NewReader("* LIST ("), repeat(" A", 1<<20), strings.NewReader(") NIL x\r\n")),
		"id":           io.MultiReader(strings.NewReader("* ID ("), repeat(" A", 1<<20), strings.NewReader(")\r\n")),
		"namespaces":   io.MultiReader(strings.NewReader("* NAMESPACE ("), repeat("(A)", 1<<20), strings.NewReader(")\r\n")),
	} {
		resps, _, err := readAll(io.MultiReader(in, strings.NewReader("* 5 EXISTS\r\n")))
		if err != nil || len(resps) != 2 || resps[0].Kind != KindUnknown || resps[1].Num != 5 {
			t.Errorf("%s: %d responses, %v", name, len(resps), err)
		}
	}
	for _, in := range []string{
		"* X {99999999999999999999999999999999999999999999}\r\n",
		"* X {9223372036854775807}\r\n",
		"* 1 FETCH (BODY[] {99999999999999999999}\r\n",
	} {
		if _, _, err := readAll(strings.NewReader(in + "* 5 EXISTS\r\n")); err == nil || err == io.EOF {
			t.Errorf("%q: no error", in)
		}
	}
	// A literal of 4 GB, announced for an item nobody asked for, is just
	// waited for.
	_, _, err := readAll(strings.NewReader("* 1 FETCH (ENVELOPE {4294967296}\r\nabc"))
	if err != io.ErrUnexpectedEOF {
		t.Errorf("huge literal: %v", err)
	}
	// A long text is cut, not refused.
	resps, _, err := readAll(io.MultiReader(strings.NewReader("A1 OK "), repeat("a", 3<<20), strings.NewReader("\r\n")))
	if err != nil || len(resps) != 1 || len(resps[0].Text) != MaxText {
		t.Errorf("long text: %v", err)
	}
}

func repeat(s string, n int) io.Reader {
	return strings.NewReader(strings.Repeat(s, n))
}

func TestSearchDescending(t *testing.T) {
	var b strings.Builder
	b.WriteString("* SEARCH")
	const n = 300_000
	for i := n; i > 0; i-- {
		fmt.Fprintf(&b, " %d", 2*i)
	}
	b.WriteString("\r\n")
	start := time.Now()
	resps, _, err := readAll(strings.NewReader(b.String()))
	if err != nil || len(resps) != 1 || len(resps[0].UIDs) != n || !resps[0].UIDs.Contains(2) {
		t.Fatalf("%v", err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("took %v", d)
	}
}

func TestTrace(t *testing.T) {
	in := "* 1 FETCH (UID 5 BODY[] {5}\r\nabcde FLAGS (\\Seen))\r\n\r\n* X {2}\r\nab y\nA1 OK " + strings.Repeat("z", maxTrace) + "\r\n"
	for _, r := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in))} {
		var got []string
		d := NewDecoder(r)
		d.SetTrace(func(line []byte) { got = append(got, string(line)) })
		var resp Response
		for d.Read(&resp, nil) == nil {
		}
		want := []string{
			`* 1 FETCH (UID 5 BODY[] {5} FLAGS (\Seen))`, "* X {2} y",
			"A1 OK " + strings.Repeat("z", maxTrace-6),
		}
		if len(got) != 3 {
			t.Fatalf("%q", got)
		}
		if !strings.HasPrefix(got[2], want[2]+"[...") {
			t.Errorf("long line: %q", got[2][len(got[2])-40:])
		}
		if d := cmp.Diff(want[:2], got[:2]); d != "" {
			t.Error(d)
		}
	}
}

func TestReset(t *testing.T) {
	d := NewDecoder(strings.NewReader("A1 OK begin\r\nrest"))
	var r Response
	if err := d.Read(&r, nil); err != nil {
		t.Fatal(err)
	}
	if got := string(d.Buffered()); got != "rest" {
		t.Errorf("buffered %q", got)
	}
	d.Reset(strings.NewReader("* 3 EXISTS\r\n"))
	if err := d.Read(&r, nil); err != nil || r.Num != 3 {
		t.Errorf("%v %+v", err, r)
	}
	if err := d.Read(&r, nil); err != io.EOF {
		t.Errorf("%v", err)
	}
	if err := d.Read(&r, nil); err != io.EOF {
		t.Errorf("again: %v", err)
	}
}
