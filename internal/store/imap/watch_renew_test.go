package imap_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/testkit"
)

// TestWatchRenewed: after a report, NOTIFY or IDLE is sent again as soon as it is a minute
// old, and never if nothing is reported.
func TestWatchRenewed(t *testing.T) {
	for _, tt := range []struct {
		caps, first string
		report      string
		renewal     []string
	}{
		{notifying, "notify", "* STATUS INBOX (HIGHESTMODSEQ %d)", []string{"#0 NOTIFY NONE", "#0 " + notifyCommand}},
		{asExchange, "idle[INBOX]", "* %d EXISTS", []string{"#0 DONE", "#0 IDLE"}},
	} {
		t.Run(tt.first, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := newWatchServer(t, tt.caps)
				opts := srv.options()
				opts.IdleRefresh = 24 * time.Hour
				watchStore(t, imap.New(opts), []string{"INBOX"}, "INBOX", "work")
				srv.wantBegun()
				alive := func(d time.Duration) {
					for end := time.Now().Add(d); time.Now().Before(end); {
						srv.say(0, "* OK Still here")
						time.Sleep(min(time.Minute, time.Until(end)))
					}
				}
				alive(20 * time.Minute)
				srv.wantLog()
				for n := range 3 {
					// It is older than a minute.
					srv.say(0, fmt.Sprintf(tt.report, 20+2*n))
					srv.wantLog(tt.renewal...)
					// It is new.
					alive(30 * time.Second)
					srv.say(0, fmt.Sprintf(tt.report, 21+2*n))
					alive(29 * time.Second)
					srv.wantLog()
					alive(2 * time.Second)
					srv.wantLog(tt.renewal...)
					alive(20 * time.Minute)
					srv.wantLog()
				}
			})
		})
	}
}

// TestWatchRenewalFinds: what the server has not reported is found in the answer to the next
// NOTIFY, also if that was cut off.
func TestWatchRenewalFinds(t *testing.T) {
	for _, cut := range []bool{false, true} {
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := newWatchServer(t, notifying)
				w := watchStore(t, imap.New(srv.options()), nil, "INBOX", "work")
				w.want("boxes", "all", "notify")
				time.Sleep(2 * time.Minute)
				srv.change(func() {
					srv.list = []string{
						"* STATUS INBOX (MESSAGES 3 UIDNEXT 10 UIDVALIDITY 7 HIGHESTMODSEQ 13)",
						"* STATUS work (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 8 HIGHESTMODSEQ 2)",
						"* STATUS new (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 9 HIGHESTMODSEQ 1)",
					}
					srv.answer = func(conn int, command string) (string, bool) {
						return strings.Join(srv.list, "\n") + "\nCLOSE", cut && conn == 0 && command == notifyCommand
					}
				})
				srv.say(0, "* STATUS INBOX (HIGHESTMODSEQ 13)")
				if !cut {
					w.want("INBOX", "boxes", "new", "work")
					return
				}
				w.want("INBOX", "boxes", "new", "work", "down for 1s")
				time.Sleep(2 * time.Second)
				w.want("notify")
			})
		})
	}
}

// TestWatchRenewalRefused: a server that refuses to renew NOTIFY is watched with IDLE.
func TestWatchRenewalRefused(t *testing.T) {
	for _, refused := range []string{"NOTIFY NONE", notifyCommand} {
		t.Run(refused, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := newWatchServer(t, notifying)
				w := watchStore(t, imap.New(srv.options()), []string{"INBOX"}, "INBOX", "work")
				w.want("boxes", "all", "notify")
				srv.change(func() {
					srv.answer = func(_ int, command string) (string, bool) { return "TAG NO again?", command == refused }
				})
				time.Sleep(2 * time.Minute)
				srv.say(0, "* STATUS INBOX (HIGHESTMODSEQ 13)")
				w.want("INBOX", "down for 1s")
				w.wantErr(store.Passing, "NOTIFY")
				time.Sleep(2 * time.Second)
				if refused == notifyCommand {
					w.want("boxes", "all", "idle[INBOX]")
				} else {
					w.want("INBOX", "notify")
				}
			})
		})
	}
}

// TestWatchExpects: if the server does not report a change by mbsync itself in time, NOTIFY is
// sent again, more and more seldom as long as that is of no use.
func TestWatchExpects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newWatchServer(t, notifying)
		s := imap.New(srv.options())
		imap.Expect(s, "INBOX") // not watched yet
		w := watchStore(t, s, nil, "INBOX", "work")
		w.want("boxes", "all", "notify")
		srv.wantBegun()
		renewal := []string{"#0 NOTIFY NONE", "#0 " + notifyCommand}
		time.Sleep(20 * time.Second)
		imap.Expect(s, "shared") // not among those that the server reports
		time.Sleep(20 * time.Second)
		srv.wantLog()
		imap.Expect(s, "inbox")
		time.Sleep(2900 * time.Millisecond)
		srv.wantLog()
		time.Sleep(200 * time.Millisecond)
		srv.wantLog(renewal...)
		// The next one is late, too.
		for _, delay := range []time.Duration{20 * time.Second, 40 * time.Second, 80 * time.Second} {
			imap.Expect(s, "INBOX")
			time.Sleep(delay - time.Second)
			srv.wantLog()
			time.Sleep(1100 * time.Millisecond)
			srv.wantLog(renewal...)
		}
		imap.Expect(s, "work")
		srv.say(0, "* STATUS work (HIGHESTMODSEQ 2)")
		w.want("work")
		time.Sleep(40 * time.Second)
		srv.wantLog()
		time.Sleep(40 * time.Second) // because of the report
		srv.wantLog(renewal...)
		time.Sleep(20 * time.Second)
		imap.Expect(s, "work")
		time.Sleep(3100 * time.Millisecond)
		srv.wantLog(renewal...)
	})
}

// TestWatchLogReplaced: Dovecot reports changes of others in time again soon after it has
// replaced the log of its list of mailboxes, if there was a change by mbsync itself.
func TestWatchLogReplaced(t *testing.T) {
	for name, start := range map[string]func(testing.TB) testkit.Server{
		"2.3": func(tb testing.TB) testkit.Server {
			tb.Helper()
			return testkit.StartDovecot(tb, testkit.DovecotConfig{})
		},
		"2.4": func(tb testing.TB) testkit.Server { tb.Helper(); return testkit.StartDovecot24(tb) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they wait most of the time
			server := start(t)
			server.AddUser(t, "alice")
			other := &otherClient{t: t, c: server.Client(t, "alice"), traits: server.Traits()}
			other.create("box")
			s := imap.New(options(t, server, "alice"))
			defer s.Close()
			w := watchReal(t, s, "INBOX", "box")
			for range 400 { // each adds 180 bytes, and 64 KiB are the limit
				other.append("box")
			}
			w.settle()
			begin := time.Now()
			imap.Expect(s, "box")
			w.after("a message", "box", func() { other.append("box") })
			t.Logf("reported after %v", time.Since(begin))
			w.settle()
			begin = time.Now()
			w.after("a message", "box", func() { other.append("box") })
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("the next message was reported after %v", took)
			}
		})
	}
}
