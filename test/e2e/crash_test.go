//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"isync/internal/testkit"
)

// many is the size of the mailboxes in which runs are killed, several of those in
// which they are cut off otherwise.
const (
	many    = 2000
	several = 800
)

// manyLetters are small, but not all of the same size.
func manyLetters(n int) []letter {
	out := make([]letter, n)
	for i := range out {
		out[i] = note(i+1, 100+i%50*40)
		if i%100 == 7 {
			out[i] = note(i+1, 5000) // too long for LITERAL-
		}
		if i%4 == 0 {
			out[i].flags = "FS"
		}
	}
	return out
}

// meter tells how far a run has come: -1 before it begins to copy, else the
// number of copies.
type meter func(w *homeWorld) int

// bound counts the copies whose UID is in the journal: on the near side with op
// '>', on the far side with '<'.
func bound(op byte) meter {
	return func(w *homeWorld) int {
		data := w.journal()
		if !bytes.Contains(data, []byte("\n# ")) {
			return -1
		}
		return bytes.Count(data, []byte{'\n', op, ' '})
	}
}

// journal returns the journal of the INBOX, nil if there is none.
func (w *homeWorld) journal() []byte {
	data, err := os.ReadFile(w.stateFile("INBOX") + ".journal")
	if err != nil {
		return nil
	}
	return data
}

// files counts the messages in the Maildir, which may not be in the journal
// yet.
func files(w *homeWorld) int {
	n := -1
	for _, sub := range []string{"cur", "new"} {
		if d, err := os.Open(filepath.Join(w.boxDir("INBOX"), sub)); err == nil {
			names, _ := d.Readdirnames(-1)
			n += len(names)
			d.Close()
		}
	}
	return n
}

// sent counts the messages that were sent to the server, by all runs.
func sent(w *homeWorld) int {
	if !bytes.Contains(w.journal(), []byte("\n# ")) {
		return -1
	}
	return w.tap.Seen(testkit.Asked) + w.tap.Seen(testkit.Unasked)
}

// cutOff starts a run and ends it with a signal as soon as so many copies are
// made. It returns how many there are then, and whether the run had ended
// before.
func (w *homeWorld) cutOff(p program, sig syscall.Signal, progress meter, copies int) (r result, got int, late bool) {
	w.tb.Helper()
	run := w.start(p, "-a")
	for progress(w) < copies {
		if run.ended() {
			return run.wait(), -1, true
		}
		time.Sleep(time.Millisecond)
	}
	r = run.signal(sig)
	// The server may still be at work on what it was sent.
	w.server.ForgetCommands(w.tb)
	return r, progress(w), r.code >= 0 && sig == syscall.SIGKILL
}

// resume continues a run that was killed, without a complaint but those that
// contain one of the texts. A piece of a line at the end of the journal is
// told; that is all.
func (w *homeWorld) resume(p program, but ...string) {
	w.tb.Helper()
	r := w.run(p, "-a")
	if strings.Contains(r.stderr, "incomplete journal entry at the end of the file") && strings.Count(r.stderr, "error: ") == 1 {
		if r.code != 1 {
			w.tb.Fatalf("%s: exit code %d with a torn journal\n%s%s", p.name, r.code, r.stdout, r.stderr)
		}
		return
	}
	if r.code != 0 {
		w.tb.Fatalf("%s: exit code %d\n%s%s", p.name, r.code, r.stdout, r.stderr)
	}
	w.quiet(p, r, but)
}

// slowLine makes a run last long enough to be cut off where that is wanted.
func slowLine() *line { return &line{pause: time.Millisecond / 2, piece: 8 << 10} }

// crashWorld is a world with n messages on one side.
func crashWorld(t *testing.T, n int, direction, fsync string, v testkit.Variant) (w *homeWorld, op byte, letters []letter) {
	t.Helper()
	s := setup{global: "FSync " + fsync, channel: "Create Near\nExpunge Both", variant: v}
	letters = manyLetters(n)
	if direction == "pull" {
		s.server.Storage = fileStorage
		w = newWorld(t, s)
		w.fill(n, func(i int) letter { return letters[i] })
		return w, '>', letters
	}
	w = newWorld(t, s)
	w.deliver("INBOX", letters...)
	return w, '<', letters
}

// killCase is a way to kill runs: after so many copies of n.
type killCase struct {
	direction, fsync string
	at               func(n int) []int
}

var killCases = func() (out []killCase) {
	for _, direction := range []string{"pull", "push"} {
		out = append(out,
			killCase{direction, "yes", func(n int) []int { return []int{0, 1, n / 4, n / 2, n - 20} }},
			killCase{direction, "no", func(n int) []int { return []int{0, 100, n / 3, n * 3 / 4, n - 1} }})
	}
	return out
}()

func (c killCase) String() string { return c.direction + "/FSync " + c.fsync }

// TestKill kills a run that copies many messages, and each of those that
// resume it. Then everything is there once, and both programs find nothing to
// do.
func TestKill(t *testing.T) {
	for _, c := range killCases {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			c.kill(t, many, testkit.Variant{})
		})
	}
}

// kill lets a variant be killed while it copies n messages.
func (c killCase) kill(t *testing.T, n int, v testkit.Variant) {
	t.Helper()
	w, op, letters := crashWorld(t, n, c.direction, c.fsync, v)
	w.connect(slowLine())
	var at []int
	for i, copies := range c.at(n) {
		progress := bound(op)
		if op == '>' && i%2 == 1 {
			progress = files // maybe between a message and its journal entry
		}
		if op == '<' && slices.Contains(v.DisableExtensions, "UIDPLUS") {
			progress = sent // their UIDs are found out in the end, all at once
		}
		r, got, late := w.cutOff(ours(), syscall.SIGKILL, progress, copies)
		if late && r.code != 0 {
			t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
		}
		if !late {
			at = append(at, got)
		}
		w.noneDoubled(fmt.Sprintf("kill %d", i), op, letters)
	}
	t.Logf("killed after %d copies", at)
	// The fewer there are the more are on their way at once.
	if often := 2 + n/many; len(at) < often {
		t.Error("that is not often enough")
	}
	if w.tap != nil {
		occasions := []testkit.Sign{testkit.Pipelined}
		if op == '<' {
			occasions = append(occasions, testkit.MultiAppend, testkit.Unasked, testkit.Asked, testkit.StoredOutside)
		}
		v.Check(t, w.tap, occasions...)
	}
	w.configure(w.config())
	// Something to do is left in any case: the journal of a run that was killed
	// after it had put its state in place is out of date, and stays until there is
	// another one.
	last := note(n+1, 100)
	if op == '<' {
		w.deliver("INBOX", last)
	} else {
		w.send("INBOX", last)
	}
	letters = append(letters, last)
	w.resume(ours())
	w.compare("INBOX", letters, w.far("INBOX"), w.near("INBOX"))
	// UIDs that a killed run has taken and not used leave gaps, for
	// which the highest propagated UIDs catch up one run later.
	w.sync(ours())
	w.settled(t, letters)
}

// settled checks that both sides of the inbox have these letters, and that all
// programs, the usual ours, find nothing to do.
func (w *homeWorld) settled(t *testing.T, letters []letter) {
	t.Helper()
	w.agree("INBOX", letters)
	w.s.variant = testkit.Variant{}
	w.configure(w.config())
	w.idle(theirs(t), "INBOX")
	w.idle(theirs15(t), "INBOX")
	w.idle(ours(), "INBOX")
}

// noneDoubled checks that the side that messages are copied to has none of
// them twice, and nothing else. It returns how many it has.
func (w *homeWorld) noneDoubled(when string, op byte, letters []letter) int {
	w.tb.Helper()
	var list []found
	if op == '<' {
		list = w.far("INBOX")
	} else if _, err := os.Stat(filepath.Join(w.boxDir("INBOX"), "cur")); err == nil {
		list = w.near("INBOX")
	}
	known := lettersAsContents(letters)
	for key, flags := range contentsOf(list) {
		if len(flags) > 1 || known[key] == nil {
			w.tb.Fatalf("after %s: %s is there %d times", when, key, len(flags))
		}
	}
	return len(list)
}

// TestTerminate tells runs to stop. They do, soon, and the next one goes on.
func TestTerminate(t *testing.T) {
	for _, c := range []struct {
		direction string
		sig       syscall.Signal
	}{{"pull", syscall.SIGTERM}, {"push", syscall.SIGINT}} {
		t.Run(c.direction+"/"+c.sig.String(), func(t *testing.T) {
			t.Parallel()
			w, op, letters := crashWorld(t, several, c.direction, "yes", testkit.Variant{})
			w.connect(slowLine())
			// Before the first copy the program may not yet handle signals.
			for _, copies := range []int{1, several / 3, several * 2 / 3} {
				begin := time.Now()
				r, got, late := w.cutOff(ours(), c.sig, bound(op), copies)
				if late || r.code != 128+int(c.sig) {
					t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
				}
				if got >= several {
					t.Errorf("%d messages were copied all the same", got)
				}
				said := slices.DeleteFunc(complaints(r.stderr), func(l string) bool {
					return strings.HasPrefix(l, "mbsync: warning: ") && strings.HasSuffix(l, "; run mbsync again to continue")
				})
				if len(said) > 0 {
					t.Errorf("it says %q", said)
				}
				if since := time.Since(begin); since > 10*time.Second {
					t.Errorf("it took %v", since)
				}
				w.noneDoubled(c.sig.String(), op, letters)
			}
			w.configure(w.config())
			w.sync(ours())
			w.agree("INBOX", letters)
			w.idle(theirs(t), "INBOX")
			w.idle(ours(), "INBOX")
		})
	}
}
