package memo

import (
	"crypto/sha256"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"isync/internal/vfs"
)

// TestPairs: a noted pair is known in the next run, until it is forgotten, is too old,
// or has another sum.
func TestPairs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pairs", "x")
	now := time.Unix(1700000000, 0)
	a, b := PairID{1}, PairID{2}
	p := LoadPairs(vfs.OS{}, path, now)
	if p.Knows(a, now) || p.Most(0) {
		t.Error("something is known at first")
	}
	p.Note(a, PairSum{7}, now)
	p.Note(b, PairSum{8}, now.Add(time.Hour))
	p.NoteListed([2]uint32{4, 5})
	if err := p.Save(); err != nil {
		t.Fatal(err)
	}
	p = LoadPairs(vfs.OS{}, path, now.Add(2*time.Hour))
	soon := now.Add(2 * time.Hour)
	if !p.Knows(a, soon) || !p.Unchanged(a, PairSum{7}, soon) || p.Unchanged(a, PairSum{8}, soon) || p.Unchanged(PairID{3}, PairSum{7}, soon) {
		t.Error("not as noted")
	}
	if !p.Most(0) || p.Most(1) {
		t.Error("the numbers of mailboxes are wrong")
	}
	late := now.Add(MaxPairAge + time.Minute)
	if p.Knows(a, late) || !p.Knows(b, late) || p.Knows(a, now.Add(-time.Minute)) {
		t.Error("age does not count")
	}
	if q := LoadPairs(vfs.OS{}, path, late); len(q.entries) != 1 {
		t.Errorf("%d entries are left", len(q.entries))
	}
	p.Forget(a)
	if err := p.Save(); err != nil {
		t.Fatal(err)
	}
	if p = LoadPairs(vfs.OS{}, path, soon); p.Knows(a, soon) || !p.Knows(b, soon) {
		t.Error("the wrong one is forgotten")
	}
}

// TestPairsNowhere: without a path nothing is kept.
func TestPairsNowhere(t *testing.T) {
	var p Pairs
	now := time.Unix(1700000000, 0)
	p.Note(PairID{1}, PairSum{}, now)
	p.NoteListed([2]uint32{1, 1})
	p.Forget(PairID{1})
	if err := p.Save(); err != nil || p.Knows(PairID{1}, now) {
		t.Errorf("%v", err)
	}
}

// TestPairsDamaged: a file that differs from what was written counts as missing.
func TestPairsDamaged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Pairs{entries: map[PairID]pairEntry{{1}: {PairSum{2}, 3}, {4}: {PairSum{5}, 6}}, listed: [2]uint32{1, 2}}
		data := p.encode()
		if rapid.Bool().Draw(t, "cut") {
			data = data[:rapid.IntRange(0, len(data)-1).Draw(t, "length")]
		} else {
			data[rapid.IntRange(0, len(data)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "change"))
		}
		q := Pairs{entries: map[PairID]pairEntry{}}
		q.decode(data)
		if len(q.entries) != 0 || q.listed != [2]uint32{} {
			t.Fatalf("read %v", q.entries)
		}
	})
}

// FuzzPairs: whatever a file contains, reading it ends, and what is read is written the
// same.
func FuzzPairs(f *testing.F) {
	p := &Pairs{entries: map[PairID]pairEntry{{1}: {sum: PairSum{7}, seen: 5}, {2}: {}}, listed: [2]uint32{4, 5}}
	data := p.encode()
	f.Add(data[len(pairsMagic) : len(data)-sha256.Size])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		s := sha256.Sum256(body)
		for _, data := range [][]byte{body, append(append([]byte(pairsMagic), body...), s[:]...)} {
			p := &Pairs{entries: map[PairID]pairEntry{}}
			p.decode(data)
			if len(p.entries)*pairSize > len(data) {
				t.Fatalf("%d entries in %d bytes", len(p.entries), len(data))
			}
			again := &Pairs{entries: map[PairID]pairEntry{}}
			again.decode(p.encode())
			if d := cmp.Diff(p.entries, again.entries, cmp.AllowUnexported(pairEntry{})); d != "" || again.listed != p.listed {
				t.Errorf("%s", d)
			}
		}
	})
}
