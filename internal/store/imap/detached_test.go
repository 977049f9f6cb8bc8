package imap_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/imap"
)

// TestDetached: a mailbox that was listed in a pipeline needs no session until more is asked
// for. Then it is selected again, and must be the same one.
func TestDetached(t *testing.T) {
	for _, tt := range []struct {
		name    string
		between func(s *manyBoxes, b *aBox)
		fails   bool
	}{
		{name: "nothing happens", between: func(*manyBoxes, *aBox) {}},
		{name: "a message arrives", between: func(s *manyBoxes, b *aBox) { b.arrive(s.rng) }},
		{name: "all are expunged", between: func(_ *manyBoxes, b *aBox) {
			for _, m := range b.msgs {
				b.modSeq++
				b.gone[m.uid] = b.modSeq
				b.changed[m.uid] = true
			}
			b.msgs = nil
		}},
		{name: "another UIDVALIDITY", between: func(_ *manyBoxes, b *aBox) { b.validity++ }, fails: true},
		{name: "UIDNEXT goes back", between: func(_ *manyBoxes, b *aBox) { b.msgs, b.next = nil, 1 }, fails: true},
		{name: "deleted", between: func(s *manyBoxes, _ *aBox) { delete(s.boxes, "box00") }, fails: true},
	} {
		for name, caps := range visitCaps {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				s := newManyBoxes(rand.New(rand.NewPCG(1, 1)), caps, 1)
				for range 3 {
					s.boxes["box00"].arrive(s.rng)
				}
				s.begin("", 0)
				st := s.store(t, t.TempDir(), nil)
				claims := 0
				m, err := st.Open(t.Context(), "box00", store.OpenRequest{Pipelined: &store.Pipelined{
					Scan: &store.Need{UIDs: mail.UIDsFrom(1), Flags: true}, Messages: 3, Last: 20,
					Claim: func(context.Context) error { claims++; return nil },
				}})
				if err != nil {
					t.Fatal(err)
				}
				// What is asked for first may be less.
				first := scan(t, m, store.Need{UIDs: mail.UIDsFrom(2)})
				if len(first) == 0 || first[0].UID != 2 || claims > 0 || s.selects != 1 {
					t.Errorf("%v, %d claims, %d SELECTs", first, claims, s.selects)
				}
				s.mu.Lock()
				b := s.boxes["box00"]
				tt.between(s, b)
				s.mu.Unlock()
				l, err := m.Scan(t.Context(), everything)
				if claims != 1 || s.selects < 2 {
					t.Errorf("%d claims, %d SELECTs", claims, s.selects)
				}
				if tt.fails {
					if !isBoxError(err) {
						t.Errorf("%v", err)
					}
				} else if err != nil {
					t.Error(err)
				} else {
					s.holds(t, "box00", l.Messages)
				}
				if err := m.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestDetachedNarrow: what the listing lacks is asked for in a session of its own.
func TestDetachedNarrow(t *testing.T) {
	for _, need := range []store.Need{
		{UIDs: mail.UIDsFrom(2), Flags: true}, {UIDs: mail.UIDsFrom(1)}, {UIDs: mail.UIDsFrom(2), SizesFrom: 2}, {UIDs: mail.UIDsFrom(2), TUIDs: true},
	} {
		s := newManyBoxes(rand.New(rand.NewPCG(1, 1)), "", 1)
		s.begin("", 0)
		st := s.store(t, t.TempDir(), nil)
		claims := 0
		m, err := st.Open(t.Context(), "box00", store.OpenRequest{Pipelined: &store.Pipelined{
			Scan: &store.Need{UIDs: mail.UIDsFrom(2)}, Messages: 3, Last: 20, Claim: func(context.Context) error { claims++; return nil },
		}})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = m.Scan(t.Context(), need) // the server has no sizes and headers
		if claims != 1 {
			t.Errorf("%+v: %d claims", need, claims)
		}
		_ = m.Close(t.Context())
	}
}

// TestPipelineRemembered: a server that hangs up over many commands, and works without them, is
// asked one by one for a day. If it does not work at all, or the connection was lost for
// another reason, that is not remembered.
func TestPipelineRemembered(t *testing.T) {
	now := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	s := newManyBoxes(rand.New(rand.NewPCG(1, 1)), "", 6)
	names := []string{"box00", "box01", "box02", "box03", "box04", "box05"}
	run := func(fault string, wantPiped, before, after bool) {
		t.Helper()
		s.begin(fault, 0)
		st := s.store(t, dir, func(o *imap.Options) {
			o.Server = "server"
			o.Now = func() time.Time { return now }
		})
		if got := st.Pipelines() > 0; got != before {
			t.Errorf("%s, %v: pipelines %v", fault, now, got)
		}
		claimed := visitAll(t, st, names, 20, func(box string, _ store.Mailbox, list []mail.Meta, err error) {
			if err == nil {
				s.holds(t, box, list)
			} else if fault != "dead" {
				t.Errorf("%s: %v", box, err)
			}
		})
		if piped := claimed < len(names); piped != wantPiped {
			t.Errorf("%s, %v: %d of %d opened alone", fault, now, claimed, len(names))
		}
		if got := st.Pipelines() > 0; got != after {
			t.Errorf("%s, %v: then pipelines %v", fault, now, got)
		}
		_ = st.Close()
	}
	run("", true, true, true)
	run("dead", false, true, false)
	run("", true, true, true)
	run("hangs up", false, true, false)
	run("hangs up", false, false, false)
	now = now.Add(23 * time.Hour)
	run("", false, false, false)
	now = now.Add(2 * time.Hour)
	run("", true, true, true)
}
