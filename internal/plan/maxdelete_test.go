package plan

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"isync/internal/mail"
	"isync/internal/syncstate"
)

// pairs makes n pairs of messages, of which the near side has lost the first ones, and
// has marked the next ones as deleted.
func pairs(n, lost, marked int) Input {
	in := Input{State: syncstate.New(syncstate.Near)}
	full := Ops{New: true, Gone: true, Flags: true, Expunge: true}
	in.Rules.Ops = [2]Ops{full, full}
	in.Rules.MaxDelete = Limit{Set: true, Percent: true, Value: 50}
	for t := range in.Box {
		in.Box[t].Flags, in.Box[t].Loaded = mail.AllFlags, mail.UIDsFrom(1)
	}
	for i := 1; i <= n; i++ {
		u := mail.UID(i)
		in.State.Records.Put(syncstate.Record{UID: [2]mail.UID{u, u}})
		in.Box[syncstate.Far].Messages = append(in.Box[syncstate.Far].Messages, mail.Meta{UID: u})
		m := mail.Meta{UID: u}
		if i <= lost {
			continue
		}
		if i <= lost+marked {
			m.Flags = mail.FlagDeleted
		}
		in.Box[syncstate.Near].Messages = append(in.Box[syncstate.Near].Messages, m)
	}
	in.State.MaxUID = [2]mail.UID{mail.UID(n), mail.UID(n)}
	return in
}

func TestMaxDelete(t *testing.T) {
	percent := func(n int) Limit { return Limit{Set: true, Percent: true, Value: n} }
	count := func(n int) Limit { return Limit{Set: true, Value: n} }
	for _, tt := range []struct {
		n, lost, marked int
		limit           Limit
		held            bool
	}{
		{100, 60, 0, percent(50), true},
		{99, 59, 0, percent(50), false},
		{40, 40, 0, percent(50), false},
		{500, 500, 0, Limit{}, false},
		{300, 300, 0, percent(50), true},
		{300, 0, 300, percent(50), true},
		{300, 100, 60, percent(50), true},
		{300, 90, 60, percent(50), false},
		{300, 300, 0, percent(100), false},
		{100, 1, 0, percent(0), true},
		{99, 99, 0, percent(0), false},
		{10, 6, 0, count(5), true},
		{10, 5, 0, count(5), false},
		{1000, 0, 6, count(5), true},
		{10, 1, 0, count(0), true},
		{10, 0, 0, count(0), false},
	} {
		for _, side := range syncstate.Sides {
			t.Run(fmt.Sprintf("%d and %d of %d, %v, to the %s side", tt.lost, tt.marked, tt.n, tt.limit, side), func(t *testing.T) {
				in := pairs(tt.n, tt.lost, tt.marked)
				in.Rules.MaxDelete = tt.limit
				if side == syncstate.Near {
					in = mirror(in)
				}
				p := Make(in)
				var want [2]Excess
				if tt.held {
					want[side] = Excess{tt.lost + tt.marked, tt.n}
				}
				if p.Excess != want || p.Keep[side] != tt.held || p.Keep[side.Other()] {
					t.Errorf("excess %v, keep %v", p.Excess, p.Keep)
				}
				changes := len(p.Flags[0]) + len(p.Flags[1]) + len(p.Log)
				if tt.held && changes > 0 || !tt.held && changes != tt.lost+tt.marked {
					t.Errorf("%d changes", changes)
				}
				in.Keep = p.Keep
				if c := Close(in); tt.held && (!c.Expunge[0].Empty() || !c.Expunge[1].Empty()) {
					t.Errorf("expunges %v", c.Expunge)
				}
				in.Keep, in.Deletions = [2]bool{}, Allowed
				if p = Make(in); len(p.Flags[side]) != tt.lost+tt.marked {
					t.Errorf("allowed: %d changes", len(p.Flags[side]))
				}
			})
		}
	}
}

// TestMaxDeleteSolo: with ExpungeSolo, a message that is marked on its own side is expunged
// when its counterpart is lost.
func TestMaxDeleteSolo(t *testing.T) {
	for _, gone := range []bool{true, false} {
		in := pairs(300, 300, 0)
		in.Rules.Ops[syncstate.Far] = Ops{Gone: gone, ExpungeSolo: true}
		far := in.Box[syncstate.Far].Messages
		for i := range far {
			far[i].Flags = mail.FlagDeleted
		}
		p := Make(in)
		if p.Excess[syncstate.Far] != (Excess{300, 300}) || len(p.Log)+len(p.Flags[syncstate.Far]) > 0 {
			t.Errorf("gone %v: excess %v, log %v, flags %v", gone, p.Excess, p.Log, p.Flags)
		}
		in.Keep = p.Keep
		if c := Close(in); !c.Expunge[syncstate.Far].Empty() {
			t.Errorf("gone %v: expunges %v", gone, c.Expunge)
		}
	}
}

// TestMaxDeleteAffectsNothingElse: all other changes are as if no message had been deleted,
// and the deleted messages themselves do not change.
func TestMaxDeleteAffectsNothingElse(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		in := drawInput(rt)
		in.Rules.MaxDelete = Limit{Set: true}
		p := Make(in)
		if p.Halt != nil || p.Excess == [2]Excess{} {
			return
		}
		for _, t := range syncstate.Sides {
			for _, c := range p.Flags[t] {
				o := mail.FindMeta(in.Box[t.Other()].Messages, c.Rec.UID[t.Other()])
				if p.Keep[t] && c.Add.Has(mail.FlagDeleted) && !c.Expire && !c.Purge && (c.Orphan || o >= 0) {
					rt.Errorf("UID %d is to be marked on the %s side: %+v", c.UID, t, c)
				}
			}
		}
		// A limit that is not exceeded changes nothing.
		in.Rules.MaxDelete = Limit{Set: true, Value: 1000}
		with := Make(in)
		in.Rules.MaxDelete = Limit{}
		if diff := cmp.Diff(Make(in), with, cmp.AllowUnexported(syncstate.Record{})); diff != "" {
			rt.Errorf("a limit that is not reached changes the plan: %s", diff)
		}
	})
}
