package imap_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	otherimap "github.com/emersion/go-imap/v2/imapclient"

	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/testkit"
	"isync/internal/transport"
)

// TestWatchServers: real servers report what another client does, in the mode that each
// of them supports.
func TestWatchServers(t *testing.T) {
	type variant struct {
		name  string
		start func(testing.TB) testkit.Server
	}
	dovecot := func(cfg testkit.DovecotConfig) func(testing.TB) testkit.Server {
		return func(tb testing.TB) testkit.Server { tb.Helper(); return testkit.StartDovecot(tb, cfg) }
	}
	variants := []variant{
		{"dovecot-2.3", dovecot(testkit.DovecotConfig{})},
		{"dovecot-2.3-maildir", dovecot(testkit.DovecotConfig{Storage: "maildir:~/Maildir", Separator: ".", Prefix: "INBOX."})},
		{"as-gmail", dovecot(testkit.DovecotConfig{Capability: "IMAP4rev1 " + asGmail})},
		{"as-exchange", dovecot(testkit.DovecotConfig{Capability: "IMAP4rev1 " + asExchange})},
		{"as-yahoo", dovecot(testkit.DovecotConfig{Capability: "IMAP4rev1 " + asYahoo})},
	}
	for _, k := range testkit.Kinds() {
		variants = append(variants, variant{k.Name, k.Start})
	}
	modes := map[string]store.WatchMode{
		"dovecot-2.3": store.WatchNotify, "dovecot-2.3-maildir": store.WatchNotify, "dovecot-2.4": store.WatchNotify, "cyrus-3.10": store.WatchNotify,
		"as-gmail": store.WatchIdle, "as-exchange": store.WatchIdle, "cyrus": store.WatchIdle, "cyrus-modern": store.WatchIdle, "courier": store.WatchIdle,
		"as-yahoo": store.WatchPoll,
	}
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			server := v.start(t)
			server.AddUser(t, "alice")
			opts := options(t, server, "alice")
			if v.name == "courier" {
				// It reports nothing before the end of an IDLE.
				opts.IdleRefresh = time.Second
			}
			s := imap.New(opts)
			defer s.Close()
			w := watchReal(t, s, "INBOX", "box")
			if got := w.mode(); got != modes[v.name] {
				t.Fatalf("the mode is %v: %v", got, w.why())
			}
			if modes[v.name] == store.WatchPoll {
				return
			}
			all := modes[v.name] == store.WatchNotify
			other := &otherClient{t: t, c: server.Client(t, "alice"), traits: server.Traits()}
			w.settle()
			w.after("a new message", "INBOX", func() { other.append("INBOX") })
			w.after("a flag", "INBOX", func() { other.flag("INBOX", goimap.FlagFlagged) })
			w.after("an expunge", "INBOX", func() { other.flag("INBOX", goimap.FlagDeleted); other.expunge() })
			if !all {
				return
			}
			w.after("a new mailbox", "boxes", func() { other.create("box") })
			w.settle()
			w.after("a message in it", "box", func() { other.append("box") })
			w.after("a renamed mailbox", "boxes", func() { other.rename("box", "other") })
			w.settle()
			w.watch.Select([]string{"INBOX", "other"})
			w.after("a message in it", "other", func() { other.append("other") })
			other.create("subscribed")
			other.subscribe("subscribed", false)
			w.settle()
			opts.SubscribedOnly = true
			sub := imap.New(opts)
			defer sub.Close()
			v := watchReal(t, sub, "INBOX")
			v.settle()
			v.after("a subscription", "boxes", func() { other.subscribe("subscribed", true) })
			v.settle()
			v.after("its end", "boxes", func() { other.subscribe("subscribed", false) })
			w.settle()
			w.after("a removed mailbox", "boxes", func() { other.remove("other") })
		})
	}
}

// TestWatchReconnects: a server that was stopped for some time is watched again, and only
// what has changed is reported.
func TestWatchReconnects(t *testing.T) {
	server := testkit.StartDovecot(t, testkit.DovecotConfig{Users: []string{"alice"}})
	other := &otherClient{t: t, c: server.Client(t, "alice"), traits: server.Traits()}
	for i := range 5 {
		other.create(fmt.Sprint("box", i))
	}
	opts := options(t, server, "alice")
	conns := make(chan net.Conn, 100)
	opts.Client.Dial = func(ctx context.Context) (net.Conn, error) {
		conn, err := transport.DialTCP(ctx, server.Host, server.Port, 0)
		if err == nil {
			conns <- conn
		}
		return conn, err
	}
	s := imap.New(opts)
	defer s.Close()
	w := watchReal(t, s, "INBOX", "box0", "box1", "box2", "box3", "box4")
	w.settle()
	(<-conns).Close()
	w.wait("the connection to be lost", func() bool { return !w.last.Connected })
	other.append("box3")
	w.watch.Probe() // does not wait
	w.wait("the next connection", func() bool { return w.last.Connected })
	w.wait("the change", func() bool { return slices.Contains(w.reports, "box3") })
	time.Sleep(time.Second)
	w.look(func() {
		if !slices.Equal(w.reports, []string{"box3"}) {
			t.Errorf("reported: %q", w.reports)
		}
	})
}

// realWatch is a watch of a test with a real server.
type realWatch struct {
	t       *testing.T
	watch   store.Watch
	events  chan store.WatchReport
	last    store.WatchState
	reports []string
}

func watchReal(t *testing.T, s *imap.Store, boxes ...string) *realWatch {
	t.Helper()
	w := &realWatch{t: t, events: make(chan store.WatchReport, 1000)}
	var err error
	w.watch, err = s.Watch(context.Background(), store.WatchOptions{Boxes: boxes, Preferred: []string{"INBOX"}}, func(r store.WatchReport) { w.events <- r })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.watch.Close)
	w.wait("the first state", func() bool { return w.last.Connected })
	return w
}

// look handles what was reported, and calls f.
func (w *realWatch) look(f func()) {
	for {
		select {
		case r := <-w.events:
			w.note(r)
		default:
			f()
			return
		}
	}
}

func (w *realWatch) note(r store.WatchReport) {
	switch {
	case r.State != nil:
		w.last = *r.State
	case r.All:
		w.reports = append(w.reports, "all")
	case r.Boxes:
		w.reports = append(w.reports, "boxes")
	default:
		w.reports = append(w.reports, r.Box)
	}
}

// wait waits until what is reported makes done true.
func (w *realWatch) wait(what string, done func() bool) {
	w.t.Helper()
	limit := time.After(30 * time.Second)
	for !done() {
		select {
		case r := <-w.events:
			w.note(r)
		case <-limit:
			w.t.Fatalf("waited in vain for %s; reported: %q, state %+v", what, w.reports, w.last)
		}
	}
}

// settle waits until nothing is reported any more, and forgets what was.
func (w *realWatch) settle() {
	for {
		select {
		case r := <-w.events:
			w.note(r)
		case <-time.After(1500 * time.Millisecond):
			w.reports = nil
			return
		}
	}
}

// after does something, and waits for the report about it.
func (w *realWatch) after(what, report string, do func()) {
	w.t.Helper()
	w.reports = nil
	begin := time.Now()
	do()
	done := time.Now()
	w.wait("the report of "+what, func() bool { return slices.Contains(w.reports, report) })
	w.t.Logf("%s: done after %v, reported %v later", what, done.Sub(begin).Round(time.Millisecond), time.Since(done).Round(time.Millisecond))
}

func (w *realWatch) mode() store.WatchMode { return w.last.Mode }
func (w *realWatch) why() error            { return w.last.Err }

// otherClient is an IMAP client of another make.
type otherClient struct {
	t      *testing.T
	c      *otherimap.Client
	traits testkit.Traits
	// selected is the mailbox that is selected.
	selected string
	keywords int // that were set
}

func (o *otherClient) check(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// name returns what the server calls a mailbox.
func (o *otherClient) name(box string) string {
	if box == "INBOX" {
		return box
	}
	return o.traits.Prefix + box
}

func (o *otherClient) append(box string) {
	o.t.Helper()
	const body = "From: a@example.org\r\nSubject: x\r\n\r\ntext\r\n"
	cmd := o.c.Append(o.name(box), int64(len(body)), nil)
	_, err := io.WriteString(cmd, body)
	o.check(err)
	o.check(cmd.Close())
	_, err = cmd.Wait()
	o.check(err)
}

func (o *otherClient) flag(box string, flag goimap.Flag) {
	o.t.Helper()
	if o.selected != box {
		_, err := o.c.Select(o.name(box), nil).Wait()
		o.check(err)
		o.selected = box
	}
	set := goimap.SeqSet{}
	set.AddRange(1, 0)
	o.check(o.c.Store(set, &goimap.StoreFlags{Op: goimap.StoreFlagsAdd, Flags: []goimap.Flag{flag}}, nil).Close())
}

func (o *otherClient) expunge() {
	o.t.Helper()
	o.check(o.c.Expunge().Close())
}

func (o *otherClient) create(box string) {
	o.t.Helper()
	o.check(o.c.Create(o.name(box), nil).Wait())
}

func (o *otherClient) subscribe(box string, on bool) {
	o.t.Helper()
	if on {
		o.check(o.c.Subscribe(o.name(box)).Wait())
	} else {
		o.check(o.c.Unsubscribe(o.name(box)).Wait())
	}
}

func (o *otherClient) rename(box, to string) {
	o.t.Helper()
	o.check(o.c.Rename(o.name(box), o.name(to), nil).Wait())
}

func (o *otherClient) remove(box string) {
	o.t.Helper()
	o.check(o.c.Delete(o.name(box)).Wait())
}
