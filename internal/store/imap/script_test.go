package imap_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/event"
	"isync/internal/imapclient"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/testkit"
	"isync/internal/transport"
	"isync/internal/ui"
)

// textOf returns the text of a fact.
func textOf(f event.Fact) string {
	text, _ := ui.Text(f)
	return text
}

// scripted returns a store whose server plays one script for each connection,
// and its warnings.
func scripted(t *testing.T, change func(*imap.Options), scripts ...string) (*imap.Store, *[]string) {
	t.Helper()
	srv := testkit.NewScriptServer(t, nil, scripts...)
	warnings := new([]string)
	opts := imap.Options{
		Name:      "far",
		Client:    imapclient.Options{Host: srv.Host, Port: srv.Port, Timeout: 5 * time.Second},
		HasPath:   true,
		Delimiter: "/",
		Warn:      func(f event.Fact) { *warnings = append(*warnings, textOf(f)) },
	}
	if change != nil {
		change(&opts)
	}
	s := imap.New(opts)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, warnings
}

const (
	hello  = "S: * PREAUTH [CAPABILITY IMAP4rev1 LITERAL+ UIDPLUS] hi\n"
	goodby = "C: $z LOGOUT\nS: * BYE\nS: $z OK\n"
	// inbox answers a SELECT of a mailbox with three messages.
	inbox = `C: $s SELECT "INBOX"
		S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft)
		S: * OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft \*)] ok
		S: * 3 EXISTS
		S: * OK [UIDVALIDITY 7] ok
		S: * OK [UIDNEXT 10] ok
		S: $s OK [READ-WRITE] done
	`
)

func open(t *testing.T, s *imap.Store) store.Mailbox {
	t.Helper()
	m, err := s.Open(t.Context(), "INBOX", store.OpenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var everything = store.Need{UIDs: mail.UIDsFrom(1), Flags: true}

func isBoxError(err error) bool {
	_, ok := asType[*store.BoxError](err)
	return ok
}

func isStoreError(err error) bool {
	_, ok := asType[*store.StoreError](err)
	return ok
}

func TestOpenRefused(t *testing.T) {
	for _, c := range []struct {
		name, script string
		gone         bool
		want         string
	}{
		{"code", "C: $a SELECT \"x\"\nS: $a NO [NONEXISTENT] what\n", true, ""},
		{"other code", "C: $a SELECT \"x\"\nS: $a NO [TRYCREATE] what\n", true, ""},
		{"words", "C: $a SELECT \"x\"\nS: $a NO Mailbox doesn't exist: x\n", true, ""},
		{"neither", "C: $a SELECT \"x\"\nS: $a NO What\nC: $b LIST \"\" x\nS: $b OK\n", true, ""},
		{"not selectable", "C: $a SELECT \"x\"\nS: $a NO What\nC: $b LIST \"\" x\nS: * LIST (\\Noselect) \"/\" x\nS: $b OK\n", true, ""},
		{"exists", "C: $a SELECT \"x\"\nS: $a NO What\nC: $b LIST \"\" x\nS: * LIST () \"/\" x\nS: $b OK\n", false, "What"},
		{"bad", "C: $a SELECT \"x\"\nS: $a BAD What\n", false, "What"},
		{"UIDs that do not last", "C: $a SELECT \"x\"\nS: * 0 EXISTS\nS: * OK [UIDVALIDITY 1] x\nS: * NO [UIDNOTSTICKY] x\nS: $a OK\n", false, "does not keep the UIDs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			script := strings.ReplaceAll(strings.ReplaceAll(c.script, `C: $b LIST "" x`, `C~ (?P<b>\S+) LIST "" "?x"?`), `C: $a SELECT "x"`, `C~ (?P<a>\S+) SELECT "?x"?`)
			s, _ := scripted(t, nil, hello+script+goodby)
			_, err := s.Open(t.Context(), "x", store.OpenRequest{})
			if !isBoxError(err) || errors.Is(err, store.ErrNoBox) != c.gone || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Open = %v", err)
			}
		})
	}
}

func TestUnsafeLogin(t *testing.T) {
	s, _ := scripted(t, nil, strings.Replace(hello, "UIDPLUS", "UIDPLUS ID", 1)+
		"C: $a SELECT \"INBOX\"\nS: $a NO SELECT Unsafe Login. Please contact kefu@example.org\n"+
		"C~ (?P<b>\\S+) ID \\(.*\\)\nS: * ID NIL\nS: $b OK\n"+inbox+goodby)
	m := open(t, s)
	want := store.Info{UIDValidity: 7, UIDNext: 10, Flags: mail.AllFlags}
	if diff := cmp.Diff(want, m.Info()); diff != "" {
		t.Error(diff)
	}
	m.Close(t.Context())
}

// TestNoUIDNext: the last message tells.
func TestNoUIDNext(t *testing.T) {
	s, _ := scripted(t, nil, hello+
		"C: $a SELECT \"INBOX\"\nS: * FLAGS (\\Seen \\Deleted)\nS: * 2 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: $a OK\n"+
		"C: $b UID FETCH * (UID)\nS: * 2 FETCH (UID 41)\nS: $b OK\n"+goodby)
	m := open(t, s)
	want := store.Info{UIDValidity: 7, UIDNext: 42, UIDNextGuessed: true, Flags: mail.FlagSeen | mail.FlagDeleted}
	if diff := cmp.Diff(want, m.Info()); diff != "" {
		t.Error(diff)
	}
	m.Close(t.Context())
}

func TestScan(t *testing.T) {
	meta := func(list ...any) (out []mail.Meta) {
		for i := 0; i < len(list); i += 2 {
			f, _ := mail.ParseFlags(list[i+1].(string))
			out = append(out, mail.Meta{UID: mail.UID(list[i].(int)), Flags: f})
		}
		return out
	}
	three := meta(2, "S", 5, "", 9, "FT")
	for _, c := range []struct {
		name, script string
		want         []mail.Meta
		err          string
	}{
		{"disorder", `
			C: $a UID FETCH 1:9 (UID FLAGS)
			S: * 3 FETCH (FLAGS (\Deleted \Flagged) UID 9)
			S: * 1 FETCH (UID 2 X-UNKNOWN (1 (2)) FLAGS ())
			S: * 2 FETCH (UID 5 FLAGS ($Forwarded))
			S: * 1 FETCH (UID 2 FLAGS (\Seen))
			S: * 7 FETCH (UID 77 FLAGS (\Seen))
			S: * 2 FETCH (UID 5 FLAGS (other))
			S: $a OK
		`, three, ""},
		{"an arrival", `
			C: $a UID FETCH 1:9 (UID FLAGS)
			S: * 1 FETCH (UID 2 FLAGS (\Seen))
			S: * 2 FETCH (UID 5 FLAGS ())
			S: * 3 FETCH (UID 9 FLAGS (\Flagged \Deleted))
			S: * 4 EXISTS
			S: $a OK
			C: $b UID FETCH 10:* (UID FLAGS)
			S: * 4 FETCH (UID 12 FLAGS (\Draft))
			S: $b OK
		`, append(slices.Clone(three), meta(12, "D")...), ""},
		{"a false alarm", `
			C: $a UID FETCH 1:9 (UID FLAGS)
			S: * 1 FETCH (UID 2 FLAGS (\Seen))
			S: * 2 FETCH (UID 5 FLAGS ())
			S: * 3 FETCH (UID 9 FLAGS (\Flagged \Deleted))
			S: * 3 EXISTS
			S: $a OK
			C: $b UID FETCH 10:* (UID FLAGS)
			S: * 3 FETCH (UID 9 FLAGS (\Flagged \Deleted))
			S: $b OK
		`, three, ""},
		{"no flags, at first", `
			C: $a UID FETCH 1:9 (UID FLAGS)
			S: * 1 FETCH (UID 2 FLAGS (\Seen))
			S: * 2 FETCH (UID 5)
			S: * 3 FETCH (UID 9 FLAGS (\Flagged \Deleted))
			S: $a OK
			C: $b NOOP
			S: $b OK
			C: $c UID FETCH 1:* (UID FLAGS)
			S: * 1 FETCH (UID 2 FLAGS (\Seen))
			S: * 2 FETCH (UID 5 FLAGS ())
			S: * 3 FETCH (UID 9 FLAGS (\Flagged \Deleted))
			S: $c OK
		`, three, ""},
		{"no flags at all", `
			C: $a UID FETCH 1:9 (UID FLAGS)
			S: * 1 FETCH (UID 2)
			S: $a OK
			C: $b NOOP
			S: $b OK
			C: $c UID FETCH 1:* (UID FLAGS)
			S: * 1 FETCH (UID 2)
			S: $c OK
		`, nil, "incomplete: part of message 2 is missing"},
		{"only a part", `
			C: $a UID FETCH 1:9 (UID FLAGS)
			S: * 3 FETCH (UID 9 FLAGS (\Flagged))
			S: $a OK
			C: $b NOOP
			S: $b OK
			C: $c UID FETCH 1:* (UID FLAGS)
			S: * 3 FETCH (UID 9 FLAGS (\Flagged))
			S: $c OK
		`, nil, "only 1 of 3 messages are listed"},
		{"others are expunged meanwhile", `
			C: $a UID FETCH 1:9 (UID FLAGS)
			S: * 2 EXPUNGE
			S: * 2 EXPUNGE
			S: * 1 FETCH (UID 2 FLAGS (\Seen))
			S: $a OK
		`, three[:1], ""},
		{"refused", "C: $a UID FETCH 1:9 (UID FLAGS)\nS: $a NO [UNAVAILABLE] later\n", nil, "later"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := scripted(t, nil, hello+inbox+c.script+goodby)
			m := open(t, s)
			defer m.Close(t.Context())
			l, err := m.Scan(t.Context(), everything)
			if c.err != "" {
				if !isBoxError(err) || !strings.Contains(err.Error(), c.err) {
					t.Errorf("Scan = %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, l.Messages); diff != "" {
				t.Error(diff)
			}
			if next := m.Info().UIDNext; next <= l.Messages[len(l.Messages)-1].UID {
				t.Errorf("UIDNEXT %d", next)
			}
		})
	}
}

// TestFetchTrouble: messages that do not come are looked for, and asked for one
// by one.
func TestFetchTrouble(t *testing.T) {
	const items, sized = "(UID FLAGS INTERNALDATE BODY.PEEK[])", "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])"
	s, _ := scripted(t, nil, hello+inbox+`
		C: $a UID FETCH 2,5:7,9 `+items+`
		S: * 1 FETCH (UID 2 FLAGS () INTERNALDATE " 1-Jan-2020 00:00:00 +0000" BODY[] {1}
		S: a)
		S: * 2 FETCH (UID 5 FLAGS () INTERNALDATE " 1-Jan-2020 00:00:00 +0000" BODY[] NIL)
		S: $a NO some could not be read
		C: $b NOOP
		S: * 3 EXPUNGE
		S: $b OK
		C: $c UID FETCH 5:7,9 (UID)
		S: * 2 FETCH (UID 5)
		S: * 3 FETCH (UID 7)
		S: * 4 FETCH (UID 9)
		S: $c OK
		C: $d UID FETCH 5 `+sized+`
		S: * 2 FETCH (UID 5 FLAGS () INTERNALDATE " 1-Jan-2020 00:00:00 +0000" RFC822.SIZE 5 BODY[] NIL)
		S: $d OK
		C: $e UID FETCH 7,9 `+sized+`
		S: * 3 FETCH (BODY[] {1}
		S: c UID 7 INTERNALDATE " 1-Jan-2020 00:00:00 +0000" RFC822.SIZE 1 FLAGS (\Seen))
		S: $e NO this and that
		C: $f UID FETCH 9 `+sized+`
		S: $f NO not this one
	`+goodby)
	m := open(t, s)
	defer m.Close(t.Context())
	var got []string
	var want []store.FetchItem
	for _, u := range []mail.UID{2, 5, 6, 7, 9} {
		want = append(want, store.FetchItem{UID: u})
	}
	err := m.Fetch(t.Context(), want, func(in *store.Incoming) error {
		if in.Err != nil {
			got = append(got, fmt.Sprintf("%d: %v", in.UID, in.Err))
			return nil //nolint:nilerr // it is what this test is about
		}
		data, err := io.ReadAll(in.Body)
		got = append(got, fmt.Sprintf("%d %q %s", in.UID, data, in.Flags))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{
		`2 "a" `,
		`7 "c" S`,
		"5: server refused UID FETCH: NO some could not be read",
		"9: server refused UID FETCH: NO not this one",
	}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAppendRefused(t *testing.T) {
	s, _ := scripted(t, nil, hello+inbox+`
		C: $a APPEND "INBOX" {3+}
		L: one
		C:
		C: $b APPEND "INBOX" {3+}
		L: two
		C:
		C: $c APPEND "INBOX" {5+}
		L: three
		C:
		S: $a OK [APPENDUID 7 20] ok
		S: $b NO [TOOBIG] too big
		S: $c OK
	`+goodby)
	m := open(t, s)
	defer m.Close(t.Context())
	var got []string
	a, err := m.Append(t.Context(), func(r store.AppendResult) { got = append(got, fmt.Sprintf("%d: %d %v", r.Key, r.UID, r.Err)) })
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range []string{"one", "two", "three"} {
		if err := a.Put(t.Context(), &store.Outgoing{Key: i, Size: int64(len(text)), Body: bytes.NewReader([]byte(text))}); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"0: 20 <nil>", "1: 0 server refused APPEND: NO [TOOBIG] too big", "2: 0 <nil>"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if next := m.Info().UIDNext; next != 21 {
		t.Errorf("UIDNEXT %d", next)
	}
}

// TestFetchRefused: a refusal that is about the mailbox or the account ends the call
// at once. Another one is held against a message only if nothing else was asked for.
func TestFetchRefused(t *testing.T) {
	const items, sized = "(UID FLAGS INTERNALDATE BODY.PEEK[])", "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])"
	for refusal, reach := range map[string]string{
		"NO [UNAVAILABLE] x":                              "message",
		"NO [SERVERBUG] Internal error occurred":          "message",
		"NO Server Unavailable. 15":                       "message",
		"NO Some messages could not be FETCHed":           "message",
		"NO System Error (Failure)":                       "message",
		"NO I/O error":                                    "message",
		"BAD Command Error. 12":                           "message",
		"OK":                                              "message", // without the message
		"NO [INUSE] x":                                    "mailbox",
		"NO [LIMIT] x":                                    "mailbox",
		"NO [NOPERM] x":                                   "mailbox",
		"NO Server busy":                                  "mailbox",
		"NO Please try again later":                       "mailbox",
		"NO Timeout while waiting for lock":               "mailbox",
		"NO Mailbox is temporarily not available":         "mailbox",
		"NO [THROTTLED]":                                  "account",
		"NO [OVERQUOTA] too much was read today":          "account",
		"NO Account exceeded command or bandwidth limits": "account",
		"NO Too many requests":                            "account",
		"BAD Request is throttled. Suggested Backoff Time: 1000 milliseconds": "account",
	} {
		t.Run(refusal, func(t *testing.T) {
			script := hello + inbox + `
				C: $a UID FETCH 2,9 ` + items + `
				S: * 1 FETCH (UID 2 FLAGS () INTERNALDATE " 1-Jan-2020 00:00:00 +0000" BODY[] {1}
				S: a)
				S: $a ` + refusal
			if reach == "message" {
				script += `
				C: $b NOOP
				S: $b OK
				C: $c UID FETCH 9 (UID)
				S: * 3 FETCH (UID 9)
				S: $c OK
				C: $d UID FETCH 9 ` + sized + `
				S: $d ` + refusal
			}
			s, _ := scripted(t, nil, script+"\n"+goodby)
			m := open(t, s)
			defer m.Close(t.Context())
			var got []string
			err := m.Fetch(t.Context(), []store.FetchItem{{UID: 2}, {UID: 9}}, func(in *store.Incoming) error {
				got = append(got, fmt.Sprint(in.UID, in.Err != nil))
				return nil
			})
			want := []string{"2 false"}
			if reach == "message" {
				want = append(want, "9 true")
			}
			if isStoreError(err) != (reach == "account") || isBoxError(err) != (reach == "mailbox") || !slices.Equal(got, want) {
				t.Errorf("Fetch = %v with %q", err, got)
			}
		})
	}
}

// TestAppendImpossible: what concerns the mailbox or the account is not held
// against the messages. What is stored nevertheless is done.
func TestAppendImpossible(t *testing.T) {
	for _, c := range []struct {
		refusal string
		whole   bool // store
	}{
		{"NO [OVERQUOTA] full", false},
		{"NO Quota exceeded", false},
		{"BAD Request is throttled. Suggested Backoff Time: 1000 milliseconds", true},
		{"BAD User is authenticated but not connected.", true},
		{"NO [UNAVAILABLE] try again later", false},
		{"NO [INUSE] x", false},
		{"NO [LIMIT] try again later", false},
		{"NO [NOPERM] x", false},
		{"NO [READ-ONLY] x", false},
		{"OK [APPENDUID 8 1] deleted and made anew", false},
	} {
		t.Run(c.refusal, func(t *testing.T) {
			s, _ := scripted(t, nil, hello+inbox+`
				C: $a APPEND "INBOX" {1+}
				L: x
				C:
				C: $b APPEND "INBOX" {1+}
				L: y
				C:
				S: $a `+c.refusal+`
				S: $b OK [APPENDUID 7 20] ok
			`+goodby)
			m := open(t, s)
			defer m.Close(t.Context())
			keys, err := putTexts(t, m, "x", "y")
			if isStoreError(err) != c.whole || isBoxError(err) == c.whole || !slices.Equal(keys, []string{"1: <nil>"}) {
				t.Errorf("Finish = %v; completed %q", err, keys)
			}
		})
	}
}

// TestAppendAllRefused: a server that refuses everything does not mean the
// messages.
func TestAppendAllRefused(t *testing.T) {
	var script strings.Builder
	for i := range 5 {
		fmt.Fprintf(&script, "C: $%c APPEND \"INBOX\" {1+}\nL: x\nC:\n", 'a'+i)
	}
	for i := range 5 {
		fmt.Fprintf(&script, "S: $%c NO no\n", 'a'+i)
	}
	s, _ := scripted(t, nil, hello+inbox+script.String()+goodby)
	m := open(t, s)
	defer m.Close(t.Context())
	keys, err := putTexts(t, m, "x", "x", "x", "x", "x")
	if !isBoxError(err) || !strings.Contains(err.Error(), "5 messages in a row") || len(keys) != 4 {
		t.Errorf("Finish = %v; completed %q", err, keys)
	}
}

// putTexts appends messages and returns the completions, and the error of
// Finish.
func putTexts(t *testing.T, m store.Mailbox, texts ...string) (got []string, err error) {
	t.Helper()
	a, err := m.Append(t.Context(), func(r store.AppendResult) { got = append(got, fmt.Sprintf("%d: %v", r.Key, r.Err)) })
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		if err := a.Put(t.Context(), &store.Outgoing{Key: i, Size: int64(len(text)), Body: bytes.NewBufferString(text)}); err != nil {
			t.Fatal(err)
		}
	}
	err = a.Finish(t.Context())
	return got, err
}

// TestAppendGone: the mailbox was deleted meanwhile.
func TestAppendGone(t *testing.T) {
	s, _ := scripted(t, nil, hello+inbox+"C: $a APPEND \"INBOX\" {1+}\nL: x\nC:\nS: $a NO [TRYCREATE] gone\n"+goodby)
	m := open(t, s)
	defer m.Close(t.Context())
	a, err := m.Append(t.Context(), func(store.AppendResult) { t.Error("completed") })
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Put(t.Context(), &store.Outgoing{Size: 1, Body: bytes.NewBufferString("x")}); err != nil {
		t.Fatal(err)
	}
	if err := a.Finish(t.Context()); !isBoxError(err) || !errors.Is(err, store.ErrNoBox) {
		t.Errorf("Finish = %v", err)
	}
}

// TestAppendCut: what was acknowledged before the connection was lost is done,
// the rest is not.
func TestAppendCut(t *testing.T) {
	s, _ := scripted(t, nil, hello+inbox+`
		C: $a APPEND "INBOX" {1+}
		L: x
		C:
		C: $b APPEND "INBOX" {1+}
		L: y
		C:
		S: $a OK [APPENDUID 7 20] ok
		close
	`)
	m := open(t, s)
	defer m.Close(t.Context())
	var keys []int
	a, err := m.Append(t.Context(), func(r store.AppendResult) { keys = append(keys, r.Key) })
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range []string{"x", "y"} {
		if err := a.Put(t.Context(), &store.Outgoing{Key: i, Size: 1, Body: bytes.NewBufferString(text)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Finish(t.Context()); !isStoreError(err) {
		t.Errorf("Finish = %v", err)
	}
	if !slices.Equal(keys, []int{0}) {
		t.Errorf("completed %v", keys)
	}
}

// TestFlagsRefused: a refusal of many is traced to the one it is about.
func TestFlagsRefused(t *testing.T) {
	s, _ := scripted(t, nil, hello+inbox+`
		C: $a UID STORE 2,5 +FLAGS.SILENT (\Seen)
		C: $b UID STORE 9 -FLAGS.SILENT (\Seen)
		S: $a NO cannot
		S: $b OK
		C: $c UID STORE 2 +FLAGS.SILENT (\Seen)
		S: $c OK
		C: $d UID STORE 5 +FLAGS.SILENT (\Seen)
		S: $d NO not this one
	`+goodby)
	m := open(t, s)
	defer m.Close(t.Context())
	got := make([]string, 3)
	err := m.SetFlags(t.Context(), []store.FlagChange{
		{UID: 2, Add: mail.FlagSeen}, {UID: 9, Remove: mail.FlagSeen}, {UID: 5, Add: mail.FlagSeen},
	}, func(i int, err error) { got[i] = fmt.Sprint(err) })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"<nil>", "<nil>", "server refused UID STORE: NO not this one"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestTrashByCopying: without MOVE, and with a server that does not say why.
func TestTrashByCopying(t *testing.T) {
	move := func(answer string) string {
		return `
			C~ (?P<b>\S+) UID COPY 2,5 "?Trash"?
			S: $b ` + answer + `
		`
	}
	again := strings.NewReplacer("$b", "$i", "<b>", "<i>").Replace(move("OK"))
	s, _ := scripted(t, nil, hello+inbox+move("NO what")+`
		C~ (?P<d>\S+) LIST "" "?Trash"?
		S: $d OK
		C~ (?P<e>\S+) CREATE "?Trash"?
		S: $e OK
	`+again+goodby)
	m := open(t, s)
	defer m.Close(t.Context())
	n := 0
	err := m.(store.Trasher).Trash(t.Context(), []mail.UID{5, 2}, "Trash", func(_ int, err error) {
		if err != nil {
			t.Error(err)
		}
		n++
	})
	if err != nil || n != 2 {
		t.Errorf("Trash = %v after %d messages", err, n)
	}
}

func TestListTrouble(t *testing.T) {
	s, warnings := scripted(t, nil, hello+`
		C~ (?P<a>\S+) LIST "" "?\*"?
		S: * LIST () "/" inbox
		S: * LIST (\HasNoChildren) "/" {5}
		S: a b/c
		S: * LIST (\Noselect) "/" parent
		S: * LIST (\NonExistent \Subscribed) "/" ghost
		S: * LIST () "/" a//b
		S: * LIST () "/" Case
		S: * LIST () "/" case
		S: * LIST () "/" x.lock
		S: * LIST () "/" "&bad"
		S: * LIST () "/" "Entw&APw-rfe"
		S: $a OK
	`+goodby)
	got, err := s.List(t.Context(), store.ListRequest{Inbox: true, Others: true})
	if err != nil {
		t.Fatal(err)
	}
	want := []store.Box{{Name: "INBOX"}, {Name: "a b/c"}, {Name: "Case"}, {Name: "case"}, {Name: "&bad"}, {Name: "Entwürfe"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(*warnings) != 1 {
		t.Errorf("warnings %q", *warnings)
	}
}

// TestLayout: the delimiter is found out in one way or the other.
func TestLayout(t *testing.T) {
	ask := func(o *imap.Options) { o.HasPath, o.UseNamespace, o.Delimiter = false, true, "" }
	for _, c := range []struct {
		name, script, box string
		change            func(*imap.Options)
	}{
		{"namespace", strings.Replace(hello, "UIDPLUS", "NAMESPACE", 1) + `
			C: $a NAMESPACE
			S: * NAMESPACE (("INBOX." ".")) NIL NIL
			S: $a OK
		`, "INBOX.x.y", ask},
		{"no namespace", hello + `
			C: $a LIST "" ""
			S: * LIST (\Noselect) "|" ""
			S: $a OK
		`, "x|y", ask},
		{"useless namespace", strings.Replace(hello, "UIDPLUS", "NAMESPACE", 1) + `
			C: $a NAMESPACE
			S: * NAMESPACE NIL NIL NIL
			S: $a OK
			C: $b LIST "" ""
			S: * LIST (\Noselect) "/" ""
			S: $b OK
		`, "x/y", ask},
		{"path", strings.Replace(hello, "UIDPLUS", "NAMESPACE", 1), "~me/mail/x/y", func(o *imap.Options) { o.Path = "~me/mail/" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := scripted(t, c.change, c.script+"C~ (?P<x>\\S+) CREATE \"?\\Q"+c.box+"\\E\"?\nS: $x OK\n"+goodby)
			if err := s.Create(t.Context(), "x/y"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCreateExisting(t *testing.T) {
	s, _ := scripted(t, func(o *imap.Options) { o.SubscribedOnly = true }, hello+`
		C~ (?P<a>\S+) CREATE "?x"?
		S: $a NO [ALREADYEXISTS] it does
		C~ (?P<b>\S+) SUBSCRIBE "?x"?
		S: $b OK
		C~ (?P<c>\S+) CREATE "?y"?
		S: $c NO no
		C~ (?P<d>\S+) LIST "" "?y"?
		S: * LIST () "/" y
		S: $d OK
		C~ (?P<e>\S+) SUBSCRIBE "?y"?
		S: $e OK
		C~ (?P<f>\S+) CREATE "?z"?
		S: $f NO no
		C~ (?P<g>\S+) LIST "" "?z"?
		S: $g OK
	`+goodby)
	for _, box := range []string{"x", "y"} {
		if err := s.Create(t.Context(), box); err != nil {
			t.Error(err)
		}
	}
	if err := s.Create(t.Context(), "z"); !isBoxError(err) {
		t.Errorf("Create = %v", err)
	}
}

// TestStall: a server that says nothing more costs the store, in time.
func TestStall(t *testing.T) {
	s, _ := scripted(t, func(o *imap.Options) { o.Client.Timeout = 100 * time.Millisecond }, hello+inbox+"C: $a UID FETCH 1:9 (UID FLAGS)\nS: * 1 FETCH (UID 2 FLAGS ())\nstall\n")
	m := open(t, s)
	defer m.Close(t.Context())
	_, err := m.Scan(t.Context(), everything)
	if _, ok := asType[*transport.TimeoutError](err); !ok || !isStoreError(err) {
		t.Errorf("Scan = %v", err)
	}
}
