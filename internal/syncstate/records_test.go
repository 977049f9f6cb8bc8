package syncstate

import (
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"isync/internal/mail"
)

// TestRecords: records do what a list of them does, at rest or not.
func TestRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rs Records
		var model []*Record // those that are not known by a pointer are equal, not the same
		next := mail.UID(0)
		draw := func(t *rapid.T) *Record {
			next++
			return rec(next, rapid.SampledFrom([]mail.UID{0, next}).Draw(t, "near"), flagS, rapid.SampledFrom([]Status{0, 0, Pending}).Draw(t, "status"))
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				r := draw(t)
				rs.Put(*r)
				model = append(model, r)
			},
			"append": func(t *rapid.T) {
				r := draw(t)
				rs.Append(r)
				c := *r
				model = append(model, &c)
				r.Flags, c.Flags = flagT, flagT // by which it is known
			},
			"change": func(t *rapid.T) {
				if len(model) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(model)-1).Draw(t, "i")
				r := rs.Get(i)
				r.Dead, model[i].Dead = true, true
			},
			"split": func(t *rapid.T) {
				if len(model) == 0 {
					t.Skip()
				}
				// Several before anybody looks, and some behind one that was split off.
				i := rapid.IntRange(0, len(model)-1).Draw(t, "i")
				after := rs.Get(i)
				for range rapid.IntRange(1, 3).Draw(t, "n") {
					r := draw(t)
					c := *r
					rs.insertAfter(after, r)
					model = slices.Insert(model, i+1, &c)
					if rapid.Bool().Draw(t, "deeper") {
						after, i = r, i+1
					}
				}
			},
			"": func(t *rapid.T) {
				if rs.Len() != len(model) {
					t.Fatalf("%d records, want %d", rs.Len(), len(model))
				}
				var want []Record
				for _, r := range model {
					want = append(want, *r)
				}
				if d := cmp.Diff(want, listOf(&rs)); d != "" {
					t.Fatal(d)
				}
				busy := map[int]Record{}
				last := -1
				for i, r := range rs.Busy() {
					if i <= last {
						t.Fatalf("record %d after %d", i, last)
					}
					busy[i], last = r, i
				}
				for i, r := range rs.All() {
					if b, ok := busy[i]; ok && b != r || !ok && !r.AtRest() {
						t.Fatalf("record %d, %v: among the busy ones: %v, %v", i, r, ok, b)
					}
				}
			},
		})
	})
}

// TestRecordsSize: a record at rest takes 12 bytes.
func TestRecordsSize(t *testing.T) {
	const n = 100_000
	st := New(Near)
	for i := range mail.UID(n) {
		st.Records.Put(Record{UID: [2]mail.UID{i + 1, i + 7}, Flags: flagS})
	}
	data := st.AppendTo(nil)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	read, err := Parse("state", data, Near)
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if got := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n; got > 13 {
		t.Errorf("a record takes %d bytes", got)
	}
	if listed := testing.AllocsPerRun(3, func() {
		for r := range read.Live() {
			if !r.Paired() {
				t.Error(r)
			}
		}
	}); listed > 10 {
		t.Errorf("looking at them takes %v allocations", listed)
	}
	runtime.KeepAlive(data)
}

// TestManySplits: placeholders are upgraded by the thousand without moving all
// other records for each of them.
func TestManySplits(t *testing.T) {
	const n = 2000
	st := New(Near)
	for i := range mail.UID(n) {
		st.Records.Put(*rec(i+1, i+1, 0, NearPlaceholder))
	}
	split := func(i int) {
		st.Apply(st.Records.get(i), Entry{Op: OpUpgrade, N: [4]uint32{uint32(i + 1), uint32(i + 1), 0}})
	}
	for i := range n {
		split(i)
	}
	if len(st.Records.rows) != n {
		t.Errorf("%d records were put in their place at once", len(st.Records.rows)-n)
	}
	if got := st.Records.Len(); got != 2*n {
		t.Errorf("%d records, want %d", got, 2*n)
	}
	for i, r := range st.Records.All() {
		if r.Purge != (i%2 == 1) {
			t.Fatalf("%d: %+v", i, r)
		}
	}
}
