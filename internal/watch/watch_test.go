package watch_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/mem"
)

// inBubble runs a test in virtual time.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// started returns a world that has made its first run, with push on the far side.
func started(t *testing.T, boxes ...string) *world {
	w := newWorld(t, oneChannel)
	for _, b := range boxes {
		w.disk["far"].Set(b, mem.BoxState{})
	}
	w.begin()
	w.ran(0, append(boxes, "INBOX")...)
	w.connected("far", store.WatchNotify, true, nil)
	w.connected("near", store.WatchFiles, true, nil)
	w.ran(time.Minute)
	return w
}

// TestReports: a report causes a run of the pair alone, and no listing: of the remote store
// at once, of the local one when no more reports come.
func TestReports(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := started(t, "a", "b")
		before := w.channels
		w.changed("far", "a")
		w.ran(0, "a")
		w.changed("near", "b")
		w.ran(299 * time.Millisecond)
		w.ran(time.Millisecond, "b")
		if !w.same("far", "near") {
			t.Error("the sides differ")
		}
		w.report("far", store.WatchReport{Box: "unknown"})
		w.ran(time.Second)
		lists := 0
		for _, op := range w.stores["far"].Log() {
			if op.Kind == mem.OpList {
				lists++
			}
		}
		if lists != 1 || w.channels != before+2 {
			t.Errorf("the store was listed %d times, channels begun %d", lists, w.channels)
		}
	})
}

// TestSelect: the watches are told the mailboxes after a run has listed them, and only then.
func TestSelect(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := started(t, "a", "b")
		selects := func(want int) {
			t.Helper()
			for name, s := range w.stores {
				if s.selects != want || !slices.Equal(s.selected, []string{"INBOX", "a", "b"}) {
					t.Errorf("%s was told %d times, want %d: %v", name, s.selects, want, s.selected)
				}
			}
		}
		selects(1)
		for range 10 {
			w.changed("far", "a")
			w.ran(time.Second, "a")
		}
		selects(1)
		w.report("far", store.WatchReport{Boxes: true})
		w.ran(time.Second, "INBOX", "a", "b")
		selects(2)
	})
	// A channel without patterns has one pair, and is never listed.
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, strings.Replace(oneChannel, "Patterns * INBOX\n", "", 1))
		w.begin()
		w.ran(0, "") // the name of the pair
		for range 10 {
			w.changed("far", "INBOX")
			w.ran(time.Second, "")
		}
		if n := w.stores["far"].selects; n != 1 {
			t.Errorf("told %d times", n)
		}
	})
}

// TestNamed: mailboxes that the command line names are watched like all others.
func TestNamed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, oneChannel)
		for _, b := range []string{"a", "b", "c"} {
			w.disk["far"].Set(b, mem.BoxState{})
		}
		w.named = []string{"a", "b"}
		w.begin()
		w.ran(0, "a", "b")
		w.connected("far", store.WatchNotify, true, nil)
		w.connected("near", store.WatchFiles, true, nil)
		w.ran(time.Minute)
		if s := w.stores["far"]; s.selects != 1 || !slices.Equal(s.selected, []string{"a", "b"}) {
			t.Errorf("told %d times: %v", s.selects, s.selected)
		}
		w.changed("far", "a")
		w.ran(0, "a")
		w.changed("near", "b")
		w.ran(300*time.Millisecond, "b")
		w.changed("far", "c")
		w.ran(time.Minute)
		w.report("far", store.WatchReport{All: true})
		w.ran(time.Second, "a", "b")
		w.ran(15*time.Minute, "a", "b")
		w.watcher.Now()
		w.ran(time.Second, "a", "b")
		if n := w.stores["far"].selects; n != 4 {
			t.Errorf("told %d times", n)
		}
	})
}

// TestReportsAreCollected: the first remote report causes a run at once; those after the run
// are collected for 300 ms, at most a second. Local reports are collected until 300 ms after
// the last one, at most 3 s.
func TestReportsAreCollected(t *testing.T) {
	for _, tt := range []struct {
		store string
		every time.Duration
		for_  time.Duration
		runs  []time.Duration // since the first report
	}{
		{"far", 0, 0, []time.Duration{0}},
		{"far", 100 * time.Millisecond, 250 * time.Millisecond, []time.Duration{0, 500 * time.Millisecond}},
		{"far", 100 * time.Millisecond, 1250 * time.Millisecond, []time.Duration{0, 1100 * time.Millisecond, 1500 * time.Millisecond}},
		{"far", time.Second, 2500 * time.Millisecond, []time.Duration{0, time.Second, 2 * time.Second}},
		{"near", 0, 0, []time.Duration{300 * time.Millisecond}},
		{"near", 100 * time.Millisecond, 950 * time.Millisecond, []time.Duration{1200 * time.Millisecond}},
		{"near", 200 * time.Millisecond, 3500 * time.Millisecond, []time.Duration{3 * time.Second, 3700 * time.Millisecond}},
	} {
		t.Run(fmt.Sprint(tt.store, tt.every, tt.for_), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := started(t, "a")
				begin := time.Now()
				var runs []time.Duration
				w.onEachPair(func(string) { runs = append(runs, time.Since(begin)) })
				go func() {
					for {
						w.report(tt.store, store.WatchReport{Box: "a"})
						if tt.every == 0 || time.Since(begin)+tt.every > tt.for_ {
							return
						}
						time.Sleep(tt.every)
					}
				}()
				time.Sleep(10 * time.Second)
				synctest.Wait()
				w.mu.Lock()
				defer w.mu.Unlock()
				if !slices.Equal(runs, tt.runs) {
					t.Errorf("runs at %v, want %v", runs, tt.runs)
				}
			})
		})
	}
}

// TestReportDuringRun: a change that comes during a run may be too late for it, so there is
// another run.
func TestReportDuringRun(t *testing.T) {
	for _, name := range []string{"far", "near"} {
		inBubble(t, func(t *testing.T) {
			w := started(t, "a")
			reported := false
			w.setHook("near", func(op mem.Op) error {
				if op.Kind == mem.OpClose && op.After && !reported {
					reported = true
					w.add(name, "a")
					w.report(name, store.WatchReport{Box: "a"})
				}
				return nil
			})
			w.changed("far", "a")
			w.ran(0, "a")
			w.ran(300*time.Millisecond, "a")
			if !w.same("far", "near") {
				t.Error("the sides differ")
			}
			w.ran(time.Minute)
		})
	}
}

// TestIntervals: how often everything is looked at depends on what is reported.
func TestIntervals(t *testing.T) {
	for _, tt := range []struct {
		mode    store.WatchMode
		covered []string
		want    time.Duration
	}{
		{store.WatchPoll, nil, 5 * time.Minute},
		{store.WatchIdle, []string{"INBOX"}, 5 * time.Minute},
		{store.WatchIdle, nil, 15 * time.Minute},
		{store.WatchNotify, nil, 15 * time.Minute},
	} {
		inBubble(t, func(t *testing.T) {
			w := newWorld(t, oneChannel)
			w.begin()
			w.ran(0, "INBOX")
			w.connected("near", store.WatchFiles, true, nil)
			w.report("far", store.WatchReport{State: &store.WatchState{Mode: tt.mode, Covered: tt.covered, Connected: true}})
			w.add("far", "INBOX") // which is not reported
			w.ran(tt.want - time.Millisecond)
			w.ran(time.Millisecond, "INBOX")
			w.ran(tt.want - time.Millisecond)
			w.ran(time.Millisecond, "INBOX")
			if !w.same("far", "near") {
				t.Error("the sides differ")
			}
		})
	}
}

// TestNotConnected: without a connection nothing is run until it is there again, but after
// the interval it is tried all the same. It is said once, after a minute.
func TestNotConnected(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := started(t, "a")
		down := &store.StoreError{Store: "far", Err: &store.KindError{Kind: store.Passing, Err: errors.New("no route")}}
		w.connected("far", store.WatchNotify, false, down)
		w.changed("near", "a")
		w.ran(50 * time.Second)
		w.said()
		w.ran(30 * time.Second)
		w.said("not-connected")
		w.connected("far", store.WatchNotify, false, down)
		w.ran(30 * time.Second)
		w.said()
		w.connected("far", store.WatchNotify, true, nil)
		w.ran(0, "a")
		w.said("connected-again")

		w.connected("far", store.WatchNotify, false, down)
		w.changed("near", "a")
		w.ran(5*time.Minute - time.Millisecond)
		w.ran(time.Millisecond, "INBOX", "a")
		if !w.same("far", "near") {
			t.Error("the sides differ")
		}
	})
}

// TestLoginRefused: it is said at once and once, and nothing is tried for 15 minutes.
func TestLoginRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := started(t, "a")
		refused := &store.StoreError{Store: "far", Err: &store.KindError{Kind: store.LastingAccount, Err: errors.New("login refused")}}
		w.connected("far", store.WatchNotify, false, refused)
		synctest.Wait()
		w.said("login refused")
		w.changed("near", "a")
		w.ran(14 * time.Minute)
		w.said()
		w.ran(time.Minute, "INBOX", "a")
	})
}

// TestFailures: after a failure there is another attempt, later each time. The error is
// shown once an hour, and again after a success.
func TestFailures(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := started(t, "a")
		full := func(op mem.Op) error {
			if op.Kind == mem.OpOpen && op.Box == "a" {
				return fmt.Errorf("disk is full: file %d", rand.IntN(1000))
			}
			return nil
		}
		w.setHook("near", full)
		begin := time.Now()
		var runs []time.Duration
		w.onEachPair(func(name string) {
			if name == "a" {
				runs = append(runs, time.Since(begin))
			}
		})
		w.changed("far", "a")
		time.Sleep(40 * time.Minute)
		w.said("disk is full")
		w.mu.Lock()
		seen := slices.Clone(runs)
		w.mu.Unlock()
		for i := 1; i < 6; i++ {
			gap, base := seen[i]-seen[i-1], time.Second<<(i-1)
			if gap < base*3/4 || gap > base*5/4 {
				t.Errorf("wait %d was %v", i, gap)
			}
		}
		if n := len(seen); n < 15 || n > 30 {
			t.Errorf("%d attempts in 40 minutes", n)
		}
		time.Sleep(40 * time.Minute)
		w.said("disk is full")
		w.setHook("near", nil)
		time.Sleep(7 * time.Minute)
		if !w.same("far", "near") {
			t.Error("the sides differ")
		}
		w.setHook("near", full)
		w.changed("far", "a")
		time.Sleep(time.Minute)
		w.said("disk is full")
	})
}

// TestLocked: if another program is synchronizing the pair, that is tried again soon, and
// not shown in the first minute.
func TestLocked(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := started(t, "a")
		lock := w.lockState("a")
		w.changed("far", "a")
		w.ran(0, "a")
		time.Sleep(20 * time.Second)
		w.said()
		if w.same("far", "near") {
			t.Error("synchronized without the lock")
		}
		lock.Close()
		time.Sleep(40 * time.Second)
		if !w.same("far", "near") {
			t.Error("the sides differ")
		}
		w.said()
		lock = w.lockState("a")
		defer lock.Close()
		w.changed("far", "a")
		time.Sleep(3 * time.Minute)
		w.said("locked")
	})
}

// TestMailboxes: new mailboxes become pairs, on either side, and are watched. Those that
// are gone are not watched any more.
func TestMailboxes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := started(t, "a")
		w.disk["far"].Set("b", mem.BoxState{})
		w.report("far", store.WatchReport{Boxes: true})
		w.ran(0, "INBOX", "a", "b")
		w.disk["near"].Set("c", mem.BoxState{})
		w.report("near", store.WatchReport{Boxes: true})
		w.ran(300*time.Millisecond, "INBOX", "a", "b", "c")
		for _, name := range []string{"far", "near"} {
			if got := w.stores[name].selected; !slices.Equal(got, []string{"INBOX", "a", "b", "c"}) {
				t.Errorf("%s watches %v", name, got)
			}
		}
		w.changed("far", "c")
		w.ran(time.Second, "c")
		for _, name := range []string{"far", "near"} {
			w.disk[name].Drop("b")
		}
		w.report("far", store.WatchReport{Boxes: true})
		time.Sleep(time.Minute)
		w.report("far", store.WatchReport{All: true})
		w.ran(time.Minute, "INBOX", "INBOX", "a", "a", "c", "c")
		if got := w.stores["near"].selected; !slices.Equal(got, []string{"INBOX", "a", "c"}) {
			t.Errorf("near watches %v", got)
		}
	})
}

// TestSuspend: after the computer was suspended, connections are tested, and everything is
// synchronized.
func TestSuspend(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour, 11 * time.Second, 5 * time.Second, 0} {
		inBubble(t, func(t *testing.T) {
			var slept, beats atomic.Int64
			w := newWorld(t, oneChannel)
			start := time.Now()
			w.o.Clock = func() (time.Time, time.Duration) {
				return time.Now().Add(time.Duration(slept.Load())), time.Since(start)
			}
			w.o.Beat = func() { beats.Add(1) }
			w.begin()
			w.ran(time.Minute, "INBOX")
			slept.Store(int64(jump))
			if jump > 10*time.Second || jump < 0 {
				w.ran(20*time.Second, "INBOX")
			} else {
				w.ran(20 * time.Second)
			}
			want := 0
			if jump > 10*time.Second || jump < 0 {
				want = 1
			}
			if got := w.stores["far"].probes; got != want {
				t.Errorf("%d probes, want %d", got, want)
			}
			if beats.Load() != 4 {
				t.Errorf("%d beats in 80 seconds", beats.Load())
			}
		})
	}
}

// TestIdle: it is called once some time after runs, and not often.
func TestIdle(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, oneChannel)
		start := time.Now()
		var at []time.Duration
		w.o.Idle = func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			at = append(at, time.Since(start))
		}
		w.begin()
		for range 50 {
			time.Sleep(10 * time.Second)
			w.changed("far", "INBOX")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(at) != 2 || at[0] > time.Minute || at[1]-at[0] < 5*time.Minute {
			t.Errorf("called after %v", at)
		}
	})
}

// TestNetwork: changes of the network are collected; then the connections are tested.
func TestNetwork(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		network := make(chan struct{})
		w := newWorld(t, oneChannel)
		w.o.Network = network
		w.begin()
		for range 5 {
			network <- struct{}{}
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := w.stores["far"].probes; got != 1 {
			t.Errorf("%d probes", got)
		}
		close(network)
		w.ran(time.Minute, "INBOX")
	})
}

// TestNow: everything is synchronized at once, also what waits after a failure.
func TestNow(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := started(t, "a")
		w.watcher.Now()
		w.ran(0, "INBOX", "a")
		refused := &store.StoreError{Store: "far", Err: &store.KindError{Kind: store.LastingAccount, Err: errors.New("login refused")}}
		w.connected("far", store.WatchNotify, false, refused)
		w.watcher.Now()
		w.ran(0, "INBOX", "a")
		if got := w.stores["near"].probes; got != 2 {
			t.Errorf("%d probes", got)
		}
	})
}

// TestGroups: a group that hangs does not delay another one.
func TestGroups(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, oneChannel+`
MaildirStore far2
Path /far2/
Inbox /farbox2

MaildirStore near2
Path /near2/
Inbox /nearbox2

Channel d
Far :far2:
Near :near2:
`)
		w.setHook("far", func(op mem.Op) error {
			time.Sleep(time.Hour)
			return nil
		})
		w.begin()
		if w.ready != 0 {
			t.Error("ready before everything was tried")
		}
		w.changed("far2", "INBOX")
		time.Sleep(time.Second)
		if !w.same("far2", "near2") {
			t.Error("the sides differ")
		}
		if w.ready != 0 {
			t.Error("ready before everything was tried")
		}
		w.setHook("far", nil)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if w.ready != 1 {
			t.Errorf("ready %d times", w.ready)
		}
	})
}

// TestEnd: a run in progress is interrupted, and nothing is left.
func TestEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := started(t, "a")
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		w.setHook("far", func(mem.Op) error {
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Second):
			}
			return nil
		})
		w.changed("near", "a")
		time.Sleep(400 * time.Millisecond)
		synctest.Wait()
		begin := time.Now()
		w.cancel()
		cancel()
		<-w.done
		if took := time.Since(begin); took > time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestStatus: the status tells of connections, and of mailboxes that have failed.
func TestStatus(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := started(t, "a")
		w.setHook("near", func(op mem.Op) error {
			if op.Kind == mem.OpOpen && op.Box == "a" {
				return errors.New("disk is full")
			}
			return nil
		})
		w.changed("far", "a")
		time.Sleep(5 * time.Second)
		w.mu.Lock()
		st := w.status
		w.mu.Unlock()
		if len(st.Stores) != 2 || st.Stores[0].Mode != "notify" || !st.Stores[0].Connected {
			t.Errorf("%+v", st.Stores)
		}
		if len(st.Channels) != 1 || len(st.Channels[0].Failed) != 1 || st.Channels[0].Boxes != 2 || st.Channels[0].Success.IsZero() {
			t.Errorf("%+v", st.Channels)
		}
		if f := st.Channels[0].Failed[0]; f.Box != "a" || f.Error == "" || f.Next.IsZero() {
			t.Errorf("%+v", f)
		}
	})
}

// TestRandomChanges: whatever changes on both sides, reported or not, with failures and lost
// connections: after SafetyInterval both sides are equal.
func TestRandomChanges(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 1))
				w := started(t, "a", "b")
				var ops atomic.Uint64
				failing := func(op mem.Op) error {
					if op.After && ops.Add(1)%(40+seed) == 0 {
						return &store.StoreError{Store: "far", Err: &store.KindError{Kind: store.Passing, Err: errors.New("connection lost")}}
					}
					return nil
				}
				for range 60 {
					time.Sleep(time.Duration(rng.IntN(3000)) * time.Millisecond)
					name := []string{"far", "near"}[rng.IntN(2)]
					box := []string{"INBOX", "a", "b"}[rng.IntN(3)]
					synctest.Wait()
					switch rng.IntN(8) {
					case 0:
						w.connected("far", store.WatchNotify, rng.IntN(2) == 0, nil)
					case 1:
						w.setHook("far", failing)
					case 2:
						w.setHook("far", nil)
					case 3:
						w.report(name, store.WatchReport{All: true})
					case 4:
						if s := w.disk[name].State()[box]; len(s.Messages) > 0 {
							w.disk[name].SetFlags(box, s.Messages[rng.IntN(len(s.Messages))].UID, mail.FlagSeen, 0)
							w.report(name, store.WatchReport{Box: box})
						}
					case 5:
						w.add(name, box) // not reported
					default:
						w.changed(name, box)
					}
				}
				w.setHook("far", nil)
				w.connected("far", store.WatchNotify, true, nil)
				time.Sleep(20 * time.Minute)
				synctest.Wait()
				if !w.same("far", "near") {
					t.Errorf("the sides differ:\n%v\n%v", w.disk["far"].State(), w.disk["near"].State())
				}
			})
		})
	}
}
