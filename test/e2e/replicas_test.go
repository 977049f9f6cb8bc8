//go:build linux

package e2e

import (
	"os"
	"os/exec"
	"testing"
)

// TestReplicas: two home directories with Maildirs of the same account. What
// happens in one arrives in the other, by way of the server, and both programs
// then find nothing to do in either.
func TestReplicas(t *testing.T) {
	t.Parallel()
	p := ours()
	a := &inbox{homeWorld: newWorld(t, setup{channel: "Create Near\nExpunge Both"})}
	b := &inbox{homeWorld: a.replica()}
	settled := func(when string) {
		t.Helper()
		for _, w := range []*homeWorld{a.homeWorld, b.homeWorld} {
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

// TestCopiedHome: a home directory is copied to another machine, and by mistake runs go on
// with both. They are like two that have never been one. What was new in the Maildir when it
// was copied is new in both. One stores it on the server, and the other pairs it with that
// (docs/fleet.md). With "Adopt no", both store it.
func TestCopiedHome(t *testing.T) {
	t.Parallel()
	p := ours()
	a := &inbox{homeWorld: newWorld(t, setup{modern: true, channel: "Create Near\nExpunge Both"})}
	a.letters = notes(1, 12)
	a.send("INBOX", a.letters...)
	a.sync(p)
	unsent := notes(101, 2)
	a.deliver("INBOX", unsent...)
	b := &inbox{homeWorld: a.replica()}
	for _, dir := range []string{"inbox", "near", "state"} {
		if err := os.RemoveAll(b.path(dir)); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("cp", "-a", a.path(dir), b.path(dir)).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	fromA, fromB, more := notes(201, 3), notes(301, 3), notes(401, 3)
	a.deliver("INBOX", fromA...)
	b.deliver("INBOX", fromB...)
	a.send("INBOX", more...)
	a.remove(a.pick(a.near("INBOX"), a.letters[3]))
	b.remove(b.pick(b.near("INBOX"), a.letters[5]))
	for range 2 {
		a.sync(p)
		b.sync(p, "are the same on both sides and are paired")
	}
	var all []letter
	for i, l := range a.letters {
		if i != 3 && i != 5 {
			all = append(all, l)
		}
	}
	for _, list := range [][]letter{unsent, fromA, fromB, more} {
		all = append(all, list...)
	}
	for _, w := range []*homeWorld{a.homeWorld, b.homeWorld} {
		w.agree("INBOX", all)
		w.idle(p, "INBOX")
	}
}
