package faults

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	client "github.com/emersion/go-imap/v2/imapclient"

	"isync/internal/event"
	"isync/internal/imapclient"
	"isync/internal/mail"
	"isync/internal/memo"
	"isync/internal/store"
	imapstore "isync/internal/store/imap"
	"isync/internal/syncstate"
	"isync/internal/testkit"
	"isync/internal/testkit/notation"
	"isync/internal/ui"
	"isync/internal/vfs"
)

// desk is an account on a server, with a client of another make that is connected
// straight to it.
type desk struct {
	client    *client.Client
	server    *testkit.Dovecot
	user      string
	templates map[string]template
}

func newDesk(t *testing.T, d *testkit.Dovecot, user string) *desk {
	t.Helper()
	return &desk{d.Client(t, user), d, user, make(map[string]template)}
}

// office has a far side on a server, seen through a proxy and by way of one of
// the variants of the program, and near Maildirs. It is for one goroutine.
type office struct {
	*desk
	variant testkit.Variant
	proxy   *proxy
}

// boxes numbers the mailboxes that are made.
var boxes atomic.Int64

// newOffice makes an office. tap listens in on the line between the proxy and the server.
func newOffice(t *testing.T, d *desk, v testkit.Variant, tap *testkit.Wiretap) *office {
	t.Helper()
	relay := testkit.StartTappedRelay(t, d.server.Addr(), v.RTT, tap)
	return &office{d, v, newProxy(t, relay.Addr())}
}

// template is a mailbox on the server with the messages of a scenario.
type template struct {
	name  string
	dummy imap.UIDSet // messages that only take up UIDs
	n     int
}

var letterFlags = map[mail.Flags]imap.Flag{
	mail.FlagDraft: imap.FlagDraft, mail.FlagFlagged: imap.FlagFlagged, mail.FlagForwarded: imap.FlagForwarded,
	mail.FlagAnswered: imap.FlagAnswered, mail.FlagSeen: imap.FlagSeen, mail.FlagDeleted: imap.FlagDeleted,
}

// template makes the template of a scenario's far side.
func (o *desk) template(t testing.TB, far string) template {
	t.Helper()
	if tm, ok := o.templates[far]; ok {
		return tm
	}
	tm := template{name: fmt.Sprintf("template%d", boxes.Add(1))}
	check(t, o.client.Create(tm.name, nil).Wait())
	add := func(name string, flags mail.Flags) {
		opts := &imap.AppendOptions{}
		for f, name := range letterFlags {
			if flags.Has(f) {
				opts.Flags = append(opts.Flags, name)
			}
		}
		text := notation.Body(name, "\r\n")
		cmd := o.client.Append(tm.name, int64(len(text)), opts)
		_, err := io.WriteString(cmd, text)
		check(t, err)
		check(t, cmd.Close())
		_, err = cmd.Wait()
		check(t, err)
		tm.n++
	}
	for _, m := range notation.ParseSide(t, far).Messages {
		for mail.UID(tm.n+1) < m.UID {
			tm.dummy.AddNum(imap.UID(tm.n + 1))
			add("DUMMY", mail.FlagDeleted)
		}
		add(m.Name, m.Flags)
	}
	o.templates[far] = tm
	return tm
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// place is a world of an office.
type place struct {
	*office
	disk
	farBox
}

// world makes the world of a scenario.
func (o *office) world(t testing.TB, sc scenario) *place {
	t.Helper()
	n := boxes.Add(1)
	w := &place{o, newDisk(t), farBox{fmt.Sprintf("box%d", n), fmt.Sprintf("trash%d", n)}}
	validity := [2]uint32{notation.Validity[0], notation.Validity[1]}
	if sc.far != "!" {
		tm := o.template(t, sc.far)
		check(t, o.client.Create(w.name, nil).Wait())
		copied := func(from, to int) {
			_, err := o.client.Select(tm.name, nil).Wait()
			check(t, err)
			_, err = o.client.Copy(imap.UIDSet{{Start: imap.UID(from), Stop: imap.UID(to)}}, w.name).Wait()
			check(t, err)
		}
		old := tm.n / 2
		if old > 0 {
			copied(1, old)
			w.changing(t, func() { w.remember(t) })
		}
		if tm.n > old {
			copied(old+1, tm.n)
		}
		sel, err := o.client.Select(w.name, nil).Wait()
		check(t, err)
		validity[0] = sel.UIDValidity
		if len(tm.dummy) > 0 {
			check(t, o.client.UIDExpunge(tm.dummy).Close())
		}
		check(t, o.client.Unselect().Wait())
	}
	w.setMaildir(t, syncstate.Near, sc.near)
	if sc.state != "!" {
		w.write(t, statePath, string(notation.StateFile(sc.state, validity, syncstate.Near)))
	}
	w.Mem = w.CrashClone(100, nil) // on which everything is durable
	return w
}

// changing changes a flag of the first message in the far mailbox, and, after
// something else, changes it back.
func (w *place) changing(t testing.TB, then func()) {
	t.Helper()
	flip := func(op imap.StoreFlagsOp) {
		_, err := w.client.Select(w.name, nil).Wait()
		check(t, err)
		store := &imap.StoreFlags{Op: op, Silent: true, Flags: []imap.Flag{imap.FlagAnswered}}
		check(t, w.client.Store(imap.SeqSetNum(1), store, nil).Close())
		check(t, w.client.Unselect().Wait())
	}
	msgs, err := w.client.Select(w.name, nil).Wait()
	check(t, err)
	if msgs.NumMessages == 0 {
		then()
		return
	}
	data, err := w.client.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{Flags: true}).Collect()
	check(t, err)
	first, back := imap.StoreFlagsAdd, imap.StoreFlagsDel
	if slices.Contains(data[0].Flags, imap.FlagAnswered) {
		first, back = back, first
	}
	flip(first)
	then()
	flip(back)
}

// remember lists the far mailbox as it is, so that the program has something to
// remember it by in which not everything is up to date.
func (w *place) remember(t testing.TB) {
	t.Helper()
	if w.variant.NoCache {
		return
	}
	ctx := context.Background()
	far := imapstore.New(w.options(w.Mem, w.server.Port))
	defer far.Close()
	box, err := far.Open(ctx, w.name, store.OpenRequest{})
	check(t, err)
	_, err = box.Scan(ctx, store.Need{UIDs: mail.UIDsFrom(1), Flags: true})
	check(t, err)
	box.(store.Rememberer).Remember(ctx)
	check(t, box.Close(ctx))
}

// options are those of the far store.
func (w *place) options(files vfs.FS, port int) imapstore.Options {
	v := w.variant
	o := imapstore.Options{
		Name: "far",
		Client: imapclient.Options{
			Host: "127.0.0.1", Port: port, Timeout: 20 * time.Second,
			DisableExtensions: v.DisableExtensions, PipelineDepth: v.PipelineDepth, Compression: imapclient.CompressSlow,
		},
		Login: func(ctx context.Context, c *imapclient.Client) error {
			return c.Login(ctx, w.user, testkit.Password)
		},
		MaxSessions:  cmp.Or(v.Connections, 3),
		UseNamespace: true,
		Account:      func(context.Context) (string, error) { return w.user, nil },
	}
	if v.Compress {
		o.Client.Compression = imapclient.CompressAlways
	}
	if v.RTT > 0 {
		o.Client.Line = slowLine{} // there is too little to measure
	}
	if !v.NoCache {
		o.Listings, o.Server = memo.NewDir(files, "/cache"), "server of "+w.user
	}
	return o
}

// slowLine is a line that was found to be slow in an earlier run.
type slowLine struct{}

func (slowLine) Slow(string) (slow, known bool) { return true, true }

func (slowLine) Measured(string, float64, bool) {}

// run synchronizes through the proxy.
func (w *place) run(t testing.TB, c notation.Rules, files vfs.FS, seed uint64) (*log, error) {
	var mu sync.Mutex
	var warnings []string
	opts := w.options(files, w.proxy.listen.Addr().(*net.TCPAddr).Port)
	opts.Warn = func(f event.Fact) {
		text, _ := ui.Text(f)
		mu.Lock()
		defer mu.Unlock()
		warnings = append(warnings, "store 'far': "+text)
	}
	far := imapstore.New(opts)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	l, err := synchronize(ctx, c, [2]store.Store{far, maildirStore(t, syncstate.Near, files)}, w.farBox, files, seed)
	w.proxy.settle(t)
	mu.Lock()
	defer mu.Unlock()
	l.trouble = append(l.trouble, warnings...)
	return l, err
}

// look takes the picture, straight from the server.
func (w *place) look(t testing.TB) *shot {
	t.Helper()
	s := &shot{}
	s.box[0], s.missing[0] = w.lookAt(t, w.name)
	s.trash[0], _ = w.lookAt(t, w.trash)
	var ok bool
	var err error
	s.box[1], ok, err = w.maildir(syncstate.Near, "box")
	check(t, err)
	s.missing[1] = !ok
	s.trash[1], _, err = w.maildir(syncstate.Near, "trash")
	check(t, err)
	s.state, err = w.stateText()
	check(t, err)
	return s
}

func (o *desk) lookAt(t testing.TB, name string) (list []notation.Message, missing bool) {
	t.Helper()
	found, err := o.client.List("", name, nil).Collect()
	check(t, err)
	if len(found) == 0 {
		return nil, true
	}
	sel, err := o.client.Select(name, &imap.SelectOptions{ReadOnly: true}).Wait()
	check(t, err)
	if sel.NumMessages > 0 {
		whole := &imap.FetchItemBodySection{Peek: true}
		all, err := o.client.Fetch(imap.UIDSet{{Start: 1}}, &imap.FetchOptions{
			UID: true, Flags: true, BodySection: []*imap.FetchItemBodySection{whole},
		}).Collect()
		check(t, err)
		for _, m := range all {
			got := notation.Message{UID: mail.UID(m.UID), Name: notation.NameOf(string(m.FindBodySection(whole)))}
			for f, flag := range letterFlags {
				if slices.ContainsFunc(m.Flags, func(f imap.Flag) bool { return strings.EqualFold(string(f), string(flag)) }) {
					got.Flags |= f
				}
			}
			list = append(list, got)
		}
	}
	check(t, o.client.Unselect().Wait())
	return list, false
}
