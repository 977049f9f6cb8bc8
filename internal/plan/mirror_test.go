package plan

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"isync/internal/mail"
	"isync/internal/syncstate"
)

// drawInput draws any state and any listings, consistent or not.
func drawInput(t *rapid.T) Input {
	st := syncstate.New(syncstate.Side(rapid.IntRange(0, 1).Draw(t, "xside")))
	in := Input{State: st}
	uid := rapid.Uint32Range(0, 12)
	flags := rapid.Map(rapid.Uint8Range(0, 63), func(f uint8) mail.Flags { return mail.Flags(f) })
	var used [2]map[mail.UID]bool
	for s := range used {
		used[s] = map[mail.UID]bool{}
		st.MaxUID[s] = mail.UID(uid.Draw(t, "max"))
	}
	st.NewMaxUID = st.MaxUID
	st.MaxExpired = mail.UID(rapid.Uint32Range(0, 6).Draw(t, "expired"))
	for range rapid.IntRange(0, 6).Draw(t, "records") {
		r := &syncstate.Record{Flags: flags.Draw(t, "flags")}
		for s := range r.UID {
			if u := mail.UID(uid.Draw(t, "uid")); !used[s][u] {
				used[s][u] = true
				r.UID[s] = u
			}
		}
		switch rapid.IntRange(0, 7).Draw(t, "status") {
		case 0:
			r.Status = syncstate.ExpireBegun | syncstate.Expired
		case 1:
			r.Status = syncstate.NearPlaceholder
		case 2:
			r.Status = syncstate.FarPlaceholder
		case 3:
			if !r.Paired() {
				r.Status = syncstate.Pending
			}
		case 4:
			r.Status = syncstate.ExpireBegun
		}
		st.Records.Put(*r)
	}
	for s := range in.Box {
		b := &in.Box[s]
		b.Flags = mail.AllFlags &^ (flags.Draw(t, "unholdable") & mail.FlagForwarded)
		b.Loaded = mail.UIDsFrom(1)
		for u := mail.UID(1); u <= 14; u++ {
			if rapid.Bool().Draw(t, "there") {
				b.Messages = append(b.Messages, mail.Meta{UID: u, Flags: flags.Draw(t, "f") & b.Flags, Size: rapid.Int64Range(0, 2000).Draw(t, "size")})
			}
		}
		o := &in.Rules.Ops[s]
		for _, p := range []*bool{&o.New, &o.Old, &o.Upgrade, &o.Gone, &o.Flags, &o.Expunge} {
			*p = rapid.Bool().Draw(t, "op")
		}
		if rapid.Bool().Draw(t, "sizes") {
			in.Rules.MaxSize[s] = 1000
		}
		in.Rules.Trash[s].Enabled = rapid.Bool().Draw(t, "trash")
		in.Rules.Trash[s].OnlyNew = rapid.Bool().Draw(t, "trashnew")
		in.Rules.Trash[s].RemoteNew = rapid.Bool().Draw(t, "remote")
	}
	in.Rules.MaxDelete = Limit{Set: rapid.Bool().Draw(t, "limited"), Value: rapid.IntRange(0, 3).Draw(t, "deletions")}
	in.Rules.MaxMessages = rapid.IntRange(0, 4).Draw(t, "limit")
	in.Rules.ExpireUnread = Tristate(rapid.IntRange(-1, 1).Draw(t, "unread"))
	return in
}

// mirror swaps far and near.
func mirror(in Input) Input {
	st := *in.State
	st.ExpireSide = st.ExpireSide.Other()
	st.UIDValidity[0], st.UIDValidity[1] = st.UIDValidity[1], st.UIDValidity[0]
	st.MaxUID[0], st.MaxUID[1] = st.MaxUID[1], st.MaxUID[0]
	st.NewMaxUID[0], st.NewMaxUID[1] = st.NewMaxUID[1], st.NewMaxUID[0]
	st.Records = syncstate.Records{}
	for _, r := range in.State.Records.All() {
		c := r
		c.UID[0], c.UID[1] = c.UID[1], c.UID[0]
		c.Status &^= syncstate.FarPlaceholder | syncstate.NearPlaceholder
		if r.Has(syncstate.FarPlaceholder) {
			c.Status |= syncstate.NearPlaceholder
		}
		if r.Has(syncstate.NearPlaceholder) {
			c.Status |= syncstate.FarPlaceholder
		}
		st.Records.Put(c)
	}
	in.State = &st
	in.Box[0], in.Box[1] = in.Box[1], in.Box[0]
	r := &in.Rules
	r.Ops[0], r.Ops[1] = r.Ops[1], r.Ops[0]
	r.MaxSize[0], r.MaxSize[1] = r.MaxSize[1], r.MaxSize[0]
	r.Trash[0], r.Trash[1] = r.Trash[1], r.Trash[0]
	return in
}

// describe is a plan in words, seen from side s as if it were the far one. What
// is logged is compared as a set: each side's new messages come in turn.
func describe(p *Plan, s syncstate.Side) (out []string) {
	o := s.Other()
	if p.Halt != nil {
		return []string{"halt"}
	}
	name := func(r *syncstate.Record) string { return fmt.Sprintf("%d-%d", r.UID[s], r.UID[o]) }
	sided := func(op syncstate.Op) syncstate.Op {
		switch {
		case s == syncstate.Near && op == syncstate.OpFarUID:
			return syncstate.OpNearUID
		case s == syncstate.Near && op == syncstate.OpNearUID:
			return syncstate.OpFarUID
		}
		return op
	}
	for _, l := range p.Log {
		arg := l.Arg
		if l.Op == syncstate.OpStatus && s == syncstate.Near {
			st := syncstate.Status(arg[0])
			m := st &^ (syncstate.FarPlaceholder | syncstate.NearPlaceholder)
			if st&syncstate.FarPlaceholder != 0 {
				m |= syncstate.NearPlaceholder
			}
			if st&syncstate.NearPlaceholder != 0 {
				m |= syncstate.FarPlaceholder
			}
			arg[0] = uint32(m)
		}
		out = append(out, fmt.Sprintf("%c %s %v", sided(l.Op), name(l.Rec), arg))
	}
	slices.Sort(out)
	for _, t := range []syncstate.Side{s, o} {
		for _, c := range p.Flags[t] {
			out = append(out, fmt.Sprintf("flags %v %s %d +%s -%s %s %s %v %v", t == s, name(c.Rec), c.UID, c.Add, c.Del, c.RecAdd, c.RecDel, c.Orphan, c.Expire))
		}
		for _, c := range p.Copies[t] {
			out = append(out, fmt.Sprintf("copy %v %s %d %v", t == s, name(c.Rec), c.UID, c.Placeholder))
		}
		out = append(out, fmt.Sprintf("max %d", p.MaxUID[t]))
	}
	return out
}

// TestPlanMirrors: nothing in the rules favours a side.
func TestPlanMirrors(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		a := describe(Make(in), syncstate.Far)
		b := describe(Make(mirror(in)), syncstate.Near)
		if !slices.Equal(a, b) {
			t.Fatalf("plan:\n%q\nmirrored:\n%q", a, b)
		}
	})
}

// TestPlanIsPure: planning changes nothing it is given, and is repeatable.
func TestPlanIsPure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		before := string(in.State.AppendTo(nil))
		boxes := fmt.Sprint(in.Box)
		a := describe(Make(in), syncstate.Far)
		if b := describe(Make(in), syncstate.Far); !slices.Equal(a, b) {
			t.Fatalf("first:\n%q\nthen:\n%q", a, b)
		}
		if string(in.State.AppendTo(nil)) != before || fmt.Sprint(in.Box) != boxes {
			t.Fatal("the input was changed")
		}
	})
}
