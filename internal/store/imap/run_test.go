package imap_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"isync/internal/memo"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/testkit"
	"isync/internal/vfs"
)

// TestRunRefusedLogin: after a refused login a store does not try again in the same
// run. The next run does, and its first login is made alone, as in a new process.
func TestRunRefusedLogin(t *testing.T) {
	const (
		greeting = "S: * OK [CAPABILITY IMAP4rev1] hello\nC: $a LOGIN \"me\" \"pw\"\n"
		refused  = greeting + "S: $a NO [AUTHENTICATIONFAILED] no\nC: $b LOGOUT\nS: * BYE\nS: $b OK\n"
		accepted = greeting + "S: $a OK [CAPABILITY IMAP4rev1 UIDPLUS] in\nC~ .* LOGOUT\n"
	)
	s, _ := scripted(t, func(o *imap.Options) { o.Login = loginWith("me", "pw") }, refused, refused, accepted)
	for run := uint64(1); run <= 3; run++ {
		s.BeginRun(run)
		for range 2 {
			s.BeginRun(run) // for another store of the account
			if caps, err := s.Caps(t.Context()); (err != nil) != (run < 3) || caps.ReportsUIDs != (run == 3) {
				t.Errorf("run %d: %+v, %v", run, caps, err)
			}
		}
	}
}

// TestRunFirstLogin: the first login of a run is made alone even if a login has
// succeeded in an earlier run, since the password may be wrong by now.
func TestRunFirstLogin(t *testing.T) {
	const (
		greeting = "S: * OK [CAPABILITY IMAP4rev1] hello\nC: $a LOGIN \"me\" \"pw\"\n"
		refused  = greeting + "S: $a NO [AUTHENTICATIONFAILED] no\nC: $b LOGOUT\nS: * BYE\nS: $b OK\n"
		accepted = greeting + "S: $a OK [CAPABILITY IMAP4rev1] in\nC~ .* SELECT .*\nclose\n"
	)
	s, _ := scripted(t, func(o *imap.Options) { o.Login = loginWith("me", "pw") }, accepted, refused)
	if _, err := s.Open(t.Context(), "INBOX", store.OpenRequest{}); err == nil {
		t.Error("Open has not failed")
	}
	s.BeginRun(2)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := s.Caps(t.Context()); err == nil {
				t.Error("a server that refuses the login has capabilities")
			}
		})
	}
	wg.Wait()
}

// TestRunLimit: if the server has refused a further session, the next run tries again,
// and shows the warning again if that is refused. Sessions are kept.
func TestRunLimit(t *testing.T) {
	other := strings.ReplaceAll(inbox, "INBOX", "other")
	const full = "S: * BYE too many connections\nclose\n"
	s, warnings := scripted(t, func(o *imap.Options) {
		o.Sessions = imap.NewSessionsStuckAfter(*o, 50*time.Millisecond)
	}, hello+again(inbox, 3)+goodby, full, full, hello+other+goodby)
	for run := uint64(1); run <= 3; run++ {
		s.BeginRun(run)
		m := open(t, s)
		for range 2 {
			o, err := s.Open(t.Context(), "other", store.OpenRequest{})
			if crowded := errors.Is(err, store.ErrCrowded); crowded != (run < 3) || !crowded && err != nil {
				t.Errorf("run %d: %v", run, err)
			}
			if o != nil {
				if err := o.Close(t.Context()); err != nil {
					t.Error(err)
				}
				break
			}
		}
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if want := min(run, 2); uint64(len(*warnings)) != want {
			t.Errorf("%d warnings after run %d", len(*warnings), run)
		}
	}
}

// TestRunWarnings: a warning that is shown once is shown once per run.
func TestRunWarnings(t *testing.T) {
	anonymous := strings.Replace(inbox, "		S: * OK [UIDVALIDITY 7] ok\n", "", 1)
	s, warnings := scripted(t, nil, hello+again(anonymous, 4)+goodby)
	for run := range 2 {
		s.BeginRun(uint64(run + 1))
		for range 2 {
			if err := open(t, s).Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if len(*warnings) != run+1 {
			t.Errorf("run %d: %q", run+1, *warnings)
		}
	}
}

// TestRunMarks: a session of an earlier run has a mailbox selected, and the server
// would report the status of that mailbox as of the earlier run. Marks are current
// nonetheless, and so is the decision whether a mailbox is opened.
func TestRunMarks(t *testing.T) {
	d := testkit.StartDovecot(t, testkit.DovecotConfig{Users: []string{"one", "two", "three"}})
	for user, disabled := range map[string][]string{"one": nil, "two": {"UNSELECT"}, "three": {"UNSELECT"}} {
		opts := options(t, d, user)
		opts.MaxSessions = 1
		if user == "three" {
			// NAMESPACE is not needed.
			opts.UseNamespace, opts.HasPath, opts.Delimiter = false, true, "/"
		}
		opts.Client.DisableExtensions = disabled
		opts.Listings = memo.NewDir(vfs.OS{}, t.TempDir())
		opts.Account = func(context.Context) (string, error) { return user, nil }
		s := imap.New(opts)
		defer s.Close()
		for run := uint64(1); run <= 4; run++ {
			d.Seed(t, user, "INBOX", testkit.Mail{Body: "Subject: new\r\n\r\nx\r\n"})
			s.BeginRun(run)
			var marks []string
			var err error
			if run%2 == 0 {
				marks, err = s.Marks(t.Context(), []string{"INBOX"})
			} else {
				var boxes []store.Box
				boxes, err = s.List(t.Context(), store.ListRequest{Inbox: true, Marks: true})
				marks = []string{boxes[0].Mark}
			}
			if err != nil {
				t.Fatal(err)
			}
			m := open(t, s)
			if want := m.(store.Marked).Mark(); marks[0] != want || want == "" {
				t.Errorf("without %v, run %d: the mark is %q, but it was reported as %q", disabled, run, want, marks[0])
			}
			if err := m.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
}

// again repeats a script, with other names for the tags.
func again(script string, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(script, "$s", "$"+string(rune('p'+i))))
	}
	return b.String()
}

// TestRunNamespace: on a connection that was kept, the server is not asked for its
// namespaces again.
func TestRunNamespace(t *testing.T) {
	box := strings.ReplaceAll(inbox, `"INBOX"`, `"Mail/box"`)
	s, _ := scripted(t, func(o *imap.Options) { o.HasPath, o.UseNamespace, o.Delimiter = false, true, "" },
		strings.Replace(hello, "UIDPLUS", "UIDPLUS NAMESPACE", 1)+
			"C: $n NAMESPACE\nS: * NAMESPACE ((\"Mail/\" \"/\")) NIL NIL\nS: $n OK\n"+again(box, 3)+goodby)
	for run := range 3 {
		s.BeginRun(uint64(run + 1))
		m, err := s.Open(t.Context(), "box", store.OpenRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
