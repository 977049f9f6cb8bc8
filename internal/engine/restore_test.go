package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"isync/internal/engine"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/mem"
	"isync/internal/syncstate"
	"isync/internal/testkit/notation"
)

// restoration is a history in which one side is set back to what it was.
type restoration struct {
	*history
	accepted, refused, killed int
	runs                      uint64
}

// seed returns that of the next run: temporary ids are never used again.
func (r *restoration) seed() uint64 {
	r.runs++
	return r.runs
}

// deliver lets n messages arrive on side s.
func (r *restoration) deliver(t *rapid.T, s syncstate.Side, n int) {
	for range n {
		name := fmt.Sprintf("M%d", r.next)
		r.next++
		r.put(t, s, name)
	}
}

func (r *restoration) put(t *rapid.T, s syncstate.Side, name string) {
	d, eol := r.disk(s)
	f := mail.Flags(rapid.SampledFrom([]int{0, 16, 18, 8}).Draw(t, "flags"))
	u := d.Deliver("box", mem.Message{Flags: f, Body: notation.Body(name, eol)})
	r.log = append(r.log, fmt.Sprintf("%s: deliver %s as %d", s, name, u))
}

// sync runs until nothing changes.
func (r *restoration) sync(t *rapid.T) {
	for range 3 {
		if _, _, err := r.run(r.c, modes[0], &killer{}, r.seed()); err != nil {
			t.Fatalf("run: %v\n%s", err, strings.Join(r.log, "\n"))
		}
	}
	r.log = append(r.log, "run")
}

// disturb lets users change flags, delete, and deliver.
func (r *restoration) disturb(t *rapid.T) {
	for range rapid.IntRange(0, 3).Draw(t, "disturbances") {
		s := syncstate.Side(rapid.IntRange(0, 1).Draw(t, "side"))
		d, _ := r.disk(s)
		box, _ := d.Box("box")
		if len(box.Messages) == 0 || rapid.Bool().Draw(t, "deliver") {
			r.deliver(t, s, rapid.IntRange(1, 4).Draw(t, "n"))
			continue
		}
		m := box.Messages[rapid.IntRange(0, len(box.Messages)-1).Draw(t, "which")]
		name := notation.NameOf(m.Body)
		if rapid.Bool().Draw(t, "expunge") {
			r.deleted[name] = true
			d.Expunge("box", m.UID)
			r.log = append(r.log, fmt.Sprintf("%s: expunge %d:%s", s, m.UID, name))
		} else {
			d.SetFlags("box", m.UID, mail.FlagFlagged, 0)
		}
	}
}

func (r *restoration) property(t *rapid.T) {
	r.history = newHistory(t)
	limited := rapid.IntRange(0, 3).Draw(t, "limited") == 0
	rules := "sync expunge-far expunge-near"
	if rapid.IntRange(0, 2).Draw(t, "no expunge") == 0 {
		rules = "sync"
	}
	if rapid.Bool().Draw(t, "adopt") {
		rules += " adopt"
	}
	xside := rapid.SampledFrom([]string{"", " xside=far"}).Draw(t, "xside")
	if limited {
		rules += " unread=yes max=" + fmt.Sprint(rapid.IntRange(2, 12).Draw(t, "max"))
	}
	r.rules, r.c = rules+xside, notation.ParseRules(dummyTB{}, rules+xside)
	r.deliver(t, syncstate.Far, rapid.IntRange(0, 12).Draw(t, "far"))
	r.deliver(t, syncstate.Near, rapid.IntRange(0, 6).Draw(t, "near"))
	r.sync(t)
	// The backup of one side.
	back := syncstate.Side(rapid.IntRange(0, 1).Draw(t, "restored"))
	d, _ := r.disk(back)
	r.disturb(t)
	if rapid.Bool().Draw(t, "sync before the backup") {
		r.sync(t)
	}
	backup, _ := d.Box("box")
	r.log = append(r.log, fmt.Sprintf("backup of the %s side", back))
	for range rapid.IntRange(1, 2).Draw(t, "rounds") {
		r.disturb(t)
		r.sync(t)
	}
	if rapid.Bool().Draw(t, "unsynchronized") {
		r.disturb(t)
	}
	r.interrupt(t)
	was, _ := d.Box("box")
	if rapid.IntRange(0, 4).Draw(t, "new validity") == 0 {
		backup.UIDValidity++
	}
	d.Set("box", backup)
	r.log = append(r.log, fmt.Sprintf("restored: UIDNEXT was %d, is %d", was.UIDNext, backup.UIDNext))
	top := r.top(back)
	for range rapid.IntRange(0, 8).Draw(t, "arrivals") {
		if box, _ := d.Box("box"); box.UIDNext >= top {
			break // then nothing shows it
		}
		if i := rapid.IntRange(0, 2*len(was.Messages)+1).Draw(t, "again"); i < len(was.Messages) {
			name := notation.NameOf(was.Messages[i].Body)
			if r.names(back)[name] == 0 {
				r.put(t, back, name)
			}
			continue
		}
		r.deliver(t, back, 1)
	}
	if box, _ := d.Box("box"); box.UIDNext > top && box.UIDValidity == was.UIDValidity {
		return // it was not synchronized since
	}
	r.check(t, limited)
}

// interrupt lets a run be killed, so that a journal is left.
func (r *restoration) interrupt(t *rapid.T) {
	if n := rapid.IntRange(-20, 12).Draw(t, "interrupt"); n > 0 {
		_, _, _ = r.run(r.c, modes[0], &killer{n: n}, r.seed())
		r.log = append(r.log, "run, interrupted")
	}
}

// top returns the highest UID that the committed state knows.
func (r *restoration) top(s syncstate.Side) mail.UID {
	data, err := readFile(r.fs, statePath)
	if err != nil {
		return 0
	}
	st, err := syncstate.Parse("state", data, r.c.ExpireSide)
	if err != nil {
		return 0
	}
	top := st.MaxUID[s]
	for rec := range st.Live() {
		top = max(top, rec.UID[s])
	}
	return top
}

// check lets the next run meet what was restored, once undisturbed and a few times
// with interruptions.
func (r *restoration) check(t *rapid.T, limited bool) {
	before := r.pairWorld
	done := before.clone()
	k := &killer{}
	if _, _, err := done.run(r.c, modes[0], k, r.seed()); err != nil {
		r.refused++
		if !errors.Is(err, engine.ErrWentBack) && !errors.Is(err, engine.ErrUIDValidity) {
			t.Fatalf("%v\n%s", err, r.story(before, done))
		}
		if done.text(r.c.ExpireSide) != before.text(r.c.ExpireSide) {
			t.Fatalf("refused, but something was changed: %v\n%s", err, r.story(before, done))
		}
		return
	}
	r.accepted++
	r.whole(t, before, done, limited, "run")
	for range 3 {
		n := rapid.IntRange(1, max(1, k.count)).Draw(t, "kill")
		w := before.clone()
		_, _, _ = w.run(r.c, modes[0], &killer{n: n}, r.seed())
		r.killed++
		r.whole(t, before, w, limited, fmt.Sprintf("killed at step %d of %d", n, k.count))
	}
}

// whole goes on until nothing changes, and checks that all messages are on both
// sides, each once.
func (r *restoration) whole(t *rapid.T, before, after *pairWorld, limited bool, where string) {
	for range 4 {
		if _, _, err := after.run(r.c, modes[0], &killer{}, r.seed()); err != nil {
			t.Fatalf("%s, then: %v\n%s", where, err, r.story(before, after))
		}
	}
	all := map[string]bool{}
	for _, s := range syncstate.Sides {
		for name := range before.names(s) {
			all[name] = true
		}
	}
	for name := range all {
		for _, s := range syncstate.Sides {
			n := after.names(s)[name]
			switch {
			case n > 1 && before.names(s)[name] <= 1:
				t.Fatalf("%s: %s is doubled on the %s side\n%s", where, name, s, r.story(before, after))
			case n > 0, r.deleted[name], limited && s == r.c.ExpireSide && after.names(s.Other())[name] > 0:
			default:
				t.Fatalf("%s: %s is not on the %s side\n%s", where, name, s, r.story(before, after))
			}
		}
	}
}

// TestRestored restores one side from a backup at a random moment: nothing that only
// one side has is deleted, nothing is passed over, and nothing is doubled.
func TestRestored(t *testing.T) {
	var r restoration
	rapid.Check(t, r.property)
	rapid.Check(t, r.property)
	if !t.Failed() {
		t.Logf("accepted %d, refused %d, killed %d", r.accepted, r.refused, r.killed)
		if r.accepted == 0 || r.refused == 0 {
			t.Error("that shows nothing")
		}
	}
}

// vagueStore is a store that tells something else as UIDNEXT.
type vagueStore struct {
	store.Store
	next    mail.UID // told until it is asked again
	told    mail.UID // from then on; 0: the same
	guessed bool
	renews  int
}

type vagueBox struct {
	store.Mailbox
	s    *vagueStore
	next mail.UID
}

func (s *vagueStore) Open(ctx context.Context, box string, req store.OpenRequest) (store.Mailbox, error) {
	m, err := s.Store.Open(ctx, box, req)
	if err != nil {
		return nil, err
	}
	return &vagueBox{m, s, s.next}, nil
}

func (m *vagueBox) Info() store.Info {
	i := m.Mailbox.Info()
	i.UIDNext, i.UIDNextGuessed = m.next, m.s.guessed
	return i
}

func (m *vagueBox) Renew(context.Context) error {
	m.s.renews++
	if m.s.told != 0 {
		m.next = m.s.told
	}
	return nil
}

// TestVagueUIDNext: a server that tells UIDNEXT late, or not at all, was not restored.
func TestVagueUIDNext(t *testing.T) {
	for _, c := range []struct {
		name string
		far  string
		s    vagueStore
		want string // the error
	}{
		{"late", "1:A next=9", vagueStore{next: 2, told: 9}, ""},
		{"too low for what is there", "1:A 8:B next=9", vagueStore{next: 2}, ""},
		{"guessed", "1:A next=9", vagueStore{next: 2, guessed: true}, ""},
		{"true", "1:A next=2", vagueStore{next: 2, told: 2}, "UIDNEXT went back"},
	} {
		t.Run(c.name, func(t *testing.T) {
			state := "pulled=8 pushed=8 1-1 8-8"
			sc := scenario{far: c.far, near: "1:A 8:B", state: state}
			cfg := notation.ParseRules(t, "pull-new push-new")
			w := sc.setup(t, cfg)
			s := c.s
			_, l, err := w.run(cfg, modes[0], &killer{}, 1, func(p *engine.Pair) {
				s.Store = p.Store[0]
				p.Store[0] = &s
			})
			if !checkErr(t, err, c.want) {
				return
			}
			if s.renews != 1 || c.want == "" && l.count(kindNotice) > 0 {
				t.Errorf("asked again %d times, %d notices", s.renews, l.count(kindNotice))
			}
			if got := stateText(w.fs, cfg.ExpireSide); got != state {
				t.Errorf("state: %s", got)
			}
		})
	}
}

// askingStore asks for the UIDVALIDITY that the state knows.
type askingStore struct {
	store.Store
	told uint32
}

func (s *askingStore) Open(ctx context.Context, box string, req store.OpenRequest) (store.Mailbox, error) {
	s.told = req.OldValidity()
	return s.Store.Open(ctx, box, req)
}

// TestOldValidity: a store that has to make a UIDVALIDITY is told which one there
// was, whether or not the state is being loaded at that moment.
func TestOldValidity(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		for _, state := range []string{"", "pulled=1 pushed=1 1-1"} {
			sc := scenario{far: "1:A", near: "1:A", state: state}
			cfg := notation.ParseRules(t, "pull-flags")
			w := sc.setup(t, cfg)
			var asked [2]askingStore
			_, _, err := w.run(cfg, modes[0], &killer{}, 1, func(p *engine.Pair) {
				p.MayBeUnchanged = quiet
				for i := range asked {
					asked[i].Store = p.Store[i]
					p.Store[i] = &asked[i]
				}
			})
			want := [2]uint32{}
			if state != "" {
				want = [2]uint32{notation.Validity[0], notation.Validity[1]}
			}
			if got := [2]uint32{asked[0].told, asked[1].told}; err != nil || got != want {
				t.Errorf("quiet %v, state %q: told %v, want %v; %v", quiet, state, got, want, err)
			}
		}
	}
}
