package engine_test

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"

	"isync/internal/engine"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/mem"
	"isync/internal/testkit/notation"
	"isync/internal/vfs/vfstest"
)

// dieAt makes everything fail from the first operation on that matches.
func dieAt(w *pairWorld, ops vfstest.Op, match func(name string) bool) func(*engine.Pair) {
	return func(p *engine.Pair) {
		f := vfstest.NewFault(w.fs)
		dead := false
		f.Inject(vfstest.Rule{Nth: 1, Every: true, Err: syscall.EIO, Match: func(op vfstest.Op, name string) bool {
			dead = dead || op&ops != 0 && match(name)
			return dead
		}})
		p.FS = f
	}
}

// TestStaleJournalStaysDead: the journal of a committed run that could not be
// removed is not replayed by a run after one that only expunged, and was killed
// while it committed.
func TestStaleJournalStaysDead(t *testing.T) {
	sc := scenario{far: "5:E:T 6:A", near: "7:E:T", state: "pulled=5 pushed=7 5-7:T"}
	c := notation.ParseRules(t, "pull-new")
	w := sc.setup(t, c)
	removals := 0
	_, _, err := w.run(c, modes[0], &killer{}, 1, dieAt(w, vfstest.OpRemove, func(name string) bool {
		if strings.HasSuffix(name, ".journal") {
			removals++
		}
		return removals == 2
	}))
	if err == nil || !strings.Contains(strings.Join(w.leftovers(), " "), "pair.journal") {
		t.Fatalf("no stale journal: %v, %v", err, w.leftovers())
	}
	c = notation.ParseRules(t, "expunge-far expunge-near")
	if _, _, err := w.run(c, modes[0], &killer{}, 2, dieAt(w, vfstest.OpRename, func(string) bool { return true })); err == nil {
		t.Fatal("the second run was not killed")
	}
	if _, _, err := w.run(c, modes[0], &killer{}, 3); err != nil {
		t.Fatal(err)
	}
	wantText(t, w, c, "6:A", "8:A", "pulled=6 pushed=8 6-8")
}

// TestLastCopyDoesNotExpire: a message that is gone from the other side is not
// expired, and if it was before, it goes to the trash like any other.
func TestLastCopyDoesNotExpire(t *testing.T) {
	c := notation.ParseRules(t, "pull-new pull-flags push-flags max=2 expunge-near trash-near")
	w := (&scenario{
		far: "2:B:S 3:C:S", near: "1:A:S 2:B:S 3:C:S", state: "pulled=3 pushed=3 1-1:S 2-2:S 3-3:S",
	}).setup(t, c)
	if _, _, err := w.run(c, modes[0], &killer{}, 1); err != nil {
		t.Fatal(err)
	}
	if got := sideText(w.near, "box") + " " + trashText(w.near); !strings.Contains(got, "A:S") {
		t.Errorf("the last copy is gone: %s", got)
	}
	c = notation.ParseRules(t, "push-flags expunge-near trash-near")
	w = (&scenario{
		far: "2:B:S 3:C:S", near: "1:A:ST 2:B:S 3:C:S", state: "pulled=3 pushed=3 expired=1 1-1:~S 2-2:S 3-3:S",
	}).setup(t, c)
	if _, _, err := w.run(c, modes[0], &killer{}, 1); err != nil {
		t.Fatal(err)
	}
	if got := trashText(w.near); got != "A:S" {
		t.Errorf("trash: %q", got)
	}
}

// TestFailingMailboxDropsNoRecords: when the target as a whole fails, no message
// counts as refused; all are copied once it works again, whatever runs between.
func TestFailingMailboxDropsNoRecords(t *testing.T) {
	c := notation.ParseRules(t, "sync")
	w := (&scenario{far: "1:A 2:B 3:C", near: "1:A", state: "pulled=1 pushed=1 1-1"}).setup(t, c)
	full := &store.BoxError{Store: "near", Box: "box", Err: syscall.ENOSPC}
	res, l, err := w.run(c, modes[0], &killer{}, 1, setNear(w, mem.Options{Caps: mem.MaildirCaps, Hook: func(op mem.Op) error {
		if op.Kind == mem.OpPutItem && !op.After {
			return full
		}
		return nil
	}}))
	if !errors.Is(err, syscall.ENOSPC) || res.Failed != 0 || l.count(kindFailed) != 0 {
		t.Fatalf("%v, %+v", err, res)
	}
	if _, _, err := w.run(notation.ParseRules(t, "pull-flags push-flags"), modes[0], &killer{}, 2); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.run(c, modes[0], &killer{}, 3); err != nil {
		t.Fatal(err)
	}
	wantText(t, w, c, "1:A 2:B 3:C", "1:A 2:B 3:C", "pulled=3 pushed=3 1-1 2-2 3-3")
}

// TestUndeletedWhileExpunging: a message that somebody undeletes just before it
// is expunged stays, and keeps its record.
func TestUndeletedWhileExpunging(t *testing.T) {
	c := notation.ParseRules(t, "sync expunge-far")
	w := (&scenario{far: "1:A:T 2:B", near: "1:A:T 2:B", state: "pulled=2 pushed=2 1-1:T 2-2"}).setup(t, c)
	res, _, err := w.run(c, modes[0], &killer{}, 1, setFar(w, mem.Options{Caps: mem.IMAPCaps, Hook: func(op mem.Op) error {
		if op.Kind == mem.OpRemove && !op.After {
			w.far.SetFlags("box", 1, 0, mail.FlagDeleted)
		}
		return nil
	}}))
	if err != nil || res.Counts[0].Expunged != 0 {
		t.Fatalf("%v, %+v", err, res)
	}
	wantText(t, w, c, "1:A 2:B", "1:A:T 2:B", "pulled=2 pushed=2 1-1:T 2-2")
	if _, _, err := w.run(c, modes[0], &killer{}, 2); err != nil {
		t.Fatal(err)
	}
	wantText(t, w, c, "1:A 2:B", "1:A 2:B", "pulled=2 pushed=2 1-1 2-2")
}

// manyMessages fills the far side.
func manyMessages(t *testing.T, n int) *pairWorld {
	t.Helper()
	w := (&scenario{far: "", near: "", state: "!"}).setup(t, notation.ParseRules(t, ""))
	for range n {
		w.far.Deliver("box", mem.Message{Body: notation.Body("m", "\r\n")})
	}
	return w
}

// TestNothingIsReadForNothing: soon after the target, or the journal, has
// failed, the source is left alone.
func TestNothingIsReadForNothing(t *testing.T) {
	c := notation.ParseRules(t, "sync")
	t.Run("target of a copy between servers", func(t *testing.T) {
		w := manyMessages(t, 2000)
		read := 0
		_, _, err := w.run(c, modes[0], &killer{}, 1,
			setFar(w, mem.Options{Caps: mem.IMAPCaps, Hook: func(op mem.Op) error {
				if op.Kind == mem.OpFetchItem && !op.After {
					read++
				}
				return nil
			}}),
			setNear(w, mem.Options{Caps: mem.IMAPCaps, Hook: func(op mem.Op) error {
				if op.Kind == mem.OpPutItem {
					return &store.StoreError{Store: "near", Err: errKilled}
				}
				return nil
			}}))
		if !errors.Is(err, errKilled) || read > 500 {
			t.Errorf("%d messages were read, error %v", read, err)
		}
	})
	t.Run("journal", func(t *testing.T) {
		w := manyMessages(t, 1000)
		puts, synced := 0, false
		_, _, err := w.run(c, modes[0], &killer{}, 1, func(p *engine.Pair) {
			f := vfstest.NewFault(w.fs)
			f.Inject(vfstest.Rule{Nth: 1, Every: true, Err: syscall.ENOSPC, Match: func(op vfstest.Op, name string) bool {
				if op == vfstest.OpSync && strings.HasSuffix(name, ".journal") {
					synced = true
				}
				return synced && op == vfstest.OpWrite
			}})
			p.FS = f
		}, setNear(w, mem.Options{Caps: mem.MaildirCaps, Hook: func(op mem.Op) error {
			if op.Kind == mem.OpPutItem && !op.After {
				puts++
			}
			return nil
		}}))
		if !errors.Is(err, syscall.ENOSPC) || puts > 2 {
			t.Errorf("%d messages were stored, error %v", puts, err)
		}
		if _, _, err := w.run(c, modes[0], &killer{}, 2); err != nil {
			t.Fatal(err)
		}
		if near, _ := w.near.Box("box"); len(near.Messages) != 1000 {
			t.Errorf("%d messages near", len(near.Messages))
		}
	})
}

// TestBatchesShareNoState copies between servers while bodies and messages
// fail: for the race detector.
func TestBatchesShareNoState(t *testing.T) {
	w := manyMessages(t, 600)
	c := notation.ParseRules(t, "sync")
	res, _, err := w.run(c, modes[0], &killer{}, 1,
		setFar(w, mem.Options{Caps: mem.IMAPCaps, Hook: func(op mem.Op) error {
			if op.Kind == mem.OpFetchItem && !op.After && op.UID%2 == 0 {
				return errors.New("unreadable")
			}
			return nil
		}}),
		setNear(w, mem.Options{Caps: mem.IMAPCaps, Async: 3}))
	if err != nil || res.Failed != 300 || res.Counts[1].New != 300 {
		t.Errorf("%v, %+v", err, res)
	}
}

// forgetfulStore does not deliver a message when it is read.
type forgetfulStore struct {
	store.Store
	forgets mail.UID
}

func (s forgetfulStore) Open(ctx context.Context, box string, req store.OpenRequest) (store.Mailbox, error) {
	m, err := s.Store.Open(ctx, box, req)
	return forgetfulBox{m, s.forgets}, err
}

type forgetfulBox struct {
	store.Mailbox
	forgets mail.UID
}

func (b forgetfulBox) Fetch(ctx context.Context, items []store.FetchItem, sink func(*store.Incoming) error) error {
	return b.Mailbox.Fetch(ctx, items, func(in *store.Incoming) error {
		if in.UID == b.forgets {
			return nil
		}
		return sink(in)
	})
}

// TestNothingIsExpungedUntrashed: a message that was not delivered when it was
// to be copied to the trash of the other store is not in it. If it still is where
// it was it stays there; if it has vanished, nothing is said.
func TestNothingIsExpungedUntrashed(t *testing.T) {
	c := notation.ParseRules(t, "pull-new expunge-near remotetrash-far")
	for _, vanishes := range []bool{false, true} {
		w := (&scenario{far: "", near: "5:X:T 6:Y:T 7:Z:T", state: "pushed=7"}).setup(t, c)
		res, l, err := w.run(c, modes[0], &killer{}, 1, func(p *engine.Pair) {
			near := forgetfulStore{p.Store[1], 6}
			p.Store[1] = near
			if vanishes {
				p.Store[0] = mem.New(w.far, mem.Options{Name: "far", Caps: mem.IMAPCaps, Hook: func(op mem.Op) error {
					if op.Kind == mem.OpAppend && !op.After {
						w.near.Expunge("box", 6)
					}
					return nil
				}})
			}
		})
		want, failed := "6:Y:T", 1
		if vanishes {
			want, failed = "", 0
		}
		if got := sideText(w.near, "box"); err != nil || got != want || res.Failed != failed || l.count(kindFailed) != failed {
			t.Errorf("vanishes %v: near %q, %+v, %v", vanishes, got, res, err)
		}
		if got := trashText(w.far); got != "X Z" {
			t.Errorf("vanishes %v: trash %q", vanishes, got)
		}
		// The next run makes up for it.
		if _, _, err := w.run(c, modes[0], &killer{}, 2); err != nil {
			t.Fatal(err)
		}
		all := "X Y Z"
		if vanishes {
			all = "X Z"
		}
		if near, trash := sideText(w.near, "box"), trashText(w.far); near != "" || trash != all {
			t.Errorf("vanishes %v: after the next run near %q, trash %q", vanishes, near, trash)
		}
	}
}
