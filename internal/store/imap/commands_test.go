package imap_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/testkit"
)

// visit opens a mailbox, runs f, and ends all sessions.
func visit(t *testing.T, opts imap.Options, box string, req store.OpenRequest, f func(m store.Mailbox)) {
	t.Helper()
	s := imap.New(opts)
	m, err := s.Open(t.Context(), box, req)
	if err != nil {
		t.Fatal(err)
	}
	f(m)
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func scan(t *testing.T, m store.Mailbox, need store.Need) []mail.Meta {
	t.Helper()
	l, err := m.Scan(t.Context(), need)
	if err != nil {
		t.Fatal(err)
	}
	return l.Messages
}

func fetch(t *testing.T, m store.Mailbox, items ...store.FetchItem) {
	t.Helper()
	err := m.Fetch(t.Context(), items, func(in *store.Incoming) error {
		if in.Err != nil {
			return in.Err
		}
		_, err := io.Copy(io.Discard, in.Body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, m store.Mailbox, bodies ...string) []mail.UID {
	t.Helper()
	var uids []mail.UID
	a, err := m.Append(t.Context(), func(r store.AppendResult) {
		if r.Err != nil {
			t.Error(r.Err)
		}
		uids = append(uids, r.UID)
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range bodies {
		if err := a.Put(t.Context(), &store.Outgoing{Key: i, Size: int64(len(b)), Body: bytes.NewReader([]byte(b))}); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	return uids
}

func setFlags(t *testing.T, m store.Mailbox, changes ...store.FlagChange) {
	t.Helper()
	err := m.SetFlags(t.Context(), changes, func(i int, err error) {
		if err != nil {
			t.Errorf("change %d: %v", i, err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// unquoted takes the quotes off the arguments of commands.
func unquoted(cmds []string) []string {
	out := []string{}
	for _, c := range cmds {
		out = append(out, strings.ReplaceAll(c, `"`, ""))
	}
	return out
}

// TestCommands checks that the server is asked for no more than is needed.
func TestCommands(t *testing.T) {
	d := testkit.StartDovecot(t, testkit.DovecotConfig{Rawlog: true})
	opts := options(t, d, "user")
	all := mail.UIDsFrom(1)
	msgs := make([]string, 300)
	for i := range msgs {
		msgs[i] = fmt.Sprintf("Subject: %d\r\n\r\nx\r\n", i)
	}
	appends := slices.Repeat([]string{"APPEND Box" + strings.Repeat(" {}", 100)}, 3)
	var odd []store.FlagChange
	var wipe []mail.UID
	for u := mail.UID(1); u <= 300; u++ {
		c := store.FlagChange{UID: u, Add: mail.FlagSeen}
		if u > 100 {
			c = store.FlagChange{UID: u, Add: mail.FlagSeen, Remove: mail.FlagFlagged | mail.FlagDraft}
		}
		odd = append(odd, c)
		wipe = append(wipe, u)
	}
	var marked []store.FlagChange
	for _, u := range wipe[:200] {
		marked = append(marked, store.FlagChange{UID: u, Add: mail.FlagDeleted})
	}
	begin := []string{"NAMESPACE", "SELECT Box"}

	for _, c := range []struct {
		name string
		req  store.OpenRequest
		run  func(m store.Mailbox)
		want []string // after begin, and before LOGOUT
	}{
		{name: "push", run: func(m store.Mailbox) { put(t, m, msgs...) }, want: appends},
		{name: "list", run: func(m store.Mailbox) {
			if n := len(scan(t, m, store.Need{UIDs: all, Flags: true})); n != 300 {
				t.Errorf("%d messages", n)
			}
		}, want: []string{"UID FETCH 1:300 (UID FLAGS)"}},
		{name: "list new ones, of which there are none", run: func(m store.Mailbox) {
			if n := len(scan(t, m, store.Need{UIDs: mail.UIDsFrom(301), Flags: true})); n != 0 {
				t.Errorf("%d messages", n)
			}
		}, want: []string{"UID SEARCH RETURN (ALL) 300"}},
		{name: "list sizes of some", run: func(m store.Mailbox) {
			scan(t, m, store.Need{UIDs: all, SizesFrom: 251})
		}, want: []string{"UID FETCH 1:250 (UID)", "UID FETCH 251:300 (UID RFC822.SIZE)"}},
		{name: "look for headers", run: func(m store.Mailbox) {
			scan(t, m, store.Need{UIDs: mail.UIDsFrom(290), TUIDs: true})
			scan(t, m, store.Need{UIDs: mail.NewUIDSet(1, 2, 3, 7), MessageIDs: true})
		}, want: []string{
			"UID FETCH 290:300 (UID BODY.PEEK[HEADER.FIELDS (X-TUID)])", "NOOP",
			"UID FETCH 1:3,7 (UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])",
		}},
		{name: "read", run: func(m store.Mailbox) {
			var items []store.FetchItem
			for _, u := range wipe {
				items = append(items, store.FetchItem{UID: u})
			}
			items[299].HeaderOnly = true
			fetch(t, m, items...)
		}, want: []string{
			"UID FETCH 1:299 (UID FLAGS INTERNALDATE BODY.PEEK[])",
			"UID FETCH 300 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER])",
		}},
		{name: "flags", run: func(m store.Mailbox) { setFlags(t, m, odd...) }, want: []string{
			`UID STORE 1:300 +FLAGS.SILENT (\Seen)`, `UID STORE 101:300 -FLAGS.SILENT (\Draft \Flagged)`,
		}},
		{name: "dry run", req: store.OpenRequest{ReadOnly: true}, run: func(m store.Mailbox) {
			scan(t, m, store.Need{UIDs: all})
		}, want: []string{"UID FETCH 1:300 (UID)"}},
		{name: "expunge", run: func(m store.Mailbox) {
			setFlags(t, m, marked...)
			if err := m.Remove(t.Context(), store.RemoveRequest{UIDs: mail.NewUIDSet(wipe[:10]...)}); err != nil {
				t.Error(err)
			}
		}, want: []string{`UID STORE 1:200 +FLAGS.SILENT (\Deleted)`, "UID EXPUNGE 1:10"}},
		{name: "trash", run: func(m store.Mailbox) {
			err := m.(store.Trasher).Trash(t.Context(), wipe[10:200], "Trash", func(i int, err error) {
				if err != nil {
					t.Errorf("message %d: %v", i, err)
				}
			})
			if err != nil {
				t.Error(err)
			}
			if err := m.Remove(t.Context(), store.RemoveRequest{All: true}); err != nil {
				t.Error(err)
			}
		}, want: []string{
			"UID MOVE 11:110 Trash", "CREATE Trash", "UID MOVE 11:110 Trash", "UID MOVE 111:200 Trash", "EXPUNGE",
		}},
		{name: "what is left", run: func(m store.Mailbox) {
			if n := len(scan(t, m, store.Need{UIDs: all})); n != 100 {
				t.Errorf("%d messages", n)
			}
		}, want: []string{"UID FETCH 1:300 (UID)"}},
	} {
		if c.name == "push" {
			s := imap.New(opts)
			if err := s.Create(t.Context(), "Box"); err != nil {
				t.Fatal(err)
			}
			s.Close()
			d.ForgetCommands(t)
		}
		visit(t, opts, "Box", c.req, c.run)
		want := slices.Concat(begin, c.want, []string{"LOGOUT"})
		if c.req.ReadOnly {
			want[1] = "EXAMINE Box"
		}
		if diff := cmp.Diff(want, unquoted(d.Commands(t, "user"))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if n := len(d.LoginSessions(t)); n != 1 {
			t.Errorf("%s: %d logins", c.name, n)
		}
		d.ForgetCommands(t)
	}
	if n := len(d.Contents(t, "user", "Trash")); n != 190 {
		t.Errorf("%d messages in the trash", n)
	}
}

// TestOneSession: one connection serves one mailbox after the other, and what
// needs none meanwhile.
func TestOneSession(t *testing.T) {
	d := testkit.StartDovecot(t, testkit.DovecotConfig{Rawlog: true})
	s := imap.New(options(t, d, "user"))
	ctx := t.Context()
	if _, err := s.Caps(ctx); err != nil {
		t.Fatal(err)
	}
	for _, box := range []string{"a", "b", "INBOX"} {
		if err := s.Create(ctx, box); err != nil {
			t.Fatal(err)
		}
		m, err := s.Open(ctx, box, store.OpenRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.List(ctx, store.ListRequest{Inbox: true, Others: true}); err != nil {
			t.Fatal(err)
		}
		if err := m.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Delete(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	want := [][]string{{
		"NAMESPACE", "CREATE a", "SELECT a", `LIST  *`, "CREATE b", "SELECT b", `LIST  *`,
		"SELECT INBOX", `LIST  *`, "STATUS a (MESSAGES)", "DELETE a", "LOGOUT",
	}}
	sessions := d.Sessions(t, "user")
	for i := range sessions {
		sessions[i] = unquoted(sessions[i])
	}
	if diff := cmp.Diff(want, sessions); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLostConnection: what loses its connection fails with a StoreError, and
// what comes later gets another one.
func TestLostConnection(t *testing.T) {
	d := testkit.StartDovecot(t, testkit.DovecotConfig{})
	s := imap.New(options(t, d, "user"))
	defer s.Close()
	m, err := s.Open(t.Context(), "INBOX", store.OpenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, m, "Subject: x\r\n\r\n")
	d.Kick(t, "user")
	_, err = m.Scan(t.Context(), store.Need{UIDs: mail.UIDsFrom(1)})
	if _, ok := asType[*store.StoreError](err); !ok {
		t.Errorf("Scan = %v", err)
	}
	if err := m.Close(t.Context()); err != nil {
		t.Errorf("Close = %v", err)
	}
	for range 2 {
		// The second time the connection is lost while it is idle.
		m, err := s.Open(t.Context(), "INBOX", store.OpenRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(scan(t, m, store.Need{UIDs: mail.UIDsFrom(1)})); n != 1 {
			t.Errorf("%d messages", n)
		}
		if err := m.Close(t.Context()); err != nil {
			t.Errorf("Close = %v", err)
		}
		d.Kick(t, "user")
	}
}

// TestWrongPassword: there is one attempt, whoever asks, and however often.
func TestWrongPassword(t *testing.T) {
	d := testkit.StartDovecot(t, testkit.DovecotConfig{Rawlog: true})
	opts := options(t, d, "user")
	opts.Login = loginWith("user", "wrong")
	s := imap.New(opts)
	defer s.Close()
	errs := make(chan error)
	for range 5 {
		go func() {
			_, err := s.Open(context.Background(), "INBOX", store.OpenRequest{})
			errs <- err
		}()
	}
	for range 5 {
		err := <-errs
		if _, ok := asType[*store.StoreError](err); !ok {
			t.Errorf("Open = %v", err)
		}
	}
	if _, err := s.List(t.Context(), store.ListRequest{Others: true}); err == nil {
		t.Error("List succeeds")
	}
	if got := d.LoginSessions(t); len(got) != 1 {
		t.Errorf("%d connections: %q", len(got), got)
	}
}

// TestTooManyConnections: a server that refuses further sessions is content
// with those it has granted.
func TestTooManyConnections(t *testing.T) {
	d := testkit.StartDovecot(t, testkit.DovecotConfig{Extra: "mail_max_userip_connections = 2\n"})
	opts := options(t, d, "user")
	var warned []string
	opts.Warn = func(f event.Fact) { warned = append(warned, textOf(f)) }
	s := imap.New(opts)
	defer s.Close()
	open := func(box string) store.Mailbox {
		m, err := s.Open(t.Context(), box, store.OpenRequest{})
		if err != nil {
			t.Error(err)
			return nil
		}
		return m
	}
	for _, box := range []string{"a", "b", "c", "d"} {
		if err := s.Create(t.Context(), box); err != nil {
			t.Fatal(err)
		}
	}
	a := open("a")
	b := open("b")
	later := make(chan store.Mailbox)
	go func() { later <- open("c") }()
	if err := s.Create(t.Context(), "e"); err != nil { // needs no session of its own
		t.Error(err)
	}
	if err := a.Close(t.Context()); err != nil {
		t.Error(err)
	}
	c := <-later
	go func() { later <- open("d") }()
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
	for _, m := range []store.Mailbox{c, <-later} {
		if m == nil {
			continue
		}
		scan(t, m, store.Need{UIDs: mail.UIDsFrom(1)})
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if len(warned) != 1 {
		t.Errorf("warnings %q", warned)
	}
}
