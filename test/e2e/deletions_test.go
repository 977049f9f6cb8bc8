//go:build linux

package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// deletions is a world with messages in one mailbox, which are synchronized.
func deletions(t *testing.T, box string, n int) *homeWorld {
	t.Helper()
	w := newWorld(t, setup{modern: true, channel: "Patterns *\nCreate Both\nExpunge Both"})
	w.sendAll(map[string][]letter{box: letters(n)})
	w.sync(ours())
	w.holds(box, n, n)
	return w
}

func letters(n int) (out []letter) {
	for i := range n {
		out = append(out, note(i, 60))
	}
	return out
}

// holds checks how many messages each side has, each of them once.
func (w *homeWorld) holds(box string, far, near int) {
	w.tb.Helper()
	for side, list := range map[string][]found{"far": w.far(box), "near": w.near(box)} {
		want := far
		if side == "near" {
			want = near
		}
		c := contentsOf(list)
		for key, copies := range c {
			if len(copies) > 1 {
				w.tb.Errorf("the %s side has %d times %q", side, len(copies), key)
			}
		}
		if len(list) != want {
			w.tb.Errorf("the %s side has %d messages, want %d", side, len(list), want)
		}
	}
}

// emptyNear removes the first messages from the Maildir, and leaves its .uidvalidity.
func (w *homeWorld) emptyNear(box string, n int) {
	w.tb.Helper()
	for _, f := range w.near(box)[:n] {
		if err := os.Remove(f.file); err != nil {
			w.tb.Fatal(err)
		}
	}
}

// isHeld runs the program, which must not propagate deletions.
func (w *homeWorld) isHeld(text, box string) {
	w.tb.Helper()
	for _, args := range [][]string{{"-a", "-y"}, {"-a"}, {"-a"}} {
		r := w.run(ours(), args...)
		for _, s := range []string{text, "--allow-deletions c:" + box + "\n", "--restore-deleted c:" + box + "\n"} {
			if r.code != 1 || !strings.Contains(r.stderr, s) {
				w.tb.Fatalf("%v: exit code %d, no %q\n%s%s", args, r.code, s, r.stdout, r.stderr)
			}
		}
	}
}

func (w *homeWorld) does(args ...string) {
	w.tb.Helper()
	if r := w.run(ours(), args...); r.code != 0 {
		w.tb.Fatalf("%v: exit code %d\n%s%s", args, r.code, r.stdout, r.stderr)
	}
}

// TestDeletionsAreHeld: one side is emptied, and its UIDVALIDITY stays the same. Nothing is
// deleted on the other side without --allow-deletions; --restore-deleted undoes it.
func TestDeletionsAreHeld(t *testing.T) {
	const n = 300
	all := make([]uint32, n)
	for i := range all {
		all[i] = uint32(i + 1)
	}
	for _, tt := range []struct {
		name  string
		empty func(w *homeWorld)
		held  string
		left  [2]int
	}{
		{"near", func(w *homeWorld) { w.emptyNear("INBOX", n) }, "300 of 300 message(s) would be deleted on the far side", [2]int{n, 0}},
		{"far", func(w *homeWorld) { w.farRemove("INBOX", all...) }, "300 of 300 message(s) would be deleted on the near side", [2]int{0, n}},
		{"marked", func(w *homeWorld) { w.farMark("INBOX", "T", all...) }, "300 of 300 message(s) would be deleted on the near side", [2]int{n, n}},
	} {
		for _, way := range []string{"--allow-deletions", "--restore-deleted"} {
			t.Run(tt.name+way, func(t *testing.T) {
				t.Parallel()
				w := deletions(t, "INBOX", n)
				tt.empty(w)
				w.isHeld(tt.held, "INBOX")
				w.holds("INBOX", tt.left[0], tt.left[1])
				// Everything else goes on.
				w.send("INBOX", note(1000, 60))
				if r := w.run(ours(), "-a"); r.code != 1 {
					t.Errorf("exit code %d", r.code)
				}
				w.holds("INBOX", tt.left[0]+1, tt.left[1]+1)
				w.does(way, "c:INBOX")
				want := 1
				if way == "--restore-deleted" {
					want = n + 1
				}
				w.holds("INBOX", want, want)
				w.sync(ours())
				w.holds("INBOX", want, want)
			})
		}
	}
}

// TestDeletionsAreNotHeld: people empty small mailboxes, and those for junk mail.
func TestDeletionsAreNotHeld(t *testing.T) {
	for _, tt := range []struct {
		box     string
		n, lost int
		held    bool
	}{
		{"INBOX", 40, 40, false},
		{"Junk", 500, 500, false},
		{"Lists", 100, 60, true},
		{"Lists", 99, 59, false},
	} {
		t.Run(fmt.Sprintf("%d of %d from %s", tt.lost, tt.n, tt.box), func(t *testing.T) {
			t.Parallel()
			w := deletions(t, tt.box, tt.n)
			w.emptyNear(tt.box, tt.lost)
			if tt.held {
				w.isHeld(fmt.Sprintf("%d of %d message(s) would be deleted on the far side", tt.lost, tt.n), tt.box)
				w.holds(tt.box, tt.n, tt.n-tt.lost)
				return
			}
			w.sync(ours())
			w.holds(tt.box, tt.n-tt.lost, tt.n-tt.lost)
		})
	}
}

// TestReturnedMessagesAreNotDoubled: the messages of a mailbox were moved away, which was
// held, and moved back, which gives them new UIDs.
func TestReturnedMessagesAreNotDoubled(t *testing.T) {
	w := deletions(t, "INBOX", 150)
	w.sendAll(map[string][]letter{"Elsewhere": nil})
	c := w.selected("INBOX")
	all := make([]uint32, 150)
	for i := range all {
		all[i] = uint32(i + 1)
	}
	if _, err := c.Move(uidSet(all), "Elsewhere").Wait(); err != nil {
		t.Fatal(err)
	}
	w.logout(c)
	w.isHeld("150 of 150 message(s) would be deleted on the near side", "INBOX")
	c = w.selected("Elsewhere")
	if _, err := c.Move(uidSet(all), "INBOX").Wait(); err != nil {
		t.Fatal(err)
	}
	w.logout(c)
	for range 2 {
		w.does("c:INBOX")
		w.holds("INBOX", 150, 150)
	}
}

// TestUnmounted: the file system of the Maildir store is not mounted, so that its
// directories are empty, or do not exist. Nothing is deleted on the server.
func TestUnmounted(t *testing.T) {
	for _, missing := range []bool{false, true} {
		t.Run(fmt.Sprint("missing ", missing), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{modern: true, channel: "Patterns *\nCreate Both\nRemove Both\nExpunge Both"})
			w.sendAll(map[string][]letter{"INBOX": letters(3), "Lists": letters(5), "Empty": nil})
			w.sync(ours())
			for _, dir := range []string{"near", "inbox"} {
				if err := os.Rename(w.path(dir), w.path(dir+".disk")); err != nil {
					t.Fatal(err)
				}
				if missing {
					continue
				}
				if err := os.Mkdir(w.path(dir), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				if r := w.run(ours(), "-a"); r.code != 1 {
					t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
				}
			}
			if in, lists := len(w.far("INBOX")), len(w.far("Lists")); in != 3 || lists != 5 {
				t.Errorf("the server has %d and %d messages", in, lists)
			}
			if boxes := w.farBoxes(); !slices.Contains(boxes, "Empty") {
				t.Errorf("the server has %q", boxes)
			}
			for _, dir := range []string{"near", "inbox"} {
				_ = os.RemoveAll(w.path(dir))
				if err := os.Rename(w.path(dir+".disk"), w.path(dir)); err != nil {
					t.Fatal(err)
				}
			}
			w.sync(ours())
			w.holds("Lists", 5, 5)
		})
	}
}

// TestRestoreMailbox: a mailbox was deleted on one side, with its messages.
func TestRestoreMailbox(t *testing.T) {
	for _, side := range []string{"far", "near"} {
		t.Run(side, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{modern: true, channel: "Patterns *\nCreate Near\nSync Pull\nExpunge Both"})
			w.sendAll(map[string][]letter{"INBOX": letters(3), "Lists": letters(20)})
			w.sync(ours())
			if side == "far" {
				w.farDelete("Lists")
			} else {
				w.dropNear("Lists")
			}
			if r := w.run(ours(), "-a"); r.code != 1 {
				t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
			}
			w.does("-a", "--restore-deleted=c:Lists")
			w.holds("Lists", 20, 20)
			w.sync(ours())
			w.holds("Lists", 20, 20)
		})
	}
}
