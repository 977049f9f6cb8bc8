//go:build linux

package e2e

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/testkit"
)

// fellow returns a world with the same mailboxes, directory and sync states, and a
// configuration file of its own.
func (w *homeWorld) fellow(rc string) *homeWorld {
	w.tb.Helper()
	o := *w
	o.rcName = "rc-fellow"
	o.configure(rc)
	return &o
}

// tell sends a signal to the watcher, which goes on.
func (x *watched) tell(sig syscall.Signal) {
	x.tb.Helper()
	if err := x.p.cmd.Process.Signal(sig); err != nil {
		x.tb.Fatal(err)
	}
}

// kill ends the watcher without a chance to do anything.
func (x *watched) kill() {
	x.tb.Helper()
	x.tell(syscall.SIGKILL)
	<-x.p.done
}

// calm waits until both sides hold these letters, and checks after a while that this is the
// end: nothing was doubled later, and no run that follows does anything.
func (x *watched) calm(box string, letters ...letter) {
	x.tb.Helper()
	x.equal(box, letters...)
	time.Sleep(2 * time.Second)
	x.equal(box, letters...)
}

// same checks that both sides hold these letters.
func (w *homeWorld) same(box string, letters ...letter) {
	w.tb.Helper()
	for side, list := range map[string][]found{"far": w.far(box), "near": w.near(box)} {
		if d := cmp.Diff(lettersAsContents(letters), contentsOf(list)); d != "" {
			w.tb.Errorf("%s side of %s (-want +got):\n%s", side, box, d)
		}
	}
}

// TestWatchOverlapping: two watchers with different configurations synchronize the same
// mailboxes, with the same sync state or with others, and with Maildirs of their own.
func TestWatchOverlapping(t *testing.T) {
	t.Parallel()
	testOverlapping(t, "the same state", "another state")
}

// TestSweepWatchOverlapping is TestWatchOverlapping with more configurations.
func TestSweepWatchOverlapping(t *testing.T) {
	sweep(t)
	testOverlapping(t)
}

// testOverlapping tests the configurations of these names; none: all of them.
func testOverlapping(t *testing.T, only ...string) {
	t.Helper()
	channel := "Patterns * INBOX\nCreate Both\nRemove Both\nExpunge Both"
	for name, two := range map[string]func(w *homeWorld) *homeWorld{
		"the same state": func(w *homeWorld) *homeWorld { return w.fellow("# another one\n" + w.config()) },
		"a state in the Maildir": func(w *homeWorld) *homeWorld {
			rc := strings.Replace(w.config(), "Channel c\n", "Channel c\nSyncState *\n", 1)
			w.configure(rc)
			return w.fellow("# another one\n" + rc)
		},
		"another state": func(w *homeWorld) *homeWorld {
			_ = os.Mkdir(w.path("state2"), 0o700)
			return w.fellow(strings.Replace(w.config(), "/state/", "/state2/", 1))
		},
		"another Maildir": (*homeWorld).replica,
		"the same box by two names": func(w *homeWorld) *homeWorld {
			return w.fellow(strings.Replace(w.config(), "Channel c\n", "Channel d\n", 1))
		},
	} {
		if only != nil && !slices.Contains(only, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{
				modern: true, account: "PollInterval 2s\nSafetyInterval 5s", channel: channel,
				says: []string{"the same on both sides"}, // with another state
			})
			l := letters(40)
			w.sendAll(map[string][]letter{"INBOX": l[:2], "a": l[2:4]})
			other := two(w)
			x, y := w.startWatch(), other.startWatch()
			for i := range 8 {
				x.send("INBOX", l[4+i])
				x.deliver("INBOX", l[12+i])
				y.deliver("a", l[20+i])
				if i%3 == 0 {
					time.Sleep(400 * time.Millisecond)
				}
			}
			x.farRemove("INBOX", w.pick(w.far("INBOX"), l[0]).uid)
			inbox, a := append(l[1:2:2], l[4:20]...), append(l[2:4:4], l[20:28]...)
			x.calm("INBOX", inbox...)
			y.calm("INBOX", inbox...)
			x.equal("a", a...)
			y.equal("a", a...)
			x.remove(x.pick(x.near("INBOX"), l[1]))
			y.calm("INBOX", inbox[1:]...)
			x.end(syscall.SIGTERM)
			y.end(syscall.SIGTERM)
			w.sync(ours())
			x.same("INBOX", inbox[1:]...)
			y.same("INBOX", inbox[1:]...)
		})
	}
}

// TestWatchBesideMbsync: the C program runs again and again on the state of a watcher, and is
// killed at times. Nothing is lost or doubled.
func TestWatchBesideMbsync(t *testing.T) {
	t.Parallel()
	testBesideMbsync(t, 5)
}

// TestSweepWatchBesideMbsync is TestWatchBesideMbsync with more runs.
func TestSweepWatchBesideMbsync(t *testing.T) {
	sweep(t)
	testBesideMbsync(t, 60)
}

func testBesideMbsync(t *testing.T, runs int) {
	t.Helper()
	for _, find := range []func(testing.TB) *testkit.Mbsync{testkit.FindMbsync, testkit.FindMbsync15} {
		m := find(t)
		t.Run(m.Version, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{slow: true, account: "AuthMechs LOGIN", channel: "Patterns INBOX a\nCreate Both\nExpunge Both"})
			old := w.config()
			w.configure(old + "\n")
			l := letters(4 + 12*runs)
			w.sendAll(map[string][]letter{"INBOX": l[:2], "a": l[2:4]})
			theirs := w.fellow(old)
			x := w.startWatch()
			inbox, n := l[:2:2], 4
			c := program{name: "mbsync " + m.Version, path: m.Path, args: []string{"-Tz"}}
			for i := range runs {
				p := theirs.start(c, "-a")
				for range 6 {
					x.send("INBOX", l[n])
					x.deliver("INBOX", l[n+1])
					inbox = append(inbox, l[n:n+2]...)
					n += 2
				}
				if i%3 == 2 {
					_ = p.cmd.Process.Kill()
				}
				<-p.done
			}
			// Only 1.4 can finish what 1.4 has begun.
			p := theirs.run(c, "-a")
			for begin := time.Now(); p.code != 0 && isLocked(p) && time.Since(begin) < watchPatience; p = theirs.run(c, "-a") {
				time.Sleep(100 * time.Millisecond)
			}
			if p.code != 0 {
				t.Errorf("exit code %d\n%s%s", p.code, p.stdout, p.stderr)
			}
			x.tell(syscall.SIGUSR1)
			x.calm("INBOX", inbox...)
			x.equal("a", l[2:4]...)
			x.remove(x.pick(x.near("INBOX"), inbox[0]))
			x.mark(x.pick(x.near("INBOX"), inbox[1]), "S")
			inbox[1].flags = "S"
			x.calm("INBOX", inbox[1:]...)
			x.p.signal(syscall.SIGTERM)
			if p := theirs.run(c, "-a"); p.code != 0 {
				t.Errorf("exit code %d\n%s%s", p.code, p.stdout, p.stderr)
			}
			w.agree("INBOX", inbox[1:])
		})
	}
}
