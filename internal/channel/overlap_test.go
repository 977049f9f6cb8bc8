package channel

import (
	"testing"

	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/store"
)

const stores = `
IMAPAccount a
Host one
User u

IMAPAccount b
Host two
User u

IMAPStore a
Account a

IMAPStore a-work
Account a
Path Work/

IMAPStore a-mail
Account a
Path Mail/

IMAPStore a-left
Account a
Path INBOX.left.

IMAPStore a-right
Account a
Path INBOX.right.

IMAPStore a-dots
Account a
Path INBOX.

IMAPStore a-again
Host ONE
User u
Trash Trash

IMAPStore b
Account b

MaildirStore m
Path /m/
Inbox /m/in

MaildirStore m-sub
Path /m/sub/
Inbox /x

MaildirStore n
Path /n/
Inbox /n/in

MaildirStore plus
Inbox /plus
SubFolders Maildir++

`

func TestOverlap(t *testing.T) {
	for _, tt := range []struct {
		one, two string // Far, Near and Patterns
		want     bool
	}{
		{"Far :a:\nNear :m:", "Far :b:\nNear :n:", false},
		{"Far :a:\nNear :m:", "Far :a:\nNear :n:", true},
		{"Far :a:x\nNear :m:x", "Far :a:y\nNear :m:y", false},
		{"Far :a:inbox\nNear :m:x", "Far :a:\nNear :m:y", true},
		{"Far :a:\nNear :m:\nPatterns *", "Far :a:y\nNear :n:y", true},
		{"Far :a:\nNear :m:\nPatterns x y", "Far :a:\nNear :m:\nPatterns z !x", false},
		{"Far :a:\nNear :m:\nPatterns x y", "Far :a:\nNear :n:\nPatterns % !x", true},
		{"Far :b:x\nNear :m:\nPatterns *", "Far :a:\nNear :m-sub:\nPatterns *", true},
		{"Far :b:x\nNear :n:\nPatterns *", "Far :a:\nNear :m-sub:\nPatterns *", false},
		// With a Path or without: the names cannot be compared.
		{"Far :a:x\nNear :m:x", "Far :a-work:y\nNear :n:y", true},
		{"Far :a-work:x\nNear :m:x", "Far :a-mail:x\nNear :n:y", false},
		{"Far :a-work:\nNear :m:\nPatterns *", "Far :a-mail:\nNear :n:\nPatterns *", true}, // the inbox
		// What is below the inbox is there for all.
		{"Far :a-work:INBOX/x\nNear :m:x", "Far :a-mail:INBOX/x\nNear :n:y", true},
		{"Far :a-work:INBOX/x\nNear :m:x", "Far :a-mail:\nNear :n:\nPatterns *", true},
		{"Far :a-left:x\nNear :m:x", "Far :a-right:INBOX/left/x\nNear :n:y", true},
		{"Far :a-left:x\nNear :m:x", "Far :a-right:x\nNear :n:y", false},
		// Without a Path, mailboxes are below the inbox.
		{"Far :a:x\nNear :plus:\nPatterns *", "Far :b:y\nNear :plus:y", true},
		// The same account, written twice; its trash.
		{"Far :a:x\nNear :m:x", "Far :a-again:x\nNear :n:y", true},
		{"Far :a:Trash\nNear :m:x", "Far :a-again:x\nNear :n:y", true},
		{"Far :a:y\nNear :m:x", "Far :a-again:x\nNear :n:y", false},
		// State files by the name of the near mailbox only.
		{"Far :a:x\nNear :m:x\nSyncState /s/", "Far :b:x\nNear :n:x\nSyncState /s/", true},
		{"Far :a:x\nNear :m:x\nSyncState *", "Far :b:x\nNear :n:x\nSyncState *", false},
	} {
		cfg, _, err := config.Parse("/rc", []byte("SyncState /state/\n"+stores+"Channel one\n"+tt.one+"\n\nChannel two\n"+tt.two+"\n"), config.Env{})
		if err != nil {
			t.Fatal(err)
		}
		regionsOf := func(name string) []store.Region {
			c := cfg.Channel(name)
			return regions(Selection{Channel: c}, storesOf(t, c))
		}
		one, two := regionsOf("one"), regionsOf("two")
		if got := overlap(one, two); got != tt.want {
			t.Errorf("%q, %q: %v", tt.one, tt.two, got)
		}
		if overlap(one, two) != overlap(two, one) {
			t.Errorf("%q, %q: depends on the order", tt.one, tt.two)
		}
	}
}

// TestOnePlaceByName: two stores of an account that have a mailbox in common, by
// whatever names.
func TestOnePlaceByName(t *testing.T) {
	for _, tt := range []struct {
		far, near string // of :store:mailbox
		want      bool
	}{
		{":a-work:x", ":a-mail:x", false},
		{":a-work:INBOX", ":a-mail:inbox", true},
		{":a-work:INBOX/x", ":a-mail:INBOX/x", true},
		{":a-work:INBOX/x", ":a-mail:INBOX/y", false},
		{":a-work:INBOX/x", ":a:INBOX/x", true},
		{":a-work:INBOX/x", ":b:INBOX/x", false},
		{":a-left:x", ":a-right:x", false},
		{":a-left:INBOX/left/x", ":a-right:INBOX/left/x", true},
		{":a-left:x", ":a-right:INBOX/left/x", true},
		{":a-left:x", ":a:INBOX/left/x", true},
		{":a-left:x/y", ":a-dots:left/x/y", true},
		{":a-left:x", ":a-dots:x", false},
		{":a:x", ":a-again:x", true},
	} {
		cfg, _, err := config.Parse("/rc", []byte("SyncState /state/\n"+stores+"Channel c\nFar "+tt.far+"\nNear "+tt.near+"\n"), config.Env{})
		if err != nil {
			t.Fatal(err)
		}
		c := cfg.Channel("c")
		if got := (target{stores: storesOf(t, c), Pair: event.Pair{Box: [2]string{c.Far.Box, c.Near.Box}}}).inOnePlace(); got != tt.want {
			t.Errorf("%s and %s: %v", tt.far, tt.near, got)
		}
	}
}

func TestGate(t *testing.T) {
	a, b := store.Sessions{Of: "a", Limit: 2}, store.Sessions{Of: "b", Limit: 1}
	accounts := func(list ...store.Sessions) []store.Sessions { return list }
	for _, tt := range []struct {
		name  string
		in    []claim
		claim claim
		want  bool
	}{
		{"empty", nil, claim{accounts: accounts(a)}, true},
		{"room", []claim{{accounts: accounts(a)}}, claim{accounts: accounts(a)}, true},
		{"full", []claim{{accounts: accounts(a)}, {accounts: accounts(a)}}, claim{accounts: accounts(a)}, false},
		{"one of two", []claim{{accounts: accounts(a)}}, claim{accounts: accounts(a, a)}, false},
		{"the other is full", []claim{{accounts: accounts(b)}}, claim{accounts: accounts(a, b)}, false},
		{"more than there is", nil, claim{accounts: accounts(b, b)}, true},
		{"more than there is left", []claim{{accounts: accounts(b)}}, claim{accounts: accounts(b, b)}, false},
		{"behind one that took more", []claim{{accounts: accounts(b, b)}}, claim{accounts: accounts(b)}, false},
		{"not alone", []claim{{accounts: accounts(a)}}, claim{accounts: accounts(a), alone: true}, false},
		{"beside one that is alone", []claim{{accounts: accounts(a), alone: true}}, claim{accounts: accounts(a)}, false},
		{"same mailbox", []claim{{boxes: []string{"x"}}}, claim{boxes: []string{"y", "x"}}, false},
		{"other mailbox", []claim{{boxes: []string{"x"}}}, claim{boxes: []string{"y"}}, true},
		{"a trash in use", []claim{{boxes: []string{"x"}}}, claim{boxes: []string{"y"}, trash: []string{"x"}}, false},
		{"a shared trash", []claim{{boxes: []string{"x"}, trash: []string{"t"}}}, claim{boxes: []string{"y"}, trash: []string{"t"}}, true},
		{"a trash others fill", []claim{{boxes: []string{"x"}, trash: []string{"t"}}}, claim{boxes: []string{"t"}}, false},
		{"too many", []claim{{}, {}, {}}, claim{}, false},
	} {
		g := newGate(3)
		for _, c := range tt.in {
			if err := g.enter(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		if got := g.fits(tt.claim); got != tt.want {
			t.Errorf("%s: fits: %v", tt.name, got)
		}
		for _, c := range tt.in {
			g.leave(c)
		}
		if g.pairs != 0 || len(g.used) != 0 || len(g.busy) != 0 {
			t.Errorf("%s: left behind: %+v", tt.name, g)
		}
	}
}
