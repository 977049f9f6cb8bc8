package imap_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

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
		{"the same flag", func(o *otherClient) { o.drafts() }},
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
			w := watchReal(t, s, "INBOX")
			if w.mode() != store.WatchNotify {
				t.Fatal(w.why())
			}
			defer witness.Close()
			other := &otherClient{t: t, c: server.Client(t, "alice"), traits: server.Traits()}
			for range 100 {
				other.append("INBOX")
			}
			other.flag("INBOX", goimap.FlagSeen)
			settled := 0
			run := uint64(0)
			for _, change := range changes {
				for _, stored := range []int{-2, -1, 0, 1, 3} { // below 0: so many messages get a flag
					if !v.exact && stored*stored > 1 {
						continue // it is slow
					}
					for moment := range 5 {
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
						if stored < 0 {
							markOne(t, m, 90, run, func() { at(4) })
						}
						at(2)
						if stored < -1 {
							markOne(t, m, 91, run, func() {})
						}
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
						quiet := moment == 0 || moment == 4 && stored >= 0 || change.name == "nothing"
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
			if err := m.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// keyword gives a message another flag instead of those that it has; 0: the last message.
func (o *otherClient) keyword(seq uint32) {
	o.t.Helper()
	o.check(o.c.Noop().Wait())
	o.store(seq, seq, goimap.StoreFlagsSet, o.nextKeyword())
}

// nextKeyword returns a keyword. Servers have a limit for their number.
func (o *otherClient) nextKeyword() goimap.Flag {
	o.keywords++
	return goimap.Flag(fmt.Sprint("k", o.keywords%50))
}

// drafts gives all messages the flag \Draft and a keyword, in one command.
func (o *otherClient) drafts() {
	o.t.Helper()
	o.store(1, 0, goimap.StoreFlagsSet, goimap.FlagDraft, o.nextKeyword())
}

// flagOne sets a flag of a message.
func (o *otherClient) flagOne(seq uint32, flag goimap.Flag) {
	o.t.Helper()
	o.store(seq, seq, goimap.StoreFlagsAdd, flag)
}

// store changes the flags of messages; 0 is the last one.
func (o *otherClient) store(from, to uint32, op goimap.StoreFlagsOp, flags ...goimap.Flag) {
	o.t.Helper()
	set := goimap.SeqSet{}
	set.AddRange(from, to)
	o.check(o.c.Store(set, &goimap.StoreFlags{Op: op, Flags: flags}, nil).Close())
}

// markOne changes the flag \Draft of a message. meanwhile is called before that.
func markOne(t *testing.T, m store.Mailbox, uid mail.UID, run uint64, meanwhile func()) {
	t.Helper()
	l := scan(t, m, store.Need{UIDs: mail.NewUIDSet(uid), Flags: true})
	change := store.FlagChange{UID: uid, Add: mail.FlagDraft}
	if l[0].Flags.Has(mail.FlagDraft) {
		change.Add, change.Remove = 0, mail.FlagDraft
	}
	meanwhile()
	setFlags(t, m, change)
	l = scan(t, m, store.Need{UIDs: mail.NewUIDSet(uid), Flags: true})
	if l[0].Flags.Has(mail.FlagDraft) != (change.Add != 0) {
		t.Errorf("run %d: the flag of message %d was not changed", run, uid)
	}
}

// TestStoreUnchanged: flags are stored whatever a server answers to the condition that nobody
// else has changed the message. What it does not report as done is stored without that.
func TestStoreUnchanged(t *testing.T) {
	const (
		done    = "* 1 FETCH (UID 5 MODSEQ (13))\n* 2 FETCH (UID 9 MODSEQ (13))\n"
		plain   = "UID STORE 5,9 +FLAGS.SILENT (\\Seen)"
		settled = "7 10 2 13"
	)
	for name, c := range map[string]struct {
		answer string
		then   string // the next command
		mark   string
	}{
		"done":                 {answer: done + "TAG OK", mark: settled},
		"one by one":           {answer: strings.Replace(done, "13", "14", 1) + "TAG OK", mark: "7 10 2 14"},
		"changed by others":    {answer: "* 1 FETCH (UID 5 MODSEQ (13))\nTAG OK [MODIFIED 9] no", then: strings.Replace(plain, "5,9", "9", 1)},
		"both":                 {answer: "TAG OK [MODIFIED 5,9] no", then: plain},
		"refused":              {answer: "TAG NO [MODIFIED 5,9] no", then: plain},
		"unknown":              {answer: "TAG BAD what?", then: plain},
		"nothing is reported":  {answer: "TAG OK", then: plain},
		"other messages":       {answer: done + "TAG OK [MODIFIED 1:4] no", mark: settled},
		"as before":            {answer: strings.ReplaceAll(done, "13", "12") + "TAG OK", mark: ""},
		"another flag, too":    {answer: strings.Replace(done, "UID 5", "UID 5 FLAGS (\\Seen \\Flagged)", 1) + "TAG OK", then: strings.Replace(plain, "5,9", "5", 1)},
		"another message, too": {answer: done + "* 3 FETCH (UID 8 FLAGS () MODSEQ (14))\nTAG OK"},
		"twice":                {answer: done + strings.ReplaceAll(done, "13", "14") + "TAG OK"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := newWatchServer(t, notifying+" UIDPLUS")
				var stores []string
				srv.answer = func(_ int, command string) (string, bool) {
					switch {
					case strings.HasPrefix(command, "SELECT"):
						return "* FLAGS (\\Seen \\Flagged)\n* 2 EXISTS\n* OK [UIDVALIDITY 7] x\n* OK [UIDNEXT 10] x\n* OK [HIGHESTMODSEQ 12] x\nTAG OK", true
					case strings.HasPrefix(command, "UID FETCH"):
						return "* 1 FETCH (UID 5 FLAGS ())\n* 2 FETCH (UID 9 FLAGS ())\nTAG OK", true
					case strings.HasPrefix(command, "UID STORE"):
						stores = append(stores, command)
						if len(stores) == 1 {
							return c.answer, true
						}
					}
					return "", false
				}
				opts := srv.options()
				remembering(&opts, t.TempDir(), "me")
				s := imap.New(opts)
				w := watchStore(t, s, []string{"*"}, "INBOX")
				m := open(t, s)
				scan(t, m, everything)
				setFlags(t, m, store.FlagChange{UID: 5, Add: mail.FlagSeen}, store.FlagChange{UID: 9, Add: mail.FlagSeen})
				want := []string{"UID STORE 5,9 (UNCHANGEDSINCE 12) +FLAGS.SILENT (\\Seen)"}
				if c.then != "" {
					want = append(want, c.then)
				}
				if got := m.(store.Settler).SettledMark(); got != c.mark || !slices.Equal(stores, want) {
					t.Errorf("the mark is %q, want %q; commands %q, want %q", got, c.mark, stores, want)
				}
				if err := m.Close(t.Context()); err != nil {
					t.Error(err)
				}
				w.close()
			})
		})
	}
}
