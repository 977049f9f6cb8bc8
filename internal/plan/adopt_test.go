package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"isync/internal/mail"
	"isync/internal/plan"
	"isync/internal/syncstate"
)

// letter is a message: its Message-ID ("": none) and its text.
type letter struct{ id, text string }

// contents returns the message with LF line ends.
func (l letter) contents() string {
	head := "From: x\n"
	if l.id != "" {
		head += "Message-ID: " + l.id + "\n"
	}
	return head + "\n" + l.text + "\n"
}

// matching is what a matcher is tested with. UID n is letter n-1 of its side.
type matching struct {
	sides [2][]letter
	// reads are the messages that had to be read, on each side.
	reads [2]int
	// lf: the store of the side has LF line ends, so sizes are not known.
	lf [2]bool
	// broken messages cannot be read.
	broken [2]mail.UIDSet
	// sampling: the matcher takes a sample.
	sampling bool
}

func (x *matching) run() plan.Matches {
	var msgs [2][]plan.Candidate
	for t, side := range x.sides {
		for i, l := range side {
			text := l.contents()
			crlf := int64(len(text) + strings.Count(text, "\n"))
			c := plan.Candidate{UID: mail.UID(i + 1), ID: l.id, Raw: crlf, Size: mail.DigestSize(crlf, "")}
			if x.lf[t] {
				c.Raw, c.Size = int64(len(text)), 0
			}
			msgs[t] = append(msgs[t], c)
		}
	}
	m := plan.NewMatcher(msgs)
	if x.sampling {
		m.Sample()
	}
	x.reads = [2]int{}
	for {
		want := m.Wanted()
		if want[0].Empty() && want[1].Empty() {
			return m.Matches()
		}
		for _, t := range syncstate.Sides {
			for u := range want[t].Whole.All() {
				x.reads[t]++
				d, _ := mail.ReadDigest(strings.NewReader(x.sides[t][u-1].contents()), false)
				if x.broken[t].Contains(u) {
					m.Unreadable(t, u)
				} else {
					m.Learn(t, u, d, false)
				}
			}
			for u := range want[t].Headers.All() {
				d, _ := mail.ReadDigest(strings.NewReader(x.sides[t][u-1].contents()), false)
				m.Learn(t, u, d, true)
			}
		}
	}
}

// describe writes matches like "1-2 3-4, far ?5 =6, near ?7 =8".
func describe(m plan.Matches) string {
	var out []string
	for _, p := range m.Pairs {
		out = append(out, fmt.Sprintf("%d-%d", p.UID[0], p.UID[1]))
	}
	for _, t := range syncstate.Sides {
		if u := m.Ambiguous[t]; !u.Empty() {
			out = append(out, fmt.Sprintf("%s?%s", t, u))
		}
		if u := m.Only[t]; !u.Empty() {
			out = append(out, fmt.Sprintf("%s=%s", t, u))
		}
	}
	return strings.Join(out, " ")
}

func TestMatcher(t *testing.T) {
	l := func(words string) (out []letter) {
		for w := range strings.FieldsSeq(words) {
			id, text, _ := strings.Cut(w, "/")
			out = append(out, letter{id, text})
		}
		return out
	}
	for _, tt := range []struct {
		name, far, near, want string
		reads                 [2]int
	}{
		{"the same", "a/x b/y", "b/y a/x", "1-2 2-1", [2]int{}},
		{"only on one side", "a/x b/y", "b/y c/z", "2-1 far=1 near=2", [2]int{}},
		{"one side is empty", "", "b/y c/z", "near=1:2", [2]int{}},
		{"same Message-ID, another size", "a/x", "a/xx", "far?1 near?1", [2]int{1, 1}},
		{"same Message-ID and size", "a/x a/x", "a/y", "far?1:2 near?1", [2]int{2, 1}},
		{"the first of each", "a/x a/x a/x", "a/x a/x", "1-1 2-2 far=3", [2]int{3, 2}},
		{"several sizes", "a/x a/xx", "a/xx a/x", "1-2 2-1", [2]int{}},
		{"one of several was changed", "a/x a/xx b/y", "a/xx a/xxx", "2-1 far?1 near?2 far=3", [2]int{1, 1}},
		{"one of several is new", "a/x a/xx", "a/xx", "2-1 far=1", [2]int{}},
		{"no Message-ID", "/x /y /zz", "/zz /y /w", "2-2 3-1 far=1 near=3", [2]int{3, 3}},
		{"no Message-ID, other size", "/x", "/xx", "far=1 near=1", [2]int{}},
		{"no Message-ID on one side", "a/x", "/x", "far=1 near=1", [2]int{}},
	} {
		t.Run(strings.ReplaceAll(tt.name, " ", "-"), func(t *testing.T) {
			x := matching{sides: [2][]letter{l(tt.far), l(tt.near)}}
			m := x.run()
			if got := describe(m); got != reorder(tt.want) {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if x.reads != tt.reads {
				t.Errorf("%v messages were read, want %v", x.reads, tt.reads)
			}
			// If sizes are not known on one side, the result is the same.
			x.lf[1] = true
			if got := x.run(); !cmp.Equal(got, m) {
				t.Errorf("with LF line ends: %s", describe(got))
			}
		})
	}
}

// reorder puts the words about each side together.
func reorder(s string) string {
	var pairs, far, near []string
	for w := range strings.FieldsSeq(s) {
		switch {
		case strings.HasPrefix(w, "far"):
			far = append(far, w)
		case strings.HasPrefix(w, "near"):
			near = append(near, w)
		default:
			pairs = append(pairs, w)
		}
	}
	return strings.Join(slices.Concat(pairs, far, near), " ")
}

// TestMatcherReadsLittle: if all messages were changed on one side, only a few of them are
// read to find that out; if they are the same, although the sizes differ, all are.
func TestMatcherReadsLittle(t *testing.T) {
	var x matching
	x.lf[1] = true
	for i := range 5000 {
		id := fmt.Sprint("id", i)
		x.sides[0] = append(x.sides[0], letter{id, strings.Repeat("x", i%50)})
		x.sides[1] = append(x.sides[1], letter{id, strings.Repeat("x", i%50) + "\nadded"})
	}
	m := x.run()
	if m.Ambiguous[0].Len() != 5000 || m.Ambiguous[1].Len() != 5000 || x.reads[0] > 200 {
		t.Errorf("%d are ambiguous, %d were read", m.Ambiguous[0].Len(), x.reads[0])
	}
}

// TestMatcherProperties: what is paired is the same, one to one; every message is in one
// of the lists; nothing depends on which side is called far, or on which sizes are known.
func TestMatcherProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x matching
		for s := range x.sides {
			x.sides[s] = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) letter {
				return letter{
					rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "id"),
					rapid.SampledFrom([]string{"x", "y", "xx", "yy", "xxx"}).Draw(t, "text"),
				}
			}), 0, 8).Draw(t, "messages")
			for i := range x.sides[s] {
				if rapid.IntRange(0, 15).Draw(t, "broken") == 0 {
					x.broken[s].Add(mail.UID(i + 1))
				}
			}
		}
		x.sampling = rapid.Bool().Draw(t, "sampling")
		m := x.run()
		x.check(t, m)
		x.lf[rapid.IntRange(0, 1).Draw(t, "lf")] = true
		lf := x.run()
		x.check(t, lf)
		if x.broken[0].Empty() && x.broken[1].Empty() && !cmp.Equal(lf, m) {
			t.Fatalf("with LF line ends %s, else %s", describe(lf), describe(m))
		}
		x.lf = [2]bool{}
		turned := matching{sides: [2][]letter{x.sides[1], x.sides[0]}, broken: [2]mail.UIDSet{x.broken[1], x.broken[0]}, sampling: x.sampling}
		got := turned.run()
		for i := range got.Pairs {
			got.Pairs[i].UID[0], got.Pairs[i].UID[1] = got.Pairs[i].UID[1], got.Pairs[i].UID[0]
		}
		slices.SortFunc(got.Pairs, func(a, b plan.Match) int { return int(a.UID[0]) - int(b.UID[0]) })
		got.Only[0], got.Only[1] = got.Only[1], got.Only[0]
		got.Ambiguous[0], got.Ambiguous[1] = got.Ambiguous[1], got.Ambiguous[0]
		if !cmp.Equal(got, m) {
			t.Fatalf("with far and near exchanged %s, else %s", describe(got), describe(m))
		}
	})
}

func (x *matching) check(t *rapid.T, m plan.Matches) {
	var seen [2]mail.UIDSet
	for _, p := range m.Pairs {
		far, near := x.sides[0][p.UID[0]-1], x.sides[1][p.UID[1]-1]
		if far.id != near.id || far != near && len(far.text) != len(near.text) {
			t.Fatalf("%v and %v are paired", far, near)
		}
		// Only if the Message-ID and the size are unique, the contents may differ.
		if far != near {
			for s, side := range x.sides {
				n := 0
				for _, o := range side {
					if o.id == far.id && len(o.text) == len(far.text) {
						n++
					}
				}
				if n > 1 || far.id == "" {
					t.Fatalf("%v and %v are paired, though there are %d like that on side %d", far, near, n, s)
				}
			}
		}
		for s, u := range p.UID {
			if seen[s].Contains(u) {
				t.Fatalf("message %d of side %d is paired twice", u, s)
			}
			seen[s].Add(u)
		}
	}
	for s := range x.sides {
		for _, set := range []mail.UIDSet{m.Only[s], m.Ambiguous[s]} {
			for u := range set.All() {
				if seen[s].Contains(u) {
					t.Fatalf("message %d of side %d is in two lists", u, s)
				}
				seen[s].Add(u)
			}
		}
		if int(seen[s].Len()) != len(x.sides[s]) {
			t.Fatalf("%d messages of side %d, %d in the lists", len(x.sides[s]), s, seen[s].Len())
		}
	}
	// What is only on one side has no equal among what is only on the other.
	for u := range m.Only[0].All() {
		for v := range m.Only[1].All() {
			far, near := x.sides[0][u-1], x.sides[1][v-1]
			if far.id == near.id && (far.id != "" || far == near) {
				t.Fatalf("%v and %v count as new", far, near)
			}
		}
	}
}
