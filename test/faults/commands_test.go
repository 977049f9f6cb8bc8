package faults

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"isync/internal/testkit"
	"isync/internal/testkit/notation"
	"isync/internal/vfs/vfstest"
)

// serverScenarios are those in which a server is the far side: all, and some in
// which there is enough to do for every way to be fast.
var serverScenarios = append(
	slices.Clone(scenarios),
	scenario{
		// Enough for further connections to come in time.
		"push many", "sync", "1:A", "0:B* 0:C:S 0:D:F" + many(32, 0, "M", ""), "!",
	},
	scenario{
		// Enough for compression to be worth while on a slow line.
		"many both ways", "sync", many(24, 1, "P", ""), many(24, 0, "N", "*"), "!",
	},
	scenario{
		"all sorts", "sync expunge-far expunge-near trash-far",
		"1:A:S 2:B 4:D:F 5:E 6:F:T 7:G:T 9:I 10:J",
		"1:A 2:B:T 3:C 4:D 5:E:T 6:F 7:G 0:K 0:L:S", "pulled=7 pushed=7 1-1 2-2 3-3 4-4 5-5 6-6 7-7",
	},
)

// many are n messages, whose names begin with the prefix and end in the mark, with the UIDs from first on; if that is 0, they are new.
func many(n, first int, prefix, mark string) string {
	var b strings.Builder
	for i := range n {
		uid := 0
		if first > 0 {
			uid = first + i
		}
		fmt.Fprintf(&b, " %d:%s%d%s", uid, prefix, i, mark)
	}
	return b.String()
}

// occasions are the signs that these scenarios can show.
var occasions = []testkit.Sign{
	testkit.MultiAppend, testkit.Unasked, testkit.Asked, testkit.Moved, testkit.UIDExpunge, testkit.Resync,
	testkit.ChangedSince, testkit.Pipelined, testkit.Optimistic, testkit.StoredOutside,
}

// The ways in which something local fails while the program talks to a server.
const (
	failOnce = "one failing operation"
	failOn   = "operations failing from there on"
	powerCut = "a power cut"
)

var localFaults = []string{failOnce, failOn, powerCut}

// point is one command or operation of a scenario and how it fails.
type point struct {
	scenario
	variant int
	nth     int
	how     string
}

func (pt *point) local() bool { return slices.Contains(localFaults, pt.how) }

// expected is what a scenario ends with, and what that takes.
type expected struct {
	want       string
	commands   []string
	operations int // of the file system
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
	files := vfstest.NewFault(w.Mem)
	if l, err := w.run(t, notation.ParseRules(t, sc.rules), files, 1); l.text(err) != "" {
		t.Fatalf("%s, %s: %s", o.variant.Name, sc.name, l.text(err))
	}
	s := w.look(t)
	if err := s.consistent(); err != nil {
		t.Fatalf("%s, %s: %v", o.variant.Name, sc.name, err)
	}
	return expected{s.text(), o.proxy.seen(), files.Count(vfstest.OpAll)}
}

// disturb runs with a failure. It reports whether there was one, and where, and
// checks what the user is told about it.
func (w *place) disturb(t *testing.T, c notation.Rules, pt point) (l *log, happened bool, where string, err error) {
	t.Helper()
	if pt.local() {
		return w.disturbLocally(t, c, pt)
	}
	w.proxy.inject(pt.nth, pt.how)
	l, err = w.run(t, c, w.Mem, 1)
	commands := w.proxy.seen()
	w.proxy.inject(0, "")
	if len(commands) < pt.nth {
		return l, false, "", err
	}
	said := l.text(err)
	where = fmt.Sprintf("%s: %s: %s at command %d, %.60s\nwhich said: %s\n", w.variant.Name, pt.name, pt.how, pt.nth, commands[pt.nth-1], said)
	if said != "" && !strings.Contains(said, "far") && !strings.Contains(said, "of near") {
		t.Errorf("%sdoes not say where it failed", where)
	}
	if told := pt.how == answerNo || pt.how == answerBad || pt.how == sayBye; told && said != "" && !strings.Contains(said, "injected failure") && !strings.Contains(said, "server refused") {
		t.Errorf("%sdoes not say what the server said", where)
	}
	return l, true, where, err
}

// disturbLocally lets something local fail. With a power cut the program is no
// more, while the server has done what it was told, and still has it.
func (w *place) disturbLocally(t *testing.T, c notation.Rules, pt point) (l *log, happened bool, where string, err error) {
	t.Helper()
	fault := vfstest.NewFault(w.Mem)
	fault.Inject(vfstest.Rule{Nth: pt.nth, Every: pt.how != failOnce, Err: syscall.EIO})
	var first atomic.Pointer[string]
	fault.Before(func(op vfstest.Op, name string) {
		if fault.Fired() == 0 {
			return
		}
		if at := fmt.Sprintf("operation %b of %s", op, name); first.CompareAndSwap(nil, &at) && pt.how == powerCut {
			w.proxy.kill()
		}
	})
	w.proxy.inject(0, "")
	l, err = w.run(t, c, fault, 1)
	w.proxy.inject(0, "")
	if fault.Fired() == 0 {
		return l, false, "", err
	}
	said := l.text(err)
	where = fmt.Sprintf("%s: %s: %s at operation %d, %s\nwhich said: %s\n", w.variant.Name, pt.name, pt.how, pt.nth, *first.Load(), said)
	if pt.how == powerCut {
		percent := []int{0, 50, 100}[pt.nth%3]
		w.Mem = w.CrashClone(percent, rand.New(rand.NewPCG(uint64(pt.nth), 7)))
		where += fmt.Sprintf("of what was not flushed, %d %% survive\n", percent)
		// After a power cut there are no messages, and no failed copies are known.
		return &log{}, true, where, errors.New("power cut")
	}
	if said != "" && !strings.Contains(said, syscall.EIO.Error()) {
		t.Errorf("%sdoes not say what failed", where)
	}
	return l, true, where, err
}

// try makes a command or an operation fail. It reports whether there was one.
func (o *office) try(t *testing.T, pt point, want string) bool {
	t.Helper()
	c := notation.ParseRules(t, pt.rules)
	w := o.world(t, pt.scenario)
	l, happened, where, err := w.disturb(t, c, pt)
	if !happened {
		return false
	}
	if pt.local() {
		want = pt.wantAfter(l, err, want)
	}
	at := w.look(t).text()
	second, err := w.run(t, again(c, l, err), w.Mem, 2)
	if err != nil && strings.Contains(want, "state: false") && w.look(t).text() == want {
		err = nil // both mailboxes are gone, which is all there is to say
	}
	if err != nil || second.failed > 0 {
		t.Errorf("%sthe next run fails: %s\nbefore it\n%s", where, second.text(err), at)
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

// tryAll makes commands and operations fail, in a random order, until all have
// or the time is over.
func tryAll(t *testing.T, d time.Duration, variants []testkit.Variant, sample bool) {
	const workers = 3
	offices := openOffices(t, variants, workers)
	wants := make([]map[string]expected, len(variants))
	var far, near []point
	for i, v := range variants {
		wants[i] = make(map[string]expected)
		tap := offices.taps[i]
		for _, sc := range serverScenarios {
			e := offices.of[0][i].undisturbed(t, sc)
			wants[i][sc.name] = e
			if first := wants[0][sc.name].want; e.want != first {
				t.Errorf("%s ends with %s in\n%sand with %s in\n%s", sc.name, v.Name, e.want, variants[0].Name, first)
			}
			for n := range e.commands {
				if sample && e.slow(n) {
					continue
				}
				for _, how := range commandFaults {
					far = append(far, point{sc, i, n + 1, how})
				}
			}
			for n := range e.operations {
				for _, how := range localFaults {
					near = append(near, point{sc, i, n + 1, how})
				}
			}
		}
		v.Check(t, tap, occasions...)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	points := mix(rand.New(rand.NewPCG(seed, 5)), far, near)
	all := len(points)
	var tried [2]atomic.Int64
	var next atomic.Int64
	begin := time.Now()
	t.Run("points", func(t *testing.T) {
		for _, mine := range offices.of {
			t.Run(mine[0].user, func(t *testing.T) {
				t.Parallel()
				for time.Since(begin) < d && !t.Failed() {
					n := int(next.Add(1)) - 1
					if n >= all {
						return
					}
					pt := points[n]
					if mine[pt.variant].try(t, pt, wants[pt.variant][pt.name].want) {
						kind := 0
						if pt.local() {
							kind = 1
						}
						tried[kind].Add(1)
					}
				}
			})
		}
	})
	t.Logf("%d failing commands and %d local faults, of %d in %d variants", tried[0].Load(), tried[1].Load(), all, len(variants))
}

// mix shuffles points of both kinds, and takes them by turns as long as there are
// both.
func mix(rng *rand.Rand, a, b []point) []point {
	for _, p := range [][]point{a, b} {
		rng.Shuffle(len(p), func(i, j int) { p[i], p[j] = p[j], p[i] })
	}
	var out []point
	for i := range max(len(a), len(b)) {
		for _, p := range [][]point{a, b} {
			if i < len(p) {
				out = append(out, p[i])
			}
		}
	}
	return out
}

// building has an office for each worker and variant.
type building struct {
	of   [][]*office
	taps []*testkit.Wiretap // by variant
}

// openOffices starts the servers that the variants need.
func openOffices(t *testing.T, variants []testkit.Variant, workers int) building {
	t.Helper()
	users := make([]string, workers)
	for i := range users {
		users[i] = fmt.Sprintf("user%d", i)
	}
	type kind struct {
		compress   bool
		capability string
	}
	desks := map[kind][]*desk{}
	b := building{of: make([][]*office, workers)}
	for _, v := range variants {
		k := kind{v.Server.Compress, v.Server.Capability}
		if desks[k] == nil {
			cfg := v.Server
			cfg.Users = users
			server := testkit.StartDovecot(t, cfg)
			for _, u := range users {
				desks[k] = append(desks[k], newDesk(t, server, u))
			}
		}
		tap := new(testkit.Wiretap)
		b.taps = append(b.taps, tap)
		for i, d := range desks[k] {
			b.of[i] = append(b.of[i], newOffice(t, d, v, tap))
		}
	}
	return b
}

func TestFailingCommands(t *testing.T) {
	tryAll(t, 8*time.Second, testkit.SomeVariants(2), true)
}

func TestSweepFailingCommands(t *testing.T) {
	tryAll(t, max(sweep(t), time.Minute), testkit.Variants(), false)
}
