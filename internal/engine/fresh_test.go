package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"isync/internal/engine"
	"isync/internal/event"
	"isync/internal/store"
	"isync/internal/store/mem"
	"isync/internal/syncstate"
	"isync/internal/testkit/notation"
)

// older are runs whose state is older than both mailboxes.
var older = []scenario{
	{
		name: "synchronized since", rules: "sync adopt",
		far: "1:A 2:B 3:C 4:D", near: "1:A 2:C:S 3:B 5:E", state: "pulled=1 pushed=1 1-1",
		wantFar: "1:A 2:B 3:C:S 4:D 5:E", wantNear: "1:A 2:C:S 3:B 5:E 6:D", wantState: "pulled=5 pushed=6 1-1 2-3 3-2:S 5-5 4-6",
	},
	{
		name: "several copies", rules: "sync adopt",
		far: "1:A 2:B 3:B 4:B", near: "1:A 3:B 4:B", state: "pulled=1 pushed=1 1-1",
		wantFar: "1:A 2:B 3:B 4:B", wantNear: "1:A 3:B 4:B 5:B", wantState: "pulled=4 pushed=5 1-1 2-3 3-4 4-5",
	},
	{
		name: "pull only", rules: "pull-new pull-gone pull-flags expunge-near adopt",
		far: "1:A 2:B 3:C", near: "1:A 2:B", state: "pulled=1 pushed=1 1-1",
		wantFar: "1:A 2:B 3:C", wantNear: "1:A 2:B 3:C", wantState: "pulled=3 pushed=3 1-1 2-2 3-3",
	},
	{
		name: "pull only, below a message that is not pushed", rules: "pull-new pull-gone expunge-near adopt",
		far: "1:A 2:B 3:D", near: "1:A 2:B 3:C 4:D", state: "pulled=1 pushed=1 1-1",
		wantFar: "1:A 2:B 3:D", wantNear: "1:A 2:B 3:C 4:D 5:D", wantState: "pulled=3 pushed=2 1-1 2-2 3-5",
	},
	{
		name: "marks of deletion", rules: "sync adopt",
		far: "1:A 2:B:T 3:C 4:D:T", near: "1:A 2:B 3:C:T 4:D:T", state: "pulled=1 pushed=1 1-1",
		wantFar: "1:A 2:B 3:C 4:D:T", wantNear: "1:A 2:B 3:C 4:D:T", wantState: "pulled=4 pushed=4 1-1 2-2 3-3 4-4:T",
	},
	{
		name: "one side is not listed", rules: "pull-new adopt",
		far: "1:A 2:B", near: "1:A 2:B", state: "pulled=1 pushed=1 1-1",
		wantFar: "1:A 2:B", wantNear: "1:A 2:B 3:B", wantState: "pulled=2 pushed=1 1-1 2-3",
	},
	{
		name: "messages of the same size", rules: "sync adopt",
		far: "1:A 2:B", near: "1:A 2:C", state: "pulled=1 pushed=1 1-1",
		wantFar: "1:A 2:B 3:C", wantNear: "1:A 2:C 3:B", wantState: "pulled=3 pushed=3 1-1 3-2 2-3",
	},
	{
		name: "limited", rules: "sync max=2 unread=yes adopt",
		far: "1:A:S 2:B:S 3:C:S 4:D:S", near: "3:C:S 4:D:S", state: "pulled=2 pushed=2 1-1:S 2-2:S",
		wantFar: "1:A:S 2:B:S 3:C:S 4:D:S", wantNear: "3:C:S 4:D:S", wantState: "pulled=4 pushed=4 expired=2 3-3:S 4-4:S",
	},
	{
		name: "not adopted", rules: "sync",
		far: "1:A 2:B", near: "1:A 2:B", state: "pulled=1 pushed=1 1-1",
		wantFar: "1:A 2:B 3:B", wantNear: "1:A 2:B 3:B", wantState: "pulled=3 pushed=3 1-1 3-2 2-3",
	},
}

func TestOlderState(t *testing.T) { runAll(t, older) }

// TestNewMailPairedTold: a dry run and a run tell the same, and the dry run copies nothing
// twice.
func TestNewMailPairedTold(t *testing.T) {
	c := notation.ParseRules(t, "sync adopt")
	w := older[0].setup(t, c)
	want := []event.Fact{event.NewMailPaired{Pairs: 2}}
	res, l, err := w.run(c, modes[0], &killer{}, 1, func(p *engine.Pair) { p.DryRun = true })
	if err != nil || !cmp.Equal(l.facts(), want) {
		t.Errorf("dry run: %v, %v", err, l.facts())
	}
	if n := len(res.Plan.Copies[0]) + len(res.Plan.Copies[1]); n != 2 {
		t.Errorf("%d copies are planned", n)
	}
	if _, l, err = w.run(c, modes[0], &killer{}, 1); err != nil || !cmp.Equal(l.facts(), want) {
		t.Errorf("run: %v, %v", err, l.facts())
	}
}

// TestOlderStateReads: what is asked of the far side to find new messages that are the
// same.
func TestOlderStateReads(t *testing.T) {
	const state = "pulled=1 pushed=1 1-1"
	var bulk []string
	for i := range 60 {
		bulk = append(bulk, fmt.Sprintf("%d:B%d", i+2, i+10))
	}
	many := strings.Join(bulk, " ")
	for _, tt := range []struct {
		name, rules, far, near string
		want                   reads
	}{
		{"new on one side", "sync adopt", "1:A 2:B 3:C", "1:A", reads{scans: 1, whole: 2}},
		{"new on the other side", "sync adopt", "1:A", "1:A 2:B", reads{scans: 1}},
		{"different sizes", "sync adopt", "1:A 2:B", "1:A 2:CC", reads{scans: 2, whole: 1}},
		{"sizes are known", "sync maxsize-near adopt", "1:A 2:B", "1:A 2:CC", reads{scans: 1, whole: 1}},
		{"the same size", "sync adopt", "1:A 2:B", "1:A 2:C", reads{scans: 3, ids: 1, whole: 1}},
		{"the same message", "sync adopt", "1:A 2:B 3:CC", "1:A 2:B 3:DDD", reads{scans: 4, ids: 2, whole: 2}},
		{"many that are the same", "sync adopt", "1:A " + many, "1:A " + many, reads{scans: 4, ids: 2, whole: 20}},
		{"not adopted", "sync", "1:A 2:B", "1:A 2:B", reads{scans: 1, whole: 1}},
	} {
		t.Run(strings.ReplaceAll(tt.name, " ", "-"), func(t *testing.T) {
			sc := scenario{far: tt.far, near: tt.near, state: state}
			c := notation.ParseRules(t, tt.rules)
			w := sc.setup(t, c)
			var read reads
			if _, _, err := w.run(c, modes[0], &killer{}, 1, read.ofFar); err != nil {
				t.Fatal(err)
			}
			if read != tt.want {
				t.Errorf("%+v, want %+v", read, tt.want)
			}
		})
	}
}

// TestNewVersions: two new versions of a message, with the same Message-ID and size, are
// both copied as usual. If other messages show that the state is old, they are ambiguous.
func TestNewVersions(t *testing.T) {
	for _, old := range []bool{false, true} {
		sc := scenario{far: "1:A", near: "1:A", state: "pulled=1 pushed=1 1-1"}
		c := notation.ParseRules(t, "sync adopt")
		w := sc.setup(t, c)
		w.far.Deliver("box", mem.Message{Body: sameID("B", "\r\n", "one")})
		w.near.Deliver("box", mem.Message{Body: sameID("B", "\n", "two")})
		if old {
			w.far.Deliver("box", mem.Message{Body: notation.Body("C", "\r\n")})
			w.near.Deliver("box", mem.Message{Body: notation.Body("C", "\n")})
		}
		_, l, err := w.run(c, modes[0], &killer{}, 1)
		if err != nil {
			t.Fatal(err)
		}
		want, facts := "pulled=3 pushed=3 1-1 3-2 2-3", []event.Fact(nil)
		if old {
			want, facts = "pulled=3 pushed=3 1-1 3-3 2-0 0-2", []event.Fact{event.NewMailPaired{Pairs: 1, Ambiguous: [2]int{1, 1}}}
		}
		if got := stateText(w.fs, c.ExpireSide); got != want {
			t.Errorf("state:\n got  %s\n want %s", got, want)
		}
		if diff := cmp.Diff(facts, l.facts()); diff != "" {
			t.Error(diff)
		}
		notes, err := engine.ReadNotes(w.fs, statePath)
		if err != nil || old != notes.AmbiguousUIDs(0).Contains(2) || old != notes.AmbiguousUIDs(1).Contains(2) {
			t.Errorf("%v, %+v", err, notes)
		}
	}
}

// TestCopyNewVersions: with --adopt=copy, ambiguous messages of an older state are copied.
func TestCopyNewVersions(t *testing.T) {
	sc := scenario{far: "1:A 2:C", near: "1:A 2:C", state: "pulled=1 pushed=1 1-1"}
	c := notation.ParseRules(t, "sync adopt=copy")
	w := sc.setup(t, c)
	w.far.Deliver("box", mem.Message{Body: sameID("B", "\r\n", "one")})
	w.near.Deliver("box", mem.Message{Body: sameID("B", "\n", "two")})
	_, l, err := w.run(c, modes[0], &killer{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]event.Fact{event.NewMailPaired{Pairs: 1, Ambiguous: [2]int{1, 1}, Copied: true}}, l.facts()); diff != "" {
		t.Error(diff)
	}
	if got := w.listNames(); len(got[0]) != 4 || len(got[1]) != 4 {
		t.Error(got)
	}
}

// TestOlderPlaceholder: a placeholder that was stored since then is paired with its message.
func TestOlderPlaceholder(t *testing.T) {
	sc := scenario{far: "1:A", near: "1:A", state: "pulled=1 pushed=1 1-1"}
	c := notation.ParseRules(t, "sync maxsize-near adopt")
	w := sc.setup(t, c)
	backup, err := readFile(w.fs, statePath)
	if err != nil {
		t.Fatal(err)
	}
	w.far.Deliver("box", mem.Message{Body: notation.Body("B*", "\r\n")})
	if _, _, err := w.run(c, modes[0], &killer{}, 1); err != nil {
		t.Fatal(err)
	}
	want := w.text(c.ExpireSide)
	writeFile(t, w.fs, statePath, backup)
	if _, _, err := w.run(c, modes[0], &killer{}, 2); err != nil {
		t.Fatal(err)
	}
	if got := w.text(c.ExpireSide); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

// olderState lets a backup of the state be restored at a random moment.
func (r *restoration) olderState(t *rapid.T) {
	r.history = newHistory(t)
	r.rules = "sync adopt"
	if rapid.Bool().Draw(t, "expunge") {
		r.rules += " expunge-far expunge-near"
	}
	r.c = notation.ParseRules(dummyTB{}, r.rules)
	r.deliver(t, syncstate.Far, rapid.IntRange(0, 6).Draw(t, "far"))
	r.deliver(t, syncstate.Near, rapid.IntRange(0, 6).Draw(t, "near"))
	r.sync(t)
	var backup [2][]byte
	files := [2]string{statePath, statePath + engine.NotesSuffix}
	for i, name := range files {
		backup[i], _ = readFile(r.fs, name)
	}
	for range rapid.IntRange(1, 3).Draw(t, "rounds") {
		r.disturb(t)
		r.sync(t)
	}
	if rapid.Bool().Draw(t, "unsynchronized") {
		r.disturb(t)
	}
	if backup[0] == nil {
		return // nothing was synchronized before
	}
	if rapid.IntRange(0, 4).Draw(t, "copied by the user") == 0 {
		name := fmt.Sprintf("M%d", r.next)
		r.next++
		r.put(t, syncstate.Far, name)
		r.put(t, syncstate.Near, name)
	}
	for i, name := range files {
		_ = r.fs.Remove(name)
		if backup[i] != nil {
			writeFile(dummyTB{}, r.fs, name, backup[i])
		}
	}
	_ = r.fs.SyncDir("/state")
	r.log = append(r.log, "state restored")
	r.check(t, false)
}

// TestOlderStateRestored: whatever was synchronized since the backup of the state, nothing is
// lost or duplicated.
func TestOlderStateRestored(t *testing.T) {
	var r restoration
	rapid.Check(t, r.olderState)
	if !t.Failed() && r.accepted == 0 {
		t.Error("that shows nothing")
	}
}

// TestNewUnread: a new message that cannot be read, and may be the same as one of the other
// side, is ambiguous.
func TestNewUnread(t *testing.T) {
	sc := scenario{far: "1:A 2:B", near: "1:A 2:B", state: "pulled=1 pushed=1 1-1"}
	c := notation.ParseRules(t, "sync adopt")
	w := sc.setup(t, c)
	_, l, err := w.run(c, modes[0], &killer{}, 1, func(p *engine.Pair) { p.Store[0] = unreadable{p.Store[0]} })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]event.Fact{event.NewMailPaired{Ambiguous: [2]int{1, 1}}}, l.facts()); diff != "" {
		t.Error(diff)
	}
	if got := w.listNames(); !slices.Equal(got[0], []string{"A", "B"}) || !slices.Equal(got[1], []string{"A", "B"}) {
		t.Error(got)
	}
}

// TestNewNotCompared: a server that fails to tell sizes does not keep new messages from
// being copied. An error that may pass is tried again first.
func TestNewNotCompared(t *testing.T) {
	box := func(kind store.Kind) error {
		return &store.BoxError{Store: "far", Box: "box", Err: &store.KindError{Kind: kind, Err: errors.New("no sizes")}}
	}
	for _, tt := range []struct {
		err   error
		fails int // calls of Sync
	}{
		{box(store.LastingBox), 0},
		{box(store.Passing), 2},
		{&store.StoreError{Store: "far", Err: &store.KindError{Kind: store.Passing, Err: errors.New("lost")}}, 2},
	} {
		sc := scenario{far: "1:A 2:B", near: "1:A 2:C", state: "pulled=1 pushed=1 1-1"}
		c := notation.ParseRules(t, "sync adopt")
		w := sc.setup(t, c)
		attempts := &engine.Attempts{Max: 4}
		for i := range tt.fails + 1 {
			_, _, err := w.run(c, modes[0], &killer{}, uint64(i), func(p *engine.Pair) {
				p.Store[0], p.Attempts = sizeless{p.Store[0], tt.err}, attempts
			})
			if (err != nil) != (i < tt.fails) {
				t.Errorf("%v, call %d: %v", tt.err, i+1, err)
			}
		}
		if got := w.listNames(); len(got[0]) != 3 || len(got[1]) != 3 {
			t.Error(tt.err, got)
		}
	}
}

// sizeless is a store that fails to list sizes.
type sizeless struct {
	store.Store
	err error
}

func (s sizeless) Open(ctx context.Context, box string, req store.OpenRequest) (store.Mailbox, error) {
	b, err := s.Store.Open(ctx, box, req)
	return sizelessBox{b, s.err}, err
}

type sizelessBox struct {
	store.Mailbox
	err error
}

func (b sizelessBox) Scan(ctx context.Context, need store.Need) (*store.Listing, error) {
	if need.SizesFrom != 0 {
		return nil, b.err
	}
	return b.Mailbox.Scan(ctx, need)
}

// unreadable is a store whose messages cannot be read.
type unreadable struct{ store.Store }

func (s unreadable) Open(ctx context.Context, box string, req store.OpenRequest) (store.Mailbox, error) {
	b, err := s.Store.Open(ctx, box, req)
	return unreadableBox{b}, err
}

type unreadableBox struct{ store.Mailbox }

func (unreadableBox) Fetch(_ context.Context, items []store.FetchItem, sink func(*store.Incoming) error) error {
	for _, it := range items {
		if err := sink(&store.Incoming{UID: it.UID, Err: errors.New("cannot be read")}); err != nil {
			return err
		}
	}
	return nil
}

// TestOlderStateOfAnyStores: messages are recognized whatever line ends the stores have, and
// which of them carry temporary ids.
func TestOlderStateOfAnyStores(t *testing.T) {
	for _, crlf := range [][2]bool{{true, false}, {true, true}, {false, false}, {false, true}} {
		c := notation.ParseRules(t, "sync adopt")
		sc := scenario{far: "1:A", near: "1:A", state: "pulled=1 pushed=1 1-1"}
		w := sc.setup(t, c)
		eol := [2]string{"\n", "\n"}
		caps := [2]store.Caps{mem.MaildirCaps, mem.MaildirCaps}
		for i := range caps {
			if crlf[i] {
				eol[i], caps[i] = "\r\n", mem.IMAPCaps
			}
		}
		stores := func(p *engine.Pair) {
			p.Store = [2]store.Store{mem.New(w.far, mem.Options{Name: "far", Caps: caps[0]}), mem.New(w.near, mem.Options{Name: "near", Caps: caps[1]})}
		}
		backup, err := readFile(w.fs, statePath)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			w.far.Deliver("box", mem.Message{Body: notation.Body(fmt.Sprint("F", i), eol[0])})
			w.near.Deliver("box", mem.Message{Body: notation.Body(fmt.Sprint("NN", i), eol[1])})
		}
		if _, _, err := w.run(c, modes[0], &killer{}, 1, stores); err != nil {
			t.Fatal(err)
		}
		before := w.listNames()
		writeFile(t, w.fs, statePath, backup)
		_, l, err := w.run(c, modes[0], &killer{}, 2, stores)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]event.Fact{event.NewMailPaired{Pairs: 8}}, l.facts()); diff != "" {
			t.Errorf("CRLF %v: %s", crlf, diff)
		}
		if got := w.listNames(); !slices.Equal(got[0], before[0]) || !slices.Equal(got[1], before[1]) {
			t.Errorf("CRLF %v: %v, want %v", crlf, got, before)
		}
	}
}
