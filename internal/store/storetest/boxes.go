package storetest

import (
	"errors"
	"slices"

	"isync/internal/mail"
	"isync/internal/store"
)

var boxTests = []test{
	{"Name", func(e *env) {
		if e.Store.Name() == "" {
			e.Error("the store has no name")
		}
	}},
	{"Place", testPlace},
	{"OpenMissing", func(e *env) {
		for _, name := range []string{"nowhere", "no/where", "nö where"} {
			if e.refuses(name) {
				continue
			}
			_, err := e.Store.Open(e.ctx(), name, store.OpenRequest{})
			if !errors.Is(err, store.ErrNoBox) {
				e.Errorf("Open(%q) = %v, want ErrNoBox", name, err)
			}
			_, err = e.Store.Open(e.ctx(), name, store.OpenRequest{ReadOnly: true})
			if !errors.Is(err, store.ErrNoBox) {
				e.Errorf("Open(%q) read-only = %v, want ErrNoBox", name, err)
			}
		}
		for _, b := range e.list(store.ListRequest{Inbox: true, Others: true}) {
			if b != mail.Inbox {
				e.Errorf("opening what is not there has left %q", b)
			}
		}
	}},
	{"CreateTwice", func(e *env) {
		for range 2 {
			if err := e.Store.Create(e.ctx(), "twice"); err != nil {
				e.Fatalf("Create: %v", err)
			}
		}
	}},
	{"CreateInbox", func(e *env) {
		b := e.create(mail.Inbox)
		uids := b.put(e.simple("one"))
		e.equal("bodies", map[mail.UID]string{uids[0]: e.simple("one").body}, b.bodies(uids...))
		e.Logf("UIDVALIDITY %d", b.Info().UIDValidity)
	}},
	{"CreateKeepsMail", func(e *env) {
		b := e.create("kept")
		uids := b.put(e.simple("one"))
		b.leave()
		b = e.create("kept")
		e.equal("UIDs", uids, b.uids())
	}},
	{"EmptyBox", testEmptyBox},
	{"List", testList},
	{"Names", testNames},
	{"Subfolders", testSubfolders},
	{"DeleteBox", testDeleteBox},
	{"DeleteKeepsChildren", testDeleteKeepsChildren},
	{"RecreatedBox", testRecreatedBox},
}

func (e *env) refuses(name string) bool { return e.cfg.Refuses != nil && e.cfg.Refuses(name) }

// list returns the names of the listed mailboxes, sorted.
func (e *env) list(req store.ListRequest) []string {
	e.Helper()
	boxes, err := e.Store.List(e.ctx(), req)
	if err != nil {
		e.Fatalf("List: %v", err)
	}
	names := []string{}
	for _, b := range boxes {
		names = append(names, b.Name)
	}
	slices.Sort(names)
	if n := len(names); len(slices.Compact(slices.Clone(names))) != n {
		e.Errorf("listed twice: %q", names)
	}
	return names
}

func testEmptyBox(e *env) {
	b := e.create("empty")
	e.equal("UIDs", []mail.UID{}, b.uids())
	l := b.scan(store.Need{UIDs: mail.UIDsFrom(1), Flags: true, SizesFrom: 1, TUIDs: true, MessageIDs: true})
	if len(l.Messages) != 0 || len(l.TUIDs) != 0 || len(l.MessageIDs) != 0 {
		e.Errorf("listing of an empty mailbox: %v", l)
	}
	e.equal("messages", []fetched{}, b.fetch(items(1, 2)...))
	e.equal("messages", []fetched{}, b.fetch())
	if info := b.Info(); !info.Flags.Has(mail.FlagSeen | mail.FlagDeleted) {
		e.Errorf("the mailbox can hold the flags %q only", info.Flags)
	}
	b.tryPut()
	b.setFlags()
	if err := b.Remove(e.ctx(), store.RemoveRequest{All: true}); err != nil {
		e.Errorf("Remove all: %v", err)
	}
	if e.caps.SelectiveExpunge {
		for _, set := range []mail.UIDSet{{}, mail.NewUIDSet(7), mail.UIDsFrom(1)} {
			if err := b.Remove(e.ctx(), store.RemoveRequest{UIDs: set}); err != nil {
				e.Errorf("Remove(%v): %v", set, err)
			}
		}
	}
}

func testList(e *env) {
	names := []string{"INBOX", "alpha", "beta", "beta/gamma", "INBOX/child", "Inboxes", "INBOX2"}
	names = slices.DeleteFunc(names, e.refuses)
	for _, n := range names {
		if err := e.Store.Create(e.ctx(), n); err != nil {
			e.Fatalf("Create(%q): %v", n, err)
		}
	}
	slices.Sort(names)
	inbox := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !mail.IsInbox(n) })
	others := slices.DeleteFunc(slices.Clone(names), mail.IsInbox)
	e.equal("everything", names, e.list(store.ListRequest{Inbox: true, Others: true}))
	e.equal("inbox", inbox, e.list(store.ListRequest{Inbox: true}))
	e.equal("others", others, e.list(store.ListRequest{Others: true}))
	for _, n := range names {
		e.box(e.Store, n, store.OpenRequest{ReadOnly: true}).leave()
	}
}

func testNames(e *env) {
	names := []string{
		"Entwürfe", "日本語", "with a space", `quote"d`, `back\slash`, "a&b", "&", "&-", "tilde~", "[Gmail]",
		"(paren)", "{3}", "NIL", "dot.ted", "semi;colon", "it's", "é", "😀 smile", "plus+minus-", "a,b", "x=y",
	}
	names = slices.DeleteFunc(names, e.refuses)
	for _, n := range names {
		b := e.create(n)
		b.put(e.simple("one"))
		b.leave()
	}
	slices.Sort(names)
	e.equal("names", names, e.list(store.ListRequest{Others: true}))
	for _, n := range names {
		b := e.box(e.Store, n, store.OpenRequest{})
		if got := b.uids(); len(got) != 1 {
			e.Errorf("%q: %d messages", n, len(got))
		}
		b.leave()
	}
}

func testSubfolders(e *env) {
	names := slices.DeleteFunc([]string{"a/b/c", "a/b/d e/ü", "top/sub"}, e.refuses)
	for _, n := range names {
		b := e.create(n)
		b.put(e.simple("one"), e.simple("two"))
		b.leave()
	}
	listed := e.list(store.ListRequest{Others: true})
	for _, n := range names {
		if !slices.Contains(listed, n) {
			e.Errorf("%q is not listed: %q", n, listed)
		}
		b := e.box(e.Store, n, store.OpenRequest{})
		if got := b.uids(); len(got) != 2 {
			e.Errorf("%q: %d messages", n, len(got))
		}
		b.leave()
	}
	// Whatever is listed can be opened, also parents that came into being.
	for _, n := range listed {
		e.box(e.Store, n, store.OpenRequest{ReadOnly: true}).leave()
	}
}

func testDeleteBox(e *env) {
	b := e.create("doomed")
	uids := b.put(e.simple("one"))
	b.leave()
	if err := e.Store.Delete(e.ctx(), "doomed"); err == nil {
		e.Fatal("a mailbox with a message in it was deleted")
	}
	b = e.box(e.Store, "doomed", store.OpenRequest{})
	e.equal("UIDs", uids, b.uids())
	b.markDeleted(uids...)
	b.leave()
	if err := e.Store.Delete(e.ctx(), "doomed"); err == nil {
		e.Fatal("a mailbox with a message marked as deleted in it was deleted")
	}
	b = e.box(e.Store, "doomed", store.OpenRequest{})
	b.remove(uids...)
	e.equal("UIDs", []mail.UID{}, b.uids())
	b.leave()
	if err := e.Store.Delete(e.ctx(), "doomed"); err != nil {
		e.Fatalf("Delete: %v", err)
	}
	if _, err := e.Store.Open(e.ctx(), "doomed", store.OpenRequest{}); !errors.Is(err, store.ErrNoBox) {
		e.Errorf("after Delete, Open = %v", err)
	}
	if got := e.list(store.ListRequest{Others: true}); len(got) != 0 {
		e.Errorf("after Delete, there are %q", got)
	}
}

func testDeleteKeepsChildren(e *env) {
	if e.refuses("family/child") {
		e.Skip("no sub-folders")
	}
	e.create("family").leave()
	b := e.create("family/child")
	uids := b.put(e.simple("one"))
	b.leave()
	derr := e.Store.Delete(e.ctx(), "family")
	if derr != nil && !e.cfg.KeepsParents {
		e.Fatalf("Delete: %v", derr)
	}
	b = e.box(e.Store, "family/child", store.OpenRequest{})
	e.equal("UIDs", uids, b.uids())
	b.leave()
	if derr != nil {
		e.box(e.Store, "family", store.OpenRequest{}).leave()
		return
	}
	if _, err := e.Store.Open(e.ctx(), "family", store.OpenRequest{}); !errors.Is(err, store.ErrNoBox) {
		e.Errorf("after Delete, Open = %v", err)
	}
}

// testRecreatedBox: a UID means one message for ever, so either the
// UIDVALIDITY of the new mailbox differs, or the UIDs go on.
func testRecreatedBox(e *env) {
	b := e.create("phoenix")
	uids := b.put(e.simple("one"), e.simple("two"))
	before := b.Info()
	b.markDeleted(uids...)
	b.remove(uids...)
	b.leave()
	if err := e.Store.Delete(e.ctx(), "phoenix"); err != nil {
		e.Fatalf("Delete: %v", err)
	}
	b = e.create("phoenix")
	e.equal("UIDs", []mail.UID{}, b.uids())
	again := b.put(e.simple("three"))
	after := b.Info()
	if after.UIDValidity == before.UIDValidity && again[0] <= uids[1] {
		// Clocks of one-second resolution make this possible where UIDVALIDITY
		// is a time stamp; a mailbox is not re-created within a second in
		// earnest.
		e.Logf("UIDVALIDITY %d and UID %d were used again", after.UIDValidity, again[0])
	}
}

// testPlace: the place of a store describes its mailboxes, and is the same for each
// instance of the store.
func testPlace(e *env) {
	other := e.open()
	names := []string{mail.Inbox, "one", "two", "one/two", mail.Inbox + "/one"}
	ids := map[string]string{}
	for _, name := range names {
		if e.refuses(name) {
			continue
		}
		id, certain := e.Store.Identity(name)
		if again, _ := other.Identity(name); again != id {
			e.Errorf("%q is %q and %q", name, id, again)
		}
		if was, ok := ids[id]; ok {
			e.Errorf("%q and %q are the same mailbox %q", was, name, id)
		}
		ids[id] = name
		if mail.Inbox == name && !certain {
			e.Error("the name of the inbox is not certain")
		}
		for _, renamed := range []bool{false, true} {
			r := e.Store.Region(name, renamed)
			if !r.Meets(e.Store.Region(name, false)) {
				e.Errorf("%q is not in its own region %+v", name, r)
			}
			if !slices.ContainsFunc(e.Store.Regions(), r.Meets) {
				e.Errorf("the region of %q is %+v, which is in none of %+v", name, r, e.Store.Regions())
			}
		}
	}
	if a, b := e.Store.Terms(), other.Terms(); a != b {
		e.Errorf("terms %q and %q", a, b)
	}
	if s := e.Store.Sessions(); s.Of == nil && s.Limit != 0 {
		e.Errorf("a limit of %d for nothing", s.Limit)
	}
}
