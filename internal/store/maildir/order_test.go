package maildir

import (
	"slices"
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

// TestSorted: the fast ways of sorting give what the plain one gives, also of more
// than one chunk.
func TestSorted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p pile
		some := genEntries(t, "some", inCur)
		if rapid.Bool().Draw(t, "large") {
			n := rapid.SampledFrom([]int{990, chunkSize - 30, chunkSize, 2*chunkSize + 100}).Draw(t, "more")
			step := mail.UID(rapid.Uint32Range(1, 1<<19).Draw(t, "step"))
			for i := range n {
				some = append(some, entry{name: "x", uid: mail.UID(n-i) * step, dir: inCur})
			}
		}
		for _, e := range some {
			p.add(e)
		}
		order := func(e []entry) { slices.SortStableFunc(e, compareEntries) }
		same := func(a, b entry) bool { return compareEntries(a, b) == 0 }
		all := slices.Clone(some)
		order(all)
		got := p.sorted()
		if !slices.EqualFunc(got, all, same) {
			t.Fatalf("got %v, want %v", got, all)
		}
		others := genEntries(t, "others", inNew)
		order(others)
		merged := mergeEntries(others, got)
		all = append(all, others...)
		order(all)
		if !slices.EqualFunc(merged, all, same) {
			t.Fatalf("merged: %v, want %v", merged, all)
		}
	})
}
