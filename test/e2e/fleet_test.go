//go:build linux

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"isync/internal/testkit"
)

// Many accounts are synchronized, some at a time, with the configuration of
// packaging/fleet. A third of the runs is killed. The home of such an account is copied
// to another directory tree, as to another machine, and the next run works there at once.
// In the end, each message is there once on both sides. Each has a header of its own, so
// that a message in the wrong account is noticed, too.

const (
	// fleetSize is how many accounts a sweep has, unless ISYNC_FLEET says so.
	fleetSize = 500
	// fleetWidth is how many of them are synchronized at a time.
	fleetWidth = 16
	// fleetKills is in how many rounds runs are killed.
	fleetKills = 3
	// fleetRTT is the round trip time of runs that may be killed. What they have sent may
	// arrive after they are dead.
	fleetRTT = 8 * time.Millisecond
	// fleetMails is how many messages an account has to begin with.
	fleetMails = 36
)

// TestFleet is a small part of TestSweepFleet.
func TestFleet(t *testing.T) {
	t.Parallel()
	guard(t, testLimit)
	const n, kills = 4, 2
	f := newFleet(t, n)
	f.grow(6)
	first := f.run(kills)
	f.change()
	second := f.run(kills)
	f.settle()
	f.check()
	t.Logf("%d and %d runs were killed", first.kills, second.kills)
	if first.kills+second.kills == 0 {
		t.Error("no run was killed")
	}
}

// TestSweepFleet has 500 accounts, and measures.
func TestSweepFleet(t *testing.T) {
	sweep(t)
	guard(t, 20*testLimit)
	n := fleetSize
	if s := os.Getenv("ISYNC_FLEET"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	f := newFleet(t, n)
	f.copier = []string{testkit.FindProgram(t, "rsync", "rsync"), "-a"}
	f.grow(fleetMails)
	t.Logf("first run: %v", f.run(0))
	f.run(0) // what it remembers may only be of use after the next run
	t.Logf("nothing changed: %v", f.run(0))
	f.change()
	t.Logf("some changes: %v", f.run(0))
	f.check()
	// Once more from the beginning, so that first runs are killed as well.
	f.forget()
	kills, midway := 0, 0
	for round := range fleetKills {
		if round > 0 {
			f.change()
		}
		p := f.run(n / 3)
		kills += p.kills
		midway += p.midway
		t.Logf("round %d: %v", round+1, p)
	}
	f.settle()
	f.check()
	t.Logf("%d accounts, %d messages, %d runs killed in %d rounds, %d of them midway: 0 lost, 0 doubled", n, f.messages(), kills, fleetKills, midway)
	if kills < fleetKills*(n/3)*3/4 || midway == 0 {
		t.Error("that is not often enough")
	}
}

// fleet is many accounts of one server.
type fleet struct {
	*homeWorld
	rnd     *rand.Rand
	holders []*holder
	typical time.Duration // how long a run takes
	copier  []string      // how homes are moved
	relay   *testkit.Relay
}

// holder is the owner of an account.
type holder struct {
	*homeWorld // its directory is the home of the account
	mails      []*fleetMail
	moves      int
}

// fleetMail is a message of an account.
type fleetMail struct {
	number int // in the account, from 1
	box    string
	letter
	dead bool
}

// fleetBoxes are the mailboxes of each account.
var fleetBoxes = []string{"INBOX", "Archive", "Lists/golang"}

func newFleet(t *testing.T, n int) *fleet {
	t.Helper()
	if err := lookAtSources(); err != nil {
		t.Fatal(err)
	}
	seed := seedOf(t)
	t.Logf("seed %d", seed)
	var users []string
	for i := range n {
		users = append(users, fmt.Sprintf("account%d", i))
	}
	w := &homeWorld{tb: t, server: testkit.StartDovecot(t, testkit.DovecotConfig{Users: users}), dir: t.TempDir()}
	w.at = w.server
	f := &fleet{
		homeWorld: w, rnd: rand.New(rand.NewPCG(seed, 1)), typical: 200 * time.Millisecond, copier: []string{"cp", "-a"},
		relay: testkit.StartRelay(t, w.server.TLSAddr(), fleetRTT),
	}
	f.write("ca.pem", string(w.at.At().CA.PEM()))
	for _, u := range users {
		h := &holder{homeWorld: w.as(u)}
		h.dir = w.path("machine0", u)
		f.holders = append(f.holders, h)
		for _, dir := range []string{h.path("Mail"), f.path("secrets", u)} {
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		f.write("secrets/"+u+"/user", u+"\n")
		f.write("secrets/"+u+"/password", testkit.Password+"\n")
	}
	return f
}

// dial makes the configuration that of packaging/fleet, for a port of this machine.
func (f *fleet) dial(port int) {
	f.tb.Helper()
	text, err := os.ReadFile("../../packaging/fleet/mbsyncrc")
	if err != nil {
		f.tb.Fatal(err)
	}
	const host = "Host imap.example.org\n"
	if !strings.Contains(string(text), host) {
		f.tb.Fatalf("there is no %q", host)
	}
	f.write("mbsyncrc", strings.Replace(string(text), host, fmt.Sprintf("Host localhost\nPort %d\nSystemCertificates no\nCertificateFile %s\n",
		port, f.path("ca.pem")), 1))
}

// mailHeader is the header that tells messages apart.
var mailHeader = regexp.MustCompile(`(?m)^X-Fleet: (\w+)/(\d+)$`)

// compose makes a new message.
func (f *fleet) compose(h *holder) *fleetMail {
	m := &fleetMail{number: len(h.mails) + 1, box: fleetBoxes[f.rnd.IntN(len(fleetBoxes))]}
	m.letter = note(m.number, 200<<f.rnd.IntN(8))
	m.text = fmt.Sprintf("X-Fleet: %s/%d\n%s", h.user, m.number, m.text)
	if f.rnd.IntN(3) == 0 {
		m.flags = "S"
	}
	h.mails = append(h.mails, m)
	return m
}

// each does something with each account, some at a time.
func (f *fleet) each(do func(h *holder)) {
	f.tb.Helper()
	var wg sync.WaitGroup
	list := make(chan *holder)
	for range fleetWidth {
		wg.Go(func() {
			for h := range list {
				// A goroutine of its own, since a fatal error ends only the goroutine.
				var one sync.WaitGroup
				one.Go(func() { do(h) })
				one.Wait()
			}
		})
	}
	for _, h := range f.holders {
		list <- h
	}
	close(list)
	wg.Wait()
	if f.tb.Failed() {
		f.tb.FailNow()
	}
}

// grow gives each account n messages on the server.
func (f *fleet) grow(n int) {
	f.tb.Helper()
	for _, h := range f.holders {
		for range n {
			f.compose(h)
		}
	}
	f.each(func(h *holder) {
		mails := map[string][]letter{}
		for _, box := range fleetBoxes {
			mails[box] = nil // so that it is created
		}
		for _, m := range h.mails {
			mails[m.box] = append(mails[m.box], m.letter)
		}
		h.sendAll(mails)
	})
}

// forget empties all homes, as if no run had ever been.
func (f *fleet) forget() {
	f.tb.Helper()
	for _, h := range f.holders {
		for _, dir := range []string{"Mail", ".cache"} {
			if err := os.RemoveAll(h.path(dir)); err != nil {
				f.tb.Fatal(err)
			}
		}
		if err := os.Mkdir(h.path("Mail"), 0o700); err != nil {
			f.tb.Fatal(err)
		}
	}
}

// Changes to each side of an account between two runs: so many messages are new, get
// another flag, and are deleted.
const newMails, flaggedMails, goneMails = 6, 2, 1

// change changes each account on both sides, but no message on both.
func (f *fleet) change() {
	f.tb.Helper()
	type changes struct{ far, near, newFar, newNear []*fleetMail }
	all := map[*holder]changes{}
	for _, h := range f.holders {
		var alive []*fleetMail
		for _, m := range h.mails {
			if !m.dead {
				alive = append(alive, m)
			}
		}
		f.rnd.Shuffle(len(alive), func(i, j int) { alive[i], alive[j] = alive[j], alive[i] })
		const each = flaggedMails + goneMails
		far, near := alive[:each], alive[each:2*each]
		for _, m := range alive[:2*each] {
			letters := strings.Split(m.flags+"DFPRS"[f.rnd.IntN(5):][:1], "")
			slices.Sort(letters)
			m.flags = strings.Join(slices.Compact(letters), "")
		}
		for _, m := range slices.Concat(far[flaggedMails:], near[flaggedMails:]) {
			m.dead = true
		}
		c := changes{far: far, near: near}
		for range newMails {
			c.newFar = append(c.newFar, f.compose(h))
			c.newNear = append(c.newNear, f.compose(h))
		}
		all[h] = c
	}
	f.each(func(h *holder) {
		c := all[h]
		h.changeFar(c.far)
		h.changeNear(c.near)
		mails := map[string][]letter{}
		for _, m := range c.newFar {
			mails[m.box] = append(mails[m.box], m.letter)
		}
		h.sendAll(mails)
		for _, m := range c.newNear {
			h.deliver(m.box, m.letter)
		}
	})
}

// numberOfMail returns the number of a message in its account.
func (h *holder) numberOfMail(text string) int {
	h.tb.Helper()
	header, _, _ := strings.Cut(text, "\n\n")
	if m := mailHeader.FindStringSubmatch(header); m != nil && m[1] == h.user {
		n, err := strconv.Atoi(m[2])
		if err == nil && n >= 1 && n <= len(h.mails) {
			return n
		}
	}
	h.tb.Errorf("this message does not belong to %s:\n%.300s", h.user, text)
	return 0
}

// changeFar gives messages on the server the flags that they have now, and removes those
// that are dead.
func (h *holder) changeFar(mails []*fleetMail) {
	h.tb.Helper()
	uids := map[int]uint32{}
	for _, list := range h.farAll(fleetBoxes...) {
		for _, l := range list {
			uids[h.numberOfMail(l.text)] = l.uid
		}
	}
	c := h.at.Client(h.tb, h.user)
	for _, m := range mails {
		if _, err := c.Select(m.box, nil).Wait(); err != nil {
			h.tb.Fatal(err)
		}
		uid := uidSet([]uint32{uids[m.number]})
		store := &imap.StoreFlags{Op: imap.StoreFlagsSet, Silent: true}
		flags := m.flags
		if m.dead {
			flags = "T"
		}
		for _, f := range imapFlags(flags) {
			store.Flags = append(store.Flags, imap.Flag(f))
		}
		if err := c.Store(uid, store, nil).Close(); err != nil {
			h.tb.Fatal(err)
		}
		if m.dead {
			if err := c.UIDExpunge(uid).Close(); err != nil {
				h.tb.Fatal(err)
			}
		}
	}
	h.logout(c)
}

// nearBox is the directory of a mailbox.
func (h *holder) nearBox(box string) string { return h.path("Mail", filepath.FromSlash(box)) }

// deliver puts a message into a Maildir.
func (h *holder) deliver(box string, l letter) {
	h.tb.Helper()
	name := fmt.Sprintf("%d.M1P7.host:2,%s", 1700000000+delivered.next(), l.flags)
	if err := os.WriteFile(filepath.Join(h.nearBox(box), "cur", name), []byte(l.text), 0o600); err != nil {
		h.tb.Fatal(err)
	}
}

// changeNear does the same as changeFar, in the Maildir.
func (h *holder) changeNear(mails []*fleetMail) {
	h.tb.Helper()
	files := map[int]string{}
	for _, box := range fleetBoxes {
		for _, l := range readMaildir(h.tb, h.nearBox(box)) {
			files[h.numberOfMail(l.text)] = l.file
		}
	}
	for _, m := range mails {
		path := files[m.number]
		var err error
		if m.dead {
			err = os.Remove(path)
		} else {
			err = os.Rename(path, withFlags(path, m.flags))
		}
		if err != nil {
			h.tb.Fatalf("message %d of %s: %v", m.number, h.user, err)
		}
	}
}

// check compares both sides of all accounts with what should be there.
func (f *fleet) check() {
	f.tb.Helper()
	f.each(func(h *holder) {
		h.compareSide("server", h.farAll(fleetBoxes...))
		near := map[string][]found{}
		for _, box := range fleetBoxes {
			near[box] = readMaildir(f.tb, h.nearBox(box))
		}
		h.compareSide(h.dir, near)
	})
}

func (h *holder) compareSide(place string, boxes map[string][]found) {
	h.tb.Helper()
	times := map[int]int{}
	for box, list := range boxes {
		for _, l := range list {
			n := h.numberOfMail(l.text)
			if n == 0 {
				continue
			}
			times[n]++
			switch m := h.mails[n-1]; {
			case m.dead:
				h.tb.Errorf("%s, %s: message %d was deleted, and is there", h.user, place, n)
			case m.box != box:
				h.tb.Errorf("%s, %s: message %d is in %s, not in %s", h.user, place, n, box, m.box)
			case l.text != m.text:
				h.tb.Errorf("%s, %s: message %d is\n%.300s", h.user, place, n, l.text)
			case l.flags != m.flags:
				h.tb.Errorf("%s, %s: message %d has the flags %q, not %q", h.user, place, n, l.flags, m.flags)
			}
		}
	}
	for _, m := range h.mails {
		if n := times[m.number]; !m.dead && n != 1 {
			h.tb.Errorf("%s, %s: message %d is there %d times", h.user, place, m.number, n)
		}
	}
}

// messages counts the existing messages.
func (f *fleet) messages() (n int) {
	for _, h := range f.holders {
		for _, m := range h.mails {
			if !m.dead {
				n++
			}
		}
	}
	return n
}

// TestFleetConfined runs as somebody who can write only what the manifest for Kubernetes lets
// the pod write: the mail and the cache, and /tmp.
func TestFleetConfined(t *testing.T) {
	t.Parallel()
	guard(t, testLimit)
	who := nobody(t)
	f := newFleet(t, 1)
	f.grow(6)
	f.dial(f.server.TLSPort)
	h := f.holders[0]
	give := func(path string) {
		t.Helper()
		if who == nil {
			return
		}
		if err := os.Chown(path, int(who.Uid), int(who.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(h.path(".cache"), 0o700); err != nil {
		t.Fatal(err)
	}
	give(h.path("Mail"))
	give(h.path(".cache"))
	for _, name := range []string{"mbsyncrc", "ca.pem", "secrets/" + h.user, "secrets/" + h.user + "/user", "secrets/" + h.user + "/password"} {
		give(f.path(name))
	}
	for _, dir := range []string{filepath.Dir(f.dir), f.dir, f.path("secrets"), f.path("machine0"), h.dir} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		r := h.startBare(who, program{name: "ours", path: "/usr/bin/env"},
			"CREDENTIALS_DIRECTORY="+f.path("secrets", h.user), binary, "-c", f.path("mbsyncrc"), "-a").wait()
		if bad := complaints(r.stdout + r.stderr); r.code != 0 || len(bad) > 0 {
			t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
		}
	}
	f.check()
	list, err := os.ReadDir(h.dir)
	if err != nil || len(list) != 2 {
		t.Errorf("in the home are %v, %v", list, err)
	}
	if cached, err := os.ReadDir(h.path(".cache")); err != nil || len(cached) == 0 {
		t.Errorf("in the cache are %v, %v", cached, err)
	}
}
