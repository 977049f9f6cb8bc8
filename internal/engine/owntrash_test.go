package engine_test

import (
	"strings"
	"testing"

	"isync/internal/engine"
	"isync/internal/store"
	"isync/internal/testkit/notation"
)

// aliases is a store in which "alias" is another name of the mailbox.
type aliases struct{ store.Store }

func (aliases) SameBox(a, b string) bool {
	return strings.TrimSuffix(a, "alias") == strings.TrimSuffix(b, "box") || a == b
}

// TestOwnTrash: what is deleted in a trash is gone for good, on either side and
// whatever the trash is called, and the next run has nothing to do.
func TestOwnTrash(t *testing.T) {
	for _, rules := range []string{"trash-far", "trash-near", "trash-far trash-near", "trash-far remotetrash-far", "remotetrash-near", "trashnew-far"} {
		for _, name := range []string{"box", "INBOX", "alias"} {
			t.Run(rules+" "+name, func(t *testing.T) {
				sc := scenario{far: "1:A 2:B:T 3:C", near: "1:A 2:B 3:C 4:N:T 5:D:T", state: "pulled=3 pushed=3 1-1 2-2 3-3"}
				c := notation.ParseRules(t, "sync expunge-far expunge-near "+rules)
				w := sc.setup(t, c)
				box := "box"
				if name == "INBOX" {
					box = "INBOX"
					far, _ := w.far.Box("box")
					near, _ := w.near.Box("box")
					w.far.Set(box, far)
					w.near.Set(box, near)
				}
				for i := range 3 {
					_, l, err := w.run(c, modes[0], &killer{}, uint64(i+1), func(p *engine.Pair) {
						p.Box = [2]string{box, box}
						p.TrashBox = [2]string{name, name}
						switch name {
						case "INBOX":
							p.TrashBox = [2]string{"inbox", "Inbox"}
						case "alias":
							p.Store = [2]store.Store{aliases{p.Store[0]}, aliases{p.Store[1]}}
						}
					})
					if err != nil || l.count(kindFailed) > 0 {
						t.Fatalf("run %d: %v", i+1, err)
					}
					if far, near := sideText(w.far, box), sideText(w.near, box); far != "1:A 3:C" || near != "1:A 3:C" {
						t.Fatalf("run %d: far %s, near %s", i+1, far, near)
					}
				}
				if far, near := w.far.Names(), w.near.Names(); len(far) > 2 || len(near) > 2 {
					t.Errorf("mailboxes: %v, %v", far, near)
				}
			})
		}
	}
}
