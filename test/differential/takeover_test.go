package differential

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/testkit"
)

// relay is a list of programs, each of which takes over from the one before. All but
// the last are interrupted.
type relay []mbsync

func (p relay) String() string {
	var names []string
	for _, m := range p {
		names = append(names, m.name)
	}
	return strings.Join(names, ", then ")
}

// last returns the program that comes to the end.
func (p relay) last() mbsync { return p[len(p)-1] }

// theirsTakesOver reports whether theirs takes over from another run.
func (p relay) theirsTakesOver() bool { return slices.Contains(p[1:], theirs) }

func relays() []relay {
	return []relay{{theirs, ours}, {ours, theirs}, {ours, ours}, {theirs, ours, theirs}, {ours, theirs, ours}}
}

// stepControls are test controls of the run that is interrupted. Steps are entries of
// the journal and, where messages about the drivers or late answers are asked for,
// what is done in the stores.
var stepControls = [][]string{{"-Dd"}, {"-TJ"}, {"-Tu", "-Dd"}, {"-TA"}, {"-TuA"}}

// takeover is the last round of a history, which is interrupted at each step.
type takeover struct {
	start    *programWorld // before the last round is synchronized
	n        int           // of its copies so far
	last     round
	controls []string
	// alone is how a program ends if it is not interrupted.
	alone map[mbsync]end
	// differ: these are not the same.
	differ bool
	// faults are the other ends that theirs comes to when it takes over from itself;
	// nil: not known yet.
	faults []end
	tally  *tally
}

// end is what there is after a run that took over, and after more runs.
type end struct {
	once, settled *shot
	said          string
	// expunged: a message was missing already when the last program took over.
	expunged bool
}

// begin lives through all rounds but the last, and lets the users do what they do
// in that. state takes the place of the sync state then, if there is one.
func (to *takeover) begin(dir string, h history, state string, newWorlds pairOfWorlds) error {
	worlds, err := newWorlds(dir)
	worlds[0].close()
	if err != nil {
		worlds[1].close()
		return err
	}
	to.start, to.last = worlds[1], h[len(h)-1]
	for _, r := range h[:len(h)-1] {
		if _, _, out, err := turn(to.start, ours, r); err != nil || out.code != 0 {
			return errors.Join(err, errEnded)
		}
	}
	for _, c := range to.last.changes {
		if err := to.start.apply(c); err != nil {
			return err
		}
	}
	if state != "" {
		return to.start.setState(state)
	}
	return nil
}

// setState gives all messages UIDs, in the order of their arrival, and replaces the
// sync state.
func (w *programWorld) setState(state string) error {
	for side := range sides {
		list, _, err := files(w.box(side))
		if err != nil {
			return err
		}
		slices.SortFunc(list, func(a, b file) int { return strings.Compare(a.base, b.base) })
		for i, f := range list {
			name := fmt.Sprintf("%s,U=%d", f.base, i+1)
			if f.sub == "cur" {
				name += ":2," + f.flags
			}
			if err := os.Rename(f.path, filepath.Join(filepath.Dir(f.path), name)); err != nil {
				return err
			}
		}
		uids := fmt.Appendf(nil, "%d\n%d\n", 1000*(side+1), len(list))
		if err := os.WriteFile(filepath.Join(w.box(side), ".uidvalidity"), uids, 0o600); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(w.path("state"), 0o700); err != nil {
		return err
	}
	if strings.HasPrefix(state, "Max") {
		state = "FarUidValidity 1000\nNearUidValidity 2000\n" + state
	}
	return os.WriteFile(w.path("state", stateName), []byte(state), 0o600)
}

// another returns a world that is as the first one was before the last round.
func (to *takeover) another() (*programWorld, error) {
	to.n++
	return to.start.copyTo(fmt.Sprintf("%s-%d", to.start.dir, to.n))
}

// goOn runs a program once, and again until nothing changes any more if settle says
// so.
func (to *takeover) goOn(w *programWorld, p mbsync, settle func(once *shot) bool) (end, error) {
	var e end
	var before *shot
	for n := range 1 + runsToSettle {
		out, err := w.run(p, to.last)
		if err != nil {
			return e, err
		}
		e.said += fmt.Sprintf("%s said (%d): %s", p.name, out.code, out.text)
		now, err := w.look()
		if err != nil {
			return e, err
		}
		now.failed = out.crashed || out.code != 0
		for i := range now.boxes {
			// What a killed run was writing stays there for a day.
			now.boxes[i].msgs = slices.DeleteFunc(now.boxes[i].msgs, func(m message) bool { return strings.HasPrefix(m.name, "in tmp") })
		}
		unmarkTrash([2]*shot{now, now}, true, &tally{})
		if n == 0 {
			e.once = now
			if !settle(now) {
				return e, nil
			}
		} else if now.String() == before.String() {
			e.settled = now
			return e, nil
		}
		before = now
	}
	return e, nil
}

// runAlone finds out how each program ends if it is not interrupted. It fails with
// errEnded if one of them fails.
func (to *takeover) runAlone() error {
	to.alone = make(map[mbsync]end)
	for _, p := range []mbsync{theirs, ours} {
		w, err := to.another()
		if err != nil {
			return err
		}
		e, err := to.goOn(w, p, func(*shot) bool { return true })
		if err != nil {
			return err
		}
		if e.settled == nil || e.once.failed {
			to.tally.explain(p.name + " failed")
			return errEnded
		}
		to.alone[p] = e
		if err := w.remove(); err != nil {
			return err
		}
	}
	if !sameEnd(to.alone[theirs].once, to.alone[ours].once) || !sameEnd(to.alone[theirs].settled, to.alone[ours].settled) {
		to.tally.explain("the programs differ")
		to.differ = true
	}
	return nil
}

// sameEnd compares two ends; nil is one that never settled.
func sameEnd(a, b *shot) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.String() == b.String()
}

var stepsForm = regexp.MustCompile(`### (\d+) steps`)

// steps returns how many steps a program makes.
func (to *takeover) steps(p mbsync) (int, error) {
	w, err := to.another()
	if err != nil {
		return 0, err
	}
	defer w.remove()
	out, err := w.runWith(p, to.last, append([]string{"-Tj"}, to.controls...)...)
	if err != nil {
		return 0, err
	}
	m := stepsForm.FindStringSubmatch(out.text)
	if m == nil {
		return 0, nil // it has removed a mailbox
	}
	n, err := strconv.Atoi(m[1])
	if slices.Contains(to.controls, "-TJ") {
		n += 5 // entries that the commit implies are not among them
	}
	return n, err
}

// codeOfStep is the exit code of a run that ended at the step it was told.
const codeOfStep = 100

// interrupt ends the first program after a step and lets the next one take over. If
// there are more, that is interrupted early. ok is false if there was no such step.
func (to *takeover) interrupt(p relay, step int) (e end, ok bool, err error) {
	w, err := to.another()
	if err != nil {
		return e, false, err
	}
	defer w.remove()
	before, err := w.look()
	if err != nil {
		return e, false, err
	}
	var story string
	expunged := false
	for i, m := range p[:len(p)-1] {
		at := step
		if i > 0 {
			at = 1 + step%4
		}
		out, err := w.runWith(m, to.last, append([]string{fmt.Sprintf("-Ts%d", at)}, to.controls...)...)
		if err != nil || i == 0 && out.code != codeOfStep {
			return e, false, err
		}
		if err := w.settle(); err != nil {
			return e, false, err
		}
		halfway, err := w.look()
		if err != nil {
			return e, false, err
		}
		journal, err := os.ReadFile(w.path("state", stateName+".journal"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return e, false, err
		}
		for s := range sides {
			expunged = expunged || len(halfway.boxes[s].names()) < len(before.boxes[s].names())
		}
		story += fmt.Sprintf("the journal of %s:\n%shalfway:\n%s", m.name, journal, halfway)
	}
	want := to.alone[p.last()]
	e, err = to.goOn(w, p.last(), func(once *shot) bool { return to.differ || !sameEnd(once, want.once) })
	e.said, e.expunged = story+e.said, expunged
	return e, true, err
}

// judge returns what is wrong with an end, "" if nothing is.
func (to *takeover) judge(p relay, e end) (string, error) {
	want := to.alone[p.last()]
	if sameEnd(want.once, e.once) {
		return "", nil
	}
	before, err := to.start.look()
	if err != nil {
		return "", err
	}
	complaint := func(what string) string {
		return fmt.Sprintf("%s (-alone +taken over):\n%s\nbefore:\n%s%s", what, compact(cmp.Diff(want.once.lines(), e.once.lines())), before, e.said)
	}
	if to.differ {
		if what := to.lostOrDoubled(e); what != "" {
			return complaint(what), nil
		}
		return "", nil
	}
	const limited = "interrupted with MaxMessages"
	if e.settled != nil && cmp.Equal(want.settled.relaxed(before, nil), e.settled.relaxed(before, nil)) {
		switch {
		case to.last.number("max") > 0 && p.theirsTakesOver():
			to.tally.explain(limited)
			return "", nil
		case e.expunged:
			to.tally.explain("interrupted after expunging")
			return "", nil
		}
	}
	if to.last.remoteTrash() && sameEnd(want.once, e.once.withoutDoubledTrash()) {
		to.tally.explain("interrupted while the other trash was filled")
		return "", nil
	}
	if !slices.Contains(p, theirs) {
		return complaint("another end"), nil
	}
	if err := to.findFaults(); err != nil {
		return "", err
	}
	if !slices.ContainsFunc(to.faults, func(f end) bool {
		return sameEnd(f.once, e.once) && (!p.theirsTakesOver() || sameEnd(f.settled, e.settled))
	}) {
		return complaint("another end"), nil
	}
	if to.last.number("max") > 0 && p.theirsTakesOver() {
		to.tally.explain(limited)
	} else {
		to.tally.explain("theirs ends so after its own interruptions, too: " + p.String())
	}
	return "", nil
}

// lostOrDoubled tells of a message of which there are more or less on a side than
// either program leaves there alone.
func (to *takeover) lostOrDoubled(e end) string {
	if e.settled == nil {
		return "it never settles"
	}
	for s, side := range sides {
		is := e.settled.boxes[s].names()
		a, b := to.alone[theirs].settled.boxes[s].names(), to.alone[ours].settled.boxes[s].names()
		for _, counts := range []map[string]int{is, a, b} {
			for name := range counts {
				if n := is[name]; n < min(a[name], b[name]) || n > max(a[name], b[name]) {
					return fmt.Sprintf("%s is there %d times on the %s side, instead of %d or %d times", name, n, side, a[name], b[name])
				}
			}
		}
	}
	return ""
}

// findFaults lets theirs take over from itself.
func (to *takeover) findFaults() error {
	if to.faults != nil {
		return nil
	}
	to.faults = []end{}
	n, err := to.steps(theirs)
	if err != nil {
		return err
	}
	for step := 1; step <= n; step++ {
		e, ok, err := to.interrupt(relay{theirs, theirs}, step)
		if err != nil {
			return err
		}
		if ok && !sameEnd(e.once, to.alone[theirs].once) {
			to.faults = append(to.faults, e)
		}
	}
	return nil
}

// remoteTrash reports whether a trash may get messages of the other store.
func (r round) remoteTrash() bool { return r.trash(0) == "remotetrash" || r.trash(1) == "remotetrash" }

// withoutDoubledTrash returns the same but for messages that are in a trash twice.
func (s *shot) withoutDoubledTrash() *shot {
	c := *s
	for i := range c.trash {
		c.trash[i].msgs = slices.CompactFunc(slices.Clone(c.trash[i].msgs), func(a, b message) bool { return a.String() == b.String() })
	}
	return &c
}

// takeOver returns the life of a history whose last round is interrupted at each
// step. Every n-th one is enough if n is not 1.
func takeOver(controls []string, state string, n int) life {
	return func(dir string, h history, newWorlds pairOfWorlds, t *tally) error {
		defer os.RemoveAll(dir)
		to := &takeover{controls: controls, tally: t}
		err := to.begin(dir, h, state, newWorlds)
		defer func() { to.start.close() }()
		if err == nil {
			err = to.runAlone()
		}
		if errors.Is(err, errEnded) {
			return nil
		}
		if err != nil {
			return err
		}
		for i, p := range relays() {
			last, err := to.steps(p[0])
			if err != nil {
				return err
			}
			for step := 1 + i%n; step <= last; step += n {
				e, ok, err := to.interrupt(p, step)
				if err != nil {
					return err
				}
				if !ok {
					break // there are less steps
				}
				t.mu.Lock()
				t.rounds++
				t.mu.Unlock()
				wrong, err := to.judge(p, e)
				if err != nil {
					return err
				}
				if wrong != "" {
					return &difference{len(h) - 1, fmt.Sprintf("%v, at step %d %v %s", p, step, controls, wrong)}
				}
			}
		}
		t.mu.Lock()
		t.histories++
		t.mu.Unlock()
		return nil
	}
}

// TestTakingOver interrupts each program at each step of a run, and lets the other
// one take over. What is left must be as if nobody had been interrupted: messages,
// UIDs, flags, trashes and state.
func TestTakingOver(t *testing.T) {
	setUp(t, v15)
	takeOverAll(t, 2*time.Second, 4)
	liveAll(t, v15, takeOver(stepControls[0], "", 3), always(maildirs), sample, 3*time.Second)
}

// TestTakingOverOnServers does that with the far side on a server.
func TestTakingOverOnServers(t *testing.T) {
	setUp(t, v15)
	liveAll(t, v15, takeOver(stepControls[0], "", 5), newServers(t, testkit.SomeVariants(0)).worlds, sample, 4*time.Second)
}

func TestSweepTakingOverOnServers(t *testing.T) {
	setUp(t, v15)
	s := newServers(t, testkit.Variants())
	for _, c := range stepControls {
		t.Run(strings.Join(c, " "), func(t *testing.T) {
			liveAll(t, v15, takeOver(c, "", 1), s.worlds, math.MaxUint32, sweep(t)/time.Duration(len(stepControls)))
		})
	}
}

func TestSweepTakingOver(t *testing.T) {
	setUp(t, v15)
	takeOverAll(t, sweep(t), 1)
	for _, c := range stepControls {
		t.Run(strings.Join(c, " "), func(t *testing.T) {
			liveAll(t, v15, takeOver(c, "", 1), always(maildirs), math.MaxUint32, sweep(t)/time.Duration(len(stepControls)))
		})
	}
}

// takeOverAll interrupts the histories of the table at every n-th step, for a while.
func takeOverAll(t *testing.T, d time.Duration, n int) {
	t.Helper()
	dir := t.TempDir()
	var sum tally
	var wg sync.WaitGroup
	jobs := make(chan int)
	for range 3 {
		wg.Go(func() {
			for i := range jobs {
				in := interruptions[i/len(stepControls)]
				h, err := parseHistory(in.history)
				if err == nil {
					err = takeOver(stepControls[i%len(stepControls)], in.state, n)(filepath.Join(dir, strconv.Itoa(i)), h, maildirs, &sum)
				}
				if err != nil {
					t.Errorf("%v\n%s", err, in.history)
				}
			}
		})
	}
	begin := time.Now()
	for c := range stepControls {
		for i := range interruptions {
			if time.Since(begin) < d {
				jobs <- i*len(stepControls) + c
			}
		}
	}
	close(jobs)
	wg.Wait()
	t.Logf("%d histories, interrupted at %d steps; explained differences: %v", sum.histories, sum.rounds, sum.explained)
}
