//go:build linux

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"isync/internal/syncstate"
	"isync/internal/testkit"
)

// Eight runs over the same channel begin at about the same time, while a mail
// reader works on both sides. Nothing is lost, and nothing is there twice.
//
// Two faults of the C program show here:
//
//   - It reads the state before it locks it. If another run synchronizes the pair in
//     between, it copies the same messages again. So where it meets other runs,
//     doubled messages are counted only.
//   - If the mail reader renames or removes a file in a Maildir while it pushes messages,
//     it may pass over a new message and record it as dealt with (docs/differences.md,
//     "copying ends at a message whose flags change"). That message stays on its side. This
//     needs no other run. So where it takes part, such messages are counted only.
//
// Nothing may ever be on neither side.

// stress is a way for many runs to meet.
type stress struct {
	name string
	// capability of the server, if not its own.
	capability string
	// maildirs: the far side is a Maildir store, too.
	maildirs bool
	// beside: the states are within the near mailboxes.
	beside bool
	// others is how many of the runs are those of the C program; other is its version,
	// 1.4.4 if nil.
	others int
	other  func(testing.TB) program
	// apart tells whether two runs may not work at the same time.
	apart func(a, b program) bool
	// lenient: the C program meets others.
	lenient bool
	// many is the number of further mailboxes, which are listed in a pipeline.
	many int
	// kills: some runs are killed.
	kills bool
	// crowd: many runs of different channels that overlap.
	crowd bool
	// control: what happens is counted only.
	control bool
}

const (
	stressRuns   = 8
	stressRounds = 20
	stressTimes  = 5
	// stressActs is how many things the reader does in a round.
	stressActs = 30
	// stressSpan is the time in which it does them.
	stressSpan = 250 * time.Millisecond
	// noneAtAll is what a server offers that has no extension of use.
	noneAtAll = "IMAP4rev1 ID NAMESPACE"
)

func isOurs(p program) bool { return p.path == binary }

func stresses() []stress {
	return []stress{
		{name: "ours, QRESYNC"},
		{name: "ours, CONDSTORE", capability: noQResync},
		{name: "ours, no CONDSTORE", capability: noCondStore},
		{name: "ours, plain", capability: noneAtAll},
		{name: "ours, many mailboxes", many: 30},
		{name: "ours, many mailboxes, CONDSTORE", capability: noQResync, many: 30},
		{name: "ours, many mailboxes, plain", capability: noneAtAll, many: 30},
		{name: "ours, many mailboxes, killed", many: 30, kills: true},
		{name: "ours, many mailboxes, CONDSTORE, killed", capability: noQResync, many: 30, kills: true},
		{name: "ours, many mailboxes, plain, killed", capability: noneAtAll, many: 30, kills: true},
		{name: "ours, state beside", beside: true},
		{name: "ours, Maildir to Maildir", maildirs: true},
		{name: "mixed, one after the other", others: 4, apart: func(program, program) bool { return true }},
		{name: "mixed, one C at a time", others: 4, lenient: true, apart: func(a, b program) bool { return !isOurs(a) && !isOurs(b) }},
		{name: "mixed", others: 4, lenient: true},
		{name: "mixed with 1.5.1, one C at a time", others: 4, other: theirs15, lenient: true, apart: func(a, b program) bool { return !isOurs(a) && !isOurs(b) }},
		{name: "mixed with 1.5.1", others: 4, other: theirs15, lenient: true},
		{name: "mixed with 1.5.1, many mailboxes", others: 3, other: theirs15, lenient: true, many: 30},
		{name: "C alone", others: stressRuns, lenient: true},
	}
}

// TestStress is a small part of TestSweepStress.
func TestStress(t *testing.T) {
	t.Parallel()
	ours := slices.DeleteFunc(stresses(), func(s stress) bool { return s.others > 0 })
	ours[rand.IntN(len(ours))].try(t, 3)
}

// TestSweepStress lets runs meet in each way, five times at least.
func TestSweepStress(t *testing.T) {
	d := sweep(t)
	for _, s := range stresses() {
		begin := time.Now()
		for n := 0; n < stressTimes || time.Since(begin) < d/time.Duration(len(stresses())); n++ {
			t.Run(fmt.Sprintf("%s/%d", s.name, n+1), func(t *testing.T) { s.try(t, stressRounds) })
		}
	}
}

// seedOf returns the seed of a test: ISYNC_STRESS_SEED, or one by chance.
func seedOf(tb testing.TB) uint64 {
	tb.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("ISYNC_STRESS_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			tb.Fatal(err)
		}
	}
	return seed
}

// arena is where the runs meet.
type arena struct {
	*homeWorld
	stress
	reader *reader
	rnd    *rand.Rand // for when runs begin
	runs   []program
	tally  tally
	said   []string // complaints of runs, but for those about locks
}

// tally counts what came of it.
type tally struct {
	rounds, runs, locked, failed int
	killed                       int
	lost                         int // messages that are nowhere
	kept                         int // messages that are on one side only
	doubled                      [2]int
	bad                          int // rounds with something lost or doubled
	left                         int // messages that the reader has deleted
	flags                        int // messages with other flags than the reader gave them
}

// theirs returns the C program that takes part.
func (s stress) theirs(tb testing.TB) program {
	tb.Helper()
	if s.other != nil {
		return s.other(tb)
	}
	return theirs(tb)
}

// try makes so many rounds, or as many as there is time for, and returns what came of them.
func (s stress) try(t *testing.T, rounds int) tally {
	t.Helper()
	seed := seedOf(t)
	w := newWorld(t, setup{
		server:  testkit.DovecotConfig{Capability: s.capability, Extra: "mail_max_userip_connections = 500"},
		channel: "Patterns INBOX *\nCreate Both\nExpunge Both",
		says:    s.says(), slow: s.crowd,
	})
	a := &arena{homeWorld: w, stress: s, rnd: rand.New(rand.NewPCG(seed, 1))}
	for i := range s.runs() {
		p := ours()
		if i < s.others {
			p = s.theirs(t)
		}
		a.runs = append(a.runs, p)
	}
	near := &directories{tb: t, inbox: w.path("inbox"), top: w.path("near")}
	a.reader = &reader{
		tb: t, rnd: rand.New(rand.NewPCG(seed, 2)),
		untold: s.capability != "" && !strings.Contains(s.capability, "UIDPLUS"),
	}
	a.reader.shelves[syncstate.Near] = near
	if s.many > 0 {
		a.reader.folders = manyFolders(s.many)
	}
	if s.maildirs {
		a.reader.shelves[syncstate.Far] = &directories{tb: t, inbox: w.path("farinbox"), top: w.path("far")}
		if err := os.Mkdir(w.path("far"), 0o700); err != nil {
			t.Fatal(err)
		}
		a.reader.shelves[syncstate.Far].found("INBOX")
	} else {
		far := &account{homeWorld: w}
		defer far.leave()
		a.reader.shelves[syncstate.Far] = far
	}
	rc := a.rc()
	if !s.maildirs {
		// The longer the line, the more can happen between a question and what follows from its answer.
		rtt := time.Duration(a.rnd.IntN(4)) * 2 * time.Millisecond
		relay := testkit.StartRelay(t, w.server.Addr(), rtt)
		rc = strings.Replace(rc, fmt.Sprintf("Port %d\n", w.server.Port), fmt.Sprintf("Port %d\n", relay.Port()), 1)
	}
	a.configure(rc)
	if s.crowd {
		if err := os.Mkdir(w.path("near2"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	begin := time.Now()
	for n := range rounds {
		if time.Since(begin) > stressLimit {
			break
		}
		a.round(n)
		if t.Failed() {
			t.Logf("in round %d", n+1)
			break
		}
	}
	if !t.Failed() {
		a.settle()
	}
	t.Logf("%s, seed %d: %s; %s", s.name, seed, a.tally, a.reader)
	return a.tally
}

func (c tally) String() string {
	return fmt.Sprintf("%d rounds, %d runs, of which %d found a lock, %d failed and %d were killed; "+
		"%d lost, %d not copied, %d doubled at home, %d doubled on the server, in %d rounds; %d deleted in vain, %d with other flags",
		c.rounds, c.runs, c.locked, c.failed, c.killed,
		c.lost, c.kept, c.doubled[syncstate.Near], c.doubled[syncstate.Far], c.bad, c.left, c.flags)
}

// add adds the numbers of another tally.
func (c *tally) add(o tally) {
	c.rounds += o.rounds
	c.runs += o.runs
	c.locked += o.locked
	c.failed += o.failed
	c.killed += o.killed
	c.lost += o.lost
	c.kept += o.kept
	c.doubled[0] += o.doubled[0]
	c.doubled[1] += o.doubled[1]
	c.bad += o.bad
	c.left += o.left
	c.flags += o.flags
}

// rc returns the configuration.
func (a *arena) rc() string {
	rc := a.config()
	if a.maildirs {
		_, rest, _ := strings.Cut(rc, "MaildirStore near")
		rc = "SyncState " + a.path("state") + "/\n\nMaildirStore far\nInbox " + a.path("farinbox") + "\nPath " + a.path("far") + "/\n" +
			"SubFolders Verbatim\n\nMaildirStore near" + rest
	}
	if a.crowd {
		rc += a.overlapping()
	}
	if a.beside {
		rc = strings.Replace(rc, "SyncState "+a.path("state")+"/", "SyncState *", 1)
	}
	return rc
}

// event is something that happens in a round.
type event struct {
	at time.Duration
	// run is what begins, or nil: the reader does something.
	run *program
}

// round starts all runs at random times, while the reader works, waits for their
// end and looks at both sides.
func (a *arena) round(n int) {
	a.tb.Helper()
	a.reader.round(n)
	if a.others < len(a.runs) && a.rnd.IntN(2) == 0 {
		// Pairs that had nothing to do are remembered, and opened in another way.
		for range 3 {
			a.judge(ours(), a.run(ours(), "-a"))
		}
	}
	var events []event
	// Some begin almost together, others while one is at work.
	span, acts := stressSpan, stressActs
	if a.crowd || a.many > 0 {
		span, acts = 2*span, 2*acts
	}
	spread := span / time.Duration(int(2)<<a.rnd.IntN(4))
	if a.crowd {
		spread *= 2
	}
	for i := range a.runs {
		events = append(events, event{at: time.Duration(a.rnd.Int64N(int64(spread))), run: &a.runs[i]})
	}
	for range acts {
		events = append(events, event{at: time.Duration(a.rnd.Int64N(int64(span)))})
	}
	slices.SortFunc(events, func(x, y event) int { return int(x.at - y.at) })
	var running []*process
	of := map[*process]program{}
	for begin := time.Now(); len(events) > 0; {
		e := events[0]
		events = events[1:]
		time.Sleep(e.at - time.Since(begin))
		if e.run == nil {
			a.reader.act()
			continue
		}
		if a.apart != nil && slices.ContainsFunc(running, func(p *process) bool { return !p.ended() && a.apart(of[p], *e.run) }) {
			// Put off.
			e.at = time.Since(begin) + 5*time.Millisecond
			i, _ := slices.BinarySearchFunc(events, e, func(x, y event) int { return int(x.at - y.at) })
			events = slices.Insert(events, i, e)
			continue
		}
		p := a.start(*e.run, a.args()...)
		running = append(running, p)
		of[p] = *e.run
		if a.kills && a.rnd.IntN(2) == 0 {
			end := time.AfterFunc(time.Duration(a.rnd.Int64N(int64(span))), func() {
				_ = p.cmd.Process.Kill()
			})
			defer end.Stop()
		}
	}
	var results []string
	for i, p := range running {
		r := p.wait()
		a.judge(of[p], r)
		results = append(results, fmt.Sprintf("run %d, %s: exit code %d\n%s%s", i+1, p.name, r.code, r.stdout, r.stderr))
	}
	a.tally.rounds++
	a.look(n, strings.Join(results, ""))
}

// judge looks at what a run says.
func (a *arena) judge(p program, r result) {
	a.tb.Helper()
	a.tally.runs++
	if isLocked(r) {
		a.tally.locked++
	}
	if r.code == -1 && a.kills {
		a.tally.killed++
		return
	}
	if r.code != 0 && r.code != 1 {
		a.tb.Errorf("%s: exit code %d\n%s%s", p.name, r.code, r.stdout, r.stderr)
	}
	failed := false
	for _, c := range complaints(r.stdout + r.stderr) {
		if slices.ContainsFunc(a.s.says, func(text string) bool { return strings.Contains(c, text) }) {
			continue
		}
		if strings.Contains(c, "locked") || strings.Contains(c, "another mbsync is synchronizing this mailbox") {
			continue
		}
		a.said = append(a.said, fmt.Sprintf("in round %d, %s says %s", a.tally.rounds+1, p.name, c))
		failed = r.code != 0
		// A run of the C program that failed leaves a journal, which only that program can read.
		left := a.others > 0 && strings.Contains(c, "incompatible journal version")
		if failed && isOurs(p) && !a.lenient && !left {
			a.tb.Errorf("%s says %s", p.name, c)
		}
	}
	if failed {
		a.tally.failed++
	}
}

// isLocked reports whether a run has found the lock of another one.
func isLocked(r result) bool { return strings.Contains(r.stderr+r.stdout, "locked") }

// leftovers returns what there is beside the states of the pairs.
func (a *arena) leftovers() (out []string) {
	for _, ext := range []string{"lock", "journal", "new"} {
		for _, pattern := range []string{"state/*." + ext, "near/*/.mbsyncstate." + ext, "inbox/.mbsyncstate." + ext} {
			found, err := filepath.Glob(a.path(pattern))
			if err != nil {
				a.tb.Fatal(err)
			}
			out = append(out, found...)
		}
	}
	return out
}
