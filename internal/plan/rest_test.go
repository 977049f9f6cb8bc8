package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"isync/internal/mail"
	"isync/internal/syncstate"
)

// genInput makes states and mailboxes that mostly agree.
func genInput(t *rapid.T) Input {
	in := Input{State: syncstate.New(syncstate.Near), Explain: rapid.Bool().Draw(t, "explain")}
	odds := func(label string, percent int) bool { return rapid.IntRange(1, 100).Draw(t, label) <= percent }
	for s := range in.Rules.Ops {
		in.Rules.Ops[s] = Ops{
			New: odds("new", 80), Old: odds("old", 30), Upgrade: odds("upgrade", 60), Gone: odds("gone", 80),
			Flags: odds("flags", 80), Expunge: odds("expunge", 40),
		}
		in.Box[s].Flags, in.Box[s].Loaded = mail.AllFlags, mail.UIDsFrom(1)
	}
	in.Rules.MaxDelete = Limit{Set: odds("limited", 50), Value: rapid.IntRange(0, 3).Draw(t, "deletions")}
	flags := rapid.SampledFrom([]mail.Flags{0, mail.FlagSeen, mail.FlagFlagged, mail.FlagDeleted, mail.FlagSeen | mail.FlagDeleted})
	uid := [2]mail.UID{}
	var records []syncstate.Record
	for range rapid.IntRange(0, 30).Draw(t, "messages") {
		r := &syncstate.Record{Flags: flags.Draw(t, "flags")}
		for s := range uid {
			uid[s] += mail.UID(rapid.IntRange(1, 3).Draw(t, "gap"))
			r.UID[s] = uid[s]
			if odds("absent", 8) {
				continue
			}
			m := mail.Meta{UID: uid[s], Flags: r.Flags}
			if odds("changed", 10) {
				m.Flags = flags.Draw(t, "other flags")
			}
			in.Box[s].Messages = append(in.Box[s].Messages, m)
		}
		switch rapid.IntRange(0, 20).Draw(t, "kind") {
		case 0:
			continue // no record
		case 1:
			r.UID[rapid.IntRange(0, 1).Draw(t, "side")] = 0
			r.Orphaned = rapid.Bool().Draw(t, "orphaned")
		case 2:
			r.Status = rapid.SampledFrom([]syncstate.Status{syncstate.NearPlaceholder, syncstate.FarPlaceholder}).Draw(t, "status")
		case 3:
			r.Assigned[rapid.IntRange(0, 1).Draw(t, "side")] = true
		case 4:
			r.UID[syncstate.Near], r.Status = 0, syncstate.Pending
		case 5:
			r.Dead = true
		}
		records = append(records, *r)
		if odds("twice", 3) {
			records = append(records, *r)
		}
	}
	if n := len(records); n > 1 && odds("disorder", 30) {
		i := rapid.IntRange(1, n-1).Draw(t, "swap")
		records[i-1], records[i] = records[i], records[i-1]
	}
	for _, r := range records {
		in.State.Records.Put(r)
	}
	for s := range uid {
		top := mail.UID(rapid.IntRange(0, int(uid[s])).Draw(t, "top"))
		in.State.MaxUID[s], in.State.NewMaxUID[s] = top, top
	}
	return in
}

// TestAtRest: it makes no difference that records at rest are passed over.
func TestAtRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := genInput(t)
		if d := cmp.Diff(decide(in, true), decide(in, false)); d != "" {
			t.Fatalf("with all records (-) and without those at rest (+):\n%s", d)
		}
	})
}
