package engine_test

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"isync/internal/engine"
	"isync/internal/store/mem"
	"isync/internal/testkit/notation"
	"isync/internal/vfs/vfstest"
)

// heldNotes are notes of a far message that could not be copied.
const heldNotes = "isync notes 1\nvalidity 101 202\nheld far 7 1 1700000000 \"too big\"\n"

// TestHeldWithoutNew: in a run that copies no new messages, one that is held does not
// make those before it count as propagated.
func TestHeldWithoutNew(t *testing.T) {
	for _, rules := range []string{"pull-flags push-flags expunge-far", "pull-old", "pull-flags", "push-all expunge-near"} {
		c := notation.ParseRules(t, rules)
		w := (&scenario{far: "4:X 5:A 6:B 7:C", near: "4:X", state: "pulled=4 pushed=4 4-4"}).setup(t, c)
		writeFile(t, w.fs, statePath+engine.NotesSuffix, []byte(heldNotes))
		if _, _, err := w.run(c, modes[0], &killer{}, 1); err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.run(notation.ParseRules(t, "sync"), modes[0], &killer{}, 2); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"A", "B", "C"} {
			if n := w.names(1)[name]; n != 1 {
				t.Errorf("%s: %s is %d times on the near side: %s", rules, name, n, sideText(w.near, "box"))
			}
		}
	}
}

// TestUnreadNotes: notes that cannot be read at the moment are not replaced by others.
func TestUnreadNotes(t *testing.T) {
	c := notation.ParseRules(t, "sync")
	w := (&scenario{far: "4:X 7:C 8:D", near: "4:X", state: "pulled=7 pushed=4 4-4"}).setup(t, c)
	writeFile(t, w.fs, statePath+engine.NotesSuffix, []byte(heldNotes))
	refuse := setNear(w, mem.Options{Caps: mem.MaildirCaps, Hook: func(op mem.Op) error {
		if op.Kind == mem.OpPutItem && !op.After {
			return errors.New("refused")
		}
		return nil
	}})
	_, _, err := w.run(c, modes[0], &killer{}, 1, refuse, func(p *engine.Pair) {
		f := vfstest.NewFault(w.fs)
		f.Inject(vfstest.Rule{Nth: 1, Err: syscall.EIO, Match: func(op vfstest.Op, name string) bool {
			return op == vfstest.OpOpen && strings.HasSuffix(name, engine.NotesSuffix)
		}})
		p.FS = f
	})
	t.Log(err)
	for i := range 2 {
		if _, _, err := w.run(c, modes[0], &killer{}, uint64(2+i)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"C", "D"} {
		if n := w.names(1)[name]; n != 1 {
			t.Errorf("%s is %d times on the near side: %s", name, n, sideText(w.near, "box"))
		}
	}
}
