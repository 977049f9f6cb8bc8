package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"isync/internal/engine"
	"isync/internal/store"
	"isync/internal/store/mem"
	"isync/internal/syncstate"
	"isync/internal/testkit/notation"
)

// messagesOf are the names and flags of the messages of a side, without their UIDs.
func messagesOf(d *mem.Disk) string {
	var out []string
	for m := range strings.FieldsSeq(sideText(d, "box")) {
		if _, rest, ok := strings.Cut(m, ":"); ok {
			out = append(out, rest)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// TestFailedUpgrade: the user has asked for a message by flagging its placeholder, and
// copying it fails in one run or more. When it can be copied, the mailboxes are as if
// nothing had failed: the message is there whole.
func TestFailedUpgrade(t *testing.T) {
	scenarios := []scenario{
		{name: "flagged", rules: "sync maxsize-near", far: "1:A*", near: "1:A?:F", state: "pulled=1 pushed=1 1-1:>"},
		{name: "expunge", rules: "sync maxsize-near expunge-near", far: "1:A*", near: "1:A?:FS", state: "pulled=1 pushed=1 1-1:>"},
		{name: "other flags", rules: "sync maxsize-near", far: "1:A*:R", near: "1:A?:DFRS", state: "pulled=1 pushed=1 1-1:>R"},
		{name: "flags of both", rules: "sync maxsize-near", far: "1:A*:RS", near: "1:A?:DF", state: "pulled=1 pushed=1 1-1:>"},
		{name: "flagged earlier", rules: "sync maxsize-near", far: "1:A*:FS", near: "1:A?:FS", state: "pulled=1 pushed=1 1-1:>S"},
		{name: "marked", rules: "sync maxsize-near", far: "1:A*:RS", near: "1:A?:FRST", state: "pulled=1 pushed=1 1-1:>"},
		{name: "without New", rules: "pull-upgrade push-flags maxsize-near", far: "1:A* 2:B*:S", near: "1:A?:FR", state: "pulled=1 pushed=1 1-1:>"},
		{name: "others", rules: "sync maxsize-near", far: "1:A* 2:B* 3:C", near: "1:A?:F 0:D", state: "pulled=1 pushed=1 1-1:>"},
		{name: "pull only", rules: "pull-new pull-upgrade pull-flags pull-gone maxsize-near", far: "1:A*:S", near: "1:A?:FR", state: "pulled=1 pushed=1 1-1:>"},
		{name: "pull only, mark", rules: "pull-new pull-upgrade pull-flags pull-gone maxsize-near", far: "1:A*:S", near: "1:A?:FRT", state: "pulled=1 pushed=1 1-1:>"},
		{name: "pull only, unread", rules: "pull-new pull-upgrade pull-flags pull-gone maxsize-near", far: "1:A*:RS", near: "1:A?:FRD", state: "pulled=1 pushed=1 1-1:>RS"},
		{name: "pull-new", rules: "pull-new pull-upgrade maxsize-near", far: "1:A* 2:B*", near: "1:A?:FR", state: "pulled=1 pushed=1 1-1:>"},
		{name: "old", rules: "sync pull-old push-old maxsize-near", far: "1:A* 2:B", near: "1:A?:FR 2:B", state: "pulled=2 pushed=2 1-1:> 2-2:"},
		{name: "expunge both", rules: "sync maxsize-near expunge", far: "1:A*:R", near: "1:A?:FD 0:X:T", state: "pulled=1 pushed=1 1-1:>R"},
		{name: "on the far side", rules: "sync maxsize-far", far: "1:A?:FR", near: "1:A*", state: "pulled=1 pushed=1 1-1:<"},
		{name: "expired", rules: "sync maxsize-near max=1 unread=no", far: "1:A* 2:B:S", near: "1:A?:FST 2:B:S", state: "pulled=2 pushed=2 expired=1 1-1:>~S 2-2:S"},
	}
	lost := func(side string) error { return &store.StoreError{Store: side, Err: errors.New("connection lost")} }
	faults := map[string]struct {
		kind mem.Kind
		err  func(side string) error
	}{
		"lost while reading":    {mem.OpFetchItem, lost},
		"lost while storing":    {mem.OpPutItem, lost},
		"refused while reading": {mem.OpFetchItem, func(string) error { return errors.New("refused") }},
		"refused while storing": {mem.OpPutItem, func(string) error { return errors.New("refused") }},
	}
	for _, sc := range scenarios {
		c := notation.ParseRules(t, sc.rules)
		whole := sc.setup(t, c)
		for i := range 2 {
			if _, _, err := whole.run(c, modes[0], &killer{}, uint64(i+1)); err != nil {
				t.Fatal(sc.name, err)
			}
		}
		want := [2]string{messagesOf(whole.far), messagesOf(whole.near)}
		for fault, f := range faults {
			for failing := 1; failing <= 3; failing++ {
				t.Run(fmt.Sprintf("%s/%s %d times", sc.name, fault, failing), func(t *testing.T) {
					w := sc.setup(t, c)
					to, big := syncstate.Near, w.far
					if strings.Contains(sc.rules, "maxsize-far") {
						to, big = syncstate.Far, w.near
					}
					at := to.Other()
					if f.kind == mem.OpPutItem {
						at = to
					}
					reading := ""
					hook := func(s syncstate.Side) func(mem.Op) error {
						return func(op mem.Op) error {
							if op.Kind == mem.OpFetchItem && s == to.Other() {
								b, _ := big.Box("box")
								for _, m := range b.Messages {
									if m.UID == op.UID {
										reading = notation.NameOf(m.Body)
									}
								}
							}
							if op.Kind == f.kind && s == at && !op.After && reading == "A*" {
								return f.err(s.String())
							}
							return nil
						}
					}
					broken := func(p *engine.Pair) {
						p.Store[0] = mem.New(w.far, mem.Options{Name: "far", Caps: mem.IMAPCaps, Hook: hook(syncstate.Far)})
						p.Store[1] = mem.New(w.near, mem.Options{Name: "near", Caps: mem.MaildirCaps, Hook: hook(syncstate.Near)})
					}
					for i := range failing {
						if r, _, err := w.run(c, modes[0], &killer{}, uint64(i+1), broken); err == nil && r.Failed == 0 {
							t.Fatal("nothing failed")
						}
					}
					for i := range 3 {
						if _, l, err := w.run(c, modes[0], &killer{}, uint64(10+i)); err != nil {
							t.Fatal(err, l.texts(kindFailed))
						}
					}
					if got := [2]string{messagesOf(w.far), messagesOf(w.near)}; got != want {
						t.Errorf("got  %q\nwant %q\n%s", got, want, w.text(c.ExpireSide))
					}
					w.nothingHeld(t)
				})
			}
		}
	}
}
