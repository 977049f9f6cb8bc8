package maildir_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/vfs"
	"isync/internal/vfs/vfstest"
)

// TestForeignUIDs: a message with a UID that is another one's, or was never assigned in
// this mailbox, gets a new one, and no message is lost. A dry run foresees the same UIDs.
func TestForeignUIDs(t *testing.T) {
	for _, c := range []struct {
		name  string
		files []string
		// later come into the mailbox, or are renamed "from>to", after the state was
		// written.
		later []string
		pairs []mail.UID // what the state knows
		want  map[mail.UID]string
		after []string
	}{
		{
			"copied from another mailbox",
			[]string{"cur/1700000005.1_1.h,U=3:2,S", "cur/1700000001.1_1.h,U=2:2,"},
			[]string{"cur/1600000000.9_9.h,U=3:2,F"},
			[]mail.UID{2, 3},
			map[mail.UID]string{2: "", 3: "S", 6: "F"},
			[]string{"cur/1600000000.9_9.h,U=6:2,F", "cur/1700000001.1_1.h,U=2:2,", "cur/1700000005.1_1.h,U=3:2,S"},
		},
		{
			"whose flags have changed meanwhile",
			[]string{"cur/1700000005.1_1.h,U=3:2,S"},
			[]string{"cur/1600000000.9_9.h,U=3:2,F", "cur/1700000005.1_1.h,U=3:2,S>cur/1700000005.1_1.h,U=3:2,RS"},
			[]mail.UID{3},
			map[mail.UID]string{6: "F", 7: "RS"},
			[]string{"cur/1600000000.9_9.h,U=6:2,F", "cur/1700000005.1_1.h,U=7:2,RS"},
		},
		{
			"both there before",
			[]string{"cur/1700000005.1_1.h,U=3:2,S", "new/1700000001.1_1.h,U=3"},
			nil,
			[]mail.UID{3},
			map[mail.UID]string{6: "", 7: "S"},
			[]string{"cur/1700000005.1_1.h,U=7:2,S", "new/1700000001.1_1.h,U=6"},
		},
		{
			"the same name",
			[]string{"cur/a,U=3:2,F", "new/a,U=3"},
			nil,
			[]mail.UID{3},
			map[mail.UID]string{6: "F", 7: ""},
			nil,
		},
		{
			"three, and a name that is taken",
			[]string{"cur/1.1_1.h,U=3:2,", "cur/2.1_1.h,U=3:2,R", "cur/3.1_1.h,U=3:2,T", "cur/2.1_1.h:2,R"},
			nil, nil,
			map[mail.UID]string{6: "", 7: "R", 8: "R", 9: "T"},
			nil,
		},
		{
			"above the highest one",
			[]string{"cur/1.1_1.h,U=5:2,", "cur/2.1_1.h,U=77:2,S", "new/3.1_1.h,U=77", "new/4.1_1.h,U=99999999999"},
			nil,
			[]mail.UID{5},
			map[mail.UID]string{5: "", 6: "S", 7: "", 8: ""},
			[]string{"cur/1.1_1.h,U=5:2,", "cur/2.1_1.h,U=6:2,S", "new/3.1_1.h,U=7", "new/4.1_1.h,U=8"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, readOnly := range []bool{true, false} {
				x := newFixture(t, append([]string{".uidvalidity|123\n5\n"}, c.files...)...)
				x.pass(2 * time.Hour)
				at := x.clock()
				for _, f := range c.later {
					if from, to, ok := strings.Cut(f, ">"); ok {
						x.move(from, to)
					} else {
						x.place(f)
					}
				}
				x.pass(time.Hour)
				files := x.files()
				m, err := x.open(store.OpenRequest{ReadOnly: readOnly})
				check(t, err)
				check(t, m.(store.Recaller).Recall(t.Context(), func() store.Paired { return store.Paired{UIDs: mail.NewUIDSet(c.pairs...), At: at} }))
				for range 2 {
					got := scanned(t, m)
					if d := cmp.Diff(slices.Sorted(maps.Values(c.want)), slices.Sorted(maps.Values(got))); d != "" {
						t.Errorf("read-only %v: flags (-want +got):\n%s", readOnly, d)
					}
					if d := cmp.Diff(c.want, got); d != "" && c.after != nil {
						t.Errorf("read-only %v: messages (-want +got):\n%s", readOnly, d)
					}
					x.pass(time.Hour)
				}
				if readOnly {
					x.wantFiles(files...)
					continue
				}
				if n, want := len(x.files()), len(files); n != want {
					t.Errorf("%d files, not %d", n, want)
				}
				x.noticed("get a new UID")
				if c.after != nil {
					highest := slices.Max(slices.Collect(maps.Keys(c.want)))
					x.wantFiles(append(c.after, fmt.Sprintf("123 %d ", highest))...)
				}
			}
		})
	}
}

// TestRestoredUIDValidity: if the state knows a UID above the highest one,
// .uidvalidity is not up to date. Then nothing is touched until it is raised. A mailbox that is
// open read-only lists the messages, so that they can be compared; new ones have UIDs above.
func TestRestoredUIDValidity(t *testing.T) {
	x := newFixture(t, ".uidvalidity|123\n5\n", "cur/1.1_1.h,U=5:2,", "cur/2.1_1.h,U=7:2,S", "cur/3.1_1.h,U=8:2,F", "new/4.1_1.h")
	files := x.files()
	recall := func(m store.Mailbox) {
		check(t, m.(store.Recaller).Recall(t.Context(), func() store.Paired { return store.Paired{UIDs: mail.NewUIDSet(5, 7)} }))
	}
	m, err := x.open(store.OpenRequest{ReadOnly: true})
	check(t, err)
	recall(m)
	got := scanned(t, m)
	if len(got) != 4 || got[5] != "" || got[7] != "S" {
		t.Errorf("read-only: %v", got)
	}
	for u := range got {
		if provisional := m.(store.Raiser).IsProvisional(u); provisional != (u > 7) {
			t.Errorf("UID %d: provisional %v", u, provisional)
		}
	}
	x.wantFiles(files...)

	m = x.mustOpen()
	recall(m)
	_, err = m.Scan(t.Context(), all())
	if err == nil || !strings.Contains(err.Error(), "message 7 was synchronized already: '.uidvalidity' looks restored from a backup; if the messages were not, write 8 in its second line") {
		t.Errorf("error %v", err)
	}
	x.wantFiles(files...)

	m = x.mustOpen()
	recall(m)
	check(t, m.(store.Raiser).RaiseUIDs(t.Context(), 7))
	wantScan(t, m, map[mail.UID]string{5: "", 7: "S", 8: "F", 9: ""})
	x.wantFiles("cur/1.1_1.h,U=5:2,", "cur/2.1_1.h,U=7:2,S", "cur/3.1_1.h,U=8:2,F", "new/4.1_1.h,U=9", "123 9 ")
}

// TestBroughtBack: when the file of the known names was restored along with messages,
// those are new whose deletion was propagated.
func TestBroughtBack(t *testing.T) {
	for _, expired := range []bool{false, true} {
		x := newFixture(t, ".uidvalidity|123\n5\n", "cur/1.1_1.h,U=1:2,", "cur/2.1_1.h,U=2:2,S", "cur/3.1_1.h,U=3:2,F", "cur/5.1_1.h,U=5:2,T")
		x.run(false, 1, 2, 3)
		b, err := vfs.ReadFile(x.mem, knownFile)
		check(t, err)
		past := x.clock()
		x.pass(time.Hour)
		x.rewrite(".isyncuidmap.names", string(b))
		check(t, x.mem.Chtimes(knownFile, past, past))
		want := map[mail.UID]string{1: "", 3: "F", 5: "T", 6: "S"}
		if expired { // it may be one of those
			want = map[mail.UID]string{1: "", 2: "S", 3: "F", 5: "T"}
		}
		for range 2 {
			m := x.mustOpen()
			check(t, m.(store.Recaller).Recall(t.Context(), func() store.Paired {
				return store.Paired{UIDs: mail.NewUIDSet(1), Recorded: mail.NewUIDSet(1, 3), Upto: 4, Expired: expired}
			}))
			wantScan(t, m, want)
			x.pass(time.Hour)
		}
	}
}

// TestForeignUIDsCut: new UIDs are given although a rename fails in between.
func TestForeignUIDsCut(t *testing.T) {
	for nth := 1; nth <= 8; nth++ {
		x := newFixture(t, ".uidvalidity|123\n5\n", "cur/1.1_1.h,U=3:2,|a", "cur/2.1_1.h,U=3:2,S|b", "cur/3.1_1.h,U=3:2,F|c")
		x.fault.Inject(vfstest.Rule{Ops: vfstest.OpRename, Nth: nth, Err: syscall.EIO})
		m := x.mustOpen()
		recall := func(m store.Mailbox) {
			check(t, m.(store.Recaller).Recall(t.Context(), func() store.Paired { return store.Paired{UIDs: mail.NewUIDSet(3)} }))
		}
		recall(m)
		if _, err := m.Scan(t.Context(), all()); (err != nil) != (nth <= 6) {
			t.Errorf("rename %d: %v", nth, err)
		}
		x.pass(time.Hour)
		m = x.mustOpen()
		recall(m)
		got := scanned(t, m)
		if flags := slices.Sorted(maps.Values(got)); !slices.Equal(flags, []string{"", "F", "S"}) {
			t.Errorf("rename %d: %v", nth, got)
		}
	}
}
