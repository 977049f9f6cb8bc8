package syncstate_test

import (
	"io"
	"testing"

	"isync/internal/mail"
	"isync/internal/syncstate"
)

var sizes = []struct {
	name string
	n    int
}{{"100k", 100_000}, {"1M", 1_000_000}}

// large returns a state of n records.
func large(n int) *syncstate.State {
	st := syncstate.New(syncstate.Near)
	for i := range n {
		u := mail.UID(i + 1)
		st.Records.Put(syncstate.Record{UID: [2]mail.UID{u + 1000, u}, Flags: mail.Flags(i) & (mail.FlagSeen | mail.FlagAnswered)})
	}
	return st
}

// BenchmarkParse reads state files.
func BenchmarkParse(b *testing.B) {
	for _, s := range sizes {
		b.Run(s.name, func(b *testing.B) {
			data := large(s.n).AppendTo(nil)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				st, err := syncstate.Parse("state", data, syncstate.Near)
				if err != nil || st.Records.Len() != s.n {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWrite writes state files.
func BenchmarkWrite(b *testing.B) {
	for _, s := range sizes {
		b.Run(s.name, func(b *testing.B) {
			st := large(s.n)
			b.ReportAllocs()
			for b.Loop() {
				n, err := st.WriteTo(io.Discard)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(n)
			}
		})
	}
}
