package imap_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"isync/internal/auth"
	"isync/internal/imapclient"
	"isync/internal/store"
	"isync/internal/store/imap"
)

const (
	notifying = "NAMESPACE ENABLE CONDSTORE QRESYNC NOTIFY IDLE"
	// asGmail and asExchange are what servers without NOTIFY announce, and asYahoo one
	// without IDLE.
	asGmail    = "UNSELECT IDLE NAMESPACE QUOTA ID CHILDREN UIDPLUS COMPRESS=DEFLATE ENABLE MOVE CONDSTORE ESEARCH LIST-EXTENDED LIST-STATUS LITERAL- SPECIAL-USE"
	asExchange = "UIDPLUS MOVE ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+"
	asYahoo    = "ID NAMESPACE UIDPLUS UNSELECT"

	notifyCommand = "NOTIFY SET STATUS (personal (MessageNew MessageExpunge FlagChange MailboxName))"
)

// TestWatchNotify: everything is reported, on one connection; after it was lost, only what
// has changed meanwhile.
func TestWatchNotify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newWatchServer(t, notifying)
		w := watchStore(t, imap.New(srv.options()), []string{"*"}, "INBOX", "work")
		w.want("boxes", "all", "notify")
		if w.err() != nil {
			t.Error(w.err())
		}
		srv.wantLog("#0 connected", "#0 "+notifyCommand)

		time.Sleep(time.Minute)
		srv.say(0, "* STATUS work (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 8 UNSEEN 0 HIGHESTMODSEQ 1)")
		w.want() // as before
		srv.say(0, "* STATUS work (HIGHESTMODSEQ 2)")
		w.want("work")
		srv.say(0, "* STATUS INBOX (MESSAGES 4 UIDNEXT 11 HIGHESTMODSEQ 13)")
		w.want("INBOX")
		srv.say(0, "* STATUS inbox (UNSEEN 1)")
		w.want("INBOX") // that nothing else has changed is not known
		srv.say(0, "* STATUS spam (MESSAGES 4 HIGHESTMODSEQ 13)")
		w.want("boxes", "spam") // the run that finds it may be going on
		srv.say(0, "* LIST () \"/\" new", "* STATUS new (MESSAGES 0 HIGHESTMODSEQ 1)")
		w.want("boxes", "new")
		w.watch.Select([]string{"INBOX", "work", "new"})
		srv.say(0, "* STATUS new (MESSAGES 1 HIGHESTMODSEQ 2)")
		w.want("new")
		srv.say(0, "* LIST (\\NonExistent) \"/\" new")
		w.want("boxes")
		srv.say(0, "* STATUS (")
		w.want("boxes", "all")

		// While there is no connection, work changes, old is created, spam removed.
		srv.cut(0)
		w.want("down for 1s")
		w.wantErr(store.Passing, "connection")
		srv.change(func() {
			srv.list = []string{
				"* STATUS INBOX (MESSAGES 4 UIDNEXT 11 UIDVALIDITY 7 HIGHESTMODSEQ 13)",
				"* STATUS work (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 8 HIGHESTMODSEQ 3)",
				"* STATUS old (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 9 HIGHESTMODSEQ 1)",
			}
		})
		time.Sleep(2 * time.Second)
		w.want("boxes", "old", "work", "notify")
		srv.cut(1)
		time.Sleep(5 * time.Second)
		w.want("down for 2s", "notify")

		// A server that does not send the status of the mailboxes proves nothing.
		srv.change(func() { srv.list = nil })
		for _, delay := range []string{"4s", "8s"} {
			srv.cut(-1)
			time.Sleep(10 * time.Second)
			w.want("down for "+delay, "boxes", "all", "notify")
		}
		w.close()
		srv.wantOpen(0)
	})
}

// TestWatchSilence: after 5 minutes without a byte the server must answer within 30
// seconds. Anything that it sends counts.
func TestWatchSilence(t *testing.T) {
	for _, tt := range []struct{ caps, test string }{{notifying, "NOOP"}, {asExchange, "DONE"}} {
		t.Run(tt.test, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := newWatchServer(t, tt.caps)
				silent := false
				srv.answer = func(_ int, command string) (string, bool) {
					if silent && command == tt.test {
						return "HANG", true
					}
					return "", false
				}
				opts := srv.options()
				opts.Client.Timeout = 0
				opts.IdleRefresh = 24 * time.Hour
				w := watchStore(t, imap.New(opts), []string{"INBOX"}, "INBOX")
				srv.wantBegun()
				w.begun, w.reports = time.Now(), nil
				for range 30 {
					time.Sleep(2 * time.Minute)
					srv.say(0, "* OK Still here")
				}
				time.Sleep(5*time.Minute - time.Second)
				srv.wantLog()
				time.Sleep(2 * time.Second)
				want := []string{"#0 " + tt.test}
				if tt.test == "DONE" {
					want = append(want, "#0 IDLE")
				}
				srv.wantLog(want...)
				w.want()
				srv.change(func() { silent = true })
				time.Sleep(5*time.Minute + 28*time.Second)
				w.want()
				srv.wantLog("#0 " + tt.test)
				time.Sleep(1500 * time.Millisecond)
				w.want("down for 1s")
				w.wantErr(store.Passing, "for 30s")
			})
		})
	}
}

// TestWatchIdle: with IDLE, the preferred mailboxes are watched, as many as there may be
// connections beside one for mail, whatever the servers report.
func TestWatchIdle(t *testing.T) {
	for name, caps := range map[string]string{"Gmail": asGmail, "Exchange": asExchange} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := newWatchServer(t, caps)
				param := ""
				again := []string{"idle[INBOX]"} // when it is watched again
				if name == "Gmail" {
					// HIGHESTMODSEQ shows that it has not changed.
					param = " (CONDSTORE)"
				} else {
					again = append([]string{"INBOX"}, again...)
					srv.examine = srv.examine[:3]
				}
				opts := srv.options()
				opts.MaxSessions = 3
				opts.UseNamespace, opts.HasPath, opts.Path = false, true, "Mail/"
				w := watchStore(t, imap.New(opts), []string{"INBOX", "lists/%"}, "INBOX", "a", "lists", "lists/a/b", "lists/x", "lists/y")
				w.wantLast("idle[INBOX lists/x]", "INBOX", "lists/x")
				w.wantErr(store.KindNone, "NOTIFY")
				srv.wantSorted(`#0 EXAMINE "INBOX"`+param, "#0 IDLE", "#0 connected",
					`#1 EXAMINE "Mail/lists/x"`+param, "#1 IDLE", "#1 connected")
				srv.say(0, "* 3 EXISTS")
				w.want() // it knew
				for _, line := range []string{"* 4 EXISTS", "* 1 EXPUNGE", "* 1 FETCH (FLAGS (\\Seen))", "* 1 FETCH (UID 2 MODSEQ (7))", "* VANISHED 4", "* x EXISTS", "* 3 EXISTS"} {
					srv.say(0, line)
					w.want("INBOX")
					srv.say(1, line)
					w.want("lists/x")
				}
				srv.say(0, "* OK Still here", "* 0 RECENT", "* STATUS nothing (MESSAGES 4)")
				w.want("boxes")
				srv.wantLog()

				// Each of them is replaced on its own.
				srv.cut(1)
				w.want("idle[INBOX]")
				srv.say(0, "* 9 EXISTS")
				w.want("INBOX")
				time.Sleep(2 * time.Second)
				w.want("lists/x", "idle[INBOX lists/x]")
				srv.cut(0)
				w.want("down for 1s")
				srv.say(2, "* 9 EXISTS")
				w.want("lists/x")
				time.Sleep(2 * time.Second)
				w.want("INBOX", "idle[INBOX lists/x]")
				srv.wantLog("#1 closed", "#2 connected", `#2 EXAMINE "Mail/lists/x"`+param, "#2 IDLE",
					"#0 closed", "#3 connected", `#3 EXAMINE "INBOX"`+param, "#3 IDLE")

				// IDLE is begun again in time, after a report within a minute.
				time.Sleep(time.Minute)
				srv.wantLog("#2 DONE", "#2 IDLE")
				time.Sleep(3*time.Minute + 50*time.Second)
				srv.say(2, "* OK Still here")
				srv.say(3, "* OK Still here")
				time.Sleep(4*time.Minute + 5*time.Second)
				srv.wantLog()
				time.Sleep(10 * time.Second)
				srv.wantSorted("#3 DONE", "#3 IDLE")
				time.Sleep(time.Minute)
				srv.wantSorted("#2 DONE", "#2 IDLE")
				w.want()

				// Others matter now.
				w.watch.Select([]string{"lists/z", "INBOX"})
				w.want("lists/z", "idle[INBOX lists/z]")
				srv.wantLog("#2 DONE", `#2 EXAMINE "Mail/lists/z"`+param, "#2 IDLE")
				w.watch.Select([]string{"INBOX"})
				w.want("idle[INBOX]")
				srv.wantLog("#2 DONE", "#2 closed")
				w.watch.Select([]string{"x"})
				w.want("idle[]")
				srv.wantLog("#3 DONE")
				w.watch.Select([]string{"INBOX"})
				w.want(again...)
				srv.wantLog(`#3 EXAMINE "INBOX"`+param, "#3 IDLE")
				w.watch.Select(nil)
				w.want("idle[]")
				srv.wantLog("#3 DONE")
				time.Sleep(time.Minute)
				w.want("boxes", "all", "poll")
				w.wantErr(store.KindNone, "no mailbox")
				srv.wantLog("#3 closed")
				w.watch.Select([]string{"INBOX"})
				w.want(again...)
				w.close()
				srv.wantOpen(0)
			})
		})
	}
}

// TestWatchLadder: what a server refuses is done without it, on the same connection if
// possible. The next connection begins with NOTIFY again.
func TestWatchLadder(t *testing.T) {
	for _, tt := range []struct {
		name, caps string
		limit      int
		answers    map[string]string // to commands that begin with it
		reports    []string
		why        string
		kind       store.Kind
		log        []string
	}{
		{
			name: "no IDLE", caps: asYahoo, reports: []string{"poll"}, why: "neither NOTIFY nor IDLE",
			log: []string{"#0 connected", "#0 closed"},
		},
		{
			name: "one connection", caps: notifying, limit: 1, reports: []string{"poll"}, why: "all that Connections allows",
		},
		{
			name: "NOTIFY refused", caps: notifying, answers: map[string]string{"NOTIFY": "TAG NO not now"}, kind: store.Passing,
			reports: []string{"INBOX", "idle[INBOX]"}, why: "not now",
			log: []string{"#0 connected", "#0 " + notifyCommand, `#0 EXAMINE "INBOX" (CONDSTORE)`, "#0 IDLE"},
		},
		{
			name: "NOTIFY unknown, and no IDLE", caps: "NOTIFY NAMESPACE", answers: map[string]string{"NOTIFY": "TAG BAD what"}, kind: store.Passing,
			reports: []string{"poll"}, why: "what",
			log: []string{"#0 connected", "#0 " + notifyCommand, "#0 closed"},
		},
		{
			name: "IDLE refused", caps: asExchange, answers: map[string]string{"IDLE": "TAG NO not now"}, kind: store.Passing,
			reports: []string{"INBOX", "idle[INBOX]", "boxes", "all", "poll"}, why: "not now",
			log: []string{"#0 connected", `#0 EXAMINE "INBOX"`, "#0 IDLE", "#0 closed"},
		},
		{
			name: "IDLE ended at once", caps: asExchange, answers: map[string]string{"IDLE": "+ go\nTAG OK idle terminated"},
			reports: []string{"INBOX", "idle[INBOX]", "boxes", "all", "poll"}, why: "ends IDLE at once",
			log: []string{"#0 connected", `#0 EXAMINE "INBOX"`, "#0 IDLE", "#0 IDLE", "#0 IDLE", "#0 closed"},
		},
		{
			name: "no such mailbox", caps: asExchange, answers: map[string]string{`EXAMINE "INBOX"`: "TAG NO no such mailbox"},
			reports: []string{"work", "idle[work]"}, why: "NOTIFY",
			log: []string{"#0 connected", `#0 EXAMINE "INBOX"`, `#0 EXAMINE "work"`, "#0 IDLE"},
		},
		{
			name: "no parameters of EXAMINE", caps: asGmail, answers: map[string]string{`EXAMINE "INBOX" (`: "TAG BAD what"},
			reports: []string{"INBOX", "idle[INBOX]"}, why: "NOTIFY",
			log: []string{"#0 connected", `#0 EXAMINE "INBOX" (CONDSTORE)`, `#0 EXAMINE "INBOX"`, "#0 IDLE"},
		},
		{
			name: "fewer events", caps: notifying,
			answers: map[string]string{notifyCommand: "TAG NO [BADEVENT (MessageExpunge MESSAGENEW FlagChange)] not all"},
			reports: []string{"boxes", "all", "notify"},
			log:     []string{"#0 connected", "#0 " + notifyCommand, "#0 NOTIFY SET STATUS (personal (MessageNew MessageExpunge FlagChange))"},
		},
		{
			name: "not even new messages", caps: notifying, kind: store.Passing,
			answers: map[string]string{notifyCommand: "TAG NO [BADEVENT (MailboxName)] not all"},
			reports: []string{"INBOX", "idle[INBOX]"}, why: "not all",
			log: []string{"#0 connected", "#0 " + notifyCommand, `#0 EXAMINE "INBOX" (CONDSTORE)`, "#0 IDLE"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := newWatchServer(t, tt.caps)
				srv.answer = func(_ int, command string) (string, bool) {
					for begin, lines := range tt.answers {
						if strings.HasPrefix(command, begin) {
							return lines, true
						}
					}
					return "", false
				}
				opts := srv.options()
				opts.MaxSessions = 2
				if tt.limit > 0 {
					opts.MaxSessions = tt.limit
				}
				w := watchStore(t, imap.New(opts), []string{"INBOX", "work"}, "work", "INBOX")
				w.want(tt.reports...)
				srv.wantLog(tt.log...)
				if tt.why == "" {
					return
				}
				w.wantErr(store.KindNone, tt.why)
				if w.state.Mode == store.WatchIdle {
					srv.cut(0)
					time.Sleep(2 * time.Second)
				} else {
					// Whether it has become possible is tried rarely.
					time.Sleep(59 * time.Minute)
					srv.wantLog()
					w.watch.Probe()
					synctest.Wait()
					time.Sleep(2 * time.Minute)
				}
				got := srv.commands()
				if n := slices.Index(got, "#1 "+notifyCommand); strings.Contains(tt.caps, "NOTIFY") && tt.limit != 1 && n < 0 {
					t.Errorf("NOTIFY is not tried again: %q", got)
				}
			})
		})
	}
}

// TestWatchOverflow: after NOTIFICATIONOVERFLOW another connection is made, at once, that
// uses IDLE. Everything is reported, since changes were missed. The one after it uses
// NOTIFY again.
func TestWatchOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newWatchServer(t, notifying)
		w := watchStore(t, imap.New(srv.options()), []string{"INBOX"}, "INBOX")
		srv.wantBegun()
		w.want("boxes", "all", "notify")
		srv.say(0, "* OK [NOTIFICATIONOVERFLOW] too much")
		w.want("boxes", "all", "boxes", "all", "idle[INBOX]")
		w.wantErr(store.KindNone, "too many changes")
		srv.wantSorted("#0 closed", `#1 EXAMINE "INBOX" (CONDSTORE)`, "#1 IDLE", "#1 connected")
		srv.cut(1)
		time.Sleep(3 * time.Second)
		w.want("down for 2s", "notify")
		srv.wantLog("#1 closed", "#2 connected", "#2 "+notifyCommand)
	})
}

// TestWatchBackoff: the delays double up to 5 minutes, also if a connection is made but
// does not last. Probe ends a delay.
func TestWatchBackoff(t *testing.T) {
	for _, how := range []string{"unreachable", "lost after SELECT", "lost while idle"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := newWatchServer(t, asExchange)
				broken := true
				srv.answer = func(_ int, command string) (string, bool) {
					switch {
					case broken && how == "lost after SELECT" && command == "IDLE":
						return "CLOSE", true
					case broken && how == "lost while idle" && command == "IDLE":
						return "+ idling\n* BYE not now", true
					}
					return "", false
				}
				if how == "unreachable" {
					srv.refuses = errUnreachable
				}
				w := watchStore(t, imap.New(srv.options()), []string{"INBOX"}, "INBOX")
				delays := func() (got []string) {
					w.mu.Lock()
					defer w.mu.Unlock()
					for _, r := range w.reports {
						if d, ok := strings.CutPrefix(r, "down for "); ok {
							got = append(got, d)
						}
					}
					w.reports = nil
					return got
				}
				time.Sleep(30 * time.Minute)
				got, want := delays(), []string{"1s", "2s", "4s", "8s", "16s", "32s", "1m4s", "2m8s", "5m0s", "5m0s", "5m0s"}
				if len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
					t.Errorf("the delays are %v", got)
				}
				w.wantErr(store.Passing, "")
				srv.commands()

				w.watch.Probe()
				synctest.Wait()
				if n := len(srv.commands()); n == 0 {
					t.Error("Probe does not end a delay")
				}
				srv.change(func() { broken, srv.refuses = false, nil })
				w.watch.Probe()
				synctest.Wait()
				delays()
				// It has not lasted long enough.
				time.Sleep(59 * time.Second)
				srv.cut(-1)
				if got := delays(); !slices.Equal(got, []string{"5m0s"}) {
					t.Errorf("after a short connection the delay is %v", got)
				}
				time.Sleep(10 * time.Minute)
				delays()
				srv.cut(-1)
				if got := delays(); !slices.Equal(got, []string{"1s"}) {
					t.Errorf("after a long connection the delay is %v", got)
				}
			})
		})
	}
}

// TestWatchProbe: the connections are tested at once; those that do not answer within 5
// seconds are replaced at once.
func TestWatchProbe(t *testing.T) {
	for _, tt := range []struct{ caps, test string }{{notifying, "NOOP"}, {asExchange, "DONE"}} {
		t.Run(tt.test, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := newWatchServer(t, tt.caps)
				dead := -1
				srv.answer = func(n int, command string) (string, bool) {
					if n <= dead && command == tt.test {
						return "HANG", true
					}
					return "", false
				}
				w := watchStore(t, imap.New(srv.options()), []string{"INBOX"}, "INBOX")
				srv.wantBegun()
				w.reports = nil
				for range 3 {
					w.watch.Probe()
					synctest.Wait()
					if got := srv.commands(); len(got) == 0 || got[0] != "#0 "+tt.test {
						t.Errorf("Probe leads to %q", got)
					}
				}
				w.want()
				for i := range 3 {
					srv.change(func() { dead = i })
					w.watch.Probe()
					synctest.Wait()
					time.Sleep(5*time.Second - time.Millisecond)
					if slices.Contains(srv.commands(), fmt.Sprintf("#%d connected", i+1)) {
						t.Error("the connection is given up too early")
					}
					time.Sleep(2 * time.Millisecond)
					synctest.Wait()
					if got := srv.commands(); !slices.Contains(got, fmt.Sprintf("#%d connected", i+1)) {
						t.Errorf("after 5 s, %q", got)
					}
				}
			})
		})
	}
}

// TestWatchProbeSessions: the unused connections for mail are tested, too. One that does
// not answer is replaced when it is needed.
func TestWatchProbeSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newWatchServer(t, asYahoo)
		s := imap.New(srv.options())
		w := watchStore(t, s, nil, "INBOX")
		list := func() {
			t.Helper()
			if _, err := s.List(t.Context(), store.ListRequest{Inbox: true}); err != nil {
				t.Error(err)
			}
		}
		list()
		srv.wantBegun()
		w.watch.Probe()
		srv.wantLog("#1 NOOP")
		srv.change(func() {
			srv.answer = func(n int, command string) (string, bool) { return "HANG", n == 1 }
		})
		w.watch.Probe()
		time.Sleep(5*time.Second + time.Millisecond)
		srv.wantLog("#1 NOOP", "#1 closed")
		begin := time.Now()
		list()
		if d := time.Since(begin); d > 0 {
			t.Errorf("the next call takes %v", d)
		}
		srv.wantOpen(1)
	})
}

// TestWatchExpiredToken: a connection that ends because its token has expired is replaced
// at once, with a new token, but not again and again.
func TestWatchExpiredToken(t *testing.T) {
	for _, bye := range []string{
		"* BYE [EXPIRED] bye", "* BYE Session invalidated - AccessTokenExpired", "* BYE Session expired, please login again.",
	} {
		synctest.Test(t, func(t *testing.T) {
			srv := newWatchServer(t, notifying)
			opts := srv.options()
			tokens := 0
			opts.WatchLogin = func(ctx context.Context, c *imapclient.Client) error {
				tokens++
				return c.Login(ctx, "user", fmt.Sprint("token", tokens))
			}
			w := watchStore(t, imap.New(opts), []string{"INBOX"}, "INBOX")
			w.want("boxes", "all", "notify")
			time.Sleep(time.Hour)
			srv.say(0, bye)
			time.Sleep(1200 * time.Millisecond) // until the end of the connection
			w.want()
			log := strings.Join(srv.commands(), "\n")
			if !strings.Contains(log, `#1 LOGIN "user" "token2"`) && !strings.Contains(log, "#1 LOGIN user token2") {
				t.Errorf("%s leads to %s", bye, log)
			}
			srv.say(1, bye)
			time.Sleep(3 * time.Second)
			w.want("down for 1s", "notify")
		})
	}
}

// TestWatchRefusedLogin: a refused login is tried three times, then every 15 minutes.
// WatchLogin decides whether the same secret is sent again.
func TestWatchRefusedLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newWatchServer(t, notifying)
		opts := srv.options()
		var mu sync.Mutex
		var list []string
		tries := func() []string {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(list)
		}
		begin := time.Now()
		var right atomic.Bool
		opts.WatchLogin = func(ctx context.Context, c *imapclient.Client) error {
			mu.Lock()
			defer mu.Unlock()
			list = append(list, fmt.Sprint(time.Since(begin).Round(10*time.Second)))
			if !right.Load() {
				return &auth.RefusedError{Err: errors.New("wrong password")}
			}
			return c.Login(ctx, "user", "secret")
		}
		opts.Login = func(context.Context, *imapclient.Client) error {
			t.Error("the login of the stores is tried, too")
			return errors.New("wrong password")
		}
		s := imap.New(opts)
		w := watchStore(t, s, []string{"INBOX"}, "INBOX")
		time.Sleep(40 * time.Minute)
		synctest.Wait()
		if got := fmt.Sprint(tries()); got != "[0s 0s 0s 15m0s 30m0s]" {
			t.Error(got)
		}
		w.wantErr(store.LastingAccount, "wrong password")
		// The same password is not sent in the run, either.
		if _, err := s.List(t.Context(), store.ListRequest{Inbox: true}); err == nil || !strings.Contains(err.Error(), "wrong password") {
			t.Error(err)
		}
		w.watch.Probe()
		synctest.Wait()
		if got := tries(); got[len(got)-1] != "40m0s" {
			t.Error(got)
		}
		right.Store(true)
		time.Sleep(15*time.Minute + time.Second)
		synctest.Wait()
		if w.state.Mode != store.WatchNotify || !w.state.Connected {
			t.Error(w.state)
		}
	})
}

// TestWatchSharedRefusal: after the login of a store was refused, the watch does not send
// it again soon.
func TestWatchSharedRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newWatchServer(t, notifying)
		opts := srv.options()
		var tries atomic.Int32
		opts.Login = func(context.Context, *imapclient.Client) error {
			tries.Add(1)
			return &auth.RefusedError{Err: errors.New("wrong password")}
		}
		s := imap.New(opts)
		if _, err := s.List(t.Context(), store.ListRequest{Inbox: true}); err == nil {
			t.Error("it is accepted")
		}
		watchStore(t, s, []string{"INBOX"}, "INBOX")
		time.Sleep(14 * time.Minute)
		synctest.Wait()
		if n := tries.Load(); n != 1 {
			t.Errorf("the same password is sent %d times", n)
		}
		time.Sleep(17 * time.Minute)
		synctest.Wait()
		if n := tries.Load(); n != 3 {
			t.Errorf("the password is sent %d times", n)
		}
	})
}

// TestWatchStores: the stores of an account share a connection. Each learns of its own
// mailboxes.
func TestWatchStores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newWatchServer(t, notifying)
		srv.list = append(srv.list, "* STATUS Mail/a (MESSAGES 0 HIGHESTMODSEQ 1)")
		opts := srv.options()
		opts.Sessions = imap.NewSessions(opts)
		a := watchStore(t, imap.New(opts), nil, "INBOX", "work", "a")
		a.want("boxes", "all", "notify")
		opts.UseNamespace, opts.HasPath, opts.Path = false, true, "Mail/"
		b := watchStore(t, imap.New(opts), nil, "INBOX", "work", "a")
		b.want("all", "notify")
		a.want()
		srv.wantLog("#0 connected", "#0 "+notifyCommand)
		srv.say(0, "* STATUS INBOX (HIGHESTMODSEQ 20)")
		a.want("INBOX")
		b.want("INBOX")
		srv.say(0, "* STATUS work (HIGHESTMODSEQ 20)")
		a.want("work")
		b.want()
		srv.say(0, "* STATUS Mail/a (HIGHESTMODSEQ 20)")
		a.want("Mail/a")
		b.want("a")
		a.close()
		srv.say(0, "* STATUS INBOX (HIGHESTMODSEQ 21)")
		a.want()
		b.want("INBOX")
		srv.wantLog()
		b.close()
		srv.wantLog("#0 closed")
		srv.wantOpen(0)
		// It can be watched again.
		c := watchStore(t, imap.New(opts), nil, "INBOX")
		c.want("boxes", "all", "notify")
	})
}

// TestWatchNames: names with ampersands and other letters are understood, whether the
// server sends them in modified UTF-7, in UTF-8, or in UTF-8 with escaped ampersands.
func TestWatchNames(t *testing.T) {
	for _, tt := range []struct{ caps, box string }{
		{notifying, "A&-B &AOQ-"},
		{notifying + " UTF8=ACCEPT", "A&B ä"},
		{notifying + " UTF8=ACCEPT", "A&-B ä"},
	} {
		synctest.Test(t, func(t *testing.T) {
			srv := newWatchServer(t, tt.caps)
			srv.list = append(srv.list, fmt.Sprintf("* STATUS %q (MESSAGES 0 HIGHESTMODSEQ 1)", tt.box))
			srv.answer = func(_ int, command string) (string, bool) {
				return fmt.Sprintf("* LIST () \"/\" INBOX\n* LIST () \"/\" %q\nTAG OK", tt.box), command == `LIST "" "*"`
			}
			w := watchStore(t, imap.New(srv.options()), nil, "INBOX", "A&B ä")
			w.want("boxes", "all", "notify")
			srv.say(0, fmt.Sprintf("* STATUS %q (MESSAGES 0 HIGHESTMODSEQ 2)", tt.box))
			w.want("A&B ä")
		})
	}
}

// TestWatchSubscriptions: a store with only the subscribed mailboxes learns of
// subscriptions, if the server supports that.
func TestWatchSubscriptions(t *testing.T) {
	for _, supported := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			srv := newWatchServer(t, notifying)
			wanted := strings.Replace(notifyCommand, "))", " SubscriptionChange))", 1)
			srv.answer = func(_ int, command string) (string, bool) {
				return "TAG NO [BADEVENT (MessageNew MessageExpunge FlagChange MailboxName)] no", !supported && command == wanted
			}
			opts := srv.options()
			opts.SubscribedOnly = true
			w := watchStore(t, imap.New(opts), nil, "INBOX")
			w.want("boxes", "all", "notify")
			if supported {
				srv.wantLog("#0 connected", "#0 "+wanted)
			} else {
				srv.wantLog("#0 connected", "#0 "+wanted, "#0 "+notifyCommand)
			}
			srv.say(0, "* LIST (\\Subscribed) \"/\" x")
			w.want("boxes")
		})
	}
}

// TestWatchHostile: names that lead out of the store, or are endless, are ignored.
func TestWatchHostile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newWatchServer(t, notifying)
		w := watchStore(t, imap.New(srv.options()), nil, "INBOX", "..", "../x", "a/../b", "")
		w.want("boxes", "all", "notify")
		for _, name := range []string{"..", "../x", "a/../b", `""`, strings.Repeat("x", 5000)} {
			srv.say(0, "* STATUS "+name+" (MESSAGES 0 HIGHESTMODSEQ 2)")
		}
		srv.say(0, "* STATUS INBOX (HIGHESTMODSEQ 99)")
		w.mu.Lock()
		w.reports = slicesWithout(w.reports, "boxes")
		w.mu.Unlock()
		w.want("INBOX")
	})
}

func slicesWithout(list []string, drop string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return s == drop })
}

// TestWatchEnds: the end of the context ends the watch.
func TestWatchEnds(t *testing.T) {
	for _, caps := range []string{notifying, asGmail, asYahoo} {
		synctest.Test(t, func(t *testing.T) {
			srv := newWatchServer(t, caps)
			s := imap.New(srv.options())
			ctx, cancel := context.WithCancel(t.Context())
			n := 0
			w, err := s.Watch(ctx, store.WatchOptions{Boxes: []string{"INBOX"}, Preferred: []string{"INBOX"}}, func(store.WatchReport) { n++ })
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			cancel()
			begin := time.Now()
			synctest.Wait()
			time.Sleep(2 * time.Second)
			srv.wantOpen(0)
			before := n
			w.Close()
			w.Close()
			if n != before || n == 0 || time.Since(begin) > 2*time.Second {
				t.Error(n, before, time.Since(begin))
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestWatchConnections: the connections of the watch and those for mail together are no
// more than allowed. An unused one for mail is ended if necessary. Those of the watch are
// ended if a pair of mailboxes needs two.
func TestWatchConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newWatchServer(t, asExchange)
		opts := srv.options()
		opts.MaxSessions = 2
		s := imap.New(opts)
		take := func() store.Mailbox {
			m, err := s.Open(t.Context(), "INBOX", store.OpenRequest{})
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		srv.change(func() {
			srv.answer = func(_ int, command string) (string, bool) {
				if strings.HasPrefix(command, "SELECT") {
					return strings.Join(append(slices.Clone(srv.examine), "TAG OK"), "\n"), true
				}
				return "", false
			}
		})
		a, b := take(), take()
		w := watchStore(t, s, []string{"INBOX"}, "INBOX")
		srv.wantOpen(2)
		w.want()
		b.Close(t.Context())
		w.want("INBOX", "idle[INBOX]")
		srv.wantOpen(2)
		if n := s.Sessions().Limit; n != 1 {
			t.Errorf("the limit is %d", n)
		}
		// Both mailboxes of a pair are in this account.
		begin := time.Now()
		b = take()
		if d := time.Since(begin); d > 15*time.Second {
			t.Errorf("it takes %v", d)
		}
		srv.wantOpen(2)
		w.want("boxes", "all", "poll")
		w.wantErr(store.KindNone, "needed for mail")
		a.Close(t.Context())
		b.Close(t.Context())
		time.Sleep(2 * time.Hour)
		w.want("idle[INBOX]")
		srv.wantOpen(2)
	})
}
