package storetest

import (
	"errors"
	"io"
	"slices"
	"strings"

	"isync/internal/mail"
	"isync/internal/store"
)

var messageTests = []test{
	{"FlagsEach", testFlagsEach},
	{"FlagsMixed", testFlagsMixed},
	{"FlagsOfVanished", func(e *env) {
		b := e.create("box")
		uids := b.put(e.simple("one"), e.simple("two"), e.simple("three"))
		b.markDeleted(uids[1])
		b.remove(uids[1])
		r := b.setFlags(
			store.FlagChange{UID: uids[0], Add: mail.FlagSeen},
			store.FlagChange{UID: uids[1], Add: mail.FlagSeen},
			store.FlagChange{UID: uids[2], Add: mail.FlagSeen},
			store.FlagChange{UID: uids[2] + 1000, Add: mail.FlagSeen},
		)
		for i, err := range r {
			if gone := i == 1 || i == 3; err != nil && !(gone && errors.Is(err, store.ErrGone)) {
				e.Errorf("change %d: %v", i, err)
			}
		}
		e.equal("flags", map[mail.UID]string{uids[0]: "S", uids[2]: "S"}, b.flags())
	}},
	{"ScanRanges", testScanRanges},
	{"ScanSizes", func(e *env) {
		b := e.create("box")
		var msgs []msg
		for i := range 5 {
			msgs = append(msgs, msg{body: e.simple("m").body + e.eol(strings.Repeat("x\n", i*10))})
		}
		uids := b.put(msgs...)
		for from := range uids {
			l := b.scan(store.Need{UIDs: mail.UIDsFrom(1), SizesFrom: uids[from]})
			for i, m := range l.Messages {
				if i >= from && m.Size != int64(len(msgs[i].body)) {
					e.Errorf("size %d, want %d", m.Size, len(msgs[i].body))
				}
			}
		}
	}},
	{"ScanHeaders", testScanHeaders},
	{"FetchHeader", testFetchHeader},
	{"FetchOrder", func(e *env) {
		b := e.create("box")
		uids := b.put(e.simple("one"), e.simple("two"), e.simple("three"), e.simple("four"))
		order := []mail.UID{uids[2], uids[0], uids[3], uids[1]}
		var got []mail.UID
		for _, m := range b.fetch(items(order...)...) {
			got = append(got, m.UID)
		}
		e.equal("order", order, got)
	}},
	{"FetchVanished", func(e *env) {
		b := e.create("box")
		uids := b.put(e.simple("one"), e.simple("two"), e.simple("three"))
		b.markDeleted(uids[1])
		b.remove(uids[1])
		want := map[mail.UID]string{uids[0]: e.simple("one").body, uids[2]: e.simple("three").body}
		e.equal("bodies", want, b.bodies(append(uids, uids[2]+1, uids[2]+1000)...))
		e.equal("messages", []fetched{}, b.fetch(items(uids[1])...))
	}},
	{"FetchSinkError", testFetchSinkError},
	{"FetchUnreadBodies", testFetchUnread},
	{"FetchCurrentFlags", func(e *env) {
		b := e.create("box")
		uids := b.put(e.simple("one"))
		b.scan(store.Need{UIDs: mail.UIDsFrom(1), Flags: true})
		b.mustSetFlags(store.FlagChange{UID: uids[0], Add: mail.FlagFlagged | mail.FlagSeen})
		e.equal("flags", "FS", b.fetch(items(uids...)...)[0].Flags)
		// Reading a message does not mark it as read.
		b.mustSetFlags(store.FlagChange{UID: uids[0], Remove: mail.FlagSeen})
		b.fetch(items(uids...)...)
		e.equal("flags", map[mail.UID]string{uids[0]: "F"}, b.flags())
	}},
	{"RemoveMarkedOnly", testRemoveMarkedOnly},
	{"RemoveAll", func(e *env) {
		b := e.create("box")
		uids := b.put(e.simple("one"), e.simple("two"), e.simple("three"), e.simple("four"))
		b.markDeleted(uids[0], uids[3])
		if err := b.Remove(e.ctx(), store.RemoveRequest{All: true}); err != nil {
			e.Fatalf("Remove: %v", err)
		}
		e.equal("UIDs", []mail.UID{uids[1], uids[2]}, b.uids())
		// The mailbox is still open.
		more := b.put(e.simple("five"))
		e.equal("UIDs", []mail.UID{uids[1], uids[2], more[0]}, b.uids())
	}},
	{"Trash", testTrash},
}

func testFlagsEach(e *env) {
	b := e.create("box")
	uids := b.put(e.simple("one"), e.simple("two"))
	holds := b.Info().Flags
	for bit := mail.Flags(1); bit <= mail.AllFlags; bit <<= 1 {
		if !holds.Has(bit) {
			continue
		}
		b.mustSetFlags(store.FlagChange{UID: uids[0], Add: bit})
		e.equal("after setting", map[mail.UID]string{uids[0]: bit.String(), uids[1]: ""}, b.flags())
		b.mustSetFlags(store.FlagChange{UID: uids[0], Add: bit}) // again
		e.equal("after setting again", map[mail.UID]string{uids[0]: bit.String(), uids[1]: ""}, b.flags())
		b.mustSetFlags(store.FlagChange{UID: uids[0], Remove: bit})
		e.equal("after clearing", map[mail.UID]string{uids[0]: "", uids[1]: ""}, b.flags())
		b.mustSetFlags(store.FlagChange{UID: uids[0], Remove: bit}) // again
		e.equal("after clearing again", map[mail.UID]string{uids[0]: "", uids[1]: ""}, b.flags())
	}
}

func testFlagsMixed(e *env) {
	b := e.create("box")
	var msgs []msg
	for range 8 {
		msgs = append(msgs, e.simple("m"))
	}
	uids := b.put(msgs...)
	var changes []store.FlagChange
	for i, u := range uids {
		changes = append(changes, store.FlagChange{UID: u, Add: []mail.Flags{mail.FlagSeen, mail.FlagFlagged | mail.FlagSeen}[i%2]})
	}
	changes = append(changes, store.FlagChange{UID: uids[7]}) // nothing
	b.mustSetFlags(changes...)
	b.mustSetFlags(
		store.FlagChange{UID: uids[5], Add: mail.FlagAnswered, Remove: mail.FlagSeen | mail.FlagFlagged},
		store.FlagChange{UID: uids[0], Remove: mail.FlagSeen},
		store.FlagChange{UID: uids[3], Add: mail.FlagDraft},
		store.FlagChange{UID: uids[2], Add: mail.FlagAnswered, Remove: mail.FlagSeen},
	)
	e.equal("flags", map[mail.UID]string{
		uids[0]: "", uids[1]: "FS", uids[2]: "R", uids[3]: "DFS", uids[4]: "S", uids[5]: "R", uids[6]: "S", uids[7]: "FS",
	}, b.flags())
}

func testScanRanges(e *env) {
	b := e.create("box")
	var msgs []msg
	for range 10 {
		msgs = append(msgs, e.simple("m"))
	}
	all := b.put(msgs...)
	b.markDeleted(all[4], all[9])
	b.remove(all[4], all[9])
	left := slices.DeleteFunc(slices.Clone(all), func(u mail.UID) bool { return u == all[4] || u == all[9] })
	sets := []mail.UIDSet{
		{},
		mail.UIDsFrom(1),
		mail.UIDsFrom(all[5]),
		mail.UIDsFrom(all[9]),        // the last one is gone
		mail.UIDsFrom(all[9] + 1),    // none, whatever the server thinks of n:*
		mail.UIDsFrom(all[9] + 5000), // none
		mail.NewUIDSet(all[0]),
		mail.NewUIDSet(all[4]),
		mail.NewUIDSet(all[1], all[3], all[4], all[6], all[9]),
		{{First: all[2], Last: all[7]}},
		{{First: all[0], Last: all[1]}, {First: all[3], Last: all[5]}, {First: all[8], Last: mail.MaxUID}},
		mail.NewUIDSet(mail.MaxUID),
		mail.NewUIDSet(mail.MaxUID - 1),
	}
	for _, set := range sets {
		want := []mail.UID{}
		for _, u := range left {
			if set.Contains(u) {
				want = append(want, u)
			}
		}
		for _, flags := range []bool{false, true} {
			got := []mail.UID{}
			for _, m := range b.scan(store.Need{UIDs: set, Flags: flags}).Messages {
				got = append(got, m.UID)
			}
			e.equal("Scan("+set.String()+")", want, got)
		}
	}
}

func testScanHeaders(e *env) {
	b := e.create("box")
	texts := []string{
		"Subject: x\nX-TUID: abcdefghijkl\nMessage-ID: <1@example.org>\n\nbody\n",
		"Subject: x\n\nX-TUID: notaheader01\nMessage-ID: <no@example.org>\n",
		"x-tuid: ABCDEFGHIJKL\nmessage-id: <3@example.org>\nSubject: x\n\n",
		"Subject: x\nMessage-Id:\n <4@example.org>\n\nbody\n",
		"Subject: x\nX-TUID: 0123456789+/\n",
		"\nno header\n",
		"X-TUID-Not: abc\nX-Message-ID: <7@example.org>\n\n",
	}
	var msgs []msg
	for _, t := range texts {
		msgs = append(msgs, msg{body: e.eol(t)})
	}
	uids := b.put(msgs...)
	tuids := map[mail.UID]string{uids[0]: "abcdefghijkl", uids[2]: "ABCDEFGHIJKL", uids[4]: "0123456789+/"}
	ids := map[mail.UID]string{uids[0]: "<1@example.org>", uids[2]: "<3@example.org>", uids[3]: "<4@example.org>"}
	l := b.scan(store.Need{UIDs: mail.UIDsFrom(1), TUIDs: true})
	e.equal("TUIDs", tuids, l.TUIDs)
	e.equal("messages", len(uids), len(l.Messages))
	l = b.scan(store.Need{UIDs: mail.UIDsFrom(1), MessageIDs: true, Flags: true})
	e.equal("Message-IDs", ids, l.MessageIDs)
	l = b.scan(store.Need{UIDs: mail.UIDsFrom(uids[2]), TUIDs: true, MessageIDs: true})
	delete(tuids, uids[0])
	delete(ids, uids[0])
	e.equal("TUIDs", tuids, l.TUIDs)
	e.equal("Message-IDs", ids, l.MessageIDs)
	l = b.scan(store.Need{UIDs: mail.NewUIDSet(uids[2], uids[3]), SizesFrom: 1, TUIDs: true, MessageIDs: true, Known: true})
	e.equal("TUIDs of known messages", map[mail.UID]string{uids[2]: "ABCDEFGHIJKL"}, l.TUIDs)
	e.equal("Message-IDs of known messages", map[mail.UID]string{uids[2]: "<3@example.org>", uids[3]: "<4@example.org>"}, l.MessageIDs)
	if len(l.Messages) != 2 || l.Messages[0].UID != uids[2] || l.Messages[0].Size != int64(len(e.eol(texts[2]))) {
		e.Errorf("known messages: %+v", l.Messages)
	}
	// Looking at headers does not mark messages as read.
	for u, f := range b.flags() {
		if f != "" {
			e.Errorf("message %d has the flags %q", u, f)
		}
	}
}

func testFetchHeader(e *env) {
	b := e.create("box")
	header := e.eol("Subject: x\nX-Long: " + strings.Repeat("word ", 50) + "\n folded\n")
	whole := header + e.eol("\nbody: not a header\n\nmore\n")
	uids := b.put(msg{body: whole, flags: mail.FlagSeen}, e.simple("two"), msg{body: whole})
	got := b.fetch(store.FetchItem{UID: uids[0], HeaderOnly: true}, store.FetchItem{UID: uids[1]}, store.FetchItem{UID: uids[2], HeaderOnly: true})
	if len(got) != 3 {
		e.Fatalf("%d messages", len(got))
	}
	for _, i := range []int{0, 2} {
		if got[i].UID != uids[i] {
			e.Errorf("order: %v", got)
		}
		if got[i].Size != int64(len(whole)) {
			e.Errorf("size %d, want %d", got[i].Size, len(whole))
		}
		// The empty line that ends the header may come along.
		if h := strings.TrimSuffix(got[i].Body, e.eol("\n")); h != header && got[i].Body != header {
			e.Errorf("header %q", got[i].Body)
		}
	}
	e.equal("flags", "S", got[0].Flags)
	e.equal("the other one", e.simple("two").body, got[1].Body)
}

func testFetchSinkError(e *env) {
	b := e.create("box")
	var msgs []msg
	for range 20 {
		msgs = append(msgs, e.simple("m"))
	}
	uids := b.put(msgs...)
	stop := errors.New("enough")
	n := 0
	err := b.Fetch(e.ctx(), items(uids...), func(*store.Incoming) error {
		n++
		if n == 3 {
			return stop
		}
		return nil
	})
	if err != stop || n != 3 {
		e.Fatalf("Fetch = %v after %d messages, want the sink's error after 3", err, n)
	}
	// The mailbox survives it.
	e.equal("number of messages", 20, len(b.bodies(uids...)))
}

func testFetchUnread(e *env) {
	b := e.create("box")
	big := e.simple("big")
	big.body += strings.Repeat(e.eol("0123456789\n"), 30000)
	var msgs []msg
	for range 4 {
		msgs = append(msgs, big, e.simple("small"))
	}
	uids := b.put(msgs...)
	n := 0
	err := b.Fetch(e.ctx(), items(uids...), func(in *store.Incoming) error {
		if in.Err != nil {
			return in.Err
		}
		if in.UID != uids[n] {
			e.Errorf("message %d has UID %d, want %d", n, in.UID, uids[n])
		}
		want := msgs[n].body
		n++
		switch n % 4 {
		case 0: // not read at all
		case 1: // read in part
			buf := make([]byte, 10)
			if _, err := io.ReadFull(in.Body, buf); err != nil || string(buf) != want[:10] {
				e.Errorf("first bytes %q, %v", buf, err)
			}
		default:
			if data, err := io.ReadAll(in.Body); err != nil || string(data) != want {
				e.Errorf("body: %s, %v", clip(string(data)), err)
			}
		}
		return nil
	})
	if err != nil || n != len(uids) {
		e.Errorf("Fetch = %v after %d messages", err, n)
	}
}

func testRemoveMarkedOnly(e *env) {
	if !e.caps.SelectiveExpunge {
		e.Skip("the store cannot remove selectively")
	}
	b := e.create("box")
	var msgs []msg
	for range 6 {
		msgs = append(msgs, e.simple("m"))
	}
	uids := b.put(msgs...)
	b.markDeleted(uids[1], uids[2], uids[4])
	remove := func(set mail.UIDSet) {
		e.Helper()
		if err := b.Remove(e.ctx(), store.RemoveRequest{UIDs: set}); err != nil {
			e.Fatalf("Remove(%v): %v", set, err)
		}
	}
	remove(mail.UIDSet{})
	e.equal("UIDs", uids, b.uids())
	remove(mail.NewUIDSet(uids[0], uids[1], uids[3], uids[5]+100)) // only the second is marked
	e.equal("UIDs", []mail.UID{uids[0], uids[2], uids[3], uids[4], uids[5]}, b.uids())
	b.mustSetFlags(store.FlagChange{UID: uids[2], Remove: mail.FlagDeleted})
	remove(mail.NewUIDSet(uids...)) // the third has changed its mind
	e.equal("UIDs", []mail.UID{uids[0], uids[2], uids[3], uids[5]}, b.uids())
}

func testTrash(e *env) {
	b := e.create("box")
	trasher, ok := store.As[store.Trasher](b.Mailbox)
	if !ok {
		e.Skip("the store does not trash by itself")
	}
	var msgs []msg
	for _, w := range []string{"one", "two", "three", "four"} {
		msgs = append(msgs, e.simple(w))
	}
	uids := b.put(msgs...)
	b.markDeleted(uids...)
	trash := func(uids ...mail.UID) {
		e.Helper()
		seen := make([]int, len(uids))
		err := trasher.Trash(e.ctx(), uids, "rubbish bin", func(i int, err error) {
			if err != nil && !errors.Is(err, store.ErrGone) {
				e.Errorf("trashing message %d: %v", uids[i], err)
			}
			seen[i]++
		})
		if err != nil {
			e.Fatalf("Trash: %v", err)
		}
		for i, n := range seen {
			if n != 1 {
				e.Errorf("message %d: %d completions", uids[i], n)
			}
		}
	}
	trash(uids[0], uids[2])
	trash(uids[3], uids[3]+1000)
	left := b.uids()
	b.remove(left...)
	e.equal("UIDs", 0, len(slices.DeleteFunc(b.uids(), func(u mail.UID) bool { return u == uids[1] })))

	bin := e.box(e.Store, "rubbish bin", store.OpenRequest{})
	var got []string
	for _, text := range bin.bodies(bin.uids()...) {
		got = append(got, text)
	}
	want := []string{msgs[0].body, msgs[2].body, msgs[3].body}
	slices.Sort(got)
	slices.Sort(want)
	e.equal("trash", want, got)
}
