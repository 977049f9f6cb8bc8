//go:build linux

package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"isync/internal/testkit"
)

// missedAfter is how long an event of interimap may take. Then it counts as this long, and the
// next one follows: Dovecot does not report all changes of the mailbox that interimap has
// selected.
const missedAfter = 20 * time.Second

// interimapLine is interimap between two accounts of a server: user, behind a line
// with a round-trip time, and replica.
type interimapLine struct {
	t         *testing.T
	far, near *imapclient.Client // far: user, near: replica, with INBOX selected
	state     *imapclient.Client // of replica, with no mailbox selected
	rnd       *rand.Rand
	sent      int
}

// interimapLatency measures interimap, whose near side is a server, too.
func interimapLatency(t *testing.T, rtt, d time.Duration, args ...string) map[string]latencies {
	t.Helper()
	program := testkit.FindProgram(t, "interimap", "interimap")
	guard(t, time.Hour)
	server := testkit.StartDovecot(t, testkit.DovecotConfig{Users: []string{"user", "replica"}})
	relay := testkit.StartRelay(t, server.Addr(), rtt)
	dir := t.TempDir()
	section := func(port int, user string) string {
		return fmt.Sprintf("type = imap\nhost = 127.0.0.1\nport = %d\nSTARTTLS = NO\nauth = LOGIN PLAIN\nusername = %s\npassword = %s\n", port, user, testkit.Password)
	}
	conf := filepath.Join(dir, "conf")
	text := fmt.Sprintf("database = %s\nlist-mailbox = INBOX\nlogfile = %s\n\n[local]\n%s\n[remote]\n%s",
		filepath.Join(dir, "db"), filepath.Join(dir, "log"), section(server.Port, "replica"), section(relay.Port(), "user"))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l := &interimapLine{t: t, far: server.Client(t, "user"), near: server.Client(t, "replica"), state: server.Client(t, "replica"), rnd: rand.New(rand.NewPCG(1, 3))}
	for _, c := range []*imapclient.Client{l.far, l.near} {
		if err := c.Subscribe("INBOX").Wait(); err != nil {
			t.Fatal(err)
		}
	}
	l.add(l.far)
	// --notify needs a database, which only a run without it makes.
	if out, err := exec.Command(program, "--quiet", "--config="+conf).CombinedOutput(); err != nil {
		t.Fatalf("interimap: %v\n%s", err, out)
	}
	if _, err := l.near.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, append([]string{"--quiet", "--config=" + conf}, args...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	// It selects the mailbox after the first event. Until then, Dovecot reports changes of this
	// mailbox every 30 seconds only.
	time.Sleep(3 * time.Second)
	l.add(l.far)
	for begin := time.Now(); l.messages(l.state) < 2 && time.Since(begin) < time.Minute; {
		time.Sleep(10 * time.Millisecond)
	}
	out := map[string]latencies{}
	for begin := time.Now(); len(out["flag to server"]) < 200 && time.Since(begin) < d; {
		l.rest()
		n := l.messages(l.state)
		l.add(l.far)
		out["server to local server"] = append(out["server to local server"], l.wait(func() bool { return l.messages(l.state) > n }))
		l.rest()
		n = l.messages(l.far)
		l.add(l.state)
		out["local server to server"] = append(out["local server to server"], l.wait(func() bool { return l.messages(l.far) > n }))
		l.rest()
		n = l.unseen(l.far)
		l.see()
		out["flag to server"] = append(out["flag to server"], l.wait(func() bool { return l.unseen(l.far) < n }))
	}
	return out
}

func (l *interimapLine) rest() {
	time.Sleep(400*time.Millisecond + time.Duration(l.rnd.Int64N(int64(600*time.Millisecond))))
}

func (l *interimapLine) add(c *imapclient.Client) {
	l.t.Helper()
	l.sent++
	text := note(l.sent, 300).crlf()
	cmd := c.Append("INBOX", int64(len(text)), nil)
	_, err := cmd.Write([]byte(text))
	err = errors.Join(err, cmd.Close())
	if _, werr := cmd.Wait(); err != nil || werr != nil {
		l.t.Fatal(err, werr)
	}
}

func (l *interimapLine) status(c *imapclient.Client, o *imap.StatusOptions) *imap.StatusData {
	l.t.Helper()
	st, err := c.Status("INBOX", o).Wait()
	if err != nil {
		l.t.Fatal(err)
	}
	return st
}

func (l *interimapLine) messages(c *imapclient.Client) int {
	l.t.Helper()
	return int(*l.status(c, &imap.StatusOptions{NumMessages: true}).NumMessages)
}

func (l *interimapLine) unseen(c *imapclient.Client) int {
	l.t.Helper()
	return int(*l.status(c, &imap.StatusOptions{NumUnseen: true}).NumUnseen)
}

// see marks a message of the replica as read.
func (l *interimapLine) see() {
	l.t.Helper()
	if err := l.near.Noop().Wait(); err != nil {
		l.t.Fatal(err)
	}
	found, err := l.near.UIDSearch(&imap.SearchCriteria{NotFlag: []imap.Flag{imap.FlagSeen}}, nil).Wait()
	if err != nil || len(found.AllUIDs()) == 0 {
		l.t.Fatal("no message to be marked", err)
	}
	flags := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagSeen}}
	if err := l.near.Store(imap.UIDSetNum(found.AllUIDs()[0]), flags, nil).Close(); err != nil {
		l.t.Fatal(err)
	}
}

func (l *interimapLine) wait(ok func() bool) time.Duration {
	begin := time.Now()
	for !ok() && time.Since(begin) < missedAfter {
		time.Sleep(500 * time.Microsecond)
	}
	return time.Since(begin)
}

// timerInterval is how often mbsync is started by the timer of timerLatency. People use a
// minute or more.
const timerInterval = 10 * time.Second

// timerLatency measures mbsync 1.5.1 that is started at intervals, with kinds of events in
// mailboxes of their own.
func timerLatency(t *testing.T, rtt, d time.Duration) map[string]latencies {
	t.Helper()
	p := theirs15(t)
	w := newWorld(t, setup{endless: true, account: "AuthMechs LOGIN", channel: "Patterns INBOX a b\nCreate Both\nExpunge Both"})
	w.sendAll(map[string][]letter{"INBOX": notes(1, 1), "a": notes(2, 1), "b": notes(3, 300)[:1]})
	for i := range 200 {
		w.send("b", note(1000+i, 100))
	}
	relay := testkit.StartRelay(t, w.server.Addr(), rtt)
	w.configure(strings.Replace(w.config(), fmt.Sprintf("Port %d\n", w.server.Port), fmt.Sprintf("Port %d\n", relay.Port()), 1))
	if r := w.run(p, "-a"); r.code != 0 {
		t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var timer, events sync.WaitGroup
	timer.Go(func() {
		tick := time.NewTicker(timerInterval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				cmd := exec.Command(p.path, append([]string{"-c", w.rcFile(), "-q", "-a"}, p.args...)...)
				cmd.Dir, cmd.Env = w.dir, w.env()
				_ = cmd.Run()
			}
		}
	})
	out := map[string]latencies{}
	var mu sync.Mutex
	for i, kind := range []struct {
		name, box string
		event     func(l *latencyWorld, box string) time.Duration
	}{
		{"server to file", "INBOX", func(l *latencyWorld, box string) time.Duration { took, _ := l.arrives(box); return took }},
		{"file to server", "a", (*latencyWorld).leaves},
		{"flag to server", "b", (*latencyWorld).flag},
	} {
		l := &latencyWorld{watched: &watched{homeWorld: w}, c: w.at.Client(t, w.user), rnd: rand.New(rand.NewPCG(1, uint64(i))), sent: 2000 + 1000*i, announcer: &announcer{}}
		events.Go(func() {
			for begin := time.Now(); time.Since(begin) < d; {
				time.Sleep(time.Duration(l.rnd.Int64N(int64(timerInterval))))
				took := kind.event(l, kind.box)
				mu.Lock()
				out[kind.name] = append(out[kind.name], took)
				mu.Unlock()
			}
		})
	}
	events.Wait()
	cancel()
	timer.Wait()
	return out
}
