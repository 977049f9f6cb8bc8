//go:build linux

package e2e

import (
	"bytes"
	"slices"
	"strings"
	"syscall"
	"testing"

	"isync/internal/testkit"

	"github.com/google/go-cmp/cmp"
)

// logged counts the entries of the INBOX's journal after its first line, -1 if
// there is none.
func logged(w *homeWorld) int {
	return bytes.Count(w.journal(), []byte{'\n'}) - 1
}

// TestForeignJournal: a run of one program was killed. The other does not
// understand the journal, says so, and touches nothing; then the first goes on
// as if nothing had happened.
func TestForeignJournal(t *testing.T) {
	for _, c := range []struct {
		name  string
		order []program
		says  string
	}{
		{
			"ours refuses",
			[]program{theirs(t), ours()},
			":1: incompatible journal version '4'; run mbsync of isync 1.4 once more to finish what it began",
		},
		{"theirs refuses", []program{ours(), theirs(t)}, "incompatible journal version"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, _, letters := crashWorld(t, several, "pull", "yes", testkit.Variant{})
			w.connect(slowLine())
			w.killPull(c.order[0])
			w.configure(w.config())

			before := w.tracks()
			r := w.run(c.order[1], "-a")
			if r.code != 1 {
				t.Errorf("exit code %d", r.code)
			}
			said := slices.DeleteFunc(complaints(r.stderr), func(l string) bool { return strings.HasPrefix(l, "hint: ") })
			if len(said) != 1 || !strings.Contains(said[0], c.says) {
				t.Errorf("it says %q", said)
			}
			if d := cmp.Diff(before, w.tracks()); d != "" {
				t.Errorf("it touches files:\n%s", d)
			}

			var but []string
			if c.order[0].path != binary {
				but = []string{"lost track of"} // of what it did not get to copy
			}
			w.resume(c.order[0], but...)
			w.compare("INBOX", letters, w.far("INBOX"), w.near("INBOX"))
			w.sync(c.order[0])
			w.agree("INBOX", letters)
			w.idle(c.order[1], "INBOX")
			w.idle(c.order[0], "INBOX")
		})
	}
}

// killPull makes the program begin to pull and kills it.
func (w *homeWorld) killPull(p program) {
	w.tb.Helper()
	// Twice as many entries as there are messages announce the copies.
	_, got, late := w.cutOff(p, syscall.SIGKILL, logged, 2*several+200)
	if late {
		w.tb.Fatalf("%s could not be killed", p.name)
	}
	w.tb.Logf("killed %s after %d journal entries", p.name, got)
}
