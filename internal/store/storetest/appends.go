package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"isync/internal/mail"
	"isync/internal/store"
)

var appendTests = []test{
	{"AppendOne", func(e *env) {
		b := e.create("box")
		m := e.simple("one")
		m.flags = mail.FlagSeen | mail.FlagFlagged
		m.date = time.Date(2020, 2, 29, 23, 59, 58, 0, time.UTC)
		next := b.Info().UIDNext
		uids := b.put(m)
		if uids[0] < next {
			e.Errorf("UID %d, but UIDNEXT was %d", uids[0], next)
		}
		got := b.fetch(items(uids...)...)
		if len(got) != 1 {
			e.Fatalf("%d messages", len(got))
		}
		if !got[0].Date.Equal(m.date) {
			e.Errorf("date %v, want %v", got[0].Date, m.date)
		}
		got[0].Date = time.Time{}
		e.equal("message", fetched{UID: uids[0], Flags: "FS", Size: int64(len(m.body)), Body: m.body}, got[0])
	}},
	{"AppendWithoutDate", func(e *env) {
		b := e.create("box")
		uids := b.put(e.simple("one"))
		if d := b.fetch(items(uids...)...)[0].Date; !d.IsZero() && d.Before(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) {
			e.Errorf("date %v", d)
		}
	}},
	{"AppendFlags", func(e *env) {
		b := e.create("box")
		holds := b.Info().Flags
		var msgs []msg
		var want []string
		for f := mail.Flags(0); f <= mail.AllFlags; f++ {
			if !holds.Has(f) {
				continue
			}
			m := e.simple("flags" + f.String())
			m.flags = f
			msgs = append(msgs, m)
			want = append(want, f.String())
		}
		uids := b.put(msgs...)
		got := b.flags()
		for i, u := range uids {
			if got[u] != want[i] {
				e.Errorf("message %d: flags %q, want %q", i, got[u], want[i])
			}
		}
	}},
	{"AppendKinds", testKinds},
	{"AppendMany", testMany},
	{"AppendLarge", testLarge},
	{"AppendUnknownSize", func(e *env) {
		if e.caps.NeedsSize {
			e.Skip("the store needs sizes")
		}
		b := e.create("box")
		a, err := b.Append(e.ctx(), func(store.AppendResult) {})
		if err != nil {
			e.Fatal(err)
		}
		m := e.simple("one")
		if err := a.Put(e.ctx(), &store.Outgoing{Size: -1, Body: body(m.body)}); err != nil {
			e.Fatal(err)
		}
		if err := a.Finish(e.ctx()); err != nil {
			e.Fatal(err)
		}
		uids := b.uids()
		if len(uids) != 1 {
			e.Fatalf("UIDs %v", uids)
		}
		e.equal("bodies", map[mail.UID]string{uids[0]: m.body}, b.bodies(uids...))
	}},
	{"AppendTwoBatches", func(e *env) {
		b := e.create("box")
		first := b.put(e.simple("one"), e.simple("two"))
		second := b.put(e.simple("three"))
		third := b.put(e.simple("four"))
		e.equal("UIDs", append(append(first, second...), third...), b.uids())
	}},
	{"BodyErrorSmall", func(e *env) { testBodyError(e, 1000) }},
	{"BodyErrorLarge", func(e *env) { testBodyError(e, 3<<20) }},
	{"BodyErrorOnly", func(e *env) {
		b := e.create("box")
		a, err := b.Append(e.ctx(), func(store.AppendResult) { e.Error("completed") })
		if err != nil {
			e.Fatal(err)
		}
		checkBodyError(e, a.Put(e.ctx(), &store.Outgoing{Size: 500, Body: brokenBody(200)}))
		checkBodyError(e, a.Put(e.ctx(), &store.Outgoing{Size: 500, Body: brokenBody(0)}))
		if err := a.Finish(e.ctx()); err != nil {
			e.Fatal(err)
		}
		e.equal("UIDs", []mail.UID{}, b.uids())
	}},
}

// testKinds stores everything that is called a message somewhere.
func testKinds(e *env) {
	var eightBit, noNUL strings.Builder
	for i := range 256 {
		if i != '\r' && i != '\n' {
			eightBit.WriteByte(byte(i))
			if i != 0 {
				noNUL.WriteByte(byte(i))
			}
		}
	}
	kinds := []struct{ name, text string }{
		{"ordinary", "Subject: x\n\nbody\n"},
		{"8-bit", "Subject: \xe4\xf6\xfc\n\n" + noNUL.String() + "\nend\n"},
		{"NUL", "Subject: x\n\na\x00b\n" + eightBit.String() + "\n"},
		{"bare CR", "Subject: x\n\na\rb\r\rc\n"},
		{"CR at the end", "Subject: x\n\nabc\r"},
		{"CR CR LF", "Subject: x\n\nabc\r\r\nd\n"},
		{"no body", "Subject: x\nFrom: y\n\n"},
		{"no empty line", "Subject: x\nFrom: y\n"},
		{"cut header", "Subject: x\nFrom: y"},
		{"no header", "\njust a body\n"},
		{"no final newline", "Subject: x\n\nbody without an end"},
		{"dots", "Subject: x\n\n.\n..\n.\n"},
		{"From line", "Subject: x\n\nFrom here to there\n>From\n"},
		{"one character", "x"},
		{"one line end", "\n"},
		{"long line", "Subject: x\n\n" + strings.Repeat("0123456789", 120000) + "\n"},
		{"literal look-alike", "Subject: x\n\n{3+}\n* 1 FETCH (UID 1)\na1 OK done\n)\n"},
		{"many empty lines", "Subject: x\n\n" + strings.Repeat("\n", 5000)},
	}
	b := e.create("box")
	var msgs, refused []msg
	names := make([]string, 0, len(kinds))
	for _, k := range kinds {
		m := msg{body: e.kind(k.text)}
		if e.cfg.RefusesText != nil && e.cfg.RefusesText(m.body) {
			refused = append(refused, m, e.simple("after "+k.name))
			continue
		}
		msgs, names = append(msgs, m), append(names, k.name)
	}
	uids := b.put(msgs...)
	got := b.bodies(uids...)
	for i, name := range names {
		want := e.stored(msgs[i].body)
		if got[uids[i]] != want {
			e.Errorf("%s: stored\n%s\ncame back as\n%s", name, clip(want), clip(got[uids[i]]))
		}
	}
	// A refusal is that message's alone.
	for i, r := range b.tryPut(refused...) {
		if (r.Err != nil) != (i%2 == 0) {
			e.Errorf("%q should be refused, not so what follows: %v", clip(refused[i&^1].body), r.Err)
		}
	}
	// Nothing at all is a message, too; but not everywhere.
	r := b.tryPut(msg{}, e.simple("after"))
	switch {
	case r[1].Err != nil:
		e.Errorf("after an empty message: %v", r[1].Err)
	case r[0].Err != nil && e.cfg.KeepsEmpty:
		e.Errorf("empty message: %v", r[0].Err)
	case r[0].Err == nil:
		uids := b.uids()
		u := uids[len(uids)-2]
		if got := b.bodies(u)[u]; got != e.stored("") {
			e.Errorf("the empty message came back as %q", clip(got))
		}
	}
}

// kind converts a text to the store's convention the way messages are: CR is
// put before a bare LF only.
func (e *env) kind(s string) string {
	if !e.caps.CRLF {
		return strings.ReplaceAll(s, "\r\n", "\n")
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n")
}

func clip(s string) string {
	if len(s) > 300 {
		return fmt.Sprintf("%q… (%d bytes)", s[:300], len(s))
	}
	return fmt.Sprintf("%q", s)
}

// testMany puts a mixed bag of many messages through everything.
func testMany(e *env) {
	const n = 500
	b := e.create("box")
	rnd := rand.New(rand.NewPCG(1, 2))
	holds := b.Info().Flags
	var msgs []msg
	for i := range n {
		m := e.simple(fmt.Sprintf("m%d", i))
		m.body += e.eol(strings.Repeat("some more text\n", rnd.IntN(200)))
		m.flags = mail.Flags(rnd.IntN(int(mail.AllFlags)+1)) & holds &^ mail.FlagDeleted
		m.date = time.Unix(1_000_000_000+int64(i)*3600, 0).UTC()
		msgs = append(msgs, m)
	}
	uids := b.put(msgs...)
	want := make(map[mail.UID]fetched)
	for i, u := range uids {
		want[u] = fetched{u, msgs[i].flags.String(), msgs[i].date, int64(len(msgs[i].body)), msgs[i].body}
	}

	check := func(b *box) {
		e.Helper()
		l := b.scan(store.Need{UIDs: mail.UIDsFrom(1), Flags: true, SizesFrom: 1, MessageIDs: true})
		if len(l.Messages) != len(want) || len(l.MessageIDs) != len(want) {
			e.Fatalf("%d messages and %d ids, want %d", len(l.Messages), len(l.MessageIDs), len(want))
		}
		var all []mail.UID
		for _, m := range l.Messages {
			w := want[m.UID]
			if m.Flags.String() != w.Flags || m.Size != w.Size {
				e.Fatalf("listed %v, want %v", m, w)
			}
			all = append(all, m.UID)
		}
		got := make(map[mail.UID]fetched)
		for _, m := range b.fetch(items(all...)...) {
			m.Date = m.Date.UTC()
			got[m.UID] = m
		}
		e.equal("messages", want, got)
	}
	check(b)

	var changes []store.FlagChange
	var doomed []mail.UID
	for i, u := range uids {
		w := want[u]
		f, _ := mail.ParseFlags(w.Flags)
		if i%3 == 0 {
			c := store.FlagChange{UID: u, Add: mail.FlagAnswered, Remove: mail.FlagSeen}
			changes = append(changes, c)
			f = f&^c.Remove | c.Add
		}
		w.Flags = f.String()
		want[u] = w
		if i%7 == 0 {
			changes = append(changes, store.FlagChange{UID: u, Add: mail.FlagDeleted})
			doomed = append(doomed, u)
			delete(want, u)
		}
	}
	b.mustSetFlags(changes...)
	b.remove(doomed...)
	check(b)
	b.leave()
	check(e.box(e.open(), "box", store.OpenRequest{}))
}

// testLarge stores large messages between small ones.
func testLarge(e *env) {
	b := e.create("box")
	line := strings.Repeat("all work and no play makes jack a dull boy ", 2) + "\n"
	var msgs []msg
	for i, size := range []int{4095, 4096, 4097, 65536, 100 << 10, 100<<10 + 1, 1 << 20, 5 << 20} {
		m := e.simple(fmt.Sprintf("small%d", i))
		msgs = append(msgs, m)
		m = e.simple(fmt.Sprintf("large%d", i))
		text := strings.Repeat(e.eol(line), size/len(line)+1)
		m.body += text[:max(0, size-len(m.body))]
		// The cut may have left a CR alone at the end.
		m.body = strings.TrimSuffix(m.body, "\r")
		msgs = append(msgs, m)
	}
	uids := b.put(msgs...)
	got := b.bodies(uids...)
	for i, u := range uids {
		if got[u] != e.stored(msgs[i].body) {
			e.Errorf("message of %d bytes came back differently: %s", len(msgs[i].body), clip(got[u]))
		}
	}
}

var errBroken = errors.New("the source of this message has failed")

// brokenBody writes that many bytes and fails.
type brokenBody int

func (b brokenBody) WriteTo(w io.Writer) (int64, error) {
	n, err := body("Subject: broken" + strings.Repeat("x", max(0, int(b)-15))).WriteTo(w)
	if err != nil {
		return n, err
	}
	return n, errBroken
}

func checkBodyError(e *env, err error) {
	e.Helper()
	var be *store.BodyError
	if !errors.As(err, &be) || !errors.Is(err, errBroken) {
		e.Fatalf("Put of a broken message = %v, want BodyError", err)
	}
}

// testBodyError: a message whose source fails costs that message only.
func testBodyError(e *env, size int) {
	b := e.create("box")
	var keys []int
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	a, err := b.Append(ctx, func(r store.AppendResult) {
		if r.Err != nil {
			e.Errorf("message %d: %v", r.Key, r.Err)
		}
		keys = append(keys, r.Key)
	})
	if err != nil {
		e.Fatal(err)
	}
	want := make(map[string]bool)
	var wantKeys []int
	for i := range 9 {
		if i%3 == 1 {
			checkBodyError(e, a.Put(ctx, &store.Outgoing{Key: i, Size: int64(size), Body: brokenBody(size / 2)}))
			continue
		}
		m := e.simple(fmt.Sprintf("m%d", i))
		want[m.body] = true
		wantKeys = append(wantKeys, i)
		if err := a.Put(ctx, &store.Outgoing{Key: i, Size: int64(len(m.body)), Body: body(m.body)}); err != nil {
			e.Fatalf("Put: %v", err)
		}
	}
	if err := a.Finish(ctx); err != nil {
		e.Fatalf("Finish: %v", err)
	}
	e.equal("completions", wantKeys, keys)
	got := make(map[string]bool)
	uids := b.uids()
	for _, text := range b.bodies(uids...) {
		got[text] = true
	}
	if len(uids) != len(want) {
		e.Errorf("%d messages, want %d", len(uids), len(want))
	}
	e.equal("messages", want, got)
}
