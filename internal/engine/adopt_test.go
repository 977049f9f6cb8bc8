package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/engine"
	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/mem"
	"isync/internal/syncstate"
	"isync/internal/testkit/notation"
	"isync/internal/vfs/vfstest"
)

// adoptions are first runs over two mailboxes that hold messages.
var adoptions = []scenario{
	{
		name: "lost", rules: "sync adopt",
		far: "1:A 2:B:S 4:C", near: "3:B:S 5:A 9:C",
		wantFar: "1:A 2:B:S 4:C", wantNear: "3:B:S 5:A 9:C", wantState: "pulled=4 pushed=9 1-5 2-3:S 4-9",
	},
	{
		name: "the rest is new", rules: "sync adopt",
		far: "1:A 2:B 4:C", near: "3:B 5:D 9:C",
		wantFar: "1:A 2:B 4:C 5:D", wantNear: "3:B 5:D 9:C 10:A", wantState: "pulled=5 pushed=10 2-3 4-9 5-5 1-10",
	},
	{
		name: "nothing in common", rules: "sync adopt",
		far: "1:A", near: "1:B", wantFar: "1:A 2:B", wantNear: "1:B 2:A", wantState: "pulled=2 pushed=2 2-1 1-2",
	},
	{
		name: "flags are merged, deletions are not", rules: "sync adopt",
		far: "1:A:S 2:B:F 3:C:T 4:D 5:E:T", near: "1:A:F 2:B 3:C 4:D:T 5:E:T",
		wantFar: "1:A:FS 2:B:F 3:C 4:D 5:E:T", wantNear: "1:A:FS 2:B:F 3:C 4:D 5:E:T",
		wantState: "pulled=5 pushed=5 1-1:FS 2-2:F 3-3 4-4 5-5:T",
	},
	{
		name: "deletions are not propagated", rules: "pull-new pull-gone adopt",
		far: "1:A:T 2:B 3:C:T", near: "1:A 2:B:T 3:C:T",
		wantFar: "1:A:T 2:B 3:C:T", wantNear: "1:A 2:B:T 3:C:T", wantState: "pulled=3 pushed=3 1-0:T 0-1 2-0 0-2:T 3-3:T",
	},
	{
		name: "what is expunged is not propagated", rules: "pull-new push-new pull-gone push-gone expunge-far expunge-near adopt",
		far: "1:A:T 2:B 3:C:T", near: "1:A 2:B:T 3:C:T",
		wantFar: "2:B", wantNear: "1:A", wantState: "pulled=3 pushed=3 0-1 2-0",
	},
	{
		name: "deletions are not carried out", rules: "sync expunge-far expunge-near adopt",
		far: "1:A:T 2:B 3:C:T", near: "1:A 2:B:T 3:C:T",
		wantFar: "1:A 2:B", wantNear: "1:A 2:B", wantState: "pulled=3 pushed=3 1-1 2-2",
	},
	{
		name: "pull only", rules: "pull-new adopt",
		far: "1:A 2:B", near: "1:C 2:B",
		wantFar: "1:A 2:B", wantNear: "1:C 2:B 3:A", wantState: "pulled=2 pushed=0 2-2 1-3",
	},
	{
		name: "only the newest", rules: "sync max=2 unread=yes adopt",
		far: "1:A:S 2:B:S 3:C:S 4:D:S 5:E:S", near: "1:D:S 2:E:S",
		wantFar: "1:A:S 2:B:S 3:C:S 4:D:S 5:E:S", wantNear: "1:D:S 2:E:S",
		wantState: "pulled=5 pushed=2 expired=3 4-1:S 5-2:S",
	},
}

// doubled are runs after which a mailbox has several copies of a message.
var doubled = []scenario{
	{
		name: "restored, with two copies of one message", rules: "sync adopt",
		far: "next=11 1:A 2:B 3:D 4:E 5:F 6:G 7:H 8:I 9:C 10:C:S", near: "1:A 2:B 3:D 4:E 5:F 6:G 7:H 8:I 9:C 10:C",
		state:   "pulled=12 pushed=10 1-1 2-2 3-3 4-4 5-5 6-6 7-7 8-8 11-9 12-10",
		wantFar: "1:A 2:B 3:D 4:E 5:F 6:G 7:H 8:I 9:C 10:C:S", wantNear: "1:A 2:B 3:D 4:E 5:F 6:G 7:H 8:I 9:C 10:C:S",
		wantState: "pulled=10 pushed=10 1-1 2-2 3-3 4-4 5-5 6-6 7-7 8-8 9-9 10-10:S",
	},
	{
		name: "not adopted", rules: "sync", far: "1:A", near: "3:A",
		wantFar: "1:A 2:A", wantNear: "3:A 4:A", wantState: "pulled=2 pushed=4 2-3 1-4",
	},
	{
		name: "several copies of one message", rules: "sync adopt",
		far: "1:A 2:A 3:A", near: "4:A 7:A",
		wantFar: "1:A 2:A 3:A", wantNear: "4:A 7:A 8:A", wantState: "pulled=3 pushed=8 1-4 2-7 3-8",
	},
}

// disowned are runs whose state is not used, because the UIDVALIDITY of a side changed.
var disowned = []scenario{
	{
		name: "renumbered after messages were lost", rules: "sync adopt",
		far: "val=7 1:A 5:C", near: "1:A 2:B 3:C:S", state: "pulled=3 pushed=3 1-1 2-2 3-3",
		wantFar: "1:A 5:C:S 6:B", wantNear: "1:A 2:B 3:C:S", wantState: "pulled=6 pushed=3 1-1 5-3:S 6-2",
	},
	{
		name: "a message that was deleted comes back", rules: "sync expunge-far expunge-near adopt",
		far: "1:A 2:B", near: "val=7 next=2 1:A", state: "pulled=3 pushed=3 1-1 2-2 3-3",
		wantFar: "1:A 2:B", wantNear: "1:A 2:B", wantState: "pulled=2 pushed=2 1-1 2-2",
	},
	{
		name: "empty", rules: "sync adopt",
		far: "val=7", near: "1:A 2:B", state: "pulled=2 pushed=2 1-1 2-2", wantErr: "unable to recover",
		wantFar: "", wantNear: "1:A 2:B", wantState: "pulled=2 pushed=2 1-1 2-2",
	},
	{
		name: "other mail", rules: "sync adopt",
		far: "val=7 4:X 5:Y 6:A", near: "1:A 2:B 3:C", state: "pulled=3 pushed=3 1-1 2-2 3-3", wantErr: "unable to recover",
		wantFar: "4:X 5:Y 6:A", wantNear: "1:A 2:B 3:C", wantState: "pulled=3 pushed=3 1-1 2-2 3-3",
	},
	{
		name: "UIDs of other messages", rules: "sync adopt",
		far: "val=7 1:B 2:A", near: "1:A 2:B", state: "pulled=2 pushed=2 1-1 2-2", wantErr: "is a different message now",
		wantFar: "1:B 2:A", wantNear: "1:A 2:B", wantState: "pulled=2 pushed=2 1-1 2-2",
	},
	{
		name: "both sides renumbered", rules: "sync adopt",
		far: "val=7 1:B 5:C 6:A", near: "val=8 1:A 2:B 3:C:S 4:D", state: "pulled=3 pushed=3 1-1 2-2 3-3",
		wantFar: "1:B 5:C:S 6:A 7:D", wantNear: "1:A 2:B 3:C:S 4:D", wantState: "pulled=7 pushed=4 1-2 5-3:S 6-1 7-4",
	},
	{
		name: "both sides changed, other mail", rules: "sync adopt",
		far: "val=7 1:X 2:Y", near: "val=8 1:A 2:B", state: "pulled=2 pushed=2 1-1 2-2", wantErr: "UIDVALIDITY has changed on both sides",
		wantFar: "1:X 2:Y", wantNear: "1:A 2:B", wantState: "pulled=2 pushed=2 1-1 2-2",
	},
	{
		name: "both sides changed, one is empty", rules: "sync adopt",
		far: "val=7", near: "val=8 1:A", state: "pulled=1 pushed=1 1-1", wantErr: "UIDVALIDITY has changed on both sides",
		wantFar: "", wantNear: "1:A", wantState: "pulled=1 pushed=1 1-1",
	},
	{
		name: "both sides changed, not adopted", rules: "sync",
		far: "val=7 1:A", near: "val=8 1:A", state: "pulled=1 pushed=1 1-1", wantErr: "UIDVALIDITY has changed on both sides",
		wantFar: "1:A", wantNear: "1:A", wantState: "pulled=1 pushed=1 1-1",
	},
	{
		name: "both sides changed, nothing was paired", rules: "sync adopt",
		far: "val=7 next=3 1:A 2:B", near: "val=8 next=4 1:C 2:D 3:A", state: "pulled=9 pushed=9 9-0 0-8",
		wantFar: "1:A 2:B 3:C 4:D", wantNear: "1:C 2:D 3:A 4:B", wantState: "pulled=4 pushed=4 1-3 3-1 4-2 2-4",
	},
	{
		name: "both sides changed, nothing was paired or is the same", rules: "sync adopt",
		far: "val=7 next=2 1:A", near: "val=8 next=1", state: "pulled=9 pushed=9 9-0 0-8",
		wantFar: "1:A", wantNear: "1:A", wantState: "pulled=1 pushed=1 1-1",
	},
	{
		name: "one side changed, nothing was paired", rules: "sync adopt",
		far: "val=7 1:A 2:B", near: "1:A", state: "pulled=9 pushed=1 9-0 0-1",
		wantFar: "1:A 2:B", wantNear: "1:A 2:B", wantState: "pulled=2 pushed=2 1-1 2-2",
	},
	{
		name: "not adopted", rules: "sync",
		far: "val=7 1:A 5:C", near: "1:A 2:B 3:C", state: "pulled=3 pushed=3 1-1 2-2 3-3", wantErr: "unable to recover",
		wantFar: "1:A 5:C", wantNear: "1:A 2:B 3:C", wantState: "pulled=3 pushed=3 1-1 2-2 3-3",
	},
}

func TestAdopt(t *testing.T) { runAll(t, slices.Concat(adoptions, doubled)) }

func TestDisowned(t *testing.T) { runAll(t, disowned) }

// TestJournalOfLostState: the state is lost, but the journal of an interrupted run is left.
// Whatever the journal says, it is not that of a first run. The messages are paired as
// without the journal, also if the run is killed at any step. With Adopt no, nothing is
// changed.
func TestJournalOfLostState(t *testing.T) {
	c := notation.ParseRules(t, "sync adopt")
	sc := scenario{far: "1:A 2:B 4:C 6:D", near: "3:B 5:A 9:C"}
	journal, next := statePath+engine.JournalSuffix, statePath+engine.NewSuffix
	for _, entries := range []string{
		"+ 4 0\n", "N 0 4\n", "N 1 9\n", "F 0 5\n", "F 1 10\nN 1 9\n", "+ 4 0\n- 4 0\n", "- 1 5\n", "+ 4 0\n> 4 0 9\n~ 1 5 0\n",
		"| 1 2\n+ 4 0\n* 1 5 16\n", "+ 4 0\n- 4",
	} {
		start := sc.setup(t, c)
		writeFile(t, start.fs, journal, []byte(syncstate.JournalVersion+"\n"+entries))
		writeFile(t, start.fs, next, nil)
		_ = start.fs.SyncDir("/state")
		w := start.clone()
		k := &killer{}
		_, l, err := w.run(c, modes[0], k, 1)
		if err != nil {
			t.Fatalf("%q: %v", entries, err)
		}
		told := []event.Fact{event.JournalIgnored{}, event.MailAdopted{Pairs: 3, Only: [2]int{1, 0}}}
		if diff := cmp.Diff(told, l.facts()); diff != "" {
			t.Errorf("%q: %s", entries, diff)
		}
		const want = "pulled=6 pushed=10 1-5 2-3 4-9 6-10"
		if got := stateText(w.fs, c.ExpireSide); got != want || len(w.leftovers()) > 0 {
			t.Errorf("%q: state %s, want %s; files %v", entries, got, want, w.leftovers())
		}
		for n := 1; n <= k.count; n++ {
			w := start.clone()
			_, _, _ = w.run(c, modes[0], &killer{n: n}, 1)
			if _, _, err := w.run(c, modes[0], &killer{}, 2); err != nil {
				t.Fatalf("%q, killed at step %d: %v", entries, n, err)
			}
			if got := stateText(w.fs, c.ExpireSide); got != want {
				t.Errorf("%q, killed at step %d:\n got  %s\n want %s", entries, n, got, want)
			}
		}
		w = start.clone()
		before := w.text(c.ExpireSide)
		for range 2 {
			if _, _, err := w.run(notation.ParseRules(t, "sync"), modes[0], &killer{}, 1); !errors.Is(err, engine.ErrStateLost) {
				t.Errorf("%q, not adopted: %v", entries, err)
			}
		}
		if got := w.text(c.ExpireSide); got != before {
			t.Errorf("%q, not adopted: changed to %s", entries, got)
		}
	}
}

// sameID returns a message with the Message-ID of another one, and another body.
func sameID(name, eol, extra string) string {
	return strings.Replace(notation.Body(name, eol), "From: x"+eol, "From: x"+eol+"Received: "+extra+eol, 1)
}

// ambiguousWorld has messages without a state: A is the same on both sides, B was changed
// on the near side by the program that fetched it, as C was, twice; D is only on the far
// side, E only on the near one.
func ambiguousWorld(t testing.TB) *pairWorld {
	w := &pairWorld{mem.NewDisk(), mem.NewDisk(), vfstest.NewMem(nil)}
	far := mem.BoxState{UIDValidity: notation.Validity[0], UIDNext: 11}
	near := mem.BoxState{UIDValidity: notation.Validity[1], UIDNext: 23}
	for i, body := range []string{notation.Body("B", "\r\n"), notation.Body("A", "\r\n"), notation.Body("C", "\r\n"), notation.Body("D", "\r\n")} {
		far.Messages = append(far.Messages, mem.Message{UID: mail.UID(3*i + 1), Body: body})
	}
	for i, body := range []string{sameID("C", "\n", "one"), notation.Body("E", "\n"), sameID("B", "\n", "y"), sameID("C", "\n", "two"), notation.Body("A", "\n")} {
		near.Messages = append(near.Messages, mem.Message{UID: mail.UID(5*i + 2), Body: body})
	}
	w.far.Set("box", far)
	w.near.Set("box", near)
	if err := w.fs.Mkdir("/state", 0o700); err != nil {
		t.Fatal(err)
	}
	_ = w.fs.SyncDir("/")
	return w
}

// reads counts what is read of a side: listings, those of them with Message-IDs, messages,
// and headers. If recorded is not nil, it gets the messages that the last listing was told to
// be recorded.
type reads struct {
	scans, ids, whole, headers int
	recorded                   *[]mail.Meta
}

// ofFar counts what a run reads of the far side.
func (r *reads) ofFar(p *engine.Pair) { p.Store[0] = readStore{p.Store[0], r} }

type readStore struct {
	store.Store
	reads *reads
}

func (s readStore) Open(ctx context.Context, box string, req store.OpenRequest) (store.Mailbox, error) {
	b, err := s.Store.Open(ctx, box, req)
	if err != nil {
		return nil, err
	}
	return readBox{b, s.reads}, nil
}

type readBox struct {
	store.Mailbox
	reads *reads
}

// Unwrap implements store.Wrapper.
func (b readBox) Unwrap() any { return b.Mailbox }

func (b readBox) Scan(ctx context.Context, need store.Need) (*store.Listing, error) {
	b.reads.scans++
	if need.MessageIDs {
		b.reads.ids++
	}
	if to := b.reads.recorded; to != nil && need.Recorded != nil {
		*to = nil
		for u, flags := range need.Recorded {
			*to = append(*to, mail.Meta{UID: u, Flags: flags})
		}
	}
	return b.Mailbox.Scan(ctx, need)
}

func (b readBox) Fetch(ctx context.Context, items []store.FetchItem, sink func(*store.Incoming) error) error {
	for _, it := range items {
		if it.HeaderOnly {
			b.reads.headers++
		} else {
			b.reads.whole++
		}
	}
	return b.Mailbox.Fetch(ctx, items, sink)
}

// TestRecorded: the listing of the messages gets the recorded UIDs of its side, with the flags
// that were last synchronized. So a store can detect that a flag seems to have changed.
func TestRecorded(t *testing.T) {
	sc := scenario{far: "1:A:F 3:B:S 5:D", near: "2:A:S 4:C", state: "pulled=3 pushed=4 1-2:FS 3-0:S 0-4"}
	c := notation.ParseRules(t, "sync")
	w := sc.setup(t, c)
	var got []mail.Meta
	read := reads{recorded: &got}
	if _, _, err := w.run(c, modes[0], &killer{}, 1, read.ofFar); err != nil {
		t.Fatal(err)
	}
	want := []mail.Meta{{UID: 1, Flags: mail.FlagFlagged | mail.FlagSeen}, {UID: 3, Flags: mail.FlagSeen}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// facts returns the facts that were told.
func (l *log) facts() (out []event.Fact) {
	for _, m := range l.messages {
		if m.Fact != nil {
			out = append(out, m.Fact)
		}
	}
	return out
}

// TestAmbiguous: messages with the same Message-ID and different contents are not copied,
// also if the run is killed at any step, and the notes are lost, until that is asked for.
func TestAmbiguous(t *testing.T) {
	c := notation.ParseRules(t, "sync adopt")
	start := ambiguousWorld(t)
	w := start.clone()
	k := &killer{}
	_, l, err := w.run(c, modes[0], k, 1)
	if err != nil {
		t.Fatal(err)
	}
	told := []event.Fact{event.MailAdopted{Pairs: 1, Only: [2]int{1, 1}, Ambiguous: [2]int{2, 3}}}
	if diff := cmp.Diff(told, l.facts()); diff != "" {
		t.Error(diff)
	}
	const want = "pulled=11 pushed=23 4-22 1-0 7-0 0-2 0-12 0-17 11-7 10-23"
	if got := stateText(w.fs, c.ExpireSide); got != want {
		t.Fatalf("state:\n got  %s\n want %s", got, want)
	}
	for n := 1; n <= k.count; n++ {
		w := start.clone()
		_, _, _ = w.run(c, modes[0], &killer{n: n}, 1)
		if _, _, err := w.run(c, modes[0], &killer{}, 2); err != nil {
			t.Fatal(err)
		}
		if got := stateText(w.fs, c.ExpireSide); got != want {
			t.Errorf("killed at step %d:\n got  %s\n want %s", n, got, want)
		}
	}
	dry := func(w *pairWorld) []event.Fact {
		_, l, err := w.run(c, modes[0], &killer{}, 3, func(p *engine.Pair) { p.DryRun = true })
		if err != nil {
			t.Fatal(err)
		}
		return l.facts()
	}
	if diff := cmp.Diff(told, dry(start.clone())); diff != "" {
		t.Error("dry run:", diff)
	}
	if diff := cmp.Diff([]event.Fact{event.MailAmbiguous{Count: [2]int{2, 3}}}, dry(w)); diff != "" {
		t.Error("dry run afterwards:", diff)
	}
	// Nothing more happens, with or without the notes.
	for _, lost := range []bool{false, true} {
		again := w.clone()
		if lost {
			if err := again.fs.Remove(statePath + engine.NotesSuffix); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if _, l, err := again.run(notation.ParseRules(t, "sync pull-old push-old"), modes[0], &killer{}, 4); err != nil || len(l.messages) > 0 {
				t.Fatal(err, l.messages)
			}
		}
		if got := stateText(again.fs, c.ExpireSide); got != want {
			t.Errorf("a later run:\n got  %s\n want %s", got, want)
		}
	}
	// A message that is deleted is forgotten.
	again := w.clone()
	again.near.Expunge("box", 12)
	if _, _, err := again.run(c, modes[0], &killer{}, 4); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]event.Fact{event.MailAmbiguous{Count: [2]int{2, 2}}}, dry(again)); diff != "" {
		t.Error("after a deletion:", diff)
	}
}

// TestCopyAmbiguous: ambiguous messages are copied on demand, each once, in the first run
// or later, and whatever happens.
func TestCopyAmbiguous(t *testing.T) {
	for _, later := range []bool{false, true} {
		start := ambiguousWorld(t)
		if later {
			if _, _, err := start.run(notation.ParseRules(t, "sync adopt"), modes[0], &killer{}, 1); err != nil {
				t.Fatal(err)
			}
		}
		c := notation.ParseRules(t, "sync adopt=copy")
		check := func(w *pairWorld, where string) {
			for _, s := range syncstate.Sides {
				d, _ := w.disk(s)
				if box, _ := d.Box("box"); len(box.Messages) != 8 { // A B B C C C D E
					t.Errorf("%s: %d messages on the %s side, want 8", where, len(box.Messages), s)
				}
			}
			if notes, err := engine.ReadNotes(w.fs, statePath); err != nil || len(notes.Ambiguous) > 0 {
				t.Errorf("%s: %v, %+v", where, err, notes)
			}
		}
		w := start.clone()
		k := &killer{}
		if _, _, err := w.run(c, modes[0], k, 2); err != nil {
			t.Fatal(err)
		}
		check(w, "copied")
		want := w.text(c.ExpireSide)
		for n := 1; n <= k.count; n++ {
			w := start.clone()
			_, _, _ = w.run(c, modes[0], &killer{n: n}, 2)
			if n%2 == 0 { // also if it is not said again
				_, _, _ = w.run(notation.ParseRules(t, "sync adopt"), modes[0], &killer{n: 1 + n/3}, 3)
			}
			for range 2 {
				if _, _, err := w.run(c, modes[0], &killer{}, 4); err != nil {
					t.Fatal(err)
				}
			}
			check(w, fmt.Sprintf("killed at step %d", n))
			if got := w.text(c.ExpireSide); got != want && n%2 != 0 {
				t.Errorf("killed at step %d:\n%swant:\n%s", n, got, want)
			}
		}
	}
}

// TestAdoptPlaceholder: a placeholder is paired with its message again.
func TestAdoptPlaceholder(t *testing.T) {
	sc := scenario{far: "1:A* 2:B:F 3:C*:F", near: ""}
	c := notation.ParseRules(t, "sync maxsize-near adopt")
	w := sc.setup(t, c)
	for range 2 {
		if _, _, err := w.run(c, modes[0], &killer{}, 1); err != nil {
			t.Fatal(err)
		}
	}
	want := w.text(c.ExpireSide)
	if err := w.fs.Remove(statePath); err != nil {
		t.Fatal(err)
	}
	var read reads
	_, l, err := w.run(c, modes[0], &killer{}, 2, read.ofFar)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]event.Fact{event.MailAdopted{Pairs: 3}}, l.facts()); diff != "" {
		t.Error(diff)
	}
	if got := w.text(c.ExpireSide); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
	if read.whole > 0 || read.headers != 2 {
		t.Errorf("%d messages and %d headers were read from the server", read.whole, read.headers)
	}
}

// TestAdoptReadsLittle: of messages that are the same on both sides, nothing is read from
// the server but the headers, and it is listed once; a first run into an empty mailbox does
// not look for Message-IDs at all.
func TestAdoptReadsLittle(t *testing.T) {
	stores := map[string]func(store.Store) store.Store{
		"counts":       func(s store.Store) store.Store { return s },
		"local":        func(s store.Store) store.Store { return localStore{countless{s}} },
		"cannot count": func(s store.Store) store.Store { return countless{s} },
	}
	for _, near := range []string{"", "1:A 2:B"} {
		for _, rules := range []string{"sync adopt", "pull-new adopt"} {
			for kind, wrap := range stores {
				sc := scenario{far: "1:A 2:B", near: near}
				c := notation.ParseRules(t, rules)
				w := sc.setup(t, c)
				var read reads
				_, _, err := w.run(c, modes[0], &killer{}, 1, func(p *engine.Pair) {
					read.ofFar(p)
					p.Store[1] = wrap(p.Store[1])
				})
				if err != nil {
					t.Fatal(err)
				}
				want := reads{scans: 1, whole: 2}
				switch {
				case near != "" && kind == "cannot count":
					want = reads{scans: 2, ids: 1}
				case near != "":
					want = reads{scans: 1, ids: 1}
				}
				if read != want {
					t.Errorf("near %q, which is %s, %s: %+v, want %+v", near, kind, rules, read, want)
				}
				if got := w.listNames(); len(got[0]) != 2 || len(got[1]) != 2 {
					t.Error(got)
				}
			}
		}
	}
}

// countless is a store whose mailboxes do not know how many messages they hold.
type countless struct{ store.Store }

func (s countless) Open(ctx context.Context, box string, req store.OpenRequest) (store.Mailbox, error) {
	b, err := s.Store.Open(ctx, box, req)
	if err != nil {
		return nil, err
	}
	return struct{ store.Mailbox }{b}, nil
}

// localStore is a local store.
type localStore struct{ store.Store }

func (localStore) BoxPath(box string) (string, error) { return "/mail/" + box, nil }

func (localStore) Root() string { return "/mail" }

// TestInterruptedFirstRun: the journal of a first run, of which nothing was committed, is
// continued, and what it has copied is not taken for a lost state.
func TestInterruptedFirstRun(t *testing.T) {
	sc := scenario{far: "1:A 2:B 3:C", near: "1:D"}
	with, without := notation.ParseRules(t, "sync adopt"), notation.ParseRules(t, "sync")
	start := sc.setup(t, with)
	w := start.clone()
	k := &killer{}
	if _, _, err := w.run(without, modes[0], k, 1); err != nil {
		t.Fatal(err)
	}
	want := w.text(with.ExpireSide)
	for n := 1; n <= k.count; n++ {
		w := start.clone()
		_, _, _ = w.run(without, modes[0], &killer{n: n}, 1)
		_, l, err := w.run(with, modes[0], &killer{}, 2)
		if err != nil || len(l.messages) > 0 {
			t.Fatalf("killed at step %d: %v, %v", n, err, l.messages)
		}
		if got := w.text(with.ExpireSide); got != want {
			t.Errorf("killed at step %d:\n%swant:\n%s", n, got, want)
		}
	}
}
