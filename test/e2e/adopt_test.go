//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"isync/internal/testkit"
)

// adopted are the words of the notice about n pairs.
func adopted(n int) string {
	return fmt.Sprintf("%d are the same on both sides and are paired; 0 are only on the far side, and 0 only on the near side", n)
}

// loseState removes the sync state of the INBOX, and returns it.
func (w *homeWorld) loseState() (records []string) {
	w.tb.Helper()
	records = w.records()
	for _, suffix := range []string{"", ".isync"} {
		if err := os.Remove(w.stateFile("INBOX") + suffix); err != nil && !os.IsNotExist(err) {
			w.tb.Fatal(err)
		}
	}
	return records
}

// records returns the lines of the sync state of the INBOX, sorted.
func (w *homeWorld) records() []string {
	w.tb.Helper()
	data, err := os.ReadFile(w.stateFile("INBOX"))
	if err != nil {
		w.tb.Fatal(err)
	}
	lines := strings.Split(string(data), "\n")
	slices.Sort(lines)
	return lines
}

// TestStateLost: the sync state of a mailbox is lost, which has letters of all kinds,
// also without Message-ID, that were pulled and pushed. They are paired as before, and
// neither program copies anything afterwards.
func TestStateLost(t *testing.T) {
	w := newWorld(t, setup{channel: "Create Near", server: testkit.DovecotConfig{}})
	letters := append(notes(1, 30), oddities()...)
	w.send("INBOX", letters...)
	w.sync(ours())
	mine := notes(101, 20)
	for _, l := range commonOddities() {
		if !strings.HasPrefix(l.text, "\n") {
			l.text = "X-From-Near: yes\n" + l.text
			mine = append(mine, l)
		}
	}
	w.deliver("INBOX", mine...)
	w.sync(ours())
	w.sync(ours())
	letters = append(letters, mine...)
	w.agree("INBOX", letters)
	before := w.loseState()

	dry := w.run(ours(), "-ya")
	if want := adopted(len(letters)); !strings.Contains(dry.stdout+dry.stderr, want) || strings.Contains(dry.stdout, "would p") {
		t.Errorf("the dry run does not say %q:\n%s%s", want, dry.stdout, dry.stderr)
	}
	w.sync(ours(), adopted(len(letters)))
	w.agree("INBOX", letters)
	if got := w.records(); !slices.Equal(got, before) {
		t.Errorf("state:\n%s\nwas:\n%s", strings.Join(got, "\n"), strings.Join(before, "\n"))
	}
	w.idle(ours(), "INBOX")
	w.idle(theirs15(t), "INBOX")
	w.agree("INBOX", letters)
}

// TestStateOlder: the sync state of a mailbox is restored from a backup, and letters of all
// kinds were pulled and pushed since. They are paired, and new ones are copied.
func TestStateOlder(t *testing.T) {
	w := newWorld(t, setup{channel: "Create Near", server: testkit.DovecotConfig{}})
	letters := notes(1, 10)
	w.send("INBOX", letters...)
	w.sync(ours())
	backup, err := os.ReadFile(w.stateFile("INBOX"))
	if err != nil {
		t.Fatal(err)
	}
	pulled := append(notes(11, 30), oddities()...)
	w.send("INBOX", pulled...)
	w.sync(ours())
	pushed := notes(101, 10)
	w.deliver("INBOX", pushed...)
	w.sync(theirs15(t))
	letters = slices.Concat(letters, pulled, pushed)
	w.agree("INBOX", letters)
	if err := os.WriteFile(w.stateFile("INBOX"), backup, 0o600); err != nil {
		t.Fatal(err)
	}
	told := fmt.Sprintf("%d new message(s) are the same on both sides and are paired", len(pulled)+len(pushed))
	fresh := [2][]letter{notes(201, 2), notes(301, 3)}
	w.send("INBOX", fresh[0]...)
	w.deliver("INBOX", fresh[1]...)
	if dry := w.run(ours(), "-ya"); !strings.Contains(dry.stdout+dry.stderr, told) {
		t.Errorf("the dry run does not say %q:\n%s%s", told, dry.stdout, dry.stderr)
	}
	w.sync(ours(), told)
	w.agree("INBOX", slices.Concat(letters, fresh[0], fresh[1]))
	w.idle(ours(), "INBOX")
	w.idle(theirs15(t), "INBOX")
}

// TestForeignMaildir: another program has fetched the mail, and written its own numbers
// into the names of the files.
func TestForeignMaildir(t *testing.T) {
	w := newWorld(t, setup{server: testkit.DovecotConfig{}})
	letters := append(notes(1, 20), oddities()...)
	w.send("INBOX", letters...)
	w.makeMaildir("INBOX")
	for i, l := range letters[2:] {
		name := fmt.Sprintf("%d_0.123.host,U=%d,FMD5=7e33429f656f1e6e9d79b29c3f82c57e:2,%s", 1700000000+i%3, 1000-i, l.flags)
		if err := os.WriteFile(filepath.Join(w.boxDir("INBOX"), "cur", name), []byte(l.text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := w.run(ours(), "-a")
	if want := fmt.Sprintf("%d are the same on both sides and are paired; 2 are only on the far side", len(letters)-2); r.code != 0 || !strings.Contains(r.stdout+r.stderr, want) {
		t.Errorf("exit code %d, without %q:\n%s%s", r.code, want, r.stdout, r.stderr)
	}
	w.agree("INBOX", letters)
	w.idle(ours(), "INBOX")
	w.idle(theirs15(t), "INBOX")
}

// TestFetchedWithMoreHeaders: a program has fetched the mail and added header lines.
// Nothing is copied until that is asked for.
func TestFetchedWithMoreHeaders(t *testing.T) {
	w := newWorld(t, setup{server: testkit.DovecotConfig{}})
	letters := notes(1, 10)
	w.send("INBOX", letters...)
	changed := slices.Clone(letters[:8])
	for i := range changed {
		changed[i].text = fmt.Sprintf("Delivered-To: me\nReceived: by getmail; number %d\n", i) + changed[i].text
	}
	w.deliver("INBOX", changed...)
	w.sync(ours(), "8 message(s) on the far side and 8 on the near side have the same Message-ID", "hint: compare")
	count := func(want int) {
		t.Helper()
		if far, near := len(w.far("INBOX")), len(w.near("INBOX")); far != want || near != want {
			t.Errorf("%d messages on the far side, %d on the near side, want %d", far, near, want)
		}
	}
	count(10)
	w.idle(ours(), "INBOX")
	w.idle(theirs15(t), "INBOX")
	if r := w.run(ours(), "-ya"); !strings.Contains(r.stdout+r.stderr, "8 on the near side have the same Message-ID") {
		t.Errorf("a dry run does not tell of them:\n%s%s", r.stdout, r.stderr)
	}
	if r := w.run(ours(), "-ya"); !strings.Contains(r.stderr, " --adopt=copy c\n") {
		t.Errorf("a dry run does not show the command:\n%s", r.stderr)
	}
	for range 3 { // the last one does not open the mailboxes
		r := w.run(ours(), "-aV")
		if !strings.Contains(r.stdout, "8 message(s) on the far side and 8 on the near side have the same Message-ID") {
			t.Errorf("-V does not tell of them:\n%s%s", r.stdout, r.stderr)
		}
	}
	if r := w.run(ours(), "-a"); strings.Contains(r.stdout+r.stderr, "Message-ID") {
		t.Errorf("a run tells of them:\n%s%s", r.stdout, r.stderr)
	}
	if r := w.run(ours(), "-a", "--adopt=copy"); r.code != 0 {
		t.Fatalf("%d\n%s%s", r.code, r.stdout, r.stderr)
	}
	count(18)
	w.agree("INBOX", append(letters, changed...))
	w.idle(ours(), "INBOX")
	w.idle(theirs15(t), "INBOX")
}

// TestSweepAdoptMany: the state of a large mailbox is lost. Only the headers are read from
// the server, and the memory is bounded.
func TestSweepAdoptMany(t *testing.T) {
	if os.Getenv("ISYNC_SWEEP") == "" {
		t.Skip("takes minutes: set ISYNC_SWEEP")
	}
	const n = 100_000
	s := setup{global: "FSync no"}
	s.server.Storage = fileStorage
	w := newWorld(t, s)
	write := func(i int) letter {
		l := note(i, 1000+i%100*100)
		l.flags = "S"
		return l
	}
	w.fill(n, write)
	w.makeMaildir("INBOX")
	for i := range n {
		name := filepath.Join(w.boxDir("INBOX"), "cur", fmt.Sprintf("%d.%d.host:2,S", 1700000000+i, i))
		if err := os.WriteFile(name, []byte(write(i*7919%n).text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.server.ForgetCommands(t)
	use := w.measure(ours(), "-aq")
	t.Logf("paired %d messages: %v", n, use)
	if use.MaxRSS > 400<<20 {
		t.Errorf("%.1f MB of memory are too much", float64(use.MaxRSS)/1e6)
	}
	for _, c := range w.server.Commands(t, w.user) {
		if fetching.MatchString(c) {
			t.Errorf("messages are fetched: %s", c)
		}
	}
	state := w.readState("INBOX")
	if len(state.records) != n {
		t.Fatalf("the state has %d records", len(state.records))
	}
	for i, r := range state.records {
		if r.far != uint32(i+1) || int(r.near-1)*7919%n != i {
			t.Fatalf("record %d is %v", i, r)
		}
	}
	t.Logf("another run: %v", w.measure(ours(), "-aq"))
	w.loseState()
	t.Logf("again: %v", w.measure(ours(), "-aq"))
}
