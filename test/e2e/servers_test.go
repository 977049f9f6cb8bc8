//go:build linux

package e2e

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/testkit"
)

// servers are those that the tests of this file run against. All other tests
// run against Dovecot with sdbox.
func servers() []testkit.Kind {
	return append(testkit.Kinds(), testkit.Kind{Name: "dovecot-maildir", Start: func(tb testing.TB) testkit.Server {
		tb.Helper()
		return testkit.StartDovecot(tb, testkit.DovecotConfig{Storage: "maildir:~/Maildir", Separator: ".", Prefix: "INBOX."})
	}})
}

// keeps reports whether a server keeps a letter as it is.
func keeps(t testkit.Traits, l letter) bool {
	text := l.crlf()
	return (t.RefusesText == nil || !t.RefusesText(text)) && (t.Stored == nil || t.Stored(text) == text)
}

// TestServers lets both programs, in turns, live through the steps of TestSync
// with each server.
func TestServers(t *testing.T) {
	for _, k := range servers() {
		for _, who := range []string{"ours", "in turns", "in turns with 1.5.1"} {
			t.Run(k.Name+"/"+who, func(t *testing.T) {
				t.Parallel()
				order := []program{ours()}
				switch who {
				case "in turns":
					order = append(order, theirs(t))
				case "in turns with 1.5.1":
					order = append(order, theirs15(t))
				}
				s := setup{other: k.Start, channel: "Create Near\nExpunge Both"}
				odd := commonOddities()
				if who == "ours" {
					s.security = "STARTTLS"
					odd = oddities()
				}
				w := newWorld(t, s)
				odd = slices.DeleteFunc(odd, func(l letter) bool {
					// Pushed, it has another line first.
					pushed := letter{text: "X-From-Near: yes\n" + l.text}
					return !keeps(w.at.Traits(), l) || !keeps(w.at.Traits(), pushed)
				})
				b := &inbox{homeWorld: w, odd: odd}
				for _, s := range steps {
					s.change(b)
					b.sync(order[0])
					b.agree("INBOX", b.letters)
					b.idle(order[0], "INBOX")
					if len(order) > 1 {
						b.idle(order[1], "INBOX")
						slices.Reverse(order)
					}
					if t.Failed() {
						t.Fatalf("after %s by %s", s.name, order[0].name)
					}
				}
			})
		}
	}
}

// TestServersBoxes: mailboxes come into being, are filled, emptied and removed,
// from either side.
func TestServersBoxes(t *testing.T) {
	for _, k := range servers() {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{other: k.Start, channel: "Patterns *\nCreate Both\nRemove Both\nExpunge Both"})
			letters := notes(1, 6)
			w.sendAll(map[string][]letter{"Entwürfe/2026": letters[:3], "plain": letters[3:]})
			w.deliver("near", letters...)
			w.deliver("near/below", letters[:2]...)
			w.sync(ours())
			want := map[string][]letter{"Entwürfe/2026": letters[:3], "plain": letters[3:], "near": letters, "near/below": letters[:2]}
			for box, l := range want {
				w.agree(box, l)
			}
			boxes := []string{"INBOX", "Entwürfe/2026", "plain", "near", "near/below"}
			w.idle(ours(), boxes...)
			// One goes on each side.
			for _, f := range w.far("plain") {
				w.farRemove("plain", f.uid)
			}
			for _, n := range w.near("near/below") {
				w.remove(n)
			}
			w.sync(ours())
			w.agree("plain", nil)
			w.agree("near/below", nil)
			w.dropNear("near/below")
			w.farDelete("plain")
			w.sync(ours())
			got := slices.DeleteFunc(w.farBoxes(), func(name string) bool {
				return name == "INBOX" || name == "Entwürfe" || name == "Trash"
			})
			slices.Sort(got)
			if d := cmp.Diff([]string{"Entwürfe/2026", "near"}, got); d != "" {
				t.Errorf("on the server (-want +got):\n%s", d)
			}
			w.agree("near", letters)
			w.agree("Entwürfe/2026", letters[:3])
		})
	}
}

// TestServersTrash: what is deleted goes to the trash of the server, and what
// was marked by others stays with ExpungeSolo.
func TestServersTrash(t *testing.T) {
	for _, k := range servers() {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{other: k.Start, modern: true, account: "Trash bin\nTLSType None", channel: "Create Near\nExpunge Far\nExpungeSolo Near"})
			letters := notes(1, 6)
			w.send("INBOX", letters...)
			w.sync(ours())
			near := w.near("INBOX")
			w.mark(w.pick(near, letters[0]), letters[0].flags+"T")
			w.mark(w.pick(near, letters[1]), letters[1].flags+"T")
			w.remove(w.pick(near, letters[2]))
			w.sync(ours())
			bin := contentsOf(unmarked(w.far("bin")))
			if d := cmp.Diff(lettersAsContents(letters[:3]), bin); d != "" {
				t.Errorf("in the trash (-want +got):\n%s", d)
			}
			w.agree("INBOX", letters[3:])
			w.idle(ours(), "INBOX", "bin")
		})
	}
}

// unmarked returns the letters without the mark of deletion.
func unmarked(list []found) []found {
	var out []found
	for _, f := range list {
		flags := ""
		for _, r := range f.flags {
			if r != 'T' {
				flags += string(r)
			}
		}
		f.flags = flags
		out = append(out, f)
	}
	return out
}
