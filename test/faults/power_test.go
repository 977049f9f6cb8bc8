package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"isync/internal/store"
	"isync/internal/syncstate"
	"isync/internal/testkit/notation"
	"isync/internal/vfs"
	"isync/internal/vfs/vfstest"
)

// local has Maildirs on both sides, and so a power cut concerns everything.
type local struct{ disk }

func (sc *scenario) local(t testing.TB) local {
	t.Helper()
	w := local{newDisk(t)}
	w.setMaildir(t, syncstate.Far, sc.far)
	w.setMaildir(t, syncstate.Near, sc.near)
	if sc.state != "!" {
		w.write(t, statePath, string(notation.StateFile(sc.state, notation.Validity, syncstate.Near)))
	}
	return local{disk{w.CrashClone(100, nil)}}
}

func (w local) run(t testing.TB, c notation.Rules, files vfs.FS, seed uint64) (*log, error) {
	return synchronize(context.Background(), c,
		[2]store.Store{maildirStore(t, syncstate.Far, files), maildirStore(t, syncstate.Near, files)}, onlyBox, files, seed)
}

func (w local) look(t testing.TB) *shot {
	t.Helper()
	s := &shot{}
	for _, side := range syncstate.Sides {
		var ok bool
		var err, terr error
		s.box[side], ok, err = w.maildir(side, "box")
		s.trash[side], _, terr = w.maildir(side, "trash")
		s.missing[side] = !ok
		if err != nil || terr != nil {
			t.Fatal(err, terr)
		}
	}
	var err error
	if s.state, err = w.stateText(); err != nil {
		t.Fatal(err)
	}
	return s
}

// crash is what a power cut leaves.
type crash struct {
	where string
	disk  *vfstest.Mem
}

// cut runs a scenario and cuts the power before each operation that changes
// something, and at the end. chances tell with what probability, in percent,
// each thing survives that was not flushed. want is what the run itself ends
// with.
func (sc *scenario) cut(t *testing.T, chances []int, seed uint64) (crashes []crash, c notation.Rules, want string) {
	t.Helper()
	c = notation.ParseRules(t, sc.rules)
	done := sc.local(t)
	fault := vfstest.NewFault(done.Mem)
	cut := func(where string) {
		for i, percent := range chances {
			rng := rand.New(rand.NewPCG(seed, uint64(len(crashes))))
			crashes = append(crashes, crash{
				fmt.Sprintf("power cut %s, %d %% survive (%d)", where, percent, i), done.CrashClone(percent, rng),
			})
		}
	}
	n := 0
	var mu sync.Mutex // both sides are at work at the same time
	fault.Before(func(op vfstest.Op, name string) {
		mu.Lock()
		defer mu.Unlock()
		if op&vfstest.OpChanges != 0 {
			n++
			cut(fmt.Sprintf("before operation %d (%b of %s)", n, op, name))
		}
	})
	if l, err := done.run(t, c, fault, 1); l.text(err) != "" {
		t.Fatal(l.text(err))
	}
	cut("after the run")
	return crashes, c, done.look(t).text()
}

// cutPower tries what a run makes of each power cut.
func cutPower(t *testing.T, sc scenario, chances []int, seed uint64) (cuts int) {
	crashes, c, want := sc.cut(t, chances, seed)
	for _, k := range crashes {
		w := local{disk{k.disk}}
		w.settles(t, c, want, k.where)
		if t.Failed() {
			break
		}
	}
	return len(crashes)
}

// settles runs again after a power cut and checks what is there then.
func (w local) settles(t *testing.T, c notation.Rules, want, where string) {
	t.Helper()
	at := w.look(t).text()
	l, err := w.run(t, c, w.Mem, 2)
	if err != nil && strings.Contains(want, "state: false") && w.look(t).text() == want {
		err = nil // both mailboxes are gone, which is all there is to say
	}
	if err != nil || l.failed > 0 {
		t.Errorf("%s: the next run fails: %s\nbefore it\n%s", where, l.text(err), at)
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

func TestPowerCuts(t *testing.T) {
	cuts := 0
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) { cuts += cutPower(t, sc, []int{0, 50, 50}, 1) })
	}
	t.Logf("%d power cuts", cuts)
}

// failResuming kills a run before each operation, and then makes each operation
// fail that the next run does: all of them if stride is 1.
func failResuming(t *testing.T, sc scenario, errno syscall.Errno, stride int) (points int) {
	crashes, c, want := sc.cut(t, []int{100}, 1)
	for i, k := range crashes {
		for n := 1 + i%stride; !t.Failed(); n += stride {
			w := local{disk{k.disk.CrashClone(100, nil)}}
			fault := vfstest.NewFault(w.Mem)
			fault.Inject(vfstest.Rule{Nth: n, Err: errno})
			l, err := w.run(t, c, fault, 2)
			if fault.Fired() == 0 {
				break
			}
			points++
			where := fmt.Sprintf("killed %s; resumed with %v at operation %d, which said: %s", k.where, errno, n, l.text(err))
			w.settles(t, again(c, l, err), sc.wantAfter(l, err, want), where)
		}
	}
	return points
}

func TestFailingResumption(t *testing.T) {
	points := 0
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) { points += failResuming(t, sc, syscall.EIO, 5) })
	}
	t.Logf("%d failing operations in resumed runs", points)
}

func TestSweepFailingResumption(t *testing.T) {
	sweep(t)
	points := 0
	for _, sc := range scenarios {
		for _, errno := range errnos {
			t.Run(fmt.Sprintf("%s/%v", sc.name, errno), func(t *testing.T) { points += failResuming(t, sc, errno, 1) })
		}
	}
	t.Logf("%d failing operations in resumed runs", points)
}

func TestSweepPowerCuts(t *testing.T) {
	d := sweep(t)
	cuts := 0
	begin := time.Now()
	for seed := uint64(2); time.Since(begin) < d && !t.Failed(); seed++ {
		for _, sc := range scenarios {
			t.Run(fmt.Sprintf("%s/%d", sc.name, seed), func(t *testing.T) {
				cuts += cutPower(t, sc, []int{10, 30, 50, 70, 90}, seed)
			})
		}
	}
	t.Logf("%d power cuts", cuts)
}
