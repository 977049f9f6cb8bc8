//go:build linux

package e2e

import (
	"slices"
	"strings"
	"testing"
)

// inbox is a pair of mailboxes whose contents a test knows: those of the two
// INBOXes, after the next synchronization.
type inbox struct {
	*homeWorld
	letters []letter
	odd     []letter
}

// get returns the index of a letter by its text.
func (b *inbox) get(l letter) *letter {
	b.tb.Helper()
	i := slices.IndexFunc(b.letters, func(m letter) bool { return m.text == l.text })
	if i < 0 {
		b.tb.Fatalf("%s is not expected anyway", l.key())
	}
	return &b.letters[i]
}

// expect: from now on the letters have these flags.
func (b *inbox) expect(flags string, letters ...letter) {
	b.tb.Helper()
	for _, l := range letters {
		b.get(l).flags = flags
	}
}

// forget: the letters will be gone.
func (b *inbox) forget(letters ...letter) {
	for _, l := range letters {
		b.letters = slices.DeleteFunc(b.letters, func(m letter) bool { return m.text == l.text })
	}
}

// notes writes letters from number from on, of various sizes and with various
// flags.
func notes(from, n int) []letter {
	var out []letter
	for i := range n {
		l := note(from+i, 200+i*i*37)
		l.flags = []string{"", "S", "FS", "", "RS", "D", "F", "PS"}[i%8]
		out = append(out, l)
	}
	return out
}

// steps are a short life of a pair of mailboxes: each changes both sides, and
// what is expected of the synchronization that follows.
var steps = []struct {
	name   string
	change func(b *inbox)
}{
	{"first pull", func(b *inbox) {
		all := append(notes(1, 16), b.odd...)
		b.send("INBOX", all...)
		b.letters = all
	}},
	{"push", func(b *inbox) {
		all := notes(101, 16)
		for _, l := range b.odd {
			l.text = "X-From-Near: yes\n" + l.text
			all = append(all, l)
		}
		b.deliver("INBOX", all...)
		b.letters = append(b.letters, all...)
	}},
	{"flags", func(b *inbox) {
		far, near := b.far("INBOX"), b.near("INBOX")
		at := func(list []found, i int) found { return b.pick(list, b.letters[i]) }
		// One side only: set, and cleared.
		b.farMark("INBOX", "FRS", at(far, 0).uid)
		b.expect("FRS", b.letters[0])
		b.farMark("INBOX", "", at(far, 1).uid, at(far, 29).uid)
		b.expect("", b.letters[1], b.letters[29])
		b.mark(at(near, 2), "S")
		b.expect("S", b.letters[2])
		b.mark(at(near, 3), "DFPRS")
		b.expect("DFPRS", b.letters[3])
		b.mark(at(near, 30), "")
		b.expect("", b.letters[30])
		// Both: "RS" has become "FRS" here and "S" there, or twice the same.
		b.farMark("INBOX", "FRS", at(far, 4).uid)
		b.mark(at(near, 4), "S")
		b.expect("FS", b.letters[4])
		b.farMark("INBOX", "R", at(far, 8).uid)
		b.mark(at(near, 8), "R")
		b.expect("R", b.letters[8])
	}},
	{"deletions", func(b *inbox) {
		far, near := b.far("INBOX"), b.near("INBOX")
		gone := []letter{b.letters[5], b.letters[6], b.letters[7], b.letters[9], b.letters[31], b.letters[32], b.letters[33]}
		b.farRemove("INBOX", b.pick(far, gone[0]).uid, b.pick(far, gone[4]).uid)
		b.remove(b.pick(near, gone[1]))
		b.remove(b.pick(near, gone[5]))
		b.farMark("INBOX", "ST", b.pick(far, gone[2]).uid)
		b.mark(b.pick(near, gone[3]), "T")
		// Gone from both.
		b.farRemove("INBOX", b.pick(far, gone[6]).uid)
		b.remove(b.pick(near, gone[6]))
		b.forget(gone...)
	}},
	{"everything at once", func(b *inbox) {
		far, near := b.far("INBOX"), b.near("INBOX")
		gone := []letter{b.letters[0], b.letters[1]}
		b.farRemove("INBOX", b.pick(far, gone[0]).uid)
		b.remove(b.pick(near, gone[1]))
		b.farMark("INBOX", "F", b.pick(far, b.letters[2]).uid)
		b.expect("F", b.letters[2])
		b.mark(b.pick(near, b.letters[3]), "S")
		b.expect("S", b.letters[3])
		b.forget(gone...)
		pulled, pushed := notes(201, 8), notes(301, 8)
		b.send("INBOX", pulled...)
		b.deliver("INBOX", pushed...)
		b.letters = append(append(b.letters, pulled...), pushed...)
		// Never to be copied: deleted before anybody saw it.
		dead := note(400, 300)
		dead.flags = "T"
		b.send("INBOX", dead)
		dead.text = "X-Side: near\n" + dead.text
		b.deliver("INBOX", dead)
	}},
}

// TestSync lets either program live through the steps, over each kind of
// connection. After each step both sides agree, the other program finds nothing
// to do, and the same one neither.
func TestSync(t *testing.T) {
	for _, security := range []string{"None", "STARTTLS", "IMAPS"} {
		for _, who := range []string{"ours", "theirs", "in turns", "1.5.1", "in turns with 1.5.1"} {
			if who != "in turns" && security != "None" {
				continue // enough to see that the connection is good
			}
			t.Run(security+"/"+who, func(t *testing.T) {
				t.Parallel()
				order := []program{ours(), {}}
				if strings.HasSuffix(who, "1.5.1") {
					order[1] = theirs15(t)
				} else {
					order[1] = theirs(t)
				}
				if who == "theirs" || who == "1.5.1" {
					slices.Reverse(order)
				}
				b := &inbox{homeWorld: newWorld(t, setup{security: security, channel: "Create Near\nExpunge Both"}), odd: commonOddities()}
				if who == "ours" {
					b.odd = oddities()
				}
				for _, s := range steps {
					s.change(b)
					b.sync(order[0])
					b.agree("INBOX", b.letters)
					b.idle(order[1], "INBOX")
					b.idle(order[0], "INBOX")
					if t.Failed() {
						t.Fatalf("after %s by %s", s.name, order[0].name)
					}
					if strings.HasPrefix(who, "in turns") {
						slices.Reverse(order)
					}
				}
			})
		}
	}
}
