package imap_test

import (
	"context"
	"fmt"
	"testing"

	goimap "github.com/emersion/go-imap/v2"

	"isync/internal/mail"
	"isync/internal/memo"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/testkit"
	"isync/internal/vfs"
)

// TestSettledMark: if another client changes a mailbox at any moment while it is open, its
// mark is not the settled one. If nobody does, it is, also after messages were stored.
func TestSettledMark(t *testing.T) {
	type variant struct {
		name  string
		start func(testing.TB) testkit.Server
		// exact: the server numbers the changes of each mailbox without gaps.
		exact bool
	}
	variants := []variant{{"dovecot-2.3", func(tb testing.TB) testkit.Server {
		tb.Helper()
		return testkit.StartDovecot(tb, testkit.DovecotConfig{})
	}, true}}
	for _, k := range testkit.Kinds() {
		if k.Name == "dovecot-2.4" || k.Name == "cyrus-3.10" {
			variants = append(variants, variant{k.Name, k.Start, k.Name == "dovecot-2.4"})
		}
	}
	type foreign struct {
		name string
		do   func(o *otherClient)
	}
	changes := []foreign{
		{"nothing", func(*otherClient) {}},
		{"a message", func(o *otherClient) { o.append("INBOX") }},
		{"a flag", func(o *otherClient) { o.keyword(2) }},
		{"two flags", func(o *otherClient) { o.keyword(2); o.keyword(3) }},
		{"a flag of the last message", func(o *otherClient) { o.keyword(0) }},
		{"an expunge", func(o *otherClient) { o.flagOne(1, goimap.FlagDeleted); o.expunge() }},
		{"a message and an expunge", func(o *otherClient) { o.append("INBOX"); o.flagOne(1, goimap.FlagDeleted); o.expunge() }},
	}
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			server := v.start(t)
			server.AddUser(t, "alice")
			opts := options(t, server, "alice")
			opts.Listings = memo.NewDir(vfs.OS{}, t.TempDir())
			opts.Account = func(context.Context) (string, error) { return "alice", nil }
			s, witness := imap.New(opts), imap.New(opts)
			defer s.Close()
			defer witness.Close()
			other := &otherClient{t: t, c: server.Client(t, "alice"), traits: server.Traits()}
			for range 40 {
				other.append("INBOX")
			}
			other.flag("INBOX", goimap.FlagSeen)
			settled := 0
			run := uint64(0)
			for _, change := range changes {
				for _, stored := range []int{0, 1, 3} {
					for moment := range 4 {
						at := func(n int) {
							if n == moment {
								change.do(other)
							}
						}
						run++
						s.BeginRun(run)
						witness.BeginRun(run)
						at(0)
						m := open(t, s)
						at(1)
						if stored > 0 {
							put(t, m, "Subject: own\r\n\r\nx\r\n")
						}
						at(2)
						for range stored - 1 {
							put(t, m, "Subject: own\r\n\r\nx\r\n")
						}
						at(3)
						got := m.(store.Settler).SettledMark()
						if err := m.Close(t.Context()); err != nil {
							t.Fatal(err)
						}
						marks, err := witness.Marks(t.Context(), []string{"INBOX"})
						if err != nil || marks[0] == "" {
							t.Fatal(marks, err)
						}
						quiet := moment == 0 || change.name == "nothing"
						if !quiet && got == marks[0] {
							t.Errorf("%s at moment %d of a run that stores %d messages is hidden: %s", change.name, moment, stored, got)
						}
						if quiet && got == marks[0] {
							settled++
						} else if quiet && v.exact {
							t.Errorf("%s, %d messages stored: the mark is %q, not %q", change.name, stored, marks[0], got)
						}
					}
				}
			}
			t.Logf("%d runs without changes by others are settled", settled)

			// Several messages in one command, and other changes.
			m := open(t, s)
			put(t, m, "Subject: own\r\n\r\nx\r\n", "Subject: own\r\n\r\nx\r\n", "Subject: own\r\n\r\nx\r\n")
			got := m.(store.Settler).SettledMark()
			marks, err := witness.Marks(t.Context(), []string{"INBOX"})
			t.Logf("after one command for three messages: %q, %q, %v", got, marks, err)
			setFlags(t, m, store.FlagChange{UID: m.Info().UIDNext - 1, Add: mail.FlagFlagged})
			if got := m.(store.Settler).SettledMark(); got != "" {
				t.Errorf("after a change of flags: %q", got)
			}
			if err := m.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// keyword sets another keyword of a message each time; 0: the last one.
func (o *otherClient) keyword(seq uint32) {
	o.t.Helper()
	o.check(o.c.Noop().Wait())
	o.keywords++
	o.flagOne(seq, goimap.Flag(fmt.Sprint("k", o.keywords)))
}

// flagOne sets a flag of a message.
func (o *otherClient) flagOne(seq uint32, flag goimap.Flag) {
	o.t.Helper()
	set := goimap.SeqSet{}
	set.AddRange(seq, seq) // 0 is "*"
	o.check(o.c.Store(set, &goimap.StoreFlags{Op: goimap.StoreFlagsAdd, Flags: []goimap.Flag{flag}}, nil).Close())
}
