//go:build linux

package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"isync/internal/syncstate"
)

// look compares both sides with the record of the reader after a round, in which the last
// runs may have left things to be done.
func (a *arena) look(round int, said string) {
	a.tb.Helper()
	var bad []string
	note := func(m *piece, format string, args ...any) {
		m.noticed = true
		bad = append(bad, fmt.Sprintf("message %d in %s: ", m.number, m.box)+fmt.Sprintf(format, args...)+m.story())
	}
	for _, t := range syncstate.Sides {
		for _, f := range a.reader.folders[:a.reader.open] {
			got := a.reader.shelves[t].count(f.name)
			for _, m := range a.reader.pieces {
				n := len(got[m.number])
				switch {
				case m.noticed:
				case n > 1:
					a.tally.doubled[t]++
					note(m, "%d times on the %s side", n, t)
				case m.dead || m.box != f.name:
				case n == 0 && (t == m.side || m.there[t]):
					a.tally.lost++
					note(m, "lost on the %s side", t)
				case n == 1:
					m.there[t] = true
				}
			}
		}
	}
	a.report(fmt.Sprintf("after round %d", round+1), bad, said)
}

// story returns the history of a message, a line for each entry.
func (m *piece) story() string { return "\n\t" + strings.Join(m.history, "\n\t") }

// report tells what is wrong. It fails the test unless the C program may have doubled
// a message.
func (a *arena) report(when string, bad []string, said string) {
	a.tb.Helper()
	if len(bad) == 0 {
		return
	}
	a.tally.bad++
	tell := a.tb.Errorf
	if a.control || a.lenient && a.tally.lost == 0 {
		tell = func(string, ...any) {}
	}
	tell("%s:\n%s\n%s", when, strings.Join(bad, "\n"), said)
}

// settle lets ours complete the work, and compares both sides with the record of
// the reader.
func (a *arena) settle() {
	a.tb.Helper()
	if a.others > 0 {
		a.run(a.stress.theirs(a.tb), "-a") // which removes the journals that it has left
	}
	for range 3 { // what others have left is told once
		if r := a.run(ours(), "-a"); r.code > 1 {
			a.tb.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
		}
	}
	a.sync(ours())
	var boxes []string
	for _, f := range a.reader.folders[:a.reader.open] {
		boxes = append(boxes, f.name)
	}
	a.rest(boxes)
	if left := a.leftovers(); len(left) > 0 {
		a.tb.Errorf("left: %v", left)
	}
	var bad []string
	for _, box := range boxes {
		var flags [2]map[int][]string
		for _, t := range syncstate.Sides {
			flags[t] = map[int][]string{}
			list := a.reader.shelves[t].read(box)
			for _, f := range list {
				n := numberOf(f.text)
				if n == 0 || n > len(a.reader.pieces) || f.text != normal(a.reader.pieces[n-1].text) {
					a.tb.Errorf("in %s on the %s side there is something else: %.200s", box, t, f.text)
					continue
				}
				flags[t][n] = append(flags[t][n], f.flags)
			}
			bad = append(bad, a.compareSide(box, t, flags[t])...)
		}
		for n, far := range flags[syncstate.Far] {
			near := flags[syncstate.Near][n]
			slices.Sort(far)
			slices.Sort(near)
			if !a.reader.pieces[n-1].noticed && !slices.Equal(far, near) {
				bad = append(bad, fmt.Sprintf("message %d in %s has flags %q on the far side, %q on the near side", n, box, far, near))
			}
		}
	}
	if a.crowd {
		bad = append(bad, a.compareReplica(boxes)...)
	}
	a.report("in the end", bad, strings.Join(a.said, "\n"))
}

// rest lets ours find that nothing is to be done.
func (a *arena) rest(boxes []string) {
	a.tb.Helper()
	if !a.maildirs && !a.beside {
		a.reader.shelves[syncstate.Far].leave() // so that all sessions end
		a.idle(ours(), boxes...)
		return
	}
	files := func() map[string]string {
		out := a.tracks()
		// A lock within a mailbox changes its directory.
		maps.DeleteFunc(out, func(_, what string) bool { return strings.HasPrefix(what, "d") })
		return out
	}
	before := files()
	a.sync(ours())
	if d := cmp.Diff(before, files()); d != "" {
		a.tb.Errorf("there is nothing to do, but files are touched:\n%s", d)
	}
}

// compareSide compares the messages of one side of a mailbox with the record.
func (a *arena) compareSide(box string, t syncstate.Side, got map[int][]string) (bad []string) {
	for _, m := range a.reader.pieces {
		flags := got[m.number]
		tell := func(text string) {
			bad = append(bad, fmt.Sprintf("message %d in %s %s the %s side", m.number, box, text, t)+m.story())
			m.noticed = true
		}
		switch here := !m.dead && m.box == box; {
		case here && len(flags) == 0 && len(a.reader.shelves[t.Other()].count(box)[m.number]) > 0:
			a.tally.kept++
			m.noticed = true
			if a.others == 0 {
				tell("is on one side, but not on")
			}
		case here && len(flags) == 0:
			a.tally.lost++
			tell("is lost on")
		case m.noticed: // it was doubled, and counted
		case len(flags) > 1:
			a.tally.doubled[t]++
			tell("is doubled on")
		case !here && len(flags) > 0:
			a.tally.left++
			tell("should not be on")
		case here && flags[0] != m.flags:
			a.tally.flags++
			tell(fmt.Sprintf("has flags %q, not %q, on", flags[0], m.flags))
		}
	}
	return bad
}
