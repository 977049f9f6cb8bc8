package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// debugged are the commands of some runs, in which messages arrive and change on
// both sides, and the names of the files that are left.
func debugged(t *testing.T, options ...string) (commands [][]string, left []string) {
	t.Helper()
	s := startNoisy(t, "IMAP4rev1 UIDPLUS LITERAL+ ENABLE CONDSTORE QRESYNC")
	s.accept = func(string) (bool, string) { return true, "OK done" }
	w := noisyWorld(t, s)
	w.env.Config.Getenv = func(name string) string {
		if name == "XDG_CACHE_HOME" {
			return filepath.Join(w.dir, "cache")
		}
		return ""
	}
	for i, change := range []func(){
		func() {
			for range 5 {
				s.add("")
			}
		},
		func() {},
		func() {},
		func() { s.flag(2, `\Seen`) },
		func() { w.write("near/new/9.host", "Subject: 9\n\nnine\n") },
		func() {},
		func() { s.flag(3, `\Deleted`) },
		func() {},
		func() {},
	} {
		change()
		s.mu.Lock()
		s.transcript = nil
		s.mu.Unlock()
		w.run(0, append([]string{"c"}, options...)...)
		s.mu.Lock()
		got := slices.Clone(s.transcript)
		s.mu.Unlock()
		for j := range got {
			// The temporary id of a message is random.
			got[j] = regexp.MustCompile(`"[0-9A-Za-z+/]{12}"`).ReplaceAllString(got[j], "TUID")
		}
		slices.Sort(got)
		// The end of a run does not wait for the server to read this.
		got = slices.DeleteFunc(got, func(cmd string) bool { return cmd == "LOGOUT" })
		commands = append(commands, append([]string{fmt.Sprint("run ", i+1)}, got...))
	}
	for _, dir := range []string{"cache/isync", "near"} {
		entries, err := os.ReadDir(filepath.Join(w.dir, dir))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			left = append(left, regexp.MustCompile(`^[0-9a-f]{16,}`).ReplaceAllString(e.Name(), "ID"))
		}
	}
	slices.Sort(left)
	return commands, left
}

// TestDebuggingChangesNothing: with each kind of debugging output, the same commands
// are sent and the same files are kept as without.
func TestDebuggingChangesNothing(t *testing.T) {
	plain, kept := debugged(t)
	for _, option := range []string{"-D", "-DC", "-Dd", "-DD", "-Dm", "-DM", "-Dn", "-DN", "-Ds"} {
		t.Run(option, func(t *testing.T) {
			t.Parallel()
			commands, left := debugged(t, option)
			if d := cmp.Diff(plain, commands); d != "" {
				t.Errorf("commands (-without +with):\n%s", d)
			}
			if d := cmp.Diff(kept, left); d != "" {
				t.Errorf("files (-without +with):\n%s", d)
			}
		})
	}
}
