package engine_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"isync/internal/engine"
	"isync/internal/mail"
	"isync/internal/store/mem"
	"isync/internal/syncstate"
	"isync/internal/testkit/notation"
	"isync/internal/vfs"
	"isync/internal/vfs/vfstest"
)

// skip gives up far message 7.
func skip(n *syncstate.Notes) bool { return n.Skip(syncstate.Far, 7) }

func unskip(n *syncstate.Notes) bool { return n.Unskip(syncstate.Far, 7) }

// pending returns what is noted about far message 7: "held", "skipped" or "".
func pending(t *testing.T, fsys vfs.FS) string {
	t.Helper()
	n, err := engine.ReadPending(fsys, statePath, syncstate.Near)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case n.Find(syncstate.Far, 7) != nil && n.FindSkipped(syncstate.Far, 7) != nil:
		return "both"
	case n.Find(syncstate.Far, 7) != nil:
		return "held"
	case n.FindSkipped(syncstate.Far, 7) != nil:
		return "skipped"
	}
	return ""
}

// TestSkipped: a message that was given up is not copied by any run, also with Old, and does
// not keep others from being copied. Runs report nothing about it. It is copied once when it
// is no longer given up.
func TestSkipped(t *testing.T) {
	for _, state := range []string{
		"pulled=7 pushed=4 4-4", // below the watermark
		"pulled=4 pushed=4 4-4", // above it: the run that failed was interrupted
	} {
		for _, rules := range []string{"sync", "pull-new", "pull-all", "pull-old", "pull-flags", "sync expunge-near", "sync pull-old push-old"} {
			name := state + ", " + rules
			c := notation.ParseRules(t, rules)
			w := (&scenario{far: "4:X 7:C 8:D", near: "4:X", state: state}).setup(t, c)
			writeFile(t, w.fs, statePath+engine.NotesSuffix, []byte(heldNotes))
			if err := engine.EditNotes(w.fs, statePath, true, skip); err != nil {
				t.Fatal(err)
			}
			seed := uint64(1)
			run := func(rules string) {
				t.Helper()
				res, l, err := w.run(notation.ParseRules(t, rules), modes[0], &killer{}, seed)
				seed++
				if err != nil || res.Failed != 0 || len(l.messages) != 0 {
					t.Fatalf("%s: %v, %+v, %v", name, err, res, l.messages)
				}
			}
			run(rules)
			run(rules)
			run("sync")
			run("pull-all pull-old")
			if got := w.names(1); got["C"] != 0 || got["D"] != 1 {
				t.Errorf("%s: near: %s", name, sideText(w.near, "box"))
			}
			if got := pending(t, w.fs); got != "skipped" {
				t.Errorf("%s: %q", name, got)
			}
			if err := engine.EditNotes(w.fs, statePath, true, unskip); err != nil {
				t.Fatal(err)
			}
			run("sync")
			run("sync")
			if got := w.names(1); got["C"] != 1 || got["D"] != 1 {
				t.Errorf("%s, tried again: near: %s", name, sideText(w.near, "box"))
			}
			if got := pending(t, w.fs); got != "" {
				t.Errorf("%s, tried again: %q", name, got)
			}
		}
	}
}

// TestSkippedAfterInterruption: the same if the message is given up after a run was
// interrupted, wherever that was. It may have been copied by then.
func TestSkippedAfterInterruption(t *testing.T) {
	c := notation.ParseRules(t, "sync")
	start := (&scenario{far: "4:X 7:C 8:D", near: "4:X", state: "pulled=4 pushed=4 4-4"}).setup(t, c)
	k := &killer{}
	if _, _, err := start.clone().run(c, modes[0], k, 1); err != nil {
		t.Fatal(err)
	}
	skipped := 0
	for n := 1; n <= k.count; n++ {
		w := start.clone()
		_, _, _ = w.run(c, modes[0], &killer{n: n}, 1)
		writeFile(t, w.fs, statePath+engine.NotesSuffix, []byte(heldNotes))
		if err := engine.EditNotes(w.fs, statePath, true, skip); err != nil {
			t.Fatal(err)
		}
		before := w.names(1)["C"]
		run := func(seed uint64, want int) {
			t.Helper()
			res, _, err := w.run(c, modes[0], &killer{}, seed)
			if got := w.names(1); err != nil || res.Failed != 0 || got["C"] != want || got["D"] != 1 {
				t.Errorf("interrupted at step %d: %v, near: %s", n, err, sideText(w.near, "box"))
			}
		}
		run(2, before)
		run(3, before)
		if pending(t, w.fs) == "skipped" {
			skipped++
			if err := engine.EditNotes(w.fs, statePath, true, unskip); err != nil {
				t.Fatal(err)
			}
		}
		run(4, 1)
		run(5, 1)
		if got := pending(t, w.fs); got != "" {
			t.Errorf("interrupted at step %d: %q", n, got)
		}
	}
	if skipped == 0 || skipped == k.count {
		t.Errorf("skipped in %d of %d", skipped, k.count)
	}
}

// TestHeldIsDescribed: the notes tell the size and the date of a message that was refused.
func TestHeldIsDescribed(t *testing.T) {
	c := notation.ParseRules(t, "sync")
	for _, tt := range []struct {
		kind mem.Kind
		size bool // that of the refused message is known
	}{{mem.OpPutItem, true}, {mem.OpFetchItem, false}} {
		w := (&scenario{far: "4:X 7:C 8:D", near: "4:X", state: "pulled=4 pushed=4 4-4"}).setup(t, c)
		reading := mail.UID(0)
		refuse := func(op mem.Op) error {
			if op.Kind == mem.OpFetchItem {
				reading = op.UID
			}
			if op.Kind == tt.kind && !op.After && reading == 7 {
				return errors.New("refused")
			}
			return nil
		}
		_, _, err := w.run(c, modes[0], &killer{}, 1, func(p *engine.Pair) {
			p.Store[0] = mem.New(w.far, mem.Options{Name: "far", Caps: mem.IMAPCaps, Hook: refuse})
			p.Store[1] = mem.New(w.near, mem.Options{Name: "near", Caps: mem.MaildirCaps, Hook: refuse})
		})
		if err != nil {
			t.Fatal(err)
		}
		n, err := engine.ReadPending(w.fs, statePath, syncstate.Near)
		if err != nil || n.Find(syncstate.Far, 7) == nil {
			t.Fatalf("%+v, %v", n, err)
		}
		box, _ := w.far.Box("box")
		m := box.Messages[1]
		about := n.Find(syncstate.Far, 7).About
		if tt.size && (about.Size != int64(len(m.Body)) || !about.Date.Equal(m.Date)) {
			t.Errorf("refused in %v: %+v, want %d bytes, %v", tt.kind, about, len(m.Body), m.Date)
		}
		t.Logf("%v: %+v", tt.kind, about)
	}
}

// TestSkippedIsGone: the note about a skipped message goes with the message.
func TestSkippedIsGone(t *testing.T) {
	c := notation.ParseRules(t, "sync")
	w := (&scenario{far: "4:X 8:D", near: "4:X", state: "pulled=8 pushed=4 4-4"}).setup(t, c)
	writeFile(t, w.fs, statePath+engine.NotesSuffix, []byte(heldNotes))
	if err := engine.EditNotes(w.fs, statePath, true, skip); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.run(c, modes[0], &killer{}, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := w.fs.Stat(statePath + engine.NotesSuffix); err == nil {
		t.Error("there are notes")
	}
}

// TestSkippedIsQuiet: a pair with skipped messages is not opened if nothing has changed; one
// with held messages is.
func TestSkippedIsQuiet(t *testing.T) {
	c := notation.ParseRules(t, "sync")
	w := (&scenario{far: "4:X 7:C", near: "4:X", state: "pulled=7 pushed=4 4-4"}).setup(t, c)
	p, _ := w.pair(c, modes[0], &killer{}, 1)
	for _, tt := range []struct {
		edit  func(*syncstate.Notes) bool
		quiet bool
	}{{func(*syncstate.Notes) bool { return false }, false}, {skip, true}, {unskip, false}} {
		if tt.quiet == false && pending(t, w.fs) == "" {
			writeFile(t, w.fs, statePath+engine.NotesSuffix, []byte(heldNotes))
		}
		if err := engine.EditNotes(w.fs, statePath, true, tt.edit); err != nil {
			t.Fatal(err)
		}
		if got := engine.Fingerprint(p, "a", "b") != ""; got != tt.quiet {
			t.Errorf("%s: fingerprint %v", pending(t, w.fs), got)
		}
	}
}

// TestSkipWhereverKilled: whatever fails while a message is given up, and wherever the power
// is cut, the message is held or skipped, and the same command can be given again.
func TestSkipWhereverKilled(t *testing.T) {
	c := notation.ParseRules(t, "sync")
	start := (&scenario{far: "4:X 7:C", near: "4:X", state: "pulled=7 pushed=4 4-4"}).setup(t, c)
	writeFile(t, start.fs, statePath+engine.NotesSuffix, []byte(heldNotes))
	start.fs.SyncAll()
	after := map[string]int{}
	for n := 1; ; n++ {
		fired := 0
		for i, percent := range []int{0, 50, 50, 50, 100} {
			w := start.clone()
			f := vfstest.NewFault(w.fs)
			f.Inject(vfstest.Rule{Nth: n, Every: true, Err: syscall.EIO})
			err := engine.EditNotes(f, statePath, true, skip)
			fired += f.Fired()
			fsys := w.fs.CrashClone(percent, rand.New(rand.NewPCG(uint64(n), uint64(i))))
			got := pending(t, fsys)
			after[got]++
			if got != "held" && got != "skipped" || err == nil && got != "skipped" {
				t.Errorf("operation %d, %d %% survive: %q, %v", n, percent, got, err)
			}
			if err := engine.EditNotes(fsys, statePath, true, func(n *syncstate.Notes) bool { return skip(n) }); err != nil {
				t.Errorf("operation %d, again: %v", n, err)
			}
			if got := pending(t, fsys); got != "skipped" {
				t.Errorf("operation %d, again: %q", n, got)
			}
		}
		if fired == 0 {
			break
		}
	}
	if after["held"] == 0 || after["skipped"] == 0 {
		t.Errorf("found %v", after)
	}
	t.Log(after)
}

// TestSkipWhileLocked: a message is not given up while a run has the lock, and a run does not
// begin while a message is being given up.
func TestSkipWhileLocked(t *testing.T) {
	c := notation.ParseRules(t, "sync")
	w := (&scenario{far: "4:X 7:C 8:D", near: "4:X", state: "pulled=7 pushed=4 4-4"}).setup(t, c)
	writeFile(t, w.fs, statePath+engine.NotesSuffix, []byte(heldNotes))
	tried := 0
	busy := setNear(w, mem.Options{Caps: mem.MaildirCaps, Hook: func(op mem.Op) error {
		tried++
		if err := engine.EditNotes(w.fs, statePath, true, skip); !errors.Is(err, engine.ErrLocked) && op.Kind != mem.OpCaps && op.Kind != mem.OpClose {
			t.Errorf("%+v: %v", op, err)
		}
		if op.Kind == mem.OpPutItem && !op.After {
			return errors.New("refused")
		}
		return nil
	}})
	if _, _, err := w.run(c, modes[0], &killer{}, 1, busy); err != nil || tried < 3 {
		t.Fatal(err, tried)
	}
	if got := pending(t, w.fs); got != "held" {
		t.Errorf("after a run: %q", got)
	}
	err := engine.EditNotes(w.fs, statePath, true, func(n *syncstate.Notes) bool {
		if _, _, err := w.run(c, modes[0], &killer{}, 2); !errors.Is(err, engine.ErrLocked) {
			t.Errorf("a run meanwhile: %v", err)
		}
		return skip(n)
	})
	if got := pending(t, w.fs); err != nil || got != "skipped" {
		t.Errorf("%q, %v", got, err)
	}
	if left := w.leftovers(); len(left) > 1 || len(left) == 1 && !strings.HasSuffix(fmt.Sprint(left), engine.NotesSuffix+"]") {
		t.Errorf("left behind: %v", left)
	}
}
