package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/mem"
	"isync/internal/syncstate"
	"isync/internal/testkit/notation"
)

// TestLateMovedAway: a message whose copy was stored late is moved to another mailbox
// and back. It is a new message then, though it carries the temporary id.
func TestLateMovedAway(t *testing.T) {
	c := notation.ParseRules(t, "sync expunge-far expunge-near")
	sc := scenario{far: "1:X", near: "1:X 2:A 3:B", state: "pulled=1 pushed=1 1-1"}
	w := sc.setup(t, c)
	lost := func(op mem.Op) error {
		if op.Kind == mem.OpPutItem && !op.After {
			return &store.StoreError{Store: "far", Err: errors.New("killed")}
		}
		return nil
	}
	if _, _, err := w.run(c, modes[0], &killer{}, 1, setFar(w, mem.Options{Name: "far", Caps: mem.IMAPCaps, Hook: lost})); err == nil {
		t.Fatal("not killed")
	}
	late := w.journaledCopies(t)
	arrived := false
	hook := func(op mem.Op) error {
		if op.Kind == mem.OpScan && !op.After && !op.Need.TUIDs && !arrived {
			arrived = true
			for id, text := range late {
				w.far.Deliver("box", mem.Message{Body: strings.Replace(text, "Subject", "X-TUID: "+id+"\r\nSubject", 1)})
			}
		}
		return nil
	}
	for i := range 2 {
		if _, _, err := w.run(c, modes[0], &killer{}, uint64(2+i), setFar(w, mem.Options{Name: "far", Caps: mem.IMAPCaps, Hook: hook})); err != nil {
			t.Fatal(err)
		}
	}
	move := func() (out []mem.Message) {
		box, _ := w.far.Box("box")
		for _, m := range box.Messages {
			if notation.NameOf(m.Body) != "X" && !m.Flags.Has(mail.FlagDeleted) {
				out = append(out, mem.Message{Flags: m.Flags, Body: m.Body})
				w.far.Expunge("box", m.UID)
			}
		}
		return out
	}
	moved := move()
	if _, _, err := w.run(c, modes[0], &killer{}, 5); err != nil {
		t.Fatal(err)
	}
	if got := sideText(w.near, "box"); got != "1:X" {
		t.Fatalf("after they were moved away: near %s", got)
	}
	w.far.Deliver("box", moved...)
	for i := range 2 {
		if _, _, err := w.run(c, modes[0], &killer{}, uint64(6+i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.names(1); n["A"] != 1 || n["B"] != 1 {
		t.Errorf("after they came back:\nfar:  %s\nnear: %s", sideText(w.far, "box"), sideText(w.near, "box"))
	}
}

// TestLateOtherCopyRemoved: somebody sees a message twice, since a copy of it was stored
// late, and removes either of the two copies. The message is not deleted by that.
func TestLateOtherCopyRemoved(t *testing.T) {
	for _, flags := range []mail.Flags{0, mail.FlagSeen} {
		for _, removed := range []string{"old", "late"} {
			t.Run(fmt.Sprintf("%s, flags %q", removed, flags), func(t *testing.T) {
				c := notation.ParseRules(t, "sync expunge-far expunge-near")
				sc := scenario{far: "1:X", near: "1:X 2:A 3:B", state: "pulled=1 pushed=1 1-1"}
				w := sc.setup(t, c)
				lost := func(op mem.Op) error {
					if op.Kind == mem.OpPutItem && !op.After {
						return &store.StoreError{Store: "far", Err: errors.New("killed")}
					}
					return nil
				}
				if _, _, err := w.run(c, modes[0], &killer{}, 1, setFar(w, mem.Options{Caps: mem.IMAPCaps, Hook: lost})); err == nil {
					t.Fatal("not killed")
				}
				late := w.journaledCopies(t)
				if _, _, err := w.run(c, modes[0], &killer{}, 2); err != nil {
					t.Fatal(err)
				}
				box, _ := w.far.Box("box")
				for id, text := range late {
					w.far.Deliver("box", mem.Message{Body: strings.Replace(text, "Subject", "X-TUID: "+id+"\r\nSubject", 1)})
				}
				all, _ := w.far.Box("box")
				w.near.SetFlags("box", 2, flags, 0)
				w.near.SetFlags("box", 3, flags, 0)
				for _, m := range all.Messages {
					isOld := m.UID < box.UIDNext
					if notation.NameOf(m.Body) != "X" && isOld == (removed == "old") {
						w.far.Expunge("box", m.UID)
					}
				}
				for i := range 3 {
					if _, _, err := w.run(c, modes[0], &killer{}, uint64(3+i)); err != nil {
						t.Fatal(err)
					}
				}
				for _, s := range syncstate.Sides {
					d, _ := w.disk(s)
					b, _ := d.Box("box")
					n := 0
					for _, m := range b.Messages {
						if notation.NameOf(m.Body) != "X" && m.Flags == flags {
							n++
						}
					}
					if n != 2 || len(b.Messages) != 3 {
						t.Errorf("%s: %s", s, sideText(d, "box"))
					}
				}
			})
		}
	}
}

// TestLatePlaceholder: what is stored late for a message that is too big is a
// placeholder, also if there is no record of it any more.
func TestLatePlaceholder(t *testing.T) {
	c := notation.ParseRules(t, "sync push-upgrade maxsize-far")
	sc := scenario{far: "1:X", near: "1:X 2:A*", state: "pulled=1 pushed=1 1-1"}
	w := sc.setup(t, c)
	text := ""
	refusal := error(&store.StoreError{Store: "far", Err: errors.New("killed")})
	hook := func(op mem.Op) error {
		if op.Kind != mem.OpPutItem {
			return nil
		}
		if !op.After {
			if text == "" {
				return nil // look at it first
			}
			return refusal
		}
		box, _ := w.far.Box("box")
		text = box.Messages[len(box.Messages)-1].Body
		w.far.Expunge("box", op.UID)
		return refusal
	}
	for i := range 2 {
		_, _, err := w.run(c, modes[0], &killer{}, uint64(1+i), setFar(w, mem.Options{Caps: mem.IMAPCaps, Hook: hook}))
		if (err == nil) != (i == 1) {
			t.Fatal(err)
		}
		refusal = errors.New("refused")
	}
	w.far.Deliver("box", mem.Message{Body: text})
	if _, _, err := w.run(c, modes[0], &killer{}, 3); err != nil {
		t.Fatal(err)
	}
	wantText(t, w, c, "1:X 3:A?", "1:X 2:A*", "pulled=3 pushed=2 1-1 3-2:<")
}

// TestLateAfterRestore: copies of messages are stored late, after the mailbox that these
// were in was restored from a backup, and their UIDs were given to others. These others
// are not taken for them.
func TestLateAfterRestore(t *testing.T) {
	c := notation.ParseRules(t, "sync")
	var xs, pairs []string
	for i := 1; i <= 25; i++ {
		xs, pairs = append(xs, fmt.Sprintf("%d:X%d", i, i)), append(pairs, fmt.Sprintf("%d-%d", i, i))
	}
	old := strings.Join(xs, " ")
	sc := scenario{far: old, near: old + " 26:A 27:B", state: "pulled=25 pushed=25 " + strings.Join(pairs, " ")}
	w := sc.setup(t, c)
	backup := (&scenario{far: "", near: old, state: "!"}).setup(t, c).near
	lost := func(op mem.Op) error {
		if op.Kind == mem.OpPutItem && !op.After {
			return &store.StoreError{Store: "far", Err: errors.New("killed")}
		}
		return nil
	}
	if _, _, err := w.run(c, modes[0], &killer{}, 1, setFar(w, mem.Options{Caps: mem.IMAPCaps, Hook: lost})); err == nil {
		t.Fatal("not killed")
	}
	late := w.journaledCopies(t)
	if _, _, err := w.run(c, modes[0], &killer{}, 2); err != nil {
		t.Fatal(err)
	}
	w.near = backup
	w.near.Deliver("box", mem.Message{Body: notation.Body("C", "\n")})
	for id, text := range late {
		w.far.Deliver("box", mem.Message{Body: strings.Replace(text, "Subject", "X-TUID: "+id+"\r\nSubject", 1)})
	}
	for i := range 3 {
		if _, _, err := w.run(c, modes[0], &killer{}, uint64(3+i)); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range syncstate.Sides {
		for _, name := range []string{"A", "B", "C"} {
			if w.names(s)[name] == 0 {
				t.Errorf("%s is not on the %s side", name, s)
			}
		}
	}
	if t.Failed() {
		t.Logf("far:  %s\nnear: %s", sideText(w.far, "box"), sideText(w.near, "box"))
	}
}

// TestLateAndLost: a server that tells no UIDs has not stored a copy yet when it is looked
// for, and somebody else has stored another message. When the copy turns up it is known.
func TestLateAndLost(t *testing.T) {
	c := notation.ParseRules(t, "sync")
	sc := scenario{far: "1:X", near: "1:X 2:A", state: "pulled=1 pushed=1 1-1"}
	w := sc.setup(t, c)
	caps := mem.IMAPCaps
	caps.ReportsUIDs = false
	text := ""
	hook := func(op mem.Op) error {
		if op.Kind == mem.OpScan && op.Need.TUIDs && !op.After && text == "" {
			box, _ := w.far.Box("box")
			m := box.Messages[len(box.Messages)-1]
			text = m.Body
			w.far.Expunge("box", m.UID)
			w.far.Deliver("box", mem.Message{Body: notation.Body("Y", "\r\n")})
		}
		return nil
	}
	if _, _, err := w.run(c, modes[0], &killer{}, 1, setFar(w, mem.Options{Caps: caps, Hook: hook})); err != nil {
		t.Fatal(err)
	}
	w.far.Deliver("box", mem.Message{Body: text})
	for i := range 3 {
		if _, _, err := w.run(c, modes[0], &killer{}, uint64(2+i)); err != nil {
			t.Fatal(err)
		}
	}
	wantText(t, w, c, "1:X 3:Y 4:A", "1:X 2:A 3:Y", "pulled=4 pushed=3 1-1 4-2 3-3")
}

// TestLateOfMany: a large mailbox is copied by runs that are killed again and again. What
// each of them had sent is recognized, though far more was to be sent.
func TestLateOfMany(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while")
	}
	c := notation.ParseRules(t, "sync")
	w := (&scenario{far: "", near: "", state: "!"}).setup(t, c)
	var msgs []mem.Message
	for i := range 22_000 {
		msgs = append(msgs, mem.Message{Body: notation.Body(fmt.Sprintf("M%d", i), "\n")})
	}
	w.near.Deliver("box", msgs...)
	puts := 0
	kill := func(op mem.Op) error {
		if op.Kind == mem.OpPutItem && !op.After {
			if puts++; puts > 5 {
				return &store.StoreError{Store: "far", Err: errors.New("killed")}
			}
		}
		return nil
	}
	sent, earlier := map[string]string{}, 0 // earlier is the length of the journal before
	for i := range 3 {
		puts = 0
		if _, _, err := w.run(c, modes[0], &killer{}, uint64(1+i), setFar(w, mem.Options{Caps: mem.IMAPCaps, Hook: kill})); err == nil {
			t.Fatal("not killed")
		}
		n := 0
		journal, err := readFile(w.fs, statePath+".journal")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range journaledTUID.FindAllStringSubmatch(string(journal[earlier:]), -1) {
			// Those after the ones whose UIDs are journaled were under way.
			if strings.Contains(string(journal), "\n< 0 "+m[1]+" ") {
				continue
			}
			if n++; n > 20 {
				break
			}
			sent[m[2]] = m[1]
		}
		earlier = len(journal)
	}
	if _, _, err := w.run(c, modes[0], &killer{}, 9); err != nil {
		t.Fatal(err)
	}
	for id, uid := range sent {
		var i int
		fmt.Sscan(uid, &i)
		w.far.Deliver("box", mem.Message{Body: strings.Replace(notation.Body(fmt.Sprintf("M%d", i-1), "\r\n"), "Subject", "X-TUID: "+id+"\r\nSubject", 1)})
	}
	if _, _, err := w.run(c, modes[0], &killer{}, 10); err != nil {
		t.Fatal(err)
	}
	if b, _ := w.near.Box("box"); len(b.Messages) != len(msgs) {
		t.Errorf("%d messages near instead of %d", len(b.Messages), len(msgs))
	}
}
