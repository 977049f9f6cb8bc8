package channel_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/mem"
)

const twoChannels = `
Channel one
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both

Channel two
Far :far:
Near :third:
Patterns *
Create Near
`

// TestEvents follows a run over several channels.
func TestEvents(t *testing.T) {
	w := newWorld(t, twoChannels)
	w.boxes("far", "a", "b")
	w.boxes("near", "n")
	sum := w.run(t.Context())
	want := []string{
		"channel one: 3",
		"start a: a = a", "done a: a = a: <nil>",
		"start b: b = b", "done b: b = b: <nil>",
		"start n: n = n", "done n: n = n: <nil>",
		"channel two: 3",
		"start a: a = a", "done a: a = a: <nil>",
		"start b: b = b", "done b: b = b: <nil>",
		"start n: n = n", "done n: n = n: <nil>",
	}
	if d := cmp.Diff(want, w.obs.log); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	wantSum := channel.Summary{Channels: 2, Boxes: 6, Counts: [2]event.Counts{{New: 1}, {New: 5}}, Bytes: [2]int64{43, 211}}
	if d := cmp.Diff(wantSum, sum); d != "" {
		t.Errorf("summary (-want +got):\n%s", d)
	}
	if got := w.subjects("third", "n"); len(got) != 1 || got[0] != "near n" {
		t.Errorf("the second channel copied %q", got)
	}
	if len(w.stores) != 3 {
		t.Errorf("%d stores opened", len(w.stores))
	}

	// Flags and deletions are counted by the side that is changed.
	b, _ := w.disk["near"].Box("a")
	b.Messages[0].Flags = mail.FlagDeleted
	w.disk["near"].Set("a", b)
	b, _ = w.disk["far"].Box("n")
	b.Messages[0].Flags = mail.FlagSeen
	w.disk["far"].Set("n", b)
	sum = w.run(t.Context(), "one")
	wantSum = channel.Summary{Channels: 1, Boxes: 3, Counts: [2]event.Counts{{Flags: 1, Expunged: 1}, {Flags: 1, Expunged: 1}}}
	if d := cmp.Diff(wantSum, sum); d != "" {
		t.Errorf("summary (-want +got):\n%s", d)
	}
}

// TestOps: what the selection allows is what is done, whatever the channel says.
func TestOps(t *testing.T) {
	w := newWorld(t, twoChannels)
	w.boxes("far", "a")
	w.boxes("near", "a", "n")
	sel := w.selection("one")
	sel[0].Ops.On[config.Far] = 0
	sel[0].Ops.On[config.Near] = config.OpNew
	sum := channel.Run(t.Context(), sel, w.options())
	if !sum.Failed || w.obs.errs["n"] == nil || w.obs.errs["a"] != nil {
		t.Errorf("%+v, %v", sum, w.obs.errs)
	}
	if !errors.Is(w.obs.errs["n"], engine.ErrBoxMissing) {
		t.Errorf("a missing mailbox: %v", w.obs.errs["n"])
	}
	if f, n := w.subjects("far", "a"), w.subjects("near", "a"); len(f) != 1 || len(n) != 2 {
		t.Errorf("far %q, near %q", f, n)
	}
}

// TestRules: what the configuration says about messages reaches the engine.
func TestRules(t *testing.T) {
	rc := strings.NewReplacer(
		"Path /far/\n", "Path /far/\nTrash bin\n",
		"Path /near/\n", "Path /near/\nTrash old\nTrashNewOnly yes\n",
	).Replace(stores) + `
Channel c
Far :far:a
Near :near:a
MaxSize 200
MaxMessages 2
ExpireUnread yes
Expunge Both
CopyArrivalDate yes
`
	w := newWorld(t, rc)
	then := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	var msgs []mem.Message
	for i := range 4 {
		m := mem.Message{Body: message(fmt.Sprint("m", i)), Date: then}
		if i == 3 {
			m.Body += strings.Repeat("x", 300)
		}
		msgs = append(msgs, m)
	}
	w.disk["far"].Set("a", mem.BoxState{Messages: msgs})
	w.boxes("near", "a") // which is marked in the second run
	w.run(t.Context())
	want := []string{"near a", "m2", "[placeholder] m3"}
	if d := cmp.Diff(want, w.subjects("near", "a")); d != "" {
		t.Errorf("near side (-want +got):\n%s", d)
	}
	b, _ := w.disk["near"].Box("a")
	if got := b.Messages[1].Date; !got.Equal(then) {
		t.Errorf("date of the copy: %v", got)
	}
	b.Messages[0].Flags = mail.FlagDeleted
	w.disk["near"].Set("a", b)
	sum := w.run(t.Context())
	if got := w.subjects("far", "bin"); len(got) != 1 || got[0] != "near a" {
		t.Errorf("far trash: %q", got)
	}
	if got := w.subjects("near", "old"); got != nil {
		t.Errorf("near trash: %q", got)
	}
	if sum.Failed || sum.Counts[0].Trashed != 1 {
		t.Errorf("%+v, %v", sum, w.obs.errs)
	}
}

// TestFailedBox: a mailbox that fails does not keep others from being
// synchronized; messages that fail do not either, but count.
func TestFailedBox(t *testing.T) {
	for _, c := range []struct {
		name    string
		hook    func(mem.Op) error
		err     bool // of the pair
		results int  // failed messages
	}{
		{"cannot be opened", func(op mem.Op) error {
			if op.Kind == mem.OpOpen && op.Box == "b" {
				return &store.BoxError{Store: "far", Box: "b", Err: errTest}
			}
			return nil
		}, true, 0},
		{"cannot be listed", func(op mem.Op) error {
			if op.Kind == mem.OpScan && op.Box == "b" {
				return errTest
			}
			return nil
		}, true, 0},
		{"a message cannot be read", func(op mem.Op) error {
			if op.Kind == mem.OpFetchItem && op.Box == "b" && !op.After {
				return errTest
			}
			return nil
		}, false, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, twoChannels)
			w.boxes("far", "a", "b", "c")
			w.hook["far"] = c.hook
			sum := w.run(t.Context())
			if len(w.obs.done) != 6 || !sum.Failed || len(w.obs.failed) > 0 {
				t.Errorf("%+v\n%s", sum, strings.Join(w.obs.log, "\n"))
			}
			if err := w.obs.errs["b"]; errors.Is(err, errTest) != c.err || w.obs.results["b"].Failed != c.results {
				t.Errorf("error %v, result %+v", err, w.obs.results["b"])
			}
			for _, s := range []string{"near", "third"} {
				for _, box := range []string{"a", "c"} {
					if len(w.subjects(s, box)) != 1 {
						t.Errorf("mailbox %s of %s is missing", box, s)
					}
				}
			}
			if sum.Counts[1].New != 4 {
				t.Errorf("counts: %+v", sum.Counts)
			}

			// When it works again, what was missed is made up for, a message that
			// could not be read by Old.
			w.hook["far"] = nil
			sel := w.selection()
			for i := range sel {
				sel[i].Ops.On[config.Near] |= config.OpOld
			}
			w.obs = &recorder{}
			if sum := channel.Run(t.Context(), sel, w.options()); sum.Failed || sum.Counts[1].New != 2 {
				t.Errorf("then: %+v, %v", sum, w.obs.errs)
			}
		})
	}
}

const manyChannels = twoChannels + `
Channel three
Far :third:
Near :near:x/
Patterns *
Create Both
`

// TestBrokenStore: the channels that use a store that fails end, the others do
// not, and it is not tried again.
func TestBrokenStore(t *testing.T) {
	for _, c := range []struct {
		name    string
		store   string
		hook    func(mem.Op) error
		openErr error
		failed  []string // channels that are told to fail
		done    []string // by channel
	}{
		{
			name: "cannot be made", store: "far", openErr: errTest,
			failed: []string{"one", "two"}, done: []string{"three 1"},
		},
		{
			name: "lost while listing", store: "far",
			hook:   failOn("far", mem.OpList, ""),
			failed: []string{"one", "two"}, done: []string{"three 1"},
		},
		{
			name: "lost while opening the second of three mailboxes", store: "far",
			hook:   failOn("far", mem.OpOpen, "b"),
			failed: []string{"two"}, done: []string{"one 2", "three 1"},
		},
		{
			name: "lost while fetching", store: "far",
			hook:   failOn("far", mem.OpFetchItem, "b"),
			failed: []string{"two"}, done: []string{"one 2", "three 1"},
		},
		{
			name: "the near store, lost while storing", store: "near",
			hook:   failOn("near", mem.OpPutItem, "a"),
			failed: []string{"three"}, done: []string{"one 1", "two 3"},
		},
		{
			name: "the third store", store: "third",
			hook:   failOn("third", mem.OpList, ""),
			failed: []string{"two", "three"}, done: []string{"one 3"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, manyChannels)
			w.boxes("far", "a", "b", "c")
			w.boxes("third", "y")
			w.hook[c.store], w.openErr[c.store] = c.hook, c.openErr
			// So that channel two does not change what there is for three.
			for _, ch := range w.cfg.Channels[1:2] {
				ch.Patterns = config.NewPatterns("*", "!y")
				ch.Ops.On[config.Near] = 0
			}
			w.boxes("third", "a", "b", "c")
			w.cfg.Channels[2].Patterns = config.NewPatterns("y")
			sum := w.run(t.Context())
			if !sum.Failed || sum.Channels != 3 {
				t.Errorf("%+v", sum)
			}
			var failed []string
			for name, err := range w.obs.failed {
				failed = append(failed, name)
				if !errors.Is(err, errTest) && !strings.HasPrefix(err.Error(), "skipped, because MaildirStore \""+c.store+"\" failed") {
					t.Errorf("channel %s: %v", name, err)
				}
			}
			slices.Sort(failed)
			slices.Sort(c.failed)
			if d := cmp.Diff(c.failed, failed); d != "" {
				t.Errorf("channels that failed (-want +got):\n%s\n%s", d, strings.Join(w.obs.log, "\n"))
			}
			var done []string
			for _, ch := range w.cfg.Channels {
				if n := w.obs.count(ch.Name); n > 0 {
					done = append(done, fmt.Sprintf("%s %d", ch.Name, n))
				}
			}
			if d := cmp.Diff(c.done, done); d != "" {
				t.Errorf("mailboxes done (-want +got):\n%s\n%s", d, strings.Join(w.obs.log, "\n"))
			}
		})
	}
}

// count returns how many pairs of a channel were done.
func (r *recorder) count(name string) (n int) {
	in := false
	for _, l := range r.log {
		if c, ok := strings.CutPrefix(l, "channel "); ok {
			in = strings.HasPrefix(c, name+":")
		}
		if in && strings.HasPrefix(l, "done ") {
			n++
		}
	}
	return n
}

// failOn makes a store fail when it comes to an operation.
func failOn(name string, k mem.Kind, box string) func(mem.Op) error {
	return func(op mem.Op) error {
		if op.Kind == k && op.Box == box {
			return storeBroken(name)
		}
		return nil
	}
}

// TestBothStoresBroken: neither of two stores that fail at the same time is
// tried again.
func TestBothStoresBroken(t *testing.T) {
	for _, kind := range []mem.Kind{mem.OpList, mem.OpScan} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, twoChannels+`
Channel four
Far :near:
Near :third:
Patterns *
Create Both
`)
			w.boxes("far", "a")
			w.boxes("near", "a")
			calls := map[string]int{}
			for _, s := range []string{"far", "near"} {
				w.hook[s] = func(op mem.Op) error {
					if op.Kind != kind {
						return nil
					}
					return storeBroken(s)
				}
			}
			w.run(t.Context())
			for _, st := range w.stores {
				for _, op := range st.Log() {
					if op.Kind == kind {
						calls[st.Name()]++
					}
				}
			}
			if calls["far"] != 1 || calls["near"] != 1 {
				t.Errorf("calls: %v", calls)
			}
			if f := w.obs.failed; f["two"] == nil || f["four"] == nil || (f["one"] != nil) != (kind == mem.OpList) {
				t.Errorf("failed: %v", f)
			}
			if err := w.obs.failed["one"]; err != nil {
				for _, s := range []string{"far", "near"} {
					if !strings.Contains(err.Error(), "listing mailboxes of MaildirStore \""+s+"\"") {
						t.Errorf("the error does not tell of %s: %v", s, err)
					}
				}
			}
		})
	}
}

// TestListErrors: a listing goes on behind a channel that cannot be listed.
func TestListErrors(t *testing.T) {
	w := newWorld(t, manyChannels)
	w.boxes("third", "y")
	w.hook["far"] = failOn("far", mem.OpList, "")
	l := channel.List(t.Context(), w.selection(), w.options())
	w.checkStores()
	if len(l) != 3 || !errors.Is(l[0].Err, errTest) || l[1].Err == nil || l[2].Err != nil || len(l[2].Pairs) != 1 {
		t.Errorf("%+v", l)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if l := channel.List(ctx, w.selection(), w.options()); len(l) != 0 {
		t.Errorf("after the end: %+v", l)
	}
	// Of the options it needs Open only.
	w.hook["far"] = nil
	w.boxes("far", "a")
	if l := channel.List(t.Context(), w.selection("one"), channel.Options{Open: w.open}); len(l) != 1 || len(l[0].Pairs) != 1 {
		t.Errorf("without a sink: %+v", l)
	}
}

func TestListStore(t *testing.T) {
	d := mem.NewDisk()
	for _, b := range []string{"b", "INBOX/z", "INBOX", "a/b", "a", "INBOX2", "A"} {
		d.Set(b, mem.BoxState{})
	}
	st := mem.New(d, mem.Options{})
	for _, c := range []struct {
		req  store.ListRequest
		want []string
	}{
		{store.ListRequest{Inbox: true, Others: true}, []string{"INBOX", "INBOX/z", "A", "INBOX2", "a", "a/b", "b"}},
		{store.ListRequest{Inbox: true}, []string{"INBOX", "INBOX/z"}},
		{store.ListRequest{}, []string{}},
	} {
		got, err := channel.ListStore(t.Context(), st, c.req)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%+v (-want +got):\n%s", c.req, d)
		}
	}
	st.Close()
	if _, err := channel.ListStore(t.Context(), st, store.ListRequest{}); err == nil {
		t.Error("no error from a store that is closed")
	}
}

// TestCancel ends a run at various places. It must stop with what it is doing,
// close everything, and begin nothing new.
func TestCancel(t *testing.T) {
	for _, c := range []struct {
		name string
		kind mem.Kind
		box  string
	}{
		{"while listing", mem.OpList, ""},
		{"while opening a mailbox", mem.OpOpen, "b"},
		{"while listing messages", mem.OpScan, "b"},
		{"while copying", mem.OpFetchItem, "b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, twoChannels)
			w.boxes("far", "a", "b", "c")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w.hook["far"] = func(op mem.Op) error {
				if op.Kind == c.kind && op.Box == c.box && !op.After {
					cancel()
					<-ctx.Done()
					return ctx.Err()
				}
				return nil
			}
			sum := w.run(ctx)
			if !sum.Failed || sum.Channels != 1 || len(w.obs.done) > 2 {
				t.Errorf("%+v\n%s", sum, strings.Join(w.obs.log, "\n"))
			}
			// All mailboxes are accounted for, of the other channel only the channel.
			switch all := sum.Boxes + sum.Unfinished + sum.NotBegun; {
			case c.kind == mem.OpList && (all != 0 || sum.NotListed != 2),
				c.kind != mem.OpList && (all != 3 || sum.Unfinished != 1 || sum.NotListed != 1):
				t.Errorf("%+v\n%s", sum, strings.Join(w.obs.log, "\n"))
			}
			for _, err := range w.obs.failed {
				if !errors.Is(err, context.Canceled) {
					t.Errorf("the channel failed: %v", err)
				}
			}
			if len(w.subjects("near", "c")) != 0 || len(w.subjects("third", "a")) != 0 {
				t.Error("it went on")
			}
			// And later it completes.
			w.hook["far"] = nil
			if sum := w.run(t.Context()); sum.Failed || len(w.subjects("near", "b")) != 1 || len(w.subjects("third", "c")) != 1 {
				t.Errorf("then: %+v, %v", sum, w.obs.errs)
			}
		})
	}
	t.Run("between mailboxes", func(t *testing.T) {
		w := newWorld(t, twoChannels)
		w.boxes("far", "a", "b")
		ctx, cancel := context.WithCancel(t.Context())
		w.onDone = cancel
		if sum := w.run(ctx); !sum.Failed || len(w.obs.done) != 1 || len(w.obs.errs) != 0 || sum.Boxes != 1 || sum.NotBegun != 1 || sum.NotListed != 1 {
			t.Errorf("%+v\n%s", sum, strings.Join(w.obs.log, "\n"))
		}
	})
	t.Run("before the first channel", func(t *testing.T) {
		w := newWorld(t, twoChannels)
		w.boxes("far", "a", "b")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if sum := w.run(ctx); !sum.Failed || len(w.obs.log) != 0 || len(w.stores) != 0 || sum.NotListed != 2 {
			t.Errorf("%+v\n%s", sum, strings.Join(w.obs.log, "\n"))
		}
	})
}

// TestDryRun: everything is decided, nothing changed.
func TestDryRun(t *testing.T) {
	w := newWorld(t, twoChannels)
	w.boxes("far", "a", "b")
	w.boxes("near", "a", "n")
	w.dry = true
	before := map[string]*mem.Disk{"far": w.disk["far"].Clone(), "near": w.disk["near"].Clone()}
	sum := w.run(t.Context())
	want := channel.Summary{Channels: 2, Boxes: 5, Counts: [2]event.Counts{{New: 2}, {New: 4}}}
	if d := cmp.Diff(want, sum); d != "" {
		t.Errorf("summary (-want +got):\n%s", d)
	}
	for name, d := range before {
		if diff := cmp.Diff(d.Names(), w.disk[name].Names()); diff != "" {
			t.Errorf("mailboxes of %s:\n%s", name, diff)
		}
		for _, box := range d.Names() {
			x, _ := d.Box(box)
			y, _ := w.disk[name].Box(box)
			if diff := cmp.Diff(x, y); diff != "" {
				t.Errorf("mailbox %s of %s:\n%s", box, name, diff)
			}
		}
	}
	if _, err := w.fs.Stat("/state"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the state directory: %v", err)
	}
	for _, st := range w.stores {
		for _, op := range st.Log() {
			if op.Kind == mem.OpOpen && !op.ReadOnly {
				t.Errorf("%s: %s", st.Name(), op)
			}
		}
	}
	if w.obs.results["a"].Counts == [2]event.Counts{} {
		t.Error("nothing was planned")
	}
}

// TestPresence: what a listing tells is not asked for again, what it cannot
// tell is.
func TestPresence(t *testing.T) {
	w := newWorld(t, `
Channel c
Far :far:
Near :near:
Patterns *
Create Both
`)
	w.boxes("far", "INBOX", "a")
	w.holder["far"] = true // so that "*" finds this inbox, but not the other
	w.disk["near"].Set("INBOX", mem.BoxState{Messages: []mem.Message{{Body: message("mine")}}})
	sum := w.run(t.Context())
	if sum.Failed {
		t.Errorf("%v", w.obs.errs)
	}
	if d := cmp.Diff([]string{"mine", "far INBOX"}, w.subjects("near", "INBOX")); d != "" {
		t.Errorf("near inbox (-want +got):\n%s", d)
	}
	for _, st := range w.stores {
		if st.Name() != "near" {
			continue
		}
		want := []string{"open INBOX", "create a", "open a"}
		var got []string
		for _, l := range st.LogStrings() {
			if strings.HasPrefix(l, "open") || strings.HasPrefix(l, "create") {
				got = append(got, l)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("near store was asked to (-want +got):\n%s", d)
		}
	}
}
