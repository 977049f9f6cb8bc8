package maildir

import (
	"cmp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"isync/internal/mail"
)

// genEntries makes entries with UIDs of which many are the same, or none, or far
// apart.
func genEntries(t *rapid.T, label string, dir uint8) []entry {
	uid := rapid.OneOf(rapid.Uint32Range(0, 4), rapid.Uint32Range(0, 1<<12), rapid.Uint32())
	uids := rapid.SliceOfN(uid, 0, 60).Draw(t, label)
	out := make([]entry, len(uids))
	for i, u := range uids {
		name := rapid.StringMatching(`[a-c]{1,3}`).Draw(t, "name")
		out[i] = entry{name: name, uid: mail.UID(u), flags: mail.Flags(i % 64), dir: dir}
	}
	return out
}

// compareEntries is the order of an entryList.
func compareEntries(a, b entry) int {
	return cmp.Or(cmp.Compare(a.uid, b.uid), cmp.Compare(a.name, b.name), cmp.Compare(a.dir, b.dir))
}

// contents returns the entries of an entryList.
func contents(r *entryList) []entry {
	var out []entry
	for _, e := range r.all() {
		out = append(out, e)
	}
	return out
}

// TestSorted: the fast ways of sorting give what the plain one gives, also of more
// than one chunk.
func TestSorted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r entryList
		some := genEntries(t, "some", inCur)
		if rapid.Bool().Draw(t, "large") {
			n := rapid.SampledFrom([]int{990, chunkSize - 30, chunkSize, 2*chunkSize + 100}).Draw(t, "more")
			step := mail.UID(rapid.Uint32Range(1, 1<<19).Draw(t, "step"))
			for i := range n {
				some = append(some, entry{name: "x", uid: mail.UID(n-i) * step, dir: inCur})
			}
		}
		check := func(what string, want []entry) {
			t.Helper()
			slices.SortStableFunc(want, compareEntries)
			same := func(a, b entry) bool { return compareEntries(a, b) == 0 }
			if got := contents(&r); !slices.EqualFunc(got, want, same) {
				t.Fatalf("%s: got %v, want %v", what, got, want)
			}
		}
		merge := func(entries []entry) {
			var p pile
			for _, e := range entries {
				p.add(r.item(e))
			}
			r.merge(&p)
		}
		merge(some)
		all := slices.Clone(some)
		check("sorted", all)
		others := genEntries(t, "others", inNew)
		merge(others)
		all = append(all, others...)
		check("merged", all)
	})
}

// TestEntryList: an entryList does what a slice does, and keeps at most twice the names that it
// needs.
func TestEntryList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r entryList
		var model []entry
		name := rapid.SampledFrom([]string{"a", "b", strings.Repeat("c", 100), strings.Repeat("d", 20_000), strings.Repeat("e", nameChunk-1)})
		draw := func() entry {
			return entry{name.Draw(t, "name"), mail.UID(rapid.Uint32Range(0, 9).Draw(t, "uid")), mail.Flags(rapid.IntRange(0, 63).Draw(t, "flags")), inCur}
		}
		at := func() int { return rapid.IntRange(0, len(model)-1).Draw(t, "at") }
		t.Repeat(map[string]func(*rapid.T){
			"add": func(*rapid.T) {
				e := draw()
				r.add(e)
				model = append(model, e)
			},
			"insert": func(*rapid.T) {
				e, i := draw(), 0
				if len(model) > 0 {
					i = at()
				}
				r.insert(i, e)
				model = slices.Insert(model, i, e)
			},
			"set": func(t *rapid.T) {
				if len(model) == 0 {
					t.Skip()
				}
				e, i := draw(), at()
				r.set(i, e)
				model[i] = e
			},
			"remove": func(t *rapid.T) {
				if len(model) == 0 {
					t.Skip()
				}
				i := at()
				r.remove(i, i+1)
				model = slices.Delete(model, i, i+1)
			},
			"remove some": func(*rapid.T) {
				r.removeIf(func(it item) bool { return it.uid == 3 })
				model = slices.DeleteFunc(model, func(e entry) bool { return e.uid == 3 })
			},
			"sort": func(*rapid.T) {
				r.sort()
				slices.SortFunc(model, compareEntries)
			},
			"tidy": func(t *rapid.T) {
				r.tidy()
				used := 0
				for _, e := range model {
					used += len(e.name)
				}
				if r.names.size > 2*used+nameChunk {
					t.Errorf("%d bytes of names, of which %d are in use", r.names.size, used)
				}
			},
			"": func(t *rapid.T) {
				if got := contents(&r); !slices.Equal(got, model) {
					t.Fatalf("got %v, want %v", got, model)
				}
			},
		})
	})
}

// TestRollSize: a message takes its name, an item of 16 bytes, and little more.
func TestRollSize(t *testing.T) {
	const n, perMessage = 50_000, 18
	name := strings.Repeat("n", 50)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var r entryList
	var p pile
	for i := range n {
		p.add(r.item(entry{name: name, uid: mail.UID(n - i), dir: inCur}))
	}
	r.merge(&p)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if got := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n; got > int64(perMessage+len(name)) {
		t.Errorf("a message takes %d bytes", got)
	}
	runtime.KeepAlive(&r)
}
