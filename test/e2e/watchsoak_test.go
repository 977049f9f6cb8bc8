//go:build linux

package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// watchLife is a life in which one program keeps running, and watches.
type watchLife struct {
	*life
	p   *process
	sum *watchSum
	// files and memory are those of the process when both sides were equal for the first
	// time: open files, and resident kilobytes.
	files, memory int
}

// watchSum counts what happened to all watchers.
type watchSum struct {
	mu sync.Mutex
	// starts of watchers, signals to synchronize at once, reloads, suspensions, connections
	// that were cut, connections that were accepted.
	starts, nudges, reloads, suspended, cuts, connections int
	calms                                                 int
	// slowest is the longest time until both sides were equal once nothing went wrong.
	slowest time.Duration
	// moreFiles and moreMemory are the highest growth of a process, in files and kilobytes.
	moreFiles, moreMemory int
}

func (s *watchSum) add(f func(*watchSum)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

func (s *watchSum) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("watch: %d watchers, %d connections, of which %d were cut; %d suspensions, %d reloads, %d times SIGUSR1\n"+
		"equal %d times, at most %v after the last fault; growth of a process: at most %d files, %d kB",
		s.starts, s.connections, s.cuts, s.suspended, s.reloads, s.nudges, s.calms, s.slowest.Round(time.Millisecond), s.moreFiles, s.moreMemory)
}

// TestWatchSoak is a small part of TestSweepWatchSoak.
func TestWatchSoak(t *testing.T) {
	t.Parallel()
	soak, sum := &soakSum{}, &watchSum{}
	live := 0
	newWatchLife(t, seedOf(t), soak, sum, true).live(func() bool { live++; return live <= 8 })
	t.Logf("%s\n%s", soak, sum)
}

// TestSweepWatchSoak watches for as long as ISYNC_SWEEP says, while mail readers change both
// sides, connections break, servers are restarted, and the watcher is suspended, killed and
// told to do things. ISYNC_STRESS_SEED repeats what was done with one server.
func TestSweepWatchSoak(t *testing.T) {
	d := sweep(t)
	begin := time.Now()
	workers := 2
	if os.Getenv("ISYNC_STRESS_SEED") != "" {
		workers = 1
	}
	soak, sum := &soakSum{}, &watchSum{}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for time.Since(begin) < d && !t.Failed() {
				seed := seedOf(t)
				t.Run(fmt.Sprint(seed), func(t *testing.T) {
					start := time.Now()
					newWatchLife(t, seed, soak, sum, false).live(func() bool {
						return time.Since(start) < lifeLimit && time.Since(begin) < d
					})
				})
				t.Logf("after %v:\n%s\n%s", time.Since(begin).Round(time.Second), soak, sum)
			}
		})
	}
	wg.Wait()
	t.Logf("%v\n%s\n%s", time.Since(begin).Round(time.Second), soak, sum)
}

func newWatchLife(t *testing.T, seed uint64, soak *soakSum, sum *watchSum, installed bool) *watchLife {
	t.Helper()
	l := &watchLife{life: newLife(t, seed, soak, installed), sum: sum}
	l.s.endless = true
	return l
}

// begin starts the watcher.
func (l *watchLife) begin() {
	l.tb.Helper()
	l.note("the watcher begins")
	l.files = 0
	l.p = l.start(ours(), "--watch", "-V")
	l.sum.add(func(s *watchSum) { s.starts++ })
}

// live makes rounds as long as more says, and a calm after some of them and at the end.
func (l *watchLife) live(more func() bool) {
	l.tb.Helper()
	defer l.far.leave()
	defer l.report()
	l.configure(l.rc(4, l.retries+"PollInterval 3s\nSafetyInterval 15s\nIdleRefresh 10s\n"))
	l.begin()
	for next := 3; more() && !l.tb.Failed(); {
		l.round()
		if l.now == next && !l.tb.Failed() {
			l.calm()
			next = l.now + 2 + l.rnd.IntN(6)
		}
	}
	if !l.tb.Failed() {
		l.calm()
	}
	begin := time.Now()
	r := l.p.signal(syscall.SIGTERM)
	if took := time.Since(begin); took > 10*time.Second {
		l.tb.Errorf("it took %v to end", took)
	}
	l.judge("the watcher", l.p, r)
	l.sum.add(func(s *watchSum) { s.connections += l.rough.connections() })
}

// round lets the reader change both sides while things go wrong.
func (l *watchLife) round() {
	l.tb.Helper()
	l.now++
	l.reader.round(l.now - 1)
	plan := make([]fault, l.rnd.IntN(6))
	for i := range plan {
		plan[i] = drawFault(l.rnd)
	}
	l.note("planned for the connections: %v", plan)
	l.rough.begin(plan)
	for range 1 + l.rnd.IntN(12) {
		l.pause(300 * time.Millisecond)
		l.reader.act()
		if l.rnd.IntN(4) == 0 {
			l.mishap()
		}
	}
	l.soakSum().add(func(s *soakSum) { s.rounds++ })
}

func (l *watchLife) soakSum() *soakSum { return l.life.sum }

// pause waits for a random time.
func (l *watchLife) pause(most time.Duration) {
	time.Sleep(time.Duration(l.rnd.Int64N(int64(most))))
}

// mishap lets something go wrong.
func (l *watchLife) mishap() {
	l.tb.Helper()
	send := func(sig syscall.Signal) {
		l.note("the watcher gets %v", sig)
		if err := l.p.cmd.Process.Signal(sig); err != nil {
			l.tb.Errorf("%v: %v", sig, err)
		}
	}
	switch n := l.rnd.IntN(20); {
	case n < 6:
		l.note("all connections are cut")
		l.rough.cutAll()
		l.sum.add(func(s *watchSum) { s.cuts++ })
	case n < 8:
		l.note("the port is closed")
		l.rough.shut()
		l.rough.count(refused)
		l.pause(2 * time.Second)
		l.rough.open()
	case n < 10:
		l.restart(time.Duration(l.rnd.Int64N(int64(time.Second))))
	case n < 13:
		send(syscall.SIGSTOP)
		l.pause(3 * time.Second)
		send(syscall.SIGCONT)
		l.sum.add(func(s *watchSum) { s.suspended++ })
	case n < 15:
		send(syscall.SIGUSR1)
		l.sum.add(func(s *watchSum) { s.nudges++ })
	case n < 16:
		send(syscall.SIGHUP)
		l.sum.add(func(s *watchSum) { s.reloads++ })
	case n < 17:
		l.note("another run begins")
		p := l.start(ours(), "-a")
		l.await(p)
		l.judge("another run", p, p.wait())
	case n < 18:
		send(syscall.SIGKILL)
		<-l.p.done
		l.soakSum().add(func(s *soakSum) { s.killed++ })
		l.judgeKilled()
		l.begin()
	}
}

// judgeKilled looks at what a watcher has said that was killed.
func (l *watchLife) judgeKilled() {
	l.tb.Helper()
	said := l.p.out.String() + l.p.err.String()
	l.note("the watcher was killed\n%s", said[max(0, len(said)-20_000):])
	if broken.MatchString(said) {
		l.tb.Errorf("the watcher said\n%s", said)
	}
}

// calmLimit is how long it may take until both sides are equal. After failures, the next
// attempt may come after minutes.
const calmLimit = 3 * time.Minute

// calm waits until both sides are equal.
func (l *watchLife) calm() {
	l.tb.Helper()
	l.rough.begin(nil)
	begin := time.Now()
	look := *l.life
	look.sum = &soakSum{} // what is not yet equal does not count
	bad := look.differences()
	for ; len(bad) > 0 && time.Since(begin) < calmLimit; bad = look.differences() {
		if l.p.ended() {
			r := l.p.wait()
			l.tb.Errorf("seed %d: the watcher has ended: exit code %d\n%s%s", l.seed, r.code, r.stdout, r.stderr)
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	took := time.Since(begin)
	if len(bad) > 0 {
		l.tb.Error(l.complaint(bad))
		r := l.p.signal(syscall.SIGTERM)
		said := r.stdout + r.stderr
		l.tb.Errorf("the watcher said\n%s", said[max(0, len(said)-20_000):])
		return
	}
	l.reader.confirm()
	l.diary = nil
	l.note("all is well after %v; %v", took, l.reader)
	files, memory := l.size()
	if l.files == 0 {
		l.files, l.memory = files, memory
	}
	l.sum.add(func(s *watchSum) {
		s.calms++
		s.slowest = max(s.slowest, took)
		s.moreFiles = max(s.moreFiles, files-l.files)
		s.moreMemory = max(s.moreMemory, memory-l.memory)
	})
	if files > l.files+20 {
		l.tb.Errorf("the watcher has %d open files, and had %d before", files, l.files)
	}
}

// size returns the number of open files of the watcher, and its resident memory in kB.
func (l *watchLife) size() (files, memory int) {
	l.tb.Helper()
	proc := fmt.Sprintf("/proc/%d/", l.p.cmd.Process.Pid)
	list, err := os.ReadDir(proc + "fd")
	if err != nil {
		l.tb.Fatal(err)
	}
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		l.tb.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			memory, _ = strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
		}
	}
	return len(list), memory
}
