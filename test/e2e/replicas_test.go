//go:build linux

package e2e

import "testing"

// TestReplicas: two home directories with Maildirs of the same account. What
// happens in one arrives in the other, by way of the server, and both programs
// then find nothing to do in either.
func TestReplicas(t *testing.T) {
	t.Parallel()
	p := ours()
	a := &inbox{world: newWorld(t, setup{channel: "Create Near\nExpunge Both"})}
	b := &inbox{world: a.replica()}
	settled := func(when string) {
		t.Helper()
		for _, w := range []*world{a.world, b.world} {
			w.agree("INBOX", a.letters)
			w.idle(p, "INBOX")
			w.idle(theirs(t), "INBOX")
		}
		if t.Failed() {
			t.Fatal("after " + when)
		}
	}
	a.letters = notes(1, 12)
	a.send("INBOX", a.letters...)
	a.sync(p)
	b.sync(p)
	settled("the first pulls")

	// New mail in both, before either has heard of the other's.
	fromA, fromB := notes(101, 5), notes(201, 5)
	a.deliver("INBOX", fromA...)
	b.deliver("INBOX", fromB...)
	a.letters = append(append(a.letters, fromA...), fromB...)
	a.sync(p)
	b.sync(p)
	a.sync(p)
	settled("new mail in both")

	// Flags and deletions, some of the same messages.
	inA, inB := a.near("INBOX"), b.near("INBOX")
	at := func(list []found, i int) found { return a.pick(list, a.letters[i]) }
	a.mark(at(inA, 0), "F")
	b.mark(at(inB, 0), "S")
	a.expect("FS", a.letters[0])
	a.mark(at(inA, 1), "")
	b.mark(at(inB, 1), "RS")
	a.expect("R", a.letters[1])
	b.mark(at(inB, 13), "FRS")
	a.expect("FRS", a.letters[13])
	gone := []letter{a.letters[3], a.letters[4], a.letters[17]}
	a.remove(at(inA, 3))
	b.remove(at(inB, 3))
	a.remove(at(inA, 4))
	b.mark(at(inB, 4), "FS") // too late
	b.remove(at(inB, 17))
	a.forget(gone...)
	a.sync(p)
	b.sync(p, "conflicting changes: message 5 was changed on the near side, but deleted on the far side; the deletion wins")
	a.sync(p)
	settled("changes in both")
}
