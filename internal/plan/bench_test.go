package plan_test

import (
	"fmt"
	"testing"

	"isync/internal/mail"
	"isync/internal/plan"
	"isync/internal/syncstate"
)

var sizes = []struct {
	name string
	n    int
}{{"100k", 100_000}, {"1M", 1_000_000}}

// large returns the input for a mailbox of n messages, of which few have
// changed: 1 % have other flags on the far side, 100 are gone, 100 are new.
func large(n, flags, turnover int) plan.Input {
	ops := plan.Ops{New: true, Gone: true, Flags: true, Upgrade: true, Expunge: true}
	in := plan.Input{State: syncstate.New(syncstate.Near), Rules: plan.Rules{Ops: [2]plan.Ops{ops, ops}}}
	for i := range n {
		u := mail.UID(i + 1)
		f := mail.Flags(i) & (mail.FlagSeen | mail.FlagAnswered)
		in.State.Records.Put(syncstate.Record{UID: [2]mail.UID{u, u}, Flags: f})
		if turnover == 0 || i%(n/turnover) != 0 {
			far := f
			if flags > 0 && i%(n/flags) == 1 {
				far ^= mail.FlagFlagged
			}
			in.Box[0].Messages = append(in.Box[0].Messages, mail.Meta{UID: u, Flags: far})
		}
		in.Box[1].Messages = append(in.Box[1].Messages, mail.Meta{UID: u, Flags: f})
	}
	for i := range turnover {
		in.Box[0].Messages = append(in.Box[0].Messages, mail.Meta{UID: mail.UID(n + i + 1)})
	}
	in.State.MaxUID = [2]mail.UID{mail.UID(n), mail.UID(n)}
	in.State.NewMaxUID = in.State.MaxUID
	for t := range in.Box {
		in.Box[t].Loaded = mail.UIDsFrom(1)
		in.Box[t].Flags = mail.AllFlags
	}
	return in
}

// BenchmarkMake plans for large mailboxes.
func BenchmarkMake(b *testing.B) {
	for _, s := range sizes {
		for _, c := range []struct {
			name            string
			flags, turnover int
		}{{"same", 0, 0}, {"flags", 1000, 0}, {"turnover", 0, 100}} {
			b.Run(s.name+"/"+c.name, func(b *testing.B) {
				in := large(s.n, c.flags, c.turnover)
				b.ReportAllocs()
				for b.Loop() {
					p := plan.Make(in)
					if len(p.Copies[1]) != c.turnover || len(p.Flags[1]) != c.flags+c.turnover {
						b.Fatal(len(p.Copies[1]), len(p.Flags[1]))
					}
				}
			})
		}
	}
}

// BenchmarkLoads decides what to list of large mailboxes.
func BenchmarkLoads(b *testing.B) {
	for _, s := range sizes {
		for _, expunge := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/expunge=%v", s.name, expunge), func(b *testing.B) {
				in := large(s.n, 0, 0)
				for t := range in.Rules.Ops {
					in.Rules.Ops[t].Expunge = expunge
				}
				b.ReportAllocs()
				for b.Loop() {
					if l := plan.Loads(in.State, in.Rules); l[0].UIDs.Empty() {
						b.Fatal(l)
					}
				}
			})
		}
	}
}

// BenchmarkClose looks for what is to be expunged from large mailboxes, and at
// what becomes of the records.
func BenchmarkClose(b *testing.B) {
	for _, s := range sizes {
		b.Run(s.name, func(b *testing.B) {
			in := large(s.n, 0, 0)
			for i := range 100 {
				in.Box[1].Messages[i*(s.n/100)].Flags |= mail.FlagDeleted
			}
			b.ReportAllocs()
			for b.Loop() {
				c := plan.Close(in)
				if c.Expunge[1].Len() != 100 {
					b.Fatal(c.Expunge)
				}
				if l, _ := plan.Prune(in, c.Expunge); len(l) != 0 {
					b.Fatal(len(l))
				}
			}
		})
	}
}
