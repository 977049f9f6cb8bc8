package maildir_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/vfs"
)

const knownFile = "/in/.isyncuidmap.names"

// run opens and lists the mailbox as a run does, with the pairs of the state.
func (x *fixture) run(readOnly bool, pairs ...mail.UID) map[mail.UID]string {
	x.t.Helper()
	m, err := x.open(store.OpenRequest{ReadOnly: readOnly})
	check(x.t, err)
	defer m.Close(x.t.Context())
	check(x.t, m.(store.Recaller).Recall(x.t.Context(), func() store.Paired { return store.Paired{UIDs: mail.NewUIDSet(pairs...)} }))
	return scanned(x.t, m)
}

// remove removes a file as another program would.
func (x *fixture) remove(name string) {
	x.t.Helper()
	check(x.t, x.mem.Remove("/in/"+name))
}

// TestKnownNames: a message whose UID was given to another name is a new message, and
// a message keeps its UID whatever happens to the flags in its name.
func TestKnownNames(t *testing.T) {
	first := []string{".uidvalidity|123\n3\n", "cur/1.1_1.h,U=1:2,S|one", "cur/2.1_1.h,U=2:2,|two", "new/3.1_1.h,U=3|three"}
	paired := []mail.UID{1, 2, 3}
	for _, c := range []struct {
		name   string
		change func(x *fixture)
		pairs  []mail.UID
		want   map[mail.UID]string
		after  []string // files
	}{
		{
			"flags change and messages move to cur",
			func(x *fixture) {
				x.move("cur/1.1_1.h,U=1:2,S", "cur/1.1_1.h,U=1:2,RSab")
				x.move("cur/2.1_1.h,U=2:2,", "cur/2.1_1.h:2,S,U=2")
				x.move("new/3.1_1.h,U=3", "cur/3.1_1.h,U=3,S=5:2,F")
			},
			paired,
			map[mail.UID]string{1: "RS", 2: "S", 3: "F"},
			nil,
		},
		{
			"another message takes the place of one that is gone",
			func(x *fixture) {
				x.remove("cur/2.1_1.h,U=2:2,")
				x.place("cur/9.9_9.h,U=2:2,F")
			},
			paired,
			map[mail.UID]string{1: "S", 3: "", 4: "F"},
			[]string{"cur/1.1_1.h,U=1:2,S", "cur/9.9_9.h,U=4:2,F", "new/3.1_1.h,U=3", "123 4 "},
		},
		{
			"two messages change places",
			func(x *fixture) {
				x.move("cur/1.1_1.h,U=1:2,S", "cur/1.1_1.h,U=x:2,S")
				x.move("cur/2.1_1.h,U=2:2,", "cur/2.1_1.h,U=1:2,")
				x.move("cur/1.1_1.h,U=x:2,S", "cur/1.1_1.h,U=2:2,S")
			},
			paired,
			map[mail.UID]string{3: "", 4: "S", 5: ""},
			nil,
		},
		{
			"two files with the same UID, and the flags of the known one have changed",
			func(x *fixture) {
				x.move("cur/2.1_1.h,U=2:2,", "cur/2.1_1.h,U=2:2,RS")
				x.place("cur/0.9_9.h,U=2:2,F")
			},
			paired,
			map[mail.UID]string{1: "S", 2: "RS", 3: "", 4: "F"},
			nil,
		},
		{
			"two files with the UID of a message that is gone",
			func(x *fixture) {
				x.remove("cur/2.1_1.h,U=2:2,")
				x.place("cur/0.9_9.h,U=2:2,F")
				x.place("new/0.9_8.h,U=2")
			},
			paired,
			map[mail.UID]string{1: "S", 3: "", 4: "", 5: "F"},
			nil,
		},
		{
			"a backup brings an earlier name back",
			func(x *fixture) {
				x.move("cur/2.1_1.h,U=2:2,", "cur/2.1_1.h,U=2:2,RS")
				x.pass(time.Minute)
				x.place("cur/2.1_1.h,U=2:2,|two")
			},
			paired,
			map[mail.UID]string{1: "S", 2: "RS", 3: "", 4: ""},
			nil,
		},
		{
			"the same name, but not the same message",
			func(x *fixture) {
				x.move("cur/2.1_1.h,U=2:2,", "cur/2.1_1.h,U=2:2,RS")
				x.pass(time.Minute)
				x.place("cur/2.1_1.h,U=2:2,|another")
			},
			paired,
			map[mail.UID]string{1: "S", 3: "", 4: "", 5: "RS"},
			nil,
		},
		{
			"a message that was away comes back, its deletion not propagated",
			func(x *fixture) {
				x.move("cur/2.1_1.h,U=2:2,", "away")
				x.run(false, paired...)
				x.pass(time.Hour)
				x.move("away", "cur/2.1_1.h,U=2:2,")
			},
			paired,
			map[mail.UID]string{1: "S", 2: "", 3: ""},
			nil,
		},
		{
			"a message comes back after its deletion was propagated",
			func(x *fixture) {
				x.move("cur/2.1_1.h,U=2:2,", "away")
				x.run(false, paired...)
				x.pass(time.Hour)
				x.move("away", "cur/2.1_1.h,U=2:2,")
			},
			[]mail.UID{1, 3},
			map[mail.UID]string{1: "S", 3: "", 4: ""},
			nil,
		},
		{
			"much later",
			func(x *fixture) {
				x.move("cur/2.1_1.h,U=2:2,", "away")
				for range 3 {
					x.run(false, 1, 3)
					x.pass(time.Hour)
				}
				x.move("away", "cur/2.1_1.h,U=2:2,")
			},
			[]mail.UID{1, 3},
			map[mail.UID]string{1: "S", 3: "", 4: ""},
			nil,
		},
		{
			"a message that was removed here comes back",
			func(x *fixture) {
				m := x.mustOpen()
				scanned(x.t, m)
				check(x.t, m.SetFlags(x.t.Context(), []store.FlagChange{{UID: 2, Add: mail.FlagDeleted}}, func(_ int, err error) { check(x.t, err) }))
				check(x.t, m.Remove(x.t.Context(), store.RemoveRequest{UIDs: mail.NewUIDSet(2)}))
				x.place("cur/2.1_1.h,U=2:2,|two")
			},
			[]mail.UID{1, 3},
			map[mail.UID]string{1: "S", 3: "", 4: ""},
			nil,
		},
		{
			"a message that was trashed here comes back",
			func(x *fixture) {
				m := x.mustOpen()
				scanned(x.t, m)
				check(x.t, m.SetFlags(x.t.Context(), []store.FlagChange{{UID: 2, Add: mail.FlagDeleted}}, func(_ int, err error) { check(x.t, err) }))
				check(x.t, m.(store.Trasher).Trash(x.t.Context(), []mail.UID{2}, "trash", func(_ int, err error) { check(x.t, err) }))
				x.place("cur/2.1_1.h,U=2:2,|two")
			},
			[]mail.UID{1, 3},
			map[mail.UID]string{1: "S", 3: "", 4: ""},
			nil,
		},
		{
			"the C program has given a UID",
			func(x *fixture) {
				x.place("cur/5.1_1.h,U=5:2,F")
				x.rewrite(".uidvalidity", "123\n6\n")
			},
			[]mail.UID{1, 2, 3, 5},
			map[mail.UID]string{1: "S", 2: "", 3: "", 5: "F"},
			nil,
		},
		{
			".uidvalidity alone was restored",
			func(x *fixture) {
				x.rewrite(".uidvalidity", "123\n1\n")
				x.place("new/9.9_9.h")
			},
			paired,
			map[mail.UID]string{1: "S", 2: "", 3: "", 4: ""},
			nil,
		},
		{
			"the file of the known names is gone",
			func(x *fixture) {
				check(x.t, x.mem.Remove(knownFile))
				x.move("cur/2.1_1.h,U=2:2,", "cur/0.1_1.h,U=2:2,F")
			},
			paired,
			map[mail.UID]string{1: "S", 2: "F", 3: ""},
			nil,
		},
		{
			"it is damaged",
			func(x *fixture) {
				x.rewrite(".isyncuidmap.names", "nonsense")
				x.move("cur/2.1_1.h,U=2:2,", "cur/0.1_1.h,U=2:2,F")
			},
			paired,
			map[mail.UID]string{1: "S", 2: "F", 3: ""},
			nil,
		},
		{
			"it is torn",
			func(x *fixture) {
				b, err := vfs.ReadFile(x.mem, knownFile)
				check(x.t, err)
				x.rewrite(".isyncuidmap.names", string(b)+"UIDN\x00\x00")
				x.place("new/9.9_9.h")
				x.run(false, paired...)
				x.pass(time.Hour)
				x.remove("cur/2.1_1.h,U=2:2,")
				x.place("cur/9.9_8.h,U=2:2,F")
			},
			paired,
			map[mail.UID]string{1: "S", 3: "", 4: "", 5: "F"},
			nil,
		},
		{
			"it was restored from a backup",
			func(x *fixture) {
				b, err := vfs.ReadFile(x.mem, knownFile)
				check(x.t, err)
				past := x.clock()
				x.pass(time.Hour)
				x.rewrite(".isyncuidmap.names", string(b))
				check(x.t, x.mem.Chtimes(knownFile, past, past))
				x.move("cur/2.1_1.h,U=2:2,", "cur/0.1_1.h,U=2:2,F")
			},
			paired,
			map[mail.UID]string{1: "S", 2: "F", 3: ""},
			nil,
		},
		{
			"there is a new UIDVALIDITY",
			func(x *fixture) {
				x.remove("cur/2.1_1.h,U=2:2,")
				x.remove(".uidvalidity")
				x.place("cur/9.9_9.h,U=2:2,F")
			},
			nil,
			map[mail.UID]string{1: "S", 2: "F", 3: ""},
			nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, dry := range []bool{true, false} {
				x := newFixture(t, first...)
				x.run(false, paired...)
				x.pass(time.Hour)
				c.change(x)
				x.pass(time.Hour)
				before, n := x.everything(), len(x.files())
				if dry {
					if d := cmp.Diff(slices.Sorted(maps.Values(c.want)), slices.Sorted(maps.Values(x.run(true, c.pairs...)))); d != "" {
						t.Errorf("dry run: %s", d)
					}
					if d := cmp.Diff(before, x.everything()); d != "" {
						t.Errorf("a dry run has changed files: %s", d)
					}
					continue
				}
				for run := range 3 {
					if d := cmp.Diff(c.want, x.run(false, c.pairs...)); d != "" {
						t.Errorf("run %d: %s", run, d)
					}
					x.pass(time.Hour)
				}
				if c.after != nil {
					x.wantFiles(c.after...)
				}
				if got := len(x.files()); got != n && c.name != "there is a new UIDVALIDITY" {
					t.Errorf("%d files, not %d", got, n)
				}
			}
		})
	}
}

// rewrite replaces the contents of a file in /in.
func (x *fixture) rewrite(name, text string) {
	x.t.Helper()
	f, err := x.mem.OpenFile("/in/"+name, os.O_WRONLY|os.O_TRUNC, 0)
	check(x.t, err)
	_, err = f.Write([]byte(text))
	check(x.t, err)
	check(x.t, f.Close())
}

// everything returns all files of the mailbox, and what our own hold.
func (x *fixture) everything() []string {
	x.t.Helper()
	out := x.files()
	names, err := x.mem.ReadNames("/in")
	check(x.t, err)
	for _, n := range names {
		if strings.HasPrefix(n, ".") {
			b, err := vfs.ReadFile(x.mem, "/in/"+n)
			check(x.t, err)
			out = append(out, n+" "+string(b))
		}
	}
	slices.Sort(out)
	return out
}

// TestKnownAfterAppend: the names of messages that were stored are known at once.
func TestKnownAfterAppend(t *testing.T) {
	x := newFixture(t, ".uidvalidity|123\n0\n")
	m := x.mustOpen()
	scanned(t, m)
	a, err := m.Append(t.Context(), func(r store.AppendResult) { check(t, r.Err) })
	check(t, err)
	for range 3 {
		check(t, a.Put(t.Context(), &store.Outgoing{Flags: mail.FlagSeen, Size: -1, Body: text("x\n")}))
	}
	check(t, a.Finish(t.Context()))
	for _, f := range x.files() {
		if strings.Contains(f, ",U=2:") {
			x.remove(f)
		}
	}
	x.place("cur/9.9_9.h,U=2:2,F")
	x.pass(time.Hour)
	if d := cmp.Diff(map[mail.UID]string{1: "S", 3: "S", 4: "F"}, x.run(false, 1, 2, 3)); d != "" {
		t.Error(d)
	}
}

// TestKnownWhileOpen: a message that is moved into an open mailbox, with the UID of
// another one, is not taken for that.
func TestKnownWhileOpen(t *testing.T) {
	x := newFixture(t, ".uidvalidity|123\n1\n", "cur/1.1_1.h,U=1:2,T|one")
	m := x.mustOpen()
	scanned(t, m)
	x.remove("cur/1.1_1.h,U=1:2,T")
	x.place("cur/9.9_9.h,U=1:2,T")
	x.pass(time.Second)
	check(t, m.Fetch(t.Context(), []store.FetchItem{{UID: 1}}, func(in *store.Incoming) error {
		t.Errorf("fetched %d", in.UID)
		return nil
	}))
	check(t, m.SetFlags(t.Context(), []store.FlagChange{{UID: 1, Add: mail.FlagSeen}}, func(_ int, err error) {
		if err == nil {
			t.Error("flags were set")
		}
	}))
	_ = m.Remove(t.Context(), store.RemoveRequest{UIDs: mail.NewUIDSet(1)})
	x.wantFiles("cur/9.9_9.h,U=1:2,T", "123 1 ")
}

// TestKnownCompacts: the file does not grow without bounds.
func TestKnownCompacts(t *testing.T) {
	x := newFixture(t, ".uidvalidity|123\n0\n", "cur/0.1_1.h|stays")
	x.run(false)
	for i := range 6 {
		m := x.mustOpen()
		a, err := m.Append(t.Context(), func(r store.AppendResult) { check(t, r.Err) })
		check(t, err)
		var uids []mail.UID
		for j := range 300 {
			check(t, a.Put(t.Context(), &store.Outgoing{Flags: mail.FlagDeleted, Size: -1, Body: text("x\n")}))
			uids = append(uids, mail.UID(2+300*i+j))
		}
		check(t, a.Finish(t.Context()))
		check(t, m.Remove(t.Context(), store.RemoveRequest{UIDs: mail.NewUIDSet(uids...)}))
		x.pass(time.Hour)
		x.run(false, 1)
	}
	fi, err := x.mem.Stat(knownFile)
	check(t, err)
	if fi.Size() > 21<<10 {
		t.Errorf("%d bytes", fi.Size())
	}
	x.place("cur/9.9_9.h,U=77:2,F")
	x.pass(time.Hour)
	if d := cmp.Diff(map[mail.UID]string{1: "", 1802: "F"}, x.run(false, 1)); d != "" {
		t.Error(d)
	}
}

// TestKnownComposed: a file system may return other names than those it was given, with
// their characters composed in another way.
func TestKnownComposed(t *testing.T) {
	x := newFixture(t, ".uidvalidity|123\n1\n", "cur/1.1_1.caf\u00e9-at-home,U=1:2,")
	x.run(false, 1)
	x.pass(time.Hour)
	x.move("cur/1.1_1.caf\u00e9-at-home,U=1:2,", "cur/1.1_1.cafe\u0301-at-home,U=1:2,S")
	x.pass(time.Hour)
	if d := cmp.Diff(map[mail.UID]string{1: "S"}, x.run(false, 1)); d != "" {
		t.Error(d)
	}
}
