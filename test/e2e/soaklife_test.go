//go:build linux

package e2e

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	diff "github.com/google/go-cmp/cmp"

	"isync/internal/syncstate"
)

// life is what happens to one server and one home directory. It consists of rounds, in
// which everything goes wrong, and after some of them a calm: the line is good, nobody
// changes anything, runs complete the work, and both sides are compared with the
// record of the mail reader.
type life struct {
	*homeWorld
	kind   string
	seed   uint64
	rnd    *rand.Rand
	rough  *roughLine
	reader *reader
	far    *account
	sum    *soakSum
	now    int // the round, from 1
	// retries are the lines of the account that say how often something is tried again while
	// connections break.
	retries string
	// diary is what happened since the last calm.
	diary []string
}

// newLife draws a life. installed: with a server that is installed, which starts fast.
func newLife(t *testing.T, seed uint64, sum *soakSum, installed bool) *life {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 1))
	kind, s := drawWorld(rnd, installed)
	t.Logf("seed %d: %s, %s, %s, %s", seed, kind, s.variant.Name, cmp.Or(s.security, "no TLS"), s.global)
	l := &life{homeWorld: newWorld(t, s), kind: kind, seed: seed, rnd: rnd, sum: sum}
	l.retries = fmt.Sprintf("Retries %d\nRetryMax %d\n", []int{0, 1, 4, 4, 9}[rnd.IntN(5)], rnd.IntN(2))
	target := l.at.At().Addr()
	if s.security == "IMAPS" {
		target = l.at.At().TLSAddr()
	}
	l.rough = startRoughLine(t, target)
	l.far = &account{homeWorld: l.homeWorld}
	l.reader = &reader{tb: t, rnd: rand.New(rand.NewPCG(seed, 2)), patient: true, write: func(n, size int) letter {
		if m := oddly(n, size); keeps(l.at.Traits(), m) {
			return m
		}
		return note(n, size)
	}}
	l.reader.shelves = [2]shelf{
		syncstate.Far:  l.far,
		syncstate.Near: &directories{tb: t, inbox: l.path("inbox"), top: l.path("near")},
	}
	sum.add(func(s *soakSum) {
		s.lives++
		if s.kinds == nil {
			s.kinds = map[string]int{}
		}
		s.kinds[kind]++
	})
	return l
}

// rc returns the configuration, with the line in place of the server.
func (l *life) rc(timeout int, lines string) string {
	e := l.at.At()
	port := e.Port
	if l.s.security == "IMAPS" {
		port = e.TLSPort
	}
	return strings.Replace(l.config(), fmt.Sprintf("Port %d\n", port), fmt.Sprintf("Port %d\nTimeout %d\n%s", l.rough.port, timeout, lines), 1)
}

// live makes rounds as long as more says, and a calm after some of them and at the end.
func (l *life) live(more func() bool) {
	l.tb.Helper()
	defer l.far.leave()
	defer l.report()
	for next := 3; more() && !l.tb.Failed(); {
		l.round(true)
		if l.now == next && !l.tb.Failed() {
			l.calm()
			if l.rnd.IntN(4) == 0 && !l.tb.Failed() {
				l.loseStates()
			}
			next = l.now + 2 + l.rnd.IntN(6)
		}
	}
	if !l.tb.Failed() {
		l.calm()
	}
	if !l.tb.Failed() {
		l.rest()
	}
}

// report adds to the sum. If the test has failed, it tells what is needed to find out why.
func (l *life) report() {
	l.tb.Helper()
	did := l.reader.did
	l.sum.add(func(s *soakSum) {
		s.delivered += did.delivered
		s.deleted += did.deleted
		s.moved += did.moved
		s.marked += did.marked + did.seen
		for k, n := range l.rough.happened {
			s.faults[k] += n
		}
	})
	if l.tb.Failed() {
		l.keep()
	}
}

// note adds to the diary.
func (l *life) note(format string, args ...any) {
	l.diary = append(l.diary, fmt.Sprintf("%s round %d: ", time.Now().Format("15:04:05.000"), l.now)+fmt.Sprintf(format, args...))
}

// happening is something that is done at a time of the round. It is put off if do reports
// false.
type happening struct {
	at time.Duration
	do func() bool
}

// always makes something that is never put off.
func always(f func()) func() bool {
	return func() bool { f(); return true }
}

// loseStates removes all states when both sides are equal. The next runs have to pair
// all messages, in spite of faults. Messages arrive meanwhile, but none is deleted: it
// would count as new on the other side.
func (l *life) loseStates() {
	l.tb.Helper()
	l.note("all states are lost")
	files, err := filepath.Glob(l.path("state", "*"))
	if err != nil {
		l.tb.Fatal(err)
	}
	if l.rnd.IntN(2) == 0 && !l.s.variant.NoCache {
		files = append(files, l.path(".cache"))
	}
	for _, f := range files {
		if err := os.RemoveAll(f); err != nil {
			l.tb.Fatal(err)
		}
	}
	l.sum.add(func(s *soakSum) { s.statesLost++ })
	for range l.rnd.IntN(3) {
		l.round(false)
	}
	l.calm()
}

// round lets runs begin, and be killed, while connections break, and the reader changes
// mailboxes if changes is set; else it only delivers.
func (l *life) round(changes bool) {
	l.tb.Helper()
	l.now++
	l.reader.round(l.now - 1)
	l.configure(l.rc(2, l.retries))
	plan := make([]fault, 6)
	if l.rnd.IntN(5) > 0 {
		for i := range plan {
			plan[i] = drawFault(l.rnd)
		}
	}
	l.note("planned for the connections: %v", plan)
	l.rough.begin(plan)
	span := time.Duration(50+l.rnd.IntN(500)) * time.Millisecond
	within := func(d time.Duration) time.Duration { return time.Duration(l.rnd.Int64N(int64(d))) }
	var all []happening
	if l.rnd.IntN(4) == 0 {
		n := 10 + l.rnd.IntN(40)
		all = append(all, happening{within(span), always(func() { l.reader.bulk(n) })})
	}
	for range l.rnd.IntN(24) {
		if !changes {
			break
		}
		all = append(all, happening{within(span), always(l.reader.act)})
	}
	runs := make([]*process, []int{1, 1, 1, 2, 3}[l.rnd.IntN(5)])
	for i := range runs {
		all = append(all, l.aRun(runs, i, within(span))...)
	}
	if l.rnd.IntN(8) == 0 {
		down := within(time.Second)
		all = append(all, happening{within(span), always(func() { l.restart(down) })})
	}
	if l.rnd.IntN(10) == 0 {
		at, until := within(span), within(time.Second)
		all = append(all,
			happening{at, always(func() { l.note("the port is closed"); l.rough.shut(); l.rough.count(refused) })},
			happening{at + until, always(l.rough.open)})
	}
	slices.SortStableFunc(all, func(a, b happening) int { return cmp.Compare(a.at, b.at) })
	for begin := time.Now(); len(all) > 0; {
		h := all[0]
		all = all[1:]
		time.Sleep(h.at - time.Since(begin))
		if !h.do() {
			h.at = time.Since(begin) + 5*time.Millisecond
			i := slices.IndexFunc(all, func(o happening) bool { return o.at > h.at })
			if i < 0 {
				i = len(all)
			}
			all = slices.Insert(all, i, h)
		}
	}
	for i, p := range runs {
		l.await(p)
		l.judge(fmt.Sprintf("run %d", i+1), p, p.wait())
	}
	l.sum.add(func(s *soakSum) { s.rounds++ })
}

// aRun returns the beginning of a run, and what may happen to it.
func (l *life) aRun(runs []*process, i int, at time.Duration) []happening {
	args := [][]string{{"-a"}, {"-a"}, {"-a"}, {"c"}, {"c:INBOX"}, {"c:INBOX,two"}, {"-a", "-D"}}[l.rnd.IntN(7)]
	if l.rnd.IntN(2) == 0 {
		args = append([]string{"-V"}, args...) // tells of each retry
	}
	connections := 0
	out := []happening{{at, always(func() {
		l.note("run %d begins: %v", i+1, args)
		connections = l.rough.connections()
		runs[i] = l.start(ours(), args...)
	})}}
	later := at + time.Millisecond + time.Duration(l.rnd.Int64N(int64(400*time.Millisecond)))
	send := func(sig syscall.Signal, n func(*soakSum) *int) func() bool {
		return func() bool {
			if runs[i].ended() {
				return true
			}
			if sig != syscall.SIGCONT && l.rough.connections() == connections {
				return false // it does not do anything yet
			}
			l.note("run %d gets %v", i+1, sig)
			if err := runs[i].cmd.Process.Signal(sig); err == nil {
				l.sum.add(func(s *soakSum) { *n(s)++ })
			} else if !errors.Is(err, os.ErrProcessDone) {
				l.tb.Error(err)
			}
			return true
		}
	}
	switch n := l.rnd.IntN(100); {
	case n < 35:
		out = append(out, happening{later, send(syscall.SIGKILL, func(s *soakSum) *int { return &s.killed })})
	case n < 45:
		sig := []syscall.Signal{syscall.SIGINT, syscall.SIGTERM}[n%2]
		out = append(out, happening{later, send(sig, func(s *soakSum) *int { return &s.interrupted })})
	case n < 52:
		stop := send(syscall.SIGSTOP, func(s *soakSum) *int { return &s.suspended })
		stopped, pause := time.Time{}, time.Duration(l.rnd.IntN(700))*time.Millisecond
		nobody := new(int)
		goOn := send(syscall.SIGCONT, func(*soakSum) *int { return nobody })
		out = append(out, happening{later, func() bool {
			if stopped.IsZero() {
				if stop() {
					stopped = time.Now()
				}
				return false
			}
			return time.Since(stopped) >= pause && goOn()
		}})
	}
	return out
}

// patience is how long a run may take with all that happens to it before it is interrupted.
const patience = 8 * time.Second

// await waits for a run. One that takes long is interrupted, and has to end then.
func (l *life) await(p *process) {
	l.tb.Helper()
	for begin := time.Now(); !p.ended(); time.Sleep(2 * time.Millisecond) {
		if time.Since(begin) > patience {
			l.note("a run takes long and is interrupted")
			l.sum.add(func(s *soakSum) { s.interrupted++ })
			_ = p.cmd.Process.Signal(syscall.SIGINT)
			break
		}
	}
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT)
		<-p.done
		l.tb.Errorf("a run does not end when it is interrupted:\n%s%s", &p.out, &p.err)
	}
}

// restart stops the server and starts it again.
func (l *life) restart(down time.Duration) {
	l.tb.Helper()
	l.note("the server is stopped for %v", down)
	l.far.leave()
	if err := l.at.Stop(); err != nil {
		l.tb.Fatal(err)
	}
	time.Sleep(down)
	l.at.Restart(l.tb)
	l.sum.add(func(s *soakSum) { s.restarts++ })
}

var (
	// retried is a line that says that something is tried again.
	retried = regexp.MustCompile(`(?m)^.*(trying again|tried again in|retrying).*$`)
	// broken is what no run may ever say.
	broken = regexp.MustCompile(`panic:|fatal error:|goroutine \d+ \[|DATA RACE|internal error`)
)

// judge looks at the result of a run.
func (l *life) judge(name string, p *process, r result) {
	l.tb.Helper()
	said := r.stdout + r.stderr
	if len(said) > 20_000 {
		said = said[:2000] + "\n…\n" + said[len(said)-18_000:]
	}
	l.note("%s: exit code %d\n%s", name, r.code, said)
	if r.code > 1 && r.code != 128+int(syscall.SIGINT) && r.code != 128+int(syscall.SIGTERM) || broken.MatchString(r.stderr) {
		l.tb.Errorf("%s: exit code %d\n%s%s", name, r.code, r.stdout, r.stderr)
	}
	l.sum.add(func(s *soakSum) {
		s.runs++
		switch {
		case isLocked(r):
			s.locked++
		case r.code == 0:
			s.clean++
		case r.code == 1:
			s.failed++
		}
		s.retries += len(retried.FindAllString(r.stderr, -1))
	})
}

// calmRuns is how many runs may be needed to complete the work. The first may tell of a torn
// journal; copies that the server has stored late are found by the next.
const calmRuns = 5

// calm lets runs complete the work, and compares.
func (l *life) calm() {
	l.tb.Helper()
	l.rough.begin(nil)
	l.rough.quiet()
	l.configure(l.rc(20, ""))
	for n := 1; ; n++ {
		p := l.start(ours(), "-a")
		r := p.wait()
		l.judge(fmt.Sprintf("calm run %d", n), p, r)
		l.sum.add(func(s *soakSum) { s.slowest = max(s.slowest, n) })
		if r.code == 0 && len(complaints(r.stdout+r.stderr)) == 0 {
			break
		}
		if n == calmRuns {
			l.tb.Errorf("after %d runs without faults there still is something to say: exit code %d\n%s%s", n, r.code, r.stdout, r.stderr)
			break
		}
	}
	if !l.compare() {
		return
	}
	l.reader.confirm()
	l.diary = nil
	l.note("all is well; %v", l.reader)
}

// rest runs the program when there is nothing to do.
func (l *life) rest() {
	l.tb.Helper()
	l.sync(ours())
	before := l.tracks()
	l.sync(ours())
	if d := diff.Diff(before, l.tracks()); d != "" {
		l.tb.Errorf("there is nothing to do, but files are touched:\n%s", d)
	}
	l.compare()
}

// compare compares both sides with the record of the reader.
func (l *life) compare() bool {
	l.tb.Helper()
	bad := l.differences()
	if len(bad) == 0 {
		return true
	}
	l.tb.Error(l.complaint(bad))
	return false
}

// complaint is the text of a failure: what differs, what was done, and the state files.
func (l *life) complaint(bad []string) string {
	return fmt.Sprintf("seed %d, in round %d:\n%s\n\nsince the last time all was well:\n%s\n%s",
		l.seed, l.now, strings.Join(bad, "\n"), strings.Join(l.diary, "\n"), l.states())
}

// differences returns how both sides differ from the record of the reader.
func (l *life) differences() (bad []string) {
	l.tb.Helper()
	compared := 0
	for _, f := range l.reader.folders[:l.reader.open] {
		for _, t := range syncstate.Sides {
			flags := map[int][]string{}
			where := fmt.Sprintf("%s on the %s side", f.name, t)
			for _, m := range l.reader.shelves[t].read(f.name) {
				n := numberOf(m.text)
				if n == 0 || n > len(l.reader.pieces) {
					bad = append(bad, fmt.Sprintf("in %s there is something else (UID %d): %.200q", where, m.uid, m.text))
					continue
				}
				want := normal(l.reader.pieces[n-1].text)
				if a, b := sha256.Sum256([]byte(m.text)), sha256.Sum256([]byte(want)); a != b {
					bad = append(bad, fmt.Sprintf("message %d in %s is damaged: %d bytes with the hash %x, want %d bytes with %x", n, where, len(m.text), a, len(want), b))
					l.sum.add(func(s *soakSum) { s.bad++ })
				}
				flags[n] = append(flags[n], m.flags)
				compared++
			}
			bad = append(bad, l.compareBox(f.name, where, flags)...)
		}
	}
	l.sum.add(func(s *soakSum) { s.compared += compared })
	return bad
}

// compareBox compares a side of a mailbox. flags are those of its messages, by number.
func (l *life) compareBox(box, where string, flags map[int][]string) (bad []string) {
	for _, m := range l.reader.pieces {
		got := flags[m.number]
		tell := func(n func(*soakSum) *int, format string, args ...any) {
			bad = append(bad, fmt.Sprintf("message %d ", m.number)+fmt.Sprintf(format, args...)+m.story())
			l.sum.add(func(s *soakSum) { *n(s)++ })
		}
		switch here := !m.dead && m.box == box; {
		case here && len(got) == 0:
			tell(func(s *soakSum) *int { return &s.lost }, "is lost in %s", where)
		case len(got) > 1:
			tell(func(s *soakSum) *int { return &s.doubled }, "is %d times in %s", len(got), where)
		case !here && len(got) > 0:
			tell(func(s *soakSum) *int { return &s.left }, "should not be in %s", where)
		case here && got[0] != m.flags:
			tell(func(s *soakSum) *int { return &s.flags }, "has flags %q, not %q, in %s", got[0], m.flags, where)
		}
	}
	return bad
}

// states returns what is beside the mailboxes, but for caches.
func (l *life) states() string {
	var b strings.Builder
	files, err := filepath.Glob(l.path("state", "*"))
	if err != nil {
		l.tb.Fatal(err)
	}
	for _, f := range files {
		if data, err := os.ReadFile(f); err == nil && len(data) < 50_000 {
			fmt.Fprintf(&b, "== %s\n%s\n", filepath.Base(f), data)
		}
	}
	return b.String()
}

// keep keeps the home directory, with the mail, the states and the journals, and what has happened.
func (l *life) keep() {
	dir := filepath.Join("/var/tmp", fmt.Sprintf("isync-soak-%d", l.seed))
	err := errors.Join(
		os.RemoveAll(dir),
		os.CopyFS(dir, os.DirFS(l.dir)),
		os.WriteFile(filepath.Join(dir, "diary"), []byte(strings.Join(l.diary, "\n")), 0o600),
		os.WriteFile(filepath.Join(dir, "server.log"), []byte(l.at.Log()), 0o600))
	l.tb.Logf("%s, %s\nkept in %s (%v)\nto do the same again: make soak SOAK=10m SEED=%d", l.kind, l.reader, dir, err, l.seed)
}
