package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"isync/internal/mail"
	"isync/internal/plan"
	"isync/internal/syncstate"
)

// TestSample: of messages with the same Message-ID and size, 20 pairs are read. If one of
// them differs, all are.
func TestSample(t *testing.T) {
	for _, tt := range []struct{ count, differs, reads, pairs int }{
		{1, -1, 1, 1},
		{1, 0, 1, 0},
		{20, -1, 20, 20},
		{60, -1, 20, 60},
		{60, 3, 60, 59},
		{60, 45, 20, 60}, // the sample does not show it
	} {
		x := matching{sampling: true}
		for i := range tt.count {
			l := letter{id: fmt.Sprint("id", i+10), text: "a"}
			x.sides[0] = append(x.sides[0], l)
			if i == tt.differs {
				l.text = "b"
			}
			x.sides[1] = append(x.sides[1], l)
		}
		got := x.run()
		if len(got.Pairs) != tt.pairs || x.reads != [2]int{tt.reads, tt.reads} {
			t.Errorf("%+v: %d pairs, read %v", tt, len(got.Pairs), x.reads)
		}
	}
}

// TestCoinciding compares with each message of the other side.
func TestCoinciding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var extents [2][]plan.Extent
		for s := range extents {
			for i := range rapid.IntRange(0, 8).Draw(t, "n") {
				for range rapid.IntRange(1, 2).Draw(t, "extents") {
					low := int64(rapid.IntRange(0, 30).Draw(t, "low"))
					extents[s] = append(extents[s], plan.Extent{UID: mail.UID(i + 1), Min: low, Max: low + int64(rapid.IntRange(0, 4).Draw(t, "len"))})
				}
			}
		}
		var want [2]mail.UIDSet
		for _, a := range extents[0] {
			for _, b := range extents[1] {
				if a.Min <= b.Max && b.Min <= a.Max {
					want[0].Add(a.UID)
					want[1].Add(b.UID)
				}
			}
		}
		got := plan.Coinciding(extents)
		for s := range want {
			if got[s].String() != want[s].String() {
				t.Errorf("side %d: %s, want %s", s, got[s], want[s])
			}
		}
	})
}

// TestFresh: only what is above both watermarks, has no record and is listed may be matched.
func TestFresh(t *testing.T) {
	box := func(from mail.UID, uids ...mail.UID) plan.Box {
		b := plan.Box{Loaded: mail.UIDsFrom(from)}
		for _, u := range uids {
			b.Messages = append(b.Messages, mail.Meta{UID: u})
		}
		return b
	}
	pull := plan.Rules{Ops: [2]plan.Ops{syncstate.Near: {New: true}}}
	for _, tt := range []struct {
		name      string
		far, near plan.Box
		rules     plan.Rules
		change    func(*plan.Input)
		want      string
	}{
		{"both", box(4, 4, 5), box(1, 2, 3, 9), pull, nil, "4:5 9"},
		{"with a record", box(4, 4, 5, 6), box(1, 9), pull, func(in *plan.Input) {
			in.State.Records.Put(syncstate.Record{UID: [2]mail.UID{5, 0}, Status: syncstate.Pending})
		}, "4,6 9"},
		{"held", box(4, 4, 5, 6), box(1, 9), pull, func(in *plan.Input) {
			in.Held[0], in.Skipped[0], in.Retry[1] = mail.NewUIDSet(4), mail.NewUIDSet(6), mail.NewUIDSet(3)
		}, "5 9"},
		{"one side only", box(4, 4), box(1, 2, 3), pull, nil, " "},
		{"partly listed", box(5, 5), box(1, 9), pull, nil, " "},
		{"no New", box(4, 4), box(1, 9), plan.Rules{}, nil, " "},
	} {
		st := syncstate.New(syncstate.Near)
		st.MaxUID = [2]mail.UID{3, 3}
		in := plan.Input{State: st, Rules: tt.rules, Box: [2]plan.Box{tt.far, tt.near}}
		if tt.change != nil {
			tt.change(&in)
		}
		got := plan.Fresh(in)
		if text := strings.Join([]string{got[0].String(), got[1].String()}, " "); text != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, text, tt.want)
		}
	}
}
