package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"isync/internal/store"
	"isync/internal/store/mem"
	"isync/internal/syncstate"
	"isync/internal/testkit/notation"
	"isync/internal/vfs"
	"isync/internal/vfs/vfstest"
)

// memWorld has a far side in memory and a near Maildir.
type memWorld struct {
	far *mem.Disk
	disk
}

func (sc *scenario) world(t testing.TB) *memWorld {
	t.Helper()
	w := &memWorld{mem.NewDisk(), newDisk(t)}
	setMemSide(t, w.far, sc.far)
	w.setMaildir(t, syncstate.Near, sc.near)
	if sc.state != "!" {
		w.write(t, statePath, string(notation.StateFile(sc.state, notation.Validity, syncstate.Near)))
	}
	return w.clone()
}

// clone makes a copy on which everything is durable.
func (w *memWorld) clone() *memWorld {
	return &memWorld{w.far.Clone(), disk{w.CrashClone(100, nil)}}
}

// run synchronizes; the local file system is seen through files.
func (w *memWorld) run(t testing.TB, c notation.Rules, files vfs.FS, seed uint64) (*log, error) {
	far := mem.New(w.far, mem.Options{Name: "far", Caps: mem.IMAPCaps, Trasher: true})
	return synchronize(context.Background(), c, [2]store.Store{far, maildirStore(t, syncstate.Near, files)}, onlyBox, files, seed)
}

func (w *memWorld) look(t testing.TB) *shot {
	t.Helper()
	s := &shot{}
	var ok [2]bool
	var err, terr, serr error
	s.box[0], ok[0] = memSide(w.far, "box")
	s.trash[0], _ = memSide(w.far, "trash")
	s.box[1], ok[1], err = w.maildir(syncstate.Near, "box")
	s.trash[1], _, terr = w.maildir(syncstate.Near, "trash")
	s.state, serr = w.stateText()
	for _, err := range []error{err, terr, serr} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s.missing = [2]bool{!ok[0], !ok[1]}
	return s
}

var errnos = []syscall.Errno{syscall.EIO, syscall.ENOSPC, syscall.EMFILE}

// failure is one file system operation that fails, or all from there on.
type failure struct {
	errno syscall.Errno
	nth   int
	every bool
}

func (f failure) String() string {
	if f.every {
		return fmt.Sprintf("%v from operation %d on", f.errno, f.nth)
	}
	return fmt.Sprintf("%v at operation %d", f.errno, f.nth)
}

// fail runs with a failure. It reports whether the failure happened, and checks
// what the user is told about it.
func (w *memWorld) fail(t *testing.T, c notation.Rules, f failure, seed uint64) (l *log, happened bool, where string, err error) {
	t.Helper()
	fault := vfstest.NewFault(w.Mem)
	fault.Inject(vfstest.Rule{Nth: f.nth, Every: f.every, Err: f.errno})
	first := ""
	var mu sync.Mutex // both sides are at work at the same time
	fault.Before(func(op vfstest.Op, name string) {
		mu.Lock()
		defer mu.Unlock()
		if fault.Fired() > 0 && first == "" {
			first = fmt.Sprintf("operation %b of %s", op, name)
		}
	})
	l, err = w.run(t, c, fault, seed)
	if fault.Fired() == 0 {
		return l, false, "", err
	}
	said := l.text(err)
	where = fmt.Sprintf("%v (%s)\nwhich said: %s\n", f, first, said)
	// Of what another failure before has left we are told, too.
	l.trouble = slices.DeleteFunc(l.trouble, func(s string) bool { return strings.Contains(s, "incomplete journal entry") })
	said = l.text(err)
	if said != "" && !strings.Contains(said, f.errno.Error()) {
		t.Errorf("%sdoes not say what failed", where)
	}
	if said != "" && !strings.Contains(said, "near") && !strings.Contains(said, "/state") {
		t.Errorf("%sdoes not say where it failed", where)
	}
	return l, true, where, err
}

// start returns the world of a scenario, and what a run without failures ends
// with.
func (sc *scenario) start(t *testing.T) (start *memWorld, c notation.Rules, want string) {
	t.Helper()
	c = notation.ParseRules(t, sc.rules)
	start = sc.world(t)
	done := start.clone()
	if l, err := done.run(t, c, done.Mem, 1); l.text(err) != "" {
		t.Fatal(l.text(err))
	}
	return start, c, done.look(t).text()
}

// failEach makes each file system operation of a scenario fail once.
func failEach(t *testing.T, sc scenario, every bool) (points int) {
	start, c, want := sc.start(t)
	for _, errno := range errnos {
		for n := 1; !t.Failed(); n++ {
			w := start.clone()
			l, happened, where, err := w.fail(t, c, failure{errno, n, every}, 1)
			if !happened {
				break
			}
			points++
			w.recovers(t, again(c, l, err), sc.wantAfter(l, err, want), where)
		}
	}
	return points
}

// wantAfter is what the next run should end with. That a placeholder could not be
// marked is the one thing that a committed state cannot remember: the placeholder stays
// beside the message.
func (sc *scenario) wantAfter(l *log, err error, want string) string {
	if sc.name != "upgrade" || err != nil {
		return want
	}
	for _, text := range l.trouble {
		if strings.HasPrefix(text, "message 1 of near:") {
			want = strings.Replace(want, "near: A*:R", "near: A*:R A?:FRS", 1)
		}
	}
	return want
}

// recovers runs again, undisturbed, and checks what is there then.
func (w *memWorld) recovers(t *testing.T, c notation.Rules, want, where string) {
	t.Helper()
	at := w.look(t).text()
	l, err := w.run(t, c, w.Mem, 2)
	if gone := err != nil && strings.Contains(want, "state: false"); gone {
		err = nil // both mailboxes are gone, and there is nothing more to say of them
	}
	if err != nil || l.failed > 0 {
		t.Errorf("%s: the next run fails: %s", where, l.text(err))
		return
	}
	s := w.look(t)
	if got := s.text(); got != want {
		t.Errorf("%s: the next run ends with\n%swant\n%sbefore it\n%s", where, got, want, at)
	}
	if err := s.consistent(); err != nil {
		t.Errorf("%s: %v", where, err)
	}
}

// TestFailingFiles makes every file system operation of every scenario fail, by
// itself and with all that follow.
func TestFailingFiles(t *testing.T) {
	points := 0
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			points += failEach(t, sc, false)
			points += failEach(t, sc, true)
		})
	}
	t.Logf("%d failing operations, and 0 messages lost or doubled unless told above", points)
}

// TestSweepFailingFiles lets one failing run follow another, before all is well again.
func TestSweepFailingFiles(t *testing.T) {
	d := sweep(t)
	runs := 0
	begin := time.Now()
	for seed := uint64(1); time.Since(begin) < d && !t.Failed(); seed++ {
		rng := rand.New(rand.NewPCG(seed, 3))
		sc := scenarios[rng.IntN(len(scenarios))]
		t.Run(fmt.Sprintf("%s/%d", sc.name, seed), func(t *testing.T) {
			w, c, want := sc.start(t)
			story := ""
			rules := c
			for range 1 + rng.IntN(4) {
				f := failure{errnos[rng.IntN(len(errnos))], 1 + rng.IntN(150), rng.IntN(2) == 0}
				l, _, where, err := w.fail(t, rules, f, rng.Uint64())
				runs++
				story += where
				want, rules = sc.wantAfter(l, err, want), again(c, l, err)
				if rules.Plan.Ops[0].Old {
					break // the next run has to try those again
				}
			}
			w.recovers(t, rules, want, story)
		})
	}
	t.Logf("%d failing runs", runs)
}
