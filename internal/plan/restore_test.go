package plan

import (
	"testing"

	"pgregory.net/rapid"

	"isync/internal/mail"
	"isync/internal/syncstate"
)

// TestRestoredPlan: what is copied again and unmarked, and what is not.
func TestRestoredPlan(t *testing.T) {
	const far, near = syncstate.Far, syncstate.Near
	for _, tt := range []struct {
		name      string
		rec       syncstate.Record
		far, near bool // the message is there
		flags     [2]mail.Flags
		copies    bool // to the near side
		holder    bool // as a placeholder
		unmark    bool // on the near side
	}{
		{name: "lost", far: true, copies: true},
		{name: "lost, and marked on the other side", far: true, flags: [2]mail.Flags{mail.FlagDeleted, 0}},
		{name: "a lost placeholder", rec: syncstate.Record{Status: syncstate.NearPlaceholder}, far: true, copies: true, holder: true},
		{name: "only a placeholder is left", rec: syncstate.Record{Status: syncstate.FarPlaceholder}, far: true},
		{name: "expired", rec: syncstate.Record{Status: syncstate.ExpireBegun | syncstate.Expired}, far: true},
		{name: "marked", far: true, near: true, flags: [2]mail.Flags{0, mail.FlagDeleted}, unmark: true},
		{name: "marked on both sides", far: true, near: true, flags: [2]mail.Flags{mail.FlagDeleted, mail.FlagDeleted}},
		{name: "expires", rec: syncstate.Record{Status: syncstate.ExpireBegun | syncstate.Expired}, far: true, near: true, flags: [2]mail.Flags{0, mail.FlagDeleted}},
		{name: "marked long ago", rec: syncstate.Record{Flags: mail.FlagDeleted}, far: true, near: true, flags: [2]mail.Flags{mail.FlagDeleted, mail.FlagDeleted}},
	} {
		for _, ops := range []Ops{{}, {New: true, Gone: true, Flags: true, Expunge: true}} {
			in := Input{State: syncstate.New(near), Deletions: Restored}
			in.Rules.Ops = [2]Ops{ops, ops}
			in.State.MaxUID = [2]mail.UID{1, 1}
			rec := tt.rec
			rec.UID = [2]mail.UID{1, 1}
			in.State.Records.Put(rec)
			for s, there := range []bool{tt.far, tt.near} {
				in.Box[s].Flags, in.Box[s].Loaded = mail.AllFlags, mail.UIDsFrom(1)
				if there {
					in.Box[s].Messages = []mail.Meta{{UID: 1, Flags: tt.flags[s]}}
				}
			}
			p := Make(in)
			got := len(p.Copies[near]) == 1
			if got != tt.copies || got && p.Copies[near][0].Placeholder != tt.holder || len(p.Copies[far]) > 0 {
				t.Errorf("%s: copies %+v", tt.name, p.Copies)
			}
			unmarked := len(p.Flags[near]) == 1 && p.Flags[near][0].Del.Has(mail.FlagDeleted)
			if unmarked != tt.unmark {
				t.Errorf("%s: flags %+v", tt.name, p.Flags)
			}
			for _, list := range p.Flags {
				for _, c := range list {
					if c.Orphan {
						t.Errorf("%s: the loss is propagated: %+v", tt.name, c)
					}
				}
			}
		}
	}
}

// TestRestoredNeverDeletes: a run that undoes deletions marks nothing because the other
// side has lost or marked it, and does not expunge what it brings back.
func TestRestoredNeverDeletes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		in := drawInput(rt)
		in.Deletions = Restored
		p := Make(in)
		if p.Halt != nil {
			return
		}
		for _, t := range syncstate.Sides {
			seen := map[mail.UID]bool{}
			for _, c := range p.Copies[t] {
				if seen[c.UID] {
					rt.Errorf("UID %d is copied twice to the %s side", c.UID, t)
				}
				seen[c.UID] = true
			}
			for _, c := range p.Flags[t] {
				o := t.Other()
				marked := mail.FindMeta(in.Box[o].Messages, c.Rec.UID[o])
				byOther := marked >= 0 && in.Box[o].Messages[marked].Flags.Has(mail.FlagDeleted)
				if c.Orphan && c.Add.Has(mail.FlagDeleted) || !c.Expire && !c.Purge && byOther && c.Add.Has(mail.FlagDeleted) {
					rt.Errorf("UID %d is marked on the %s side: %+v", c.UID, t, c)
				}
			}
		}
	})
}
