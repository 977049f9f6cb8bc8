//go:build linux

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// maxMemory is what the program may use at most, however large a mailbox or a
// message is.
const maxMemory = 45_000_000

// TestBigPull pulls a mailbox of 10,000 messages, one of which is larger than
// many a mailbox. The other program does the same, for comparison.
func TestBigPull(t *testing.T) {
	n := 10_000
	if testing.Short() {
		n = 1000
	}
	s := setup{global: "FSync no", channel: "Create Near"}
	s.server.Storage = fileStorage
	w := newWorld(t, s)
	// Most letters are short.
	sizes := make([]int, n)
	total := 0
	r := rand.New(rand.NewPCG(1, 2))
	for i := range sizes {
		u := r.Float64()
		sizes[i] = 1000 + int(99_000*u*u*u*u*u)
		if i == n/2 {
			sizes[i] = 100 << 20
		}
		total += sizes[i]
	}
	write := func(i int) letter { return note(i, sizes[i]) }
	w.fill(n, write)
	w.server.Doveadm(t, "", "index", "-u", w.user, "INBOX") // not to be measured

	first := w.measure(ours(), "-a")
	t.Logf("pulled %d messages, %.0f MB: %v", n, float64(total)/1e6, first)
	if first.MaxRSS > maxMemory {
		t.Errorf("%.1f MB of memory are too much", float64(first.MaxRSS)/1e6)
	}
	w.wholeInbox(n, write)

	files := w.tracks()
	second := w.measure(ours(), "-a")
	t.Logf("and again, with nothing to do: %v", second)
	if second.MaxRSS > maxMemory {
		t.Errorf("%.1f MB of memory are too much", float64(second.MaxRSS)/1e6)
	}
	for path, old := range w.tracks() {
		if files[path] != old {
			t.Errorf("%s was touched", path)
		}
	}

	t.Logf("%s, first run: %v", theirs(t).name, w.replica().measure(theirs(t), "-a"))
}

// TestBigPush pushes many messages, one of which is larger than all the others
// together.
func TestBigPush(t *testing.T) {
	n := 2000
	if testing.Short() {
		n = 500
	}
	s := setup{global: "FSync no", channel: "Create Near"}
	s.server.Storage = fileStorage
	w := newWorld(t, s)
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(w.boxDir("INBOX"), sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	total := 0
	for i := range n {
		size := 1000 + i%100*500
		if i == n/2 {
			size = 100 << 20
		}
		total += size
		name := filepath.Join("new", fmt.Sprintf("%d.%d.penguin", 1700000000+i, i))
		if err := os.WriteFile(filepath.Join(w.boxDir("INBOX"), name), []byte(note(i, size).text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	use := w.measure(ours(), "-a")
	t.Logf("pushed %d messages, %.0f MB: %v", n, float64(total)/1e6, use)
	if use.MaxRSS > maxMemory {
		t.Errorf("%.1f MB of memory are too much", float64(use.MaxRSS)/1e6)
	}
	state := w.readState("INBOX")
	if len(state.records) != n {
		t.Errorf("the state has %d records", len(state.records))
	}
	for i, r := range state.records {
		if r.far != uint32(i+1) || r.near != uint32(i+1) {
			t.Fatalf("record %d is %v", i, r)
		}
	}
	// There and back again: a replica pulls what was pushed.
	back := w.replica()
	use = back.measure(ours(), "-a")
	t.Logf("pulled them: %v", use)
	if use.MaxRSS > maxMemory {
		t.Errorf("%.1f MB of memory are too much", float64(use.MaxRSS)/1e6)
	}
	names := make(map[uint32]string)
	for _, sub := range []string{"cur", "new"} {
		entries, err := os.ReadDir(filepath.Join(back.boxDir("INBOX"), sub))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names[uint32(uidOf(t, e.Name()))] = filepath.Join(back.boxDir("INBOX"), sub, e.Name())
		}
	}
	for i := range n {
		data, err := os.ReadFile(names[uint32(i+1)])
		if err != nil {
			t.Fatal(err)
		}
		size := 1000 + i%100*500
		if i == n/2 {
			size = 100 << 20
		}
		if normal(string(data)) != note(i, size).text {
			t.Fatalf("message %d is not what was pushed", i+1)
		}
	}
}

// wholeInbox checks the Maildir and the state after the first pull of an inbox
// of n letters.
func (w *homeWorld) wholeInbox(n int, write func(i int) letter) {
	w.tb.Helper()
	names := make([]string, n+1) // by UID
	for _, sub := range []string{"cur", "new"} {
		entries, err := os.ReadDir(filepath.Join(w.boxDir("INBOX"), sub))
		if err != nil {
			w.tb.Fatal(err)
		}
		for _, e := range entries {
			uid := uidOf(w.tb, e.Name())
			if uid == 0 || int(uid) > n || names[uid] != "" {
				w.tb.Fatalf("UID of %s", e.Name())
			}
			names[uid] = filepath.Join(sub, e.Name())
		}
	}
	for uid := 1; uid <= n; uid++ {
		data, err := os.ReadFile(filepath.Join(w.boxDir("INBOX"), names[uid]))
		if err != nil {
			w.tb.Fatal(err)
		}
		if want := write(uid - 1).text; normal(string(data)) != want {
			got := letter{text: normal(string(data))}
			w.tb.Fatalf("message %d is %s, want %s", uid, got.key(), letter{text: want}.key())
		}
		if !hasTUID(data) {
			w.tb.Fatalf("message %d has no X-TUID", uid)
		}
	}
	s := w.readState("INBOX")
	want := make([]record, n)
	for i := range want {
		want[i] = record{uint32(i + 1), uint32(i + 1), ""}
	}
	if !slices.Equal(s.records, want) {
		w.tb.Errorf("the state has %d records, or others than one for each message in their order", len(s.records))
	}
	if s.numbers["MaxPulledUid"] != uint32(n) || s.numbers["MaxPushedUid"] != uint32(n) {
		w.tb.Errorf("highest propagated UIDs: %v", s.numbers)
	}
}
