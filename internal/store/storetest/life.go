package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"isync/internal/mail"
	"isync/internal/store"
)

var lifeTests = []test{
	{"Abilities", sameAbilities},
	{"Persistence", testPersistence},
	{"UIDsNeverReused", func(e *env) {
		b := e.create("box")
		uids := b.put(e.simple("one"), e.simple("two"), e.simple("three"))
		b.markDeleted(uids[1], uids[2])
		b.remove(uids[1], uids[2])
		again := b.put(e.simple("four"))
		if again[0] <= uids[2] {
			e.Errorf("UID %d after %d", again[0], uids[2])
		}
		b.markDeleted(again[0], uids[0])
		b.remove(again[0], uids[0])
		b.leave()
		b = e.box(e.open(), "box", store.OpenRequest{})
		if next := b.Info().UIDNext; next <= again[0] {
			e.Errorf("UIDNEXT %d after UID %d", next, again[0])
		}
		e.equal("UIDs", []mail.UID{}, b.uids())
		if last := b.put(e.simple("five")); last[0] <= again[0] {
			e.Errorf("UID %d after %d", last[0], again[0])
		}
	}},
	{"UIDNext", func(e *env) {
		b := e.create("box")
		for i := range 3 {
			next := b.Info().UIDNext
			uids := b.put(e.simple(fmt.Sprint("a", i)), e.simple(fmt.Sprint("b", i)))
			if uids[0] < next {
				e.Errorf("UID %d, but UIDNEXT was %d", uids[0], next)
			}
			b.uids()
			if next := b.Info().UIDNext; next <= uids[1] {
				e.Errorf("UIDNEXT %d, but there is UID %d", next, uids[1])
			}
			b.leave()
			b = e.box(e.Store, "box", store.OpenRequest{})
			if next := b.Info().UIDNext; next <= uids[1] {
				e.Errorf("after opening: UIDNEXT %d, but there is UID %d", next, uids[1])
			}
		}
	}},
	{"TwoBoxes", func(e *env) {
		a, b := e.create("a"), e.create("b")
		ua, ub := a.put(e.simple("one")), b.put(e.simple("two"), e.simple("three"))
		ua = append(ua, a.put(e.simple("four"))...)
		a.markDeleted(ua[0])
		b.mustSetFlags(store.FlagChange{UID: ub[1], Add: mail.FlagFlagged})
		a.remove(ua[0])
		e.equal("a", map[mail.UID]string{ua[1]: ""}, a.flags())
		e.equal("b", map[mail.UID]string{ub[0]: "", ub[1]: "F"}, b.flags())
		a.leave()
		e.equal("b", map[mail.UID]string{ub[0]: e.simple("two").body, ub[1]: e.simple("three").body}, b.bodies(ub...))
	}},
	{"Concurrency", testConcurrency},
	{"OtherSession", testOtherSession},
	{"ReadOnly", testReadOnly},
	{"Deposit", testDeposit},
	{"Marks", testMarks},
	{"CanceledBefore", testCanceledBefore},
	{"CanceledFetch", testCanceledFetch},
	{"CanceledAppend", testCanceledAppend},
	{"CloseTwice", func(e *env) {
		s := e.backend.Open(e)
		if _, err := s.Caps(e.ctx()); err != nil {
			e.Fatal(err)
		}
		for range 2 {
			if err := s.Close(); err != nil {
				e.Errorf("Close: %v", err)
			}
		}
		if _, err := s.Open(e.ctx(), "box", store.OpenRequest{}); err == nil {
			e.Error("a closed store opens mailboxes")
		}
	}},
}

func testPersistence(e *env) {
	b := e.create("box")
	msgs := []msg{e.simple("one"), e.simple("two"), e.simple("three")}
	for i := range msgs {
		msgs[i].date = time.Unix(1_200_000_000+int64(i), 0)
		msgs[i].flags = mail.Flags(1<<i) & b.Info().Flags
	}
	uids := b.put(msgs...)
	validity := b.Info().UIDValidity
	before := b.fetch(items(uids...)...)
	b.leave()
	if err := e.Store.Close(); err != nil {
		e.Fatalf("Close: %v", err)
	}
	e.Store = e.open()
	b = e.box(e.Store, "box", store.OpenRequest{})
	if b.Info().UIDValidity != validity {
		e.Errorf("UIDVALIDITY %d, was %d", b.Info().UIDValidity, validity)
	}
	e.equal("UIDs", uids, b.uids())
	e.equal("messages", before, b.fetch(items(uids...)...))
}

// testConcurrency calls everything at once.
func testConcurrency(e *env) {
	b := e.create("box")
	var msgs []msg
	for i := range 30 {
		msgs = append(msgs, e.simple(fmt.Sprint("m", i)))
	}
	uids := b.put(msgs...)
	other := e.create("other")

	var wg sync.WaitGroup
	check := func(what string, err error) {
		if err != nil {
			e.Errorf("%s: %v", what, err)
		}
	}
	ctx := e.ctx()
	for k := range 3 {
		wg.Go(func() {
			l, err := b.Scan(ctx, store.Need{UIDs: mail.UIDSet{{First: uids[0], Last: uids[29]}}, Flags: true, SizesFrom: 1})
			check("Scan", err)
			if err == nil && len(l.Messages) != 30 {
				e.Errorf("Scan: %d messages", len(l.Messages))
			}
			_ = b.Info()
		})
		wg.Go(func() {
			n := 0
			check("Fetch", b.Fetch(ctx, items(uids...), func(in *store.Incoming) error {
				n++
				return in.Err
			}))
			if n != 30 {
				e.Errorf("Fetch: %d messages", n)
			}
		})
		wg.Go(func() {
			var n int
			check("SetFlags", b.SetFlags(ctx, []store.FlagChange{{UID: uids[k], Add: mail.FlagSeen}, {UID: uids[k+10], Add: mail.FlagFlagged}}, func(_ int, err error) {
				check("flag", err)
				n++
			}))
			if n != 2 {
				e.Errorf("SetFlags: %d completions", n)
			}
		})
		for i, target := range []*box{b, other} {
			wg.Go(func() {
				var n atomic.Int32
				a, err := target.Append(ctx, func(r store.AppendResult) {
					check("append", r.Err)
					n.Add(1)
				})
				if err != nil {
					e.Errorf("Append: %v", err)
					return
				}
				for j := range 10 {
					m := e.simple(fmt.Sprintf("c%d.%d.%d", k, i, j))
					check("Put", a.Put(ctx, &store.Outgoing{Size: int64(len(m.body)), Body: body(m.body)}))
				}
				check("Finish", a.Finish(ctx))
				if n.Load() != 10 {
					e.Errorf("Append: %d completions", n.Load())
				}
			})
		}
		wg.Go(func() {
			check("Create", e.Store.Create(ctx, fmt.Sprint("new", k)))
			_, err := e.Store.List(ctx, store.ListRequest{Others: true})
			check("List", err)
		})
	}
	wg.Wait()
	e.equal("number of messages", 60, len(b.uids()))
	e.equal("number of messages", 30, len(other.uids()))
	e.equal("number of mailboxes", 5, len(e.list(store.ListRequest{Others: true})))
	f := b.flags()
	for k := range 3 {
		if f[uids[k]] != "S" || f[uids[k+10]] != "F" {
			e.Errorf("flags %v", f)
		}
	}
}

// testOtherSession has somebody else work on the open mailbox.
func testOtherSession(e *env) {
	mine := e.create("box")
	uids := mine.put(e.simple("one"), e.simple("two"), e.simple("three"))
	theirs := e.box(e.open(), "box", store.OpenRequest{})
	e.equal("their UIDs", uids, theirs.uids())

	more := theirs.put(e.simple("four"))
	theirs.mustSetFlags(store.FlagChange{UID: uids[0], Add: mail.FlagFlagged})
	theirs.markDeleted(uids[1])
	theirs.remove(uids[1])
	e.equal("my flags", map[mail.UID]string{uids[0]: "F", uids[2]: "", more[0]: ""}, mine.flags())
	e.equal("my bodies", map[mail.UID]string{uids[0]: e.simple("one").body, more[0]: e.simple("four").body}, mine.bodies(uids[0], uids[1], more[0]))

	theirs.markDeleted(uids[2])
	theirs.remove(uids[2])
	for i, err := range mine.setFlags(store.FlagChange{UID: uids[2], Add: mail.FlagSeen}, store.FlagChange{UID: more[0], Add: mail.FlagSeen}) {
		if err != nil && !(i == 0 && errors.Is(err, store.ErrGone)) {
			e.Errorf("flag change %d: %v", i, err)
		}
	}
	e.equal("their flags", map[mail.UID]string{uids[0]: "F", more[0]: "S"}, theirs.flags())
	fifth := mine.put(e.simple("five"))
	e.equal("their UIDs", []mail.UID{uids[0], more[0], fifth[0]}, theirs.uids())
}

func testReadOnly(e *env) {
	b := e.create("box")
	uids := b.put(e.simple("one"), msg{body: e.simple("two").body, flags: mail.FlagDeleted})
	b.leave()
	e.Store.Close()
	var before map[string]string
	if e.backend.Snapshot != nil {
		before = e.backend.Snapshot(e)
	}
	e.Store = e.open()
	b = e.box(e.Store, "box", store.OpenRequest{ReadOnly: true})
	if b.Info().UIDValidity == 0 || b.Info().UIDNext <= uids[1] {
		e.Errorf("Info %v", b.Info())
	}
	e.equal("flags", map[mail.UID]string{uids[0]: "", uids[1]: "T"}, b.flags())
	e.equal("bodies", map[mail.UID]string{uids[0]: e.simple("one").body, uids[1]: e.simple("two").body}, b.bodies(uids...))
	b.leave()
	e.list(store.ListRequest{Inbox: true, Others: true})
	if e.backend.Snapshot != nil {
		e.equal("the backend", before, e.backend.Snapshot(e))
	}
	// It expunged nothing, and marked nothing as read.
	b = e.box(e.open(), "box", store.OpenRequest{})
	e.equal("flags", map[mail.UID]string{uids[0]: "", uids[1]: "T"}, b.flags())
}

// testDeposit: a mailbox that is opened to store messages only, while others are
// open.
func testDeposit(e *env) {
	other := e.create("other")
	other.put(e.simple("here"))
	if _, err := e.Store.Open(e.ctx(), "box", store.OpenRequest{Deposit: true}); !errors.Is(err, store.ErrNoBox) {
		e.Errorf("opening what is not there: %v", err)
	}
	e.create("box").leave()
	m, err := e.Store.Open(e.ctx(), "box", store.OpenRequest{Deposit: true})
	if err != nil {
		e.Fatal(err)
	}
	var results []store.AppendResult
	app, err := m.Append(e.ctx(), func(r store.AppendResult) { results = append(results, r) })
	if err != nil {
		e.Fatal(err)
	}
	one := e.simple("one")
	out := &store.Outgoing{Key: 5, Flags: mail.FlagSeen, Size: int64(len(one.body)), Body: bytes.NewBufferString(one.body)}
	if err := app.Put(e.ctx(), out); err != nil {
		e.Errorf("Put: %v", err)
	}
	if err := app.Finish(e.ctx()); err != nil {
		e.Errorf("Finish: %v", err)
	}
	if len(results) != 1 || results[0].Key != 5 || results[0].Err != nil {
		e.Errorf("results %v", results)
	}
	if err := m.Close(e.ctx()); err != nil {
		e.Errorf("Close: %v", err)
	}
	e.equal("the other", 1, len(other.uids()))
	b := e.box(e.open(), "box", store.OpenRequest{})
	uids := b.uids()
	if len(uids) != 1 {
		e.Fatalf("%d messages were stored", len(uids))
	}
	e.equal("bodies", map[mail.UID]string{uids[0]: one.body}, b.bodies(uids...))
	e.equal("flags", map[mail.UID]string{uids[0]: "S"}, b.flags())
}

// testMarks: as long as a mailbox has the same mark it is the same.
func testMarks(e *env) {
	if _, ok := store.As[store.Marker](e.Store); !ok {
		e.Skip("the store has no marks")
	}
	b := e.create("box")
	uids := b.put(e.simple("one"), e.simple("two"))
	b.leave()
	e.create("other").leave()
	// Each look is that of another run. A mailbox that has changed just now may
	// have no mark yet.
	look := func() string {
		e.Helper()
		for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			s := e.open()
			marks, err := mustBe[store.Marker](e, s).Marks(e.ctx(), []string{"other", "box", "missing"})
			if err != nil {
				e.Fatal(err)
			}
			if len(marks) != 3 || marks[2] != "" {
				e.Fatalf("marks %q", marks)
			}
			b := e.box(s, "box", store.OpenRequest{})
			opened := marks[1]
			if m, ok := store.As[store.Marked](b.Mailbox); ok {
				opened = m.Mark()
			}
			b.leave()
			if marks[1] != "" && opened != "" && marks[1] != opened {
				e.Fatalf("mark %q, when opened %q", marks[1], opened)
			}
			listed, err := s.List(e.ctx(), store.ListRequest{Inbox: true, Others: true, Marks: true})
			if err != nil {
				e.Fatal(err)
			}
			for _, l := range listed {
				if l.Name == "box" && l.Mark != "" && marks[1] != "" && l.Mark != marks[1] {
					e.Fatalf("mark %q, when listed %q", marks[1], l.Mark)
				}
			}
			if marks[1] != "" && opened != "" {
				return opened
			}
			if time.Now().After(deadline) {
				if e.cfg.Unmarked {
					return ""
				}
				e.Fatalf("the mailbox gets no mark: %q", marks)
			}
			if e.cfg.Unmarked {
				return ""
			}
		}
	}
	seen := map[string]string{}
	last := ""
	changed := func(what string) {
		e.Helper()
		m := look()
		if was, ok := seen[m]; ok && m != "" {
			e.Errorf("after %s the mark is that after %s: %s", what, was, m)
		}
		seen[m] = what
		last = m
	}
	same := func(what string) {
		e.Helper()
		if m := look(); m != last {
			e.Errorf("after %s the mark is %q, was %q", what, m, last)
		}
	}
	changed("storing")
	same("nothing")
	with := func(what string, change func(b *box)) {
		e.Helper()
		b := e.box(e.open(), "box", store.OpenRequest{})
		change(b)
		b.leave()
		changed(what)
	}
	with("a flag was set", func(b *box) { b.mustSetFlags(store.FlagChange{UID: uids[0], Add: mail.FlagSeen}) })
	with("another flag was set", func(b *box) { b.mustSetFlags(store.FlagChange{UID: uids[0], Add: mail.FlagFlagged}) })
	with("a flag was cleared", func(b *box) { b.mustSetFlags(store.FlagChange{UID: uids[0], Remove: mail.FlagSeen}) })
	with("a message was stored", func(b *box) { uids = append(uids, b.put(e.simple("three"))...) })
	with("one was marked as deleted", func(b *box) { b.markDeleted(uids[1]) })
	with("one was removed", func(b *box) { b.remove(uids[1]) })
	with("one was replaced", func(b *box) {
		b.markDeleted(uids[2])
		b.remove(uids[2])
		uids = append(uids, b.put(e.simple("four"))...)
	})
	same("nothing, in the end")
}

// testCanceledBefore: a context that has ended already stops everything
// before it has begun.
func testCanceledBefore(e *env) {
	b := e.create("box")
	uids := b.put(e.simple("one"), e.simple("two"))
	b.markDeleted(uids[1])
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	want := func(what string, err error) {
		e.Helper()
		if !errors.Is(err, context.Canceled) {
			e.Errorf("%s = %v, want context.Canceled", what, err)
		}
	}
	// Each on a mailbox of its own: one of them may break the connection.
	calls := []struct {
		what string
		call func(m store.Mailbox) error
	}{
		{"Scan", func(m store.Mailbox) error { _, err := m.Scan(ctx, store.Need{UIDs: mail.UIDsFrom(1)}); return err }},
		{"Fetch", func(m store.Mailbox) error {
			return m.Fetch(ctx, items(uids...), func(*store.Incoming) error { return nil })
		}},
		{"SetFlags", func(m store.Mailbox) error {
			return m.SetFlags(ctx, []store.FlagChange{{UID: uids[0], Add: mail.FlagSeen}}, func(int, error) {})
		}},
		{"Remove", func(m store.Mailbox) error {
			return m.Remove(ctx, store.RemoveRequest{All: true})
		}},
		{"Append", func(m store.Mailbox) error {
			a, err := m.Append(ctx, func(store.AppendResult) {})
			if err != nil {
				return err
			}
			err = a.Put(ctx, &store.Outgoing{Size: 3, Body: body("abc")})
			if ferr := a.Finish(ctx); err == nil {
				err = ferr
			}
			return err
		}},
	}
	for _, c := range calls {
		s := e.open()
		m, err := s.Open(e.ctx(), "box", store.OpenRequest{})
		if err != nil {
			e.Fatalf("Open: %v", err)
		}
		want(c.what, c.call(m))
		_ = m.Close(e.ctx())
	}
	s := e.open()
	_, err := s.Open(ctx, "box", store.OpenRequest{})
	want("Open", err)
	_, err = s.List(ctx, store.ListRequest{Others: true})
	want("List", err)
	want("Create", s.Create(ctx, "another"))
	want("Delete", s.Delete(ctx, "box"))

	e.equal("flags", map[mail.UID]string{uids[0]: "", uids[1]: "T"}, b.flags())
	e.equal("names", []string{"box"}, e.list(store.ListRequest{Others: true}))
}

func testCanceledFetch(e *env) {
	b := e.create("box")
	var msgs []msg
	for range 200 {
		m := e.simple("m")
		for len(m.body) < 20000 {
			m.body += m.body
		}
		msgs = append(msgs, m)
	}
	uids := b.put(msgs...)
	s := e.open()
	m, err := s.Open(e.ctx(), "box", store.OpenRequest{})
	if err != nil {
		e.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	err = m.Fetch(ctx, items(uids...), func(*store.Incoming) error {
		n++
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) || n == len(uids) {
		e.Errorf("Fetch = %v after %d messages", err, n)
	}
	_ = m.Close(e.ctx())
	e.equal("number of messages", 200, len(b.bodies(uids...)))
}

// testCanceledAppend: whatever is completed without an error is stored; what
// is stored is whole.
func testCanceledAppend(e *env) {
	b := e.create("box")
	s := e.open()
	m, err := s.Open(e.ctx(), "box", store.OpenRequest{})
	if err != nil {
		e.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ok := 0
	a, err := m.Append(ctx, func(r store.AppendResult) {
		if r.Err == nil {
			ok++
		}
	})
	if err != nil {
		e.Fatal(err)
	}
	want := e.simple("m").body
	for i := range 50 {
		if i == 20 {
			cancel()
		}
		if err = a.Put(ctx, &store.Outgoing{Key: i, Size: int64(len(want)), Body: body(want)}); err != nil {
			break
		}
	}
	ferr := a.Finish(ctx)
	if err == nil {
		err = ferr
	}
	if !errors.Is(err, context.Canceled) {
		e.Errorf("Put or Finish = %v, want context.Canceled", err)
	}
	_ = m.Close(e.ctx())
	stored := b.bodies(b.uids()...)
	if len(stored) < ok {
		e.Errorf("%d messages are there, %d were completed", len(stored), ok)
	}
	for u, text := range stored {
		if text != want {
			e.Errorf("message %d: %s", u, clip(text))
		}
	}
}
