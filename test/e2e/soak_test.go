//go:build linux

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"isync/internal/testkit"
)

// TestSoak is a small part of TestSweepSoak.
func TestSoak(t *testing.T) {
	t.Parallel()
	sum := &soakSum{}
	live := 0
	newLife(t, seedOf(t), sum, true).live(func() bool { live++; return live <= 4 })
	t.Log(sum)
}

// lifeLimit is how long a server and a home directory are used.
const lifeLimit = 90 * time.Second

// TestSweepSoak synchronizes for as long as ISYNC_SWEEP says, while mail readers change
// both sides, connections break, servers are restarted and runs are killed. There are
// several servers at a time, each with one home directory. ISYNC_STRESS_SEED
// repeats what was done with one server.
func TestSweepSoak(t *testing.T) {
	d := sweep(t)
	begin := time.Now()
	workers := sideBySide
	if os.Getenv("ISYNC_STRESS_SEED") != "" {
		workers = 1
	}
	sum := &soakSum{}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for time.Since(begin) < d && !t.Failed() {
				seed := seedOf(t)
				t.Run(fmt.Sprint(seed), func(t *testing.T) {
					start := time.Now()
					newLife(t, seed, sum, false).live(func() bool {
						return time.Since(start) < lifeLimit && time.Since(begin) < d
					})
				})
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		wg.Wait()
	}()
	for over := false; !over; {
		select {
		case <-done:
			over = true
		case <-time.After(5 * time.Minute):
			t.Logf("after %v:\n%s", time.Since(begin).Round(time.Second), sum)
		}
	}
	t.Logf("%v\n%s", time.Since(begin).Round(time.Second), sum)
}

// soakSum counts what happened in all lives.
type soakSum struct {
	mu                              sync.Mutex
	lives, rounds, runs             int
	clean, failed, locked           int // runs that were not killed
	killed, interrupted, suspended  int
	restarts, retries, statesLost   int
	faults                          [troubles]int
	compared                        int
	lost, doubled, left, flags, bad int
	slowest                         int // calm runs until all was done
	delivered, deleted, moved       int
	marked                          int
	kinds                           map[string]int
}

// add lets f change the sum.
func (s *soakSum) add(f func(*soakSum)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

func (s *soakSum) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	total := 0
	var faults []string
	for k := none + 1; k < troubles; k++ {
		total += s.faults[k]
		faults = append(faults, fmt.Sprintf("%d %s", s.faults[k], k))
	}
	return fmt.Sprintf("soak: %d servers %v, %d rounds, %d runs: %d succeeded, %d failed, %d found a lock\n"+
		"faults: %d on connections (%s), %d server restarts, states lost %d times\n"+
		"kills: %d killed, %d interrupted, %d suspended; retries: %d within runs, at most %d runs to complete the work\n"+
		"mail readers: %d delivered, %d deleted, %d moved, %d marked; messages compared: %d\n"+
		"lost: %d, doubled: %d, deleted in vain: %d, with other flags: %d, damaged: %d",
		s.lives, s.kinds, s.rounds, s.runs, s.clean, s.failed, s.locked,
		total, strings.Join(faults, ", "), s.restarts, s.statesLost,
		s.killed, s.interrupted, s.suspended, s.retries, s.slowest,
		s.delivered, s.deleted, s.moved, s.marked, s.compared,
		s.lost, s.doubled, s.left, s.flags, s.bad)
}

// drawWorld draws a server and the way the program is to run.
func drawWorld(rnd *rand.Rand, installed bool) (kind string, s setup) {
	all := testkit.Variants()
	v := all[rnd.IntN(len(all))]
	s = setup{
		modern: true, slow: true, channel: "Patterns INBOX *\nCreate Both\nExpunge Both",
		security: []string{"", "", "STARTTLS", "IMAPS"}[rnd.IntN(4)],
		global:   []string{"FSync yes", "FSync no"}[rnd.IntN(2)],
	}
	kinds := append([]testkit.Kind{{}, {}, {}}, testkit.Kinds()...)
	if k := kinds[rnd.IntN(len(kinds))]; k.Start != nil && !installed {
		s.other = k.Start
		kind = k.Name
	} else {
		s.server.Storage = []string{"sdbox", "sdbox", "mdbox", "maildir"}[rnd.IntN(4)]
		kind = "dovecot-" + s.server.Storage
	}
	s.variant = v
	return kind, s
}

// oddly writes a message that may be unlike others.
func oddly(n, size int) letter {
	l := note(n, size)
	header, body, _ := strings.Cut(l.text, "\n\n")
	switch n % 13 {
	case 1:
		header = strings.Replace(header, "Subject: letter", "Subject: caf\xc3\xa9", 1)
		body += "8-bit: caf\xc3\xa9 ☕\n"
	case 2:
		body += "not UTF-8: \xff\xfe\n"
	case 3:
		return letter{text: strings.TrimSuffix(l.text, "\n")}
	case 5:
		body = ""
	case 7:
		body += strings.Repeat("x", 70_000) + "\n"
	case 9:
		header += "\nX-TUID: AAAAAAAAAAAA\nX-Folded: " + strings.Repeat("word ", 200) + "\n\tand so on"
		body += ".\n..\n* 1 FETCH (UID 1 FLAGS ())\n{10}\n"
	case 11:
		if n%3 == 0 {
			body += strings.Repeat(filler, 2)
		}
	}
	return letter{text: header + "\n\n" + body}
}
