package imap_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/testkit"
)

// multi is hello of a server with MULTIAPPEND.
var multi = strings.Replace(hello, "UIDPLUS", "UIDPLUS MULTIAPPEND", 1)

// threeTexts is the command that stores "one", "two" and "three".
const threeTexts = `C: $a APPEND "INBOX" {3+}
		L: one
		C:  {3+}
		L: two
		C:  {5+}
		L: three
		C:
	`

// single is the command that stores a text alone.
func single(tag, text string) string {
	return fmt.Sprintf("C: $%s APPEND \"INBOX\" {%d+}\nL: %s\nC:\n", tag, len(text), text)
}

// TestGroup: what one command stores, and what the answers mean.
func TestGroup(t *testing.T) {
	singles := single("b", "one") + single("c", "two") + single("d", "three")
	for _, c := range []struct {
		name, script string
		want         []string
		err          func(error) bool
		uidNext      mail.UID
	}{
		{
			name: "stored", script: threeTexts + "S: $a OK [APPENDUID 7 20,22:23] ok\n",
			want: []string{"0: 20 <nil>", "1: 22 <nil>", "2: 23 <nil>"}, uidNext: 24,
		},
		{
			name: "UIDs not told", script: threeTexts + "S: $a OK done\n",
			want: []string{"0: 0 <nil>", "1: 0 <nil>", "2: 0 <nil>"}, uidNext: 10,
		},
		{
			name: "wrong number of UIDs", script: threeTexts + "S: $a OK [APPENDUID 7 20:21] ok\n",
			want: []string{"0: 0 <nil>", "1: 0 <nil>", "2: 0 <nil>"}, uidNext: 10,
		},
		{
			name: "absurd number of UIDs", script: threeTexts + "S: $a OK [APPENDUID 7 1:4294967295] ok\n",
			want: []string{"0: 0 <nil>", "1: 0 <nil>", "2: 0 <nil>"}, uidNext: 10,
		},
		{
			name: "another mailbox", script: threeTexts + "S: $a OK [APPENDUID 8 1:3] ok\n",
			err: isBoxError, uidNext: 10,
		},
		{
			name: "one of them refused",
			script: threeTexts + "S: $a NO [TOOBIG] no\n" + singles +
				"S: $b OK [APPENDUID 7 20] ok\nS: $c NO [TOOBIG] no\nS: $d OK [APPENDUID 7 21] ok\n",
			want: []string{"0: 20 <nil>", "1: 0 server refused APPEND: NO [TOOBIG] no", "2: 21 <nil>"}, uidNext: 22,
		},
		{
			name: "command refused",
			script: threeTexts + "S: $a BAD what\n" + singles +
				"S: $b OK [APPENDUID 7 20] ok\nS: $c OK [APPENDUID 7 21] ok\nS: $d OK [APPENDUID 7 22] ok\n",
			want: []string{"0: 20 <nil>", "1: 21 <nil>", "2: 22 <nil>"}, uidNext: 23,
		},
		{
			name: "full",
			script: threeTexts + "S: $a NO [OVERQUOTA] full\n" + singles +
				"S: $b OK [APPENDUID 7 20] ok\nS: $c NO [OVERQUOTA] full\nS: $d OK [APPENDUID 7 21] ok\n",
			want: []string{"0: 20 <nil>", "2: 21 <nil>"}, err: isBoxError, uidNext: 22,
		},
		{
			name: "mailbox gone", script: threeTexts + "S: $a NO [TRYCREATE] gone\n",
			err: isBoxError, uidNext: 10,
		},
		{
			name: "goodbye", script: threeTexts + "S: * BYE later\nclose\n",
			err: isStoreError, uidNext: 10,
		},
		{
			name: "goodbye instead of a verdict", script: threeTexts + "S: $a NO no\n" + singles +
				"S: $b OK [APPENDUID 7 20] ok\nS: * BYE later\nclose\n",
			want: []string{"0: 20 <nil>"}, err: isStoreError, uidNext: 21,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			end := goodby
			if strings.Contains(c.script, "close\n") {
				end = ""
			}
			s, _ := scripted(t, nil, multi+inbox+c.script+end)
			m := open(t, s)
			defer m.Close(t.Context())
			got, err := putAll(t, m, "one", "two", "three")
			if c.err == nil && err != nil || c.err != nil && !c.err(err) {
				t.Errorf("Finish = %v", err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if next := m.Info().UIDNext; next != c.uidNext {
				t.Errorf("UIDNEXT %d, want %d", next, c.uidNext)
			}
		})
	}
}

// putAll appends messages and returns the completions, with the UIDs, and the
// error of the whole.
func putAll(t *testing.T, m store.Mailbox, texts ...string) (got []string, err error) {
	t.Helper()
	a, err := m.Append(t.Context(), func(r store.AppendResult) { got = append(got, fmt.Sprintf("%d: %d %v", r.Key, r.UID, r.Err)) })
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		if err = a.Put(t.Context(), &store.Outgoing{Key: i, Size: int64(len(text)), Body: strings.NewReader(text)}); err != nil {
			break
		}
	}
	if ferr := a.Finish(t.Context()); ferr != nil {
		err = ferr
	}
	return got, err
}

// TestGroupsGivenUp: a server that stores each message alone, but not several
// at once, is not asked to again and again.
func TestGroupsGivenUp(t *testing.T) {
	srv := newStorer(t, "LITERAL+ UIDPLUS MULTIAPPEND", func(texts []string) string {
		if len(texts) > 1 {
			return "NO one at a time"
		}
		return ""
	})
	var texts []string
	for i := range 1000 {
		texts = append(texts, fmt.Sprint("message ", i))
	}
	m := open(t, srv.store(t))
	got, err := putAll(t, m, texts...)
	if err != nil || len(got) != len(texts) {
		t.Errorf("%d completed, %v", len(got), err)
	}
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if n := srv.commands() - len(texts); n > 5 {
		t.Errorf("%d groups", n)
	}
	if diff := cmp.Diff(sorted(texts), sorted(srv.stored())); diff != "" {
		t.Error(diff)
	}
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// TestGroupUnreadable: a message that cannot be read leaves no trace in its
// group.
func TestGroupUnreadable(t *testing.T) {
	s, _ := scripted(t, nil, multi+inbox+`C: $a APPEND "INBOX" {3+}
		L: one
		C:  (\Seen) {5+}
		L: three
		C:
		S: $a OK [APPENDUID 7 20:21] ok
	`+goodby)
	m := open(t, s)
	defer m.Close(t.Context())
	var got []int
	a, err := m.Append(t.Context(), func(r store.AppendResult) { got = append(got, r.Key) })
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range []string{"one", "two", "three"} {
		o := &store.Outgoing{Key: i, Size: int64(len(text)), Body: strings.NewReader(text)}
		if i == 1 {
			o.Size++
		}
		if i == 2 {
			o.Flags = mail.FlagSeen
		}
		err := a.Put(t.Context(), o)
		if _, ok := asType[*store.BodyError](err); ok != (i == 1) || !ok && err != nil {
			t.Errorf("Put %d = %v", i, err)
		}
	}
	if err := a.Finish(t.Context()); err != nil || !slices.Equal(got, []int{0, 2}) {
		t.Errorf("Finish = %v; completed %v", err, got)
	}
}

// TestAppendCommands counts what is needed to store many messages.
func TestAppendCommands(t *testing.T) {
	d := testkit.StartDovecot(t, testkit.DovecotConfig{Rawlog: true})
	msgs := make([]string, 300)
	for i := range msgs {
		msgs[i] = fmt.Sprintf("Subject: %d\r\n\r\n%s\r\n", i, strings.Repeat("x", 70))
	}
	msgs[150] = fmt.Sprintf("Subject: big\r\n\r\n%s\r\n", strings.Repeat("y\r\n", 1<<20))
	for i, c := range []struct {
		name     string
		disabled []string
		commands int
	}{
		{"all", nil, 5},
		{"no MULTIAPPEND", []string{"MULTIAPPEND"}, 300},
		{"no LITERAL+", []string{"LITERAL+"}, 5},
		{"neither", []string{"MULTIAPPEND", "LITERAL+"}, 300},
		{"no UIDPLUS", []string{"UIDPLUS"}, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			user := fmt.Sprint("pusher", i)
			d.AddUser(t, user)
			opts := options(t, d, user)
			opts.Client.DisableExtensions = c.disabled
			s := imap.New(opts)
			if err := s.Create(t.Context(), "Box"); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			visit(t, opts, "Box", store.OpenRequest{}, func(m store.Mailbox) {
				uids := put(t, m, msgs...)
				for i, u := range uids {
					if want := mail.UID(i + 1); u != want && !slices.Contains(c.disabled, "UIDPLUS") {
						t.Fatalf("message %d has the UID %d", i, u)
					}
				}
				l, err := m.Scan(t.Context(), store.Need{UIDs: mail.UIDsFrom(1), SizesFrom: 1})
				if err != nil || len(l.Messages) != len(msgs) {
					t.Fatalf("listed %v, %v", l, err)
				}
				for i, msg := range l.Messages {
					if int(msg.Size) != len(msgs[i]) {
						t.Fatalf("message %d has %d bytes, want %d", i, msg.Size, len(msgs[i]))
					}
				}
			})
			n := 0
			for _, cmd := range d.Commands(t, user) {
				if strings.HasPrefix(cmd, "APPEND ") {
					n++
				}
			}
			if n > c.commands {
				t.Errorf("%d commands", n)
			}
		})
	}
}

// TestChangeCommands counts what is needed to change many messages that are
// scattered over a large mailbox.
func TestChangeCommands(t *testing.T) {
	srv := newStorer(t, "UIDPLUS MOVE LITERAL+", nil)
	m := open(t, srv.store(t))
	defer m.Close(t.Context())
	var uids []mail.UID
	var changes []store.FlagChange
	for i := range 1000 {
		u := mail.UID(1 + 100*i)
		uids = append(uids, u)
		changes = append(changes, store.FlagChange{UID: u, Add: mail.FlagFlagged})
	}
	done := 0
	count := func(int, error) { done++ }
	for _, c := range []struct {
		name, verb string
		commands   int
		run        func() error
	}{
		{"flags", "UID STORE", 1, func() error { return m.SetFlags(t.Context(), changes, count) }},
		{"expunge", "UID EXPUNGE", 1, func() error {
			done = len(uids)
			return m.Remove(t.Context(), store.RemoveRequest{UIDs: mail.NewUIDSet(uids...)})
		}},
		{"trash", "UID MOVE", 10, func() error { return m.(store.Trasher).Trash(t.Context(), uids, "Trash", count) }},
	} {
		srv.forget()
		done = 0
		if err := c.run(); err != nil || done != len(uids) {
			t.Errorf("%s: %d done, %v", c.name, done, err)
		}
		lines := srv.lines()
		if len(lines) > c.commands {
			t.Errorf("%s: %d commands", c.name, len(lines))
		}
		for _, l := range lines {
			if len(l) > 8000 || !strings.HasPrefix(l, c.verb+" 1,101,201") && len(lines) == 1 {
				t.Errorf("%s: a command of %d bytes: %.40s", c.name, len(l), l)
			}
		}
	}
}
