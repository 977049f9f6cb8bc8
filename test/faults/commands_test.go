package faults

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	client "github.com/emersion/go-imap/v2/imapclient"

	"isync/internal/imapclient"
	"isync/internal/mail"
	"isync/internal/store"
	imapstore "isync/internal/store/imap"
	"isync/internal/syncstate"
	"isync/internal/testkit"
)

// office has a far side on a server, seen through a proxy, and near Maildirs.
// It is for one goroutine.
type office struct {
	proxy     *proxy
	client    *client.Client // of another make, straight to the server
	user      string
	templates map[string]template
}

// boxes numbers the mailboxes that are made.
var boxes atomic.Int64

func newOffice(t *testing.T, d *testkit.Dovecot, user string) *office {
	t.Helper()
	return &office{newProxy(t, d.Addr()), d.Client(t, user), user, make(map[string]template)}
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
func (o *office) template(t testing.TB, far string) template {
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
		text := body(name, "\r\n")
		cmd := o.client.Append(tm.name, int64(len(text)), opts)
		_, err := io.WriteString(cmd, text)
		check(t, err)
		check(t, cmd.Close())
		_, err = cmd.Wait()
		check(t, err)
		tm.n++
	}
	for _, m := range parseSide(t, far) {
		for mail.UID(tm.n+1) < m.uid {
			tm.dummy.AddNum(imap.UID(tm.n + 1))
			add("DUMMY", mail.FlagDeleted)
		}
		add(m.name, m.flags)
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
	validity := [2]uint32{farValidity, nearValidity}
	if sc.far != "!" {
		tm := o.template(t, sc.far)
		check(t, o.client.Create(w.name, nil).Wait())
		if tm.n > 0 {
			_, err := o.client.Select(tm.name, nil).Wait()
			check(t, err)
			_, err = o.client.Copy(imap.UIDSet{{Start: 1, Stop: imap.UID(tm.n)}}, w.name).Wait()
			check(t, err)
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
		w.write(t, statePath, stateFile(sc.state, validity))
	}
	return w
}

// run synchronizes through the proxy.
func (w *place) run(t testing.TB, c rules, seed uint64) (*log, error) {
	var mu sync.Mutex
	var warnings []string
	addr := w.proxy.listen.Addr().(*net.TCPAddr)
	far := imapstore.New(imapstore.Options{
		Name:   "far",
		Client: imapclient.Options{Host: "127.0.0.1", Port: addr.Port, Timeout: 20 * time.Second},
		Login: func(ctx context.Context, c *imapclient.Client) error {
			return c.Login(ctx, w.user, testkit.Password)
		},
		UseNamespace: true,
		Warn: func(text, _ string) {
			mu.Lock()
			defer mu.Unlock()
			warnings = append(warnings, "store 'far': "+text)
		},
	})
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	l, err := synchronize(ctx, c, [2]store.Store{far, maildirStore(t, syncstate.Near, w.Mem)}, w.farBox, w.Mem, seed)
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

func (o *office) lookAt(t testing.TB, name string) (list []message, missing bool) {
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
			got := message{uid: mail.UID(m.UID), name: nameOf(string(m.FindBodySection(whole)))}
			for f, flag := range letterFlags {
				if slices.ContainsFunc(m.Flags, func(f imap.Flag) bool { return strings.EqualFold(string(f), string(flag)) }) {
					got.flags |= f
				}
			}
			list = append(list, got)
		}
	}
	check(t, o.client.Unselect().Wait())
	return list, false
}

// point is one command of a scenario and how it fails.
type point struct {
	scenario
	nth int
	how string
}

// expected is what a scenario ends with, and the commands that takes.
type expected struct {
	want     string
	commands []string
}

// slow reports whether the n-th command (from 0) is the login on a second
// connection. If that fails the store tries to do with one, for ten seconds.
func (e *expected) slow(n int) bool {
	return n > 0 && strings.HasPrefix(e.commands[n], "LOGIN")
}

// undisturbed runs a scenario without failures.
func (o *office) undisturbed(t *testing.T, sc scenario) expected {
	t.Helper()
	w := o.world(t, sc)
	o.proxy.inject(0, "")
	if l, err := w.run(t, parseRules(t, sc.rules), 1); l.text(err) != "" {
		t.Fatalf("%s: %s", sc.name, l.text(err))
	}
	s := w.look(t)
	if err := s.consistent(); err != nil {
		t.Fatalf("%s: %v", sc.name, err)
	}
	return expected{s.text(), o.proxy.seen()}
}

// try makes a command fail. It reports whether there was one.
func (o *office) try(t *testing.T, pt point, want string) bool {
	t.Helper()
	c := parseRules(t, pt.rules)
	w := o.world(t, pt.scenario)
	o.proxy.inject(pt.nth, pt.how)
	l, err := w.run(t, c, 1)
	commands := o.proxy.seen()
	o.proxy.inject(0, "")
	if len(commands) < pt.nth {
		return false
	}
	said := l.text(err)
	where := fmt.Sprintf("%s: %s at command %d, %.60s\nwhich said: %s\n", pt.name, pt.how, pt.nth, commands[pt.nth-1], said)
	if said != "" && !strings.Contains(said, "far") && !strings.Contains(said, "of near") {
		t.Errorf("%sdoes not say where it failed", where)
	}
	if told := pt.how == answerNo || pt.how == answerBad || pt.how == sayBye; told && said != "" && !strings.Contains(said, "injected failure") && !strings.Contains(said, "server refused") {
		t.Errorf("%sdoes not say what the server said", where)
	}
	at := w.look(t).text()
	again, err := w.run(t, c.again(l, err), 2)
	if err != nil && strings.Contains(want, "state: false") && w.look(t).text() == want {
		err = nil // both mailboxes are gone, which is all there is to say
	}
	if err != nil || again.failed > 0 {
		t.Errorf("%sthe next run fails: %s\nbefore it\n%s", where, again.text(err), at)
		return true
	}
	s := w.look(t)
	if got := s.text(); got != want {
		t.Errorf("%sthe next run ends with\n%swant\n%sbefore it\n%s", where, got, want, at)
	}
	if err := s.consistent(); err != nil {
		t.Errorf("%s%v", where, err)
	}
	return true
}

// tryAll makes commands fail, in a random order, until all have or the time is
// over.
func tryAll(t *testing.T, d time.Duration, sample bool) {
	const workers = 3
	users := make([]string, workers)
	for i := range users {
		users[i] = fmt.Sprintf("user%d", i)
	}
	server := testkit.StartDovecot(t, testkit.DovecotConfig{Users: users})
	begin := time.Now()
	offices := make([]*office, workers)
	for i, u := range users {
		offices[i] = newOffice(t, server, u)
	}
	wants := make(map[string]expected)
	var points []point
	for _, sc := range scenarios {
		e := offices[0].undisturbed(t, sc)
		wants[sc.name] = e
		for n := range e.commands {
			if sample && e.slow(n) {
				continue
			}
			for _, how := range commandFaults {
				points = append(points, point{sc, n + 1, how})
			}
		}
	}
	all := len(points)
	rng := rand.New(rand.NewPCG(uint64(d), 5))
	rng.Shuffle(all, func(i, j int) { points[i], points[j] = points[j], points[i] })
	var tried, next atomic.Int64
	t.Run("points", func(t *testing.T) {
		for _, o := range offices {
			t.Run(o.user, func(t *testing.T) {
				t.Parallel()
				for time.Since(begin) < d && !t.Failed() {
					n := int(next.Add(1)) - 1
					if n >= all {
						return
					}
					if o.try(t, points[n], wants[points[n].name].want) {
						tried.Add(1)
					}
				}
			})
		}
	})
	t.Logf("%d of %d failing commands", tried.Load(), all)
}

func TestFailingCommands(t *testing.T) { tryAll(t, 6*time.Second, true) }

func TestSweepFailingCommands(t *testing.T) { tryAll(t, max(sweep(t), time.Minute), false) }
