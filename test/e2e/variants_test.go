//go:build linux

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"isync/internal/testkit"
)

// each runs a test for variants, a few at the same time.
func each(t *testing.T, variants []testkit.Variant, f func(t *testing.T, v testkit.Variant)) {
	t.Helper()
	for _, v := range variants {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			f(t, v)
		})
	}
}

// TestLives lets some variants live through a few rounds of changes, in which
// they are cut off.
func TestLives(t *testing.T) {
	each(t, testkit.SomeVariants(1), func(t *testing.T, v testkit.Variant) {
		n, cut := live(t, v, func(rounds int) bool { return rounds < fewRounds })
		t.Logf("%d rounds, %d runs cut off", n, cut)
	})
}

// TestKillVariants kills and cuts off what some variants copy.
func TestKillVariants(t *testing.T) {
	each(t, testkit.SomeVariants(1)[1:], func(t *testing.T, v testkit.Variant) {
		killCases[2+rand.IntN(2)].kill(t, several, v)
		loseConnection(t, "push", v)
	})
}

// sweep returns for how long a long sweep may go on.
func sweep(t *testing.T) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(os.Getenv("ISYNC_SWEEP"))
	if err != nil {
		t.Skip("a long sweep: set ISYNC_SWEEP to how long it may take")
	}
	return d
}

// TestSweepLives lets all variants live for their part of the time.
func TestSweepLives(t *testing.T) {
	all := testkit.Variants()
	part := sweep(t) * sideBySide / time.Duration(len(all))
	each(t, all, func(t *testing.T, v testkit.Variant) {
		begin := time.Now()
		n, cut := live(t, v, func(rounds int) bool { return rounds < fewRounds || rounds < 40 && time.Since(begin) < part })
		t.Logf("%s: %d rounds, %d runs cut off", v.Name, n, cut)
	})
}

// TestSweepKills kills and cuts off all variants in all the ways that the tests
// of the usual one know, at least once.
func TestSweepKills(t *testing.T) {
	d := sweep(t)
	begin := time.Now()
	n := 0
	for ; (n == 0 || time.Since(begin) < d) && !t.Failed(); n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			for _, v := range testkit.Variants() {
				run := func(name string, f func(t *testing.T)) {
					t.Run(v.Name+"/"+name, func(t *testing.T) {
						t.Parallel()
						f(t)
					})
				}
				for _, c := range killCases {
					run(c.String(), func(t *testing.T) { c.kill(t, several, v) })
				}
				for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGINT} {
					run(sig.String(), func(t *testing.T) { killMany(t, sig, v) })
				}
				for _, direction := range []string{"pull", "push"} {
					run("connection lost/"+direction, func(t *testing.T) { loseConnection(t, direction, v) })
				}
			}
		})
	}
	t.Logf("%d rounds of %d ways to be cut off, for %d variants", n, len(killCases)+4, len(testkit.Variants()))
}

// town is what somebody who lives through many changes knows: what should be in
// which mailbox, and what should be in the trash.
type town struct {
	*homeWorld
	rnd     *rand.Rand
	line    *line
	letters map[string][]letter
	trashed []letter
	trash   bool
	number  int // of letters
}

const (
	boxes = 5
	// fewRounds are enough for all that is to be seen: with a trash, and without.
	fewRounds = 4
)

// live changes mailboxes, lets a variant be cut off while it synchronizes, a few
// times, and then complete its work, as long as more says. Each time all is there that should be, once, with
// the right flags. Mailboxes at rest are passed over if the variant can tell that they
// are.
func live(t *testing.T, v testkit.Variant, more func(rounds int) bool) (rounds, cut int) {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	b := &town{
		homeWorld: newWorld(t, setup{modern: true, variant: v, channel: "Patterns box*\nCreate Both\nExpunge Both"}),
		rnd:       rand.New(rand.NewPCG(seed, 1)),
		line:      slowLine(),
		letters:   map[string][]letter{},
	}
	for i := range boxes {
		name := fmt.Sprint("box", i)
		b.letters[name] = nil
		b.send(name)
		b.makeMaildir(name)
	}
	b.connect(b.line)
	for ; more(rounds) && !t.Failed(); rounds++ {
		b.trash = rounds/2%2 == 0
		b.s.account = ""
		if b.trash {
			b.s.account = "Trash bin"
		}
		b.configure(b.line.by(b.homeWorld))
		names := b.names()
		b.change(names[0])
		for _, i := range b.rnd.Perm(boxes - 1)[:b.rnd.IntN(3)] {
			b.change(names[1+i])
		}
		for range b.rnd.IntN(4) {
			if b.cutShort() {
				cut++
			}
			b.once()
		}
		b.complete()
		for name, letters := range b.letters {
			b.agree(name, letters)
		}
		b.lookIntoTrash()
		if rounds%2 == 1 {
			b.rest()
		}
	}
	occasions := []testkit.Sign{
		testkit.MultiAppend, testkit.Unasked, testkit.Asked, testkit.Moved, testkit.UIDExpunge, testkit.Resync, testkit.ChangedSince,
		testkit.ListStatus, testkit.Statuses, testkit.Pipelined, testkit.Optimistic, testkit.Several, testkit.StoredOutside,
	}
	v.Check(t, b.tap, occasions...)
	return rounds, cut
}

func (b *town) names() []string {
	var out []string
	for i := range boxes {
		out = append(out, fmt.Sprint("box", i))
	}
	return out
}

// fresh writes some letters.
func (b *town) fresh(n int) []letter {
	var out []letter
	for range n {
		b.number++
		size := b.rnd.IntN(1500)
		if b.number%9 == 0 {
			size += 6000
		}
		l := note(b.number, size)
		l.flags = []string{"", "", "S", "FS", "RS"}[b.rnd.IntN(5)]
		out = append(out, l)
	}
	return out
}

// change does something to a mailbox, on both sides, and notes what should come
// of it.
func (b *town) change(box string) {
	b.tb.Helper()
	far, near := b.far(box), b.near(box)
	old := b.letters[box]
	var kept []letter
	for i, n := range b.rnd.Perm(len(old)) {
		l := old[n]
		flags := []string{"", "F", "S", "RS", "FRS"}[b.rnd.IntN(5)]
		switch {
		case i == 0:
			b.farRemove(box, b.pick(far, l).uid)
			continue
		case i == 1:
			b.remove(b.pick(near, l))
			b.trashed = append(b.trashed, b.binned(l)...)
			continue
		case i < 4:
			b.mark(b.pick(near, l), l.flags+"T")
			b.trashed = append(b.trashed, b.binned(l)...)
			continue
		case i == 4:
			b.farMark(box, l.flags+"T", b.pick(far, l).uid)
			b.trashed = append(b.trashed, b.binned(l)...)
			continue
		case i < 7:
			b.farMark(box, flags, b.pick(far, l).uid)
			l.flags = flags
		case i < 9:
			b.mark(b.pick(near, l), flags)
			l.flags = flags
		}
		kept = append(kept, l)
	}
	n := 10 + b.rnd.IntN(20)
	if b.s.variant.Uses(testkit.StoredOutside) {
		n += 50 // so that further connections come in time
	}
	if b.s.variant.Compresses() {
		n += 60 // so that there is enough to compress
	}
	pulled, pushed := b.fresh(1+b.rnd.IntN(8)), b.fresh(n)
	b.send(box, pulled...)
	b.deliver(box, pushed...)
	b.letters[box] = slices.Concat(kept, pulled, pushed)
}

// binned returns the letter if it goes to the trash.
func (b *town) binned(l letter) []letter {
	if !b.trash {
		return nil
	}
	return []letter{l}
}

// cutShort starts a run and lets something happen to it before it is done. It
// reports whether it came in time.
func (b *town) cutShort() bool {
	b.tb.Helper()
	run := b.line.startConnected(b.homeWorld)
	wait := time.Duration(b.rnd.IntN(150))*time.Millisecond + 15*b.s.variant.RTT
	for begin := time.Now(); time.Since(begin) < wait && !run.ended(); {
		time.Sleep(time.Millisecond)
	}
	early := !run.ended()
	var r result
	switch b.rnd.IntN(3) {
	case 0:
		r = run.signal(syscall.SIGKILL)
	case 1:
		r = run.signal(syscall.SIGINT)
	default:
		b.line.cut()
		r = run.wait()
	}
	if r.code > 1 && r.code != 128+int(syscall.SIGINT) {
		b.tb.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	b.server.ForgetCommands(b.tb) // the server has noticed
	return early
}

// once checks that nothing is there twice, nor anything that should not be.
func (b *town) once() {
	b.tb.Helper()
	for name, list := range b.farAll(b.names()...) {
		for key, flags := range contentsOf(list) {
			if len(flags) > 1 {
				b.tb.Fatalf("in %s on the server, %s is there %d times", name, key, len(flags))
			}
		}
	}
	for _, name := range b.names() {
		for key, flags := range contentsOf(b.near(name)) {
			if len(flags) > 1 {
				b.tb.Fatalf("in %s here, %s is there %d times", name, key, len(flags))
			}
		}
	}
}

// complete lets the work be completed. Torn journals are told, once.
func (b *town) complete() {
	b.tb.Helper()
	for range 2 {
		r := b.run(ours(), "-a")
		if r.code > 1 || r.code == 1 && !strings.Contains(r.stderr, "incomplete journal entry") {
			b.tb.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
		}
	}
	b.sync(ours())
}

// lookIntoTrash checks that what was deleted is in there, at least once.
func (b *town) lookIntoTrash() {
	b.tb.Helper()
	if len(b.trashed) == 0 {
		return
	}
	got := contentsOf(b.far("bin"))
	for _, l := range b.trashed {
		if len(got[l.key()]) == 0 {
			b.tb.Errorf("%s is not in the trash", l.key())
		}
	}
}

// rest waits until what has changed is taken for unchanged, and counts how many mailboxes
// are opened all the same.
func (b *town) rest() {
	b.tb.Helper()
	v := &b.s.variant
	for range 2 {
		time.Sleep(300 * time.Millisecond)
		b.sync(ours())
	}
	time.Sleep(300 * time.Millisecond)
	before := b.tap.Count("SELECT")
	b.sync(ours())
	opened, want := b.tap.Count("SELECT")-before, boxes
	if v.Remembers() {
		want = 0
	}
	if opened != want && !v.Compresses() {
		b.tb.Errorf("%d mailboxes were opened, want %d", opened, want)
	}
	if v.NoCache {
		// The file in its place is still there, and nothing else is.
		if files, err := filepath.Glob(b.path(".cache", "*")); err != nil || len(files) > 0 {
			b.tb.Errorf("in the cache: %q, %v", files, err)
		}
	}
}
