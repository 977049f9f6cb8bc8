package imap_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/mail"
	"isync/internal/memo"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/vfs"
)

// inboxKey names what is remembered of the inbox in these tests.
var inboxKey = memo.Key{Account: "me", Box: "INBOX"}

// recalling returns a store that remembers the inbox as it is in remembered(),
// and where it does.
func recalling(t *testing.T, change func(*imap.Options), scripts ...string) (*imap.Store, *memo.Dir) {
	t.Helper()
	return withListing(t, remembered().Encode(inboxKey), change, scripts...)
}

// withListing returns a store that has this listing of the inbox, whole or in part, in
// its cache, and the cache.
func withListing(t *testing.T, encoded []byte, change func(*imap.Options), scripts ...string) (*imap.Store, *memo.Dir) {
	t.Helper()
	dir := memo.NewDir(vfs.OS{}, t.TempDir())
	if err := dir.Save(inboxKey, encoded); err != nil {
		t.Fatal(err)
	}
	s, _ := scripted(t, func(o *imap.Options) {
		remembering(o, "", "me")
		o.Listings = dir
		o.Debug = func(text string) { t.Log(text) }
		if change != nil {
			change(o)
		}
	}, scripts...)
	return s, dir
}

const (
	helloQResync   = "S: * PREAUTH [CAPABILITY IMAP4rev1 LITERAL+ UIDPLUS QRESYNC] hi\n"
	helloCondStore = "S: * PREAUTH [CAPABILITY IMAP4rev1 LITERAL+ UIDPLUS CONDSTORE] hi\n"
	enableQResync  = "C: $e ENABLE QRESYNC\nS: * ENABLED QRESYNC\nS: $e OK\n"
	resyncParam    = " (QRESYNC (7 50 1:4294967295))"
	condParam      = " (CONDSTORE)"
	// threeMessages answers a FETCH of UIDs and flags that is called $f.
	threeMessages = "S: * 1 FETCH (UID 2 FLAGS (\\Seen))\nS: * 2 FETCH (UID 5 FLAGS ())\nS: * 3 FETCH (UID 9 FLAGS (\\Flagged))\nS: $f OK\n"
)

// uids scans and returns the UIDs.
func uids(t *testing.T, m store.Mailbox, need store.Need) (out []mail.UID) {
	t.Helper()
	for _, msg := range scan(t, m, need) {
		out = append(out, msg.UID)
	}
	return out
}

// TestMemoryAges: after a week everything is listed again, and what comes from
// the future is not believed either.
func TestMemoryAges(t *testing.T) {
	for _, c := range []struct {
		age  time.Duration
		full bool
	}{{time.Minute, false}, {6 * 24 * time.Hour, false}, {8 * 24 * time.Hour, true}, {-2 * time.Hour, true}} {
		t.Run(c.age.String(), func(t *testing.T) {
			now := time.Now().Add(c.age)
			script := enableQResync + selected(resyncParam, "3", "10", "50", "")
			if c.full {
				script = enableQResync + selected(condParam, "3", "10", "50", "") + "C: $f UID FETCH 1:9 (UID FLAGS)\n" + threeMessages
			}
			s, dir := recalling(t, func(o *imap.Options) { o.Now = func() time.Time { return now } }, helloQResync+script+goodby)
			m := open(t, s)
			defer m.Close(t.Context())
			scan(t, m, everything)
			m.(store.Rememberer).Remember(t.Context())
			l, _, err := dir.Load(inboxKey)
			if err != nil {
				t.Fatal(err)
			}
			if renewed := l.Complete.Unix() == now.Unix(); renewed != c.full {
				t.Errorf("listed completely at %v, now is %v", l.Complete, now)
			}
		})
	}
}

// TestChangedSinceSelect: what the SELECT has told is outdated once the server
// tells more.
func TestChangedSinceSelect(t *testing.T) {
	for name, news := range map[string]string{
		"vanished": "S: * VANISHED 5\n", "arrival and departure": "S: * VANISHED 5\nS: * 3 EXISTS\n", "flags": "S: * 1 FETCH (UID 2 FLAGS ())\n",
	} {
		t.Run(name, func(t *testing.T) {
			exists, messages, want := "3", "S: * 1 FETCH (UID 2 FLAGS () MODSEQ (51))\n", metas(2, "", 5, "", 9, "F")
			switch name {
			case "vanished":
				exists, want = "2", metas(2, "", 9, "F")
			case "arrival and departure":
				messages += "S: * 3 FETCH (UID 10 FLAGS () MODSEQ (52))\n"
				want = metas(2, "", 9, "F", 10, "")
			}
			list := ""
			if name != "flags" {
				list = "C: $l UID SEARCH ALL\nS: * SEARCH 2 9\nS: $l OK\n"
				if exists == "3" {
					list = "C: $l UID SEARCH ALL\nS: * SEARCH 2 9 10\nS: $l OK\n"
				}
			}
			s, _ := recalling(t, nil, helloQResync+enableQResync+selected(resyncParam, "3", "10", "50", "")+news+
				"C: $c UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 50)\n"+messages+"S: $c OK\n"+list+goodby)
			m := open(t, s)
			defer m.Close(t.Context())
			// The answer to the SELECT may overtake what comes after it.
			time.Sleep(50 * time.Millisecond)
			if diff := cmp.Diff(want, scan(t, m, everything)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestNarrowScan: a scan of a few messages is not made one of all, unless these
// are known already.
func TestNarrowScan(t *testing.T) {
	few := store.Need{UIDs: mail.UIDsFrom(8), Flags: true}
	t.Run("known", func(t *testing.T) {
		s, dir := recalling(t, nil, helloQResync+enableQResync+selected(resyncParam, "2", "10", "51", "S: * VANISHED (EARLIER) 2\n")+goodby)
		m := open(t, s)
		defer m.Close(t.Context())
		if diff := cmp.Diff(metas(9, "F"), scan(t, m, few)); diff != "" {
			t.Error(diff)
		}
		m.(store.Rememberer).Remember(t.Context())
		l, _, err := dir.Load(inboxKey)
		if err != nil || l.ModSeq != 51 {
			t.Errorf("%+v, %v", l, err)
		} else if diff := cmp.Diff(metas(5, "", 9, "F"), l.Messages); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("changes unknown", func(t *testing.T) {
		s, dir := recalling(t, nil, helloCondStore+selected(condParam, "3", "10", "51", "")+
			"C: $f UID FETCH 8:9 (UID FLAGS)\nS: * 3 FETCH (UID 9 FLAGS ())\nS: $f OK\n"+
			"C: $x UID SEARCH 2\nS: * SEARCH 5\nS: $x OK\n"+goodby)
		m := open(t, s)
		defer m.Close(t.Context())
		if diff := cmp.Diff(metas(9, ""), scan(t, m, few)); diff != "" {
			t.Error(diff)
		}
		m.(store.Rememberer).Remember(t.Context())
		if l, _, err := dir.Load(inboxKey); err != nil || l == nil || l.ModSeq != 50 {
			t.Errorf("%+v, %v", l, err)
		}
	})
	t.Run("unknown", func(t *testing.T) {
		s, dir := recalling(t, nil, helloCondStore+selected(condParam, "3", "10", "51", "")+
			"C: $f UID FETCH 8:9 (UID FLAGS)\nS: * 3 FETCH (UID 9 FLAGS ())\nS: $f OK\n"+
			"C: $x UID SEARCH 2\nS: * SEARCH 5\nS: $x OK\n"+goodby)
		if err := dir.Remove(inboxKey); err != nil {
			t.Fatal(err)
		}
		m := open(t, s)
		defer m.Close(t.Context())
		if diff := cmp.Diff(metas(9, ""), scan(t, m, few)); diff != "" {
			t.Error(diff)
		}
		m.(store.Rememberer).Remember(t.Context())
		if l, _, err := dir.Load(inboxKey); err != nil || l != nil {
			t.Errorf("a part is remembered as the whole: %+v, %v", l, err)
		}
	})
	// Most of the mailbox is wanted, so all is listed.
	t.Run("most", func(t *testing.T) {
		s, dir := recalling(t, nil, helloCondStore+selected(condParam, "3", "10", "51", "")+"C: $f UID FETCH 1:9 (UID FLAGS)\n"+threeMessages+goodby)
		if err := dir.Remove(inboxKey); err != nil {
			t.Fatal(err)
		}
		m := open(t, s)
		defer m.Close(t.Context())
		if diff := cmp.Diff([]mail.UID{5, 9}, uids(t, m, store.Need{UIDs: mail.UIDsFrom(3)})); diff != "" {
			t.Error(diff)
		}
		m.(store.Rememberer).Remember(t.Context())
		l, _, err := dir.Load(inboxKey)
		if err != nil || l == nil {
			t.Fatalf("%+v, %v", l, err)
		}
		if diff := cmp.Diff(metas(2, "S", 5, "", 9, "F"), l.Messages); diff != "" {
			t.Error(diff)
		}
	})
	// But if that fails, what is not wanted does not matter.
	t.Run("most, at first", func(t *testing.T) {
		s, dir := recalling(t, nil, helloCondStore+selected(condParam, "3", "10", "51", "")+
			"C: $f UID FETCH 1:9 (UID FLAGS)\nS: * 2 FETCH (UID 5 FLAGS ())\nS: * 3 FETCH (UID 9 FLAGS ())\nS: $f OK\n"+
			"C: $n NOOP\nS: $n OK\n"+
			"C: $g UID FETCH 3:* (UID)\nS: * 2 FETCH (UID 5)\nS: * 3 FETCH (UID 9)\nS: $g OK\n"+
			"C: $x UID SEARCH 1\nS: * SEARCH 2\nS: $x OK\n"+goodby)
		if err := dir.Remove(inboxKey); err != nil {
			t.Fatal(err)
		}
		m := open(t, s)
		defer m.Close(t.Context())
		if diff := cmp.Diff(metas(5, "", 9, ""), scan(t, m, store.Need{UIDs: mail.UIDsFrom(3)})); diff != "" {
			t.Error(diff)
		}
		m.(store.Rememberer).Remember(t.Context())
		if l, _, err := dir.Load(inboxKey); err != nil || l != nil {
			t.Errorf("a part is remembered as the whole: %+v, %v", l, err)
		}
	})
}

// TestMissingSizes: sizes are asked for where they are not known, and only once.
// If they cannot be had like that, everything is asked for.
func TestMissingSizes(t *testing.T) {
	sized := store.Need{UIDs: mail.UIDsFrom(1), Flags: true, SizesFrom: 5}
	want := metas(2, "S", 5, "", 9, "F")
	want[1].Size, want[2].Size = 500, 900
	begin := helloQResync + enableQResync + selected(resyncParam, "3", "10", "50", "")
	sizes := "C: $f UID FETCH 5,9 (UID RFC822.SIZE)\nS: * 2 FETCH (UID 5 RFC822.SIZE 500)\nS: * 3 FETCH (RFC822.SIZE 900 UID 9)\nS: $f OK\n"
	again := "C: $n NOOP\nS: $n OK\nC: $a UID FETCH 1:4 (UID FLAGS)\nC: $b UID FETCH 5:* (UID FLAGS RFC822.SIZE)\n" +
		"S: * 1 FETCH (UID 2 FLAGS (\\Seen))\nS: $a OK\n" +
		"S: * 2 FETCH (UID 5 RFC822.SIZE 500 FLAGS ())\nS: * 3 FETCH (UID 9 RFC822.SIZE 900 FLAGS (\\Flagged))\nS: $b OK\n"
	for name, script := range map[string]string{
		"told":    begin + sizes,
		"refused": begin + "C: $f UID FETCH 5,9 (UID RFC822.SIZE)\nS: $f NO cannot\n" + again,
		"partly":  begin + "C: $f UID FETCH 5,9 (UID RFC822.SIZE)\nS: * 2 FETCH (UID 5 RFC822.SIZE 500)\nS: $f OK\n" + again,
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := recalling(t, nil, script+goodby)
			m := open(t, s)
			defer m.Close(t.Context())
			if diff := cmp.Diff(want, scan(t, m, sized)); diff != "" {
				t.Error(diff)
			}
			m.(store.Rememberer).Remember(t.Context())
			l, _, err := dir.Load(inboxKey)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, l.Messages); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestMemoryOfDeletedBox: a mailbox that is deleted is forgotten.
func TestMemoryOfDeletedBox(t *testing.T) {
	s, dir := recalling(t, nil, helloQResync+"C: $s STATUS \"gone\" (MESSAGES)\nS: * STATUS \"gone\" (MESSAGES 0)\nS: $s OK\nC: $d DELETE \"gone\"\nS: $d OK\n"+goodby)
	key := memo.Key{Account: "me", Box: "gone"}
	if err := dir.Save(key, remembered().Encode(key)); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	if l, _, err := dir.Load(key); l != nil || err != nil {
		t.Errorf("%+v, %v", l, err)
	}
	if l, _, _ := dir.Load(inboxKey); l == nil {
		t.Error("the inbox is forgotten too")
	}
}

// TestWrongMemoryInDryRun: a dry run does not use what is wrong, and leaves it
// there all the same.
func TestWrongMemoryInDryRun(t *testing.T) {
	s, dir := recalling(t, nil, helloQResync+enableQResync+
		strings.Replace(selected(resyncParam, "3", "10", "49", ""), "SELECT", "EXAMINE", 1)+"C: $f UID FETCH 1:9 (UID FLAGS)\n"+threeMessages+goodby)
	m, err := s.Open(t.Context(), "INBOX", store.OpenRequest{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(t.Context())
	if diff := cmp.Diff([]mail.UID{2, 5, 9}, uids(t, m, everything)); diff != "" {
		t.Error(diff)
	}
	m.(store.Rememberer).Remember(t.Context())
	if l, _, err := dir.Load(inboxKey); err != nil || l == nil || l.ModSeq != 50 {
		t.Errorf("%+v, %v", l, err)
	}
}

// TestUnknownAccount: who does not know whose mailbox it is remembers nothing,
// and does not ask for what would help.
func TestUnknownAccount(t *testing.T) {
	for name, account := range map[string]func(context.Context) (string, error){
		"error": func(context.Context) (string, error) { return "", errors.New("no idea") },
		"empty": func(context.Context) (string, error) { return "", nil },
		"nil":   nil,
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := recalling(t, func(o *imap.Options) { o.Account = account },
				helloQResync+selected("", "3", "10", "50", "")+"C: $f UID FETCH 1:9 (UID FLAGS)\n"+threeMessages+goodby)
			m := open(t, s)
			defer m.Close(t.Context())
			scan(t, m, everything)
			m.(store.Rememberer).Remember(t.Context())
		})
	}
}

// TestRefusedParameters: a server that does not take parameters of SELECT is
// not offered them again, and one that lacks the mailbox is not suspected.
func TestRefusedParameters(t *testing.T) {
	s, _ := recalling(t, nil, helloCondStore+
		"C: $a SELECT \"gone\" (CONDSTORE)\nS: $a NO [NONEXISTENT] what\n"+
		"C: $b SELECT \"INBOX\" (CONDSTORE)\nS: $b BAD what\n"+selected("", "3", "10", "50", "")+
		"C: $c SELECT \"gone\"\nS: $c NO [NONEXISTENT] what\n"+goodby)
	if _, err := s.Open(t.Context(), "gone", store.OpenRequest{}); !errors.Is(err, store.ErrNoBox) {
		t.Errorf("Open = %v", err)
	}
	m := open(t, s)
	scan(t, m, everything)
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := s.Open(t.Context(), "gone", store.OpenRequest{}); !errors.Is(err, store.ErrNoBox) {
		t.Errorf("Open = %v", err)
	}
}

// TestOwnChanges: what we change after the listing does not move the point from
// which changes are asked for the next time, whatever the server tells of it. If
// the mailbox is listed again, all of it is in the listing.
func TestOwnChanges(t *testing.T) {
	const store4 = "C: $a UID STORE 2 +FLAGS.SILENT (\\Answered)\nS: * 1 FETCH (UID 2 MODSEQ (61))\nS: $a OK [HIGHESTMODSEQ 61] done\n" +
		"C: $b UID EXPUNGE 9\nS: * VANISHED 9\nS: $b OK [HIGHESTMODSEQ 62] done\n"
	for _, again := range []bool{false, true} {
		script := helloQResync + enableQResync + selected(resyncParam, "3", "10", "60", "S: * 1 FETCH (UID 2 FLAGS () MODSEQ (60))\n") + store4
		want := metas(2, "", 5, "", 9, "F")
		if again {
			script += "C: $n NOOP\nS: * 3 EXISTS\nS: * OK [HIGHESTMODSEQ 63] so\nS: $n OK\n" +
				"C: $c UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 60)\n" +
				"S: * 1 FETCH (UID 2 FLAGS (\\Answered) MODSEQ (61))\nS: * 3 FETCH (UID 10 FLAGS () MODSEQ (63))\nS: $c OK\n" +
				"C: $l UID SEARCH ALL\nS: * SEARCH 2 5 10\nS: $l OK\n"
			want = metas(2, "R", 5, "", 10, "")
		}
		s, dir := recalling(t, nil, script+goodby)
		m := open(t, s)
		scan(t, m, everything)
		done := func(_ int, err error) {
			if err != nil {
				t.Error(err)
			}
		}
		if err := m.SetFlags(t.Context(), []store.FlagChange{{UID: 2, Add: mail.FlagAnswered}}, done); err != nil {
			t.Fatal(err)
		}
		if err := m.Remove(t.Context(), store.RemoveRequest{UIDs: mail.NewUIDSet(9)}); err != nil {
			t.Fatal(err)
		}
		if again {
			if diff := cmp.Diff(want, scan(t, m, everything)); diff != "" {
				t.Error(diff)
			}
		}
		m.(store.Rememberer).Remember(t.Context())
		l, _, err := dir.Load(inboxKey)
		if err != nil || l == nil || l.ModSeq != 60 {
			t.Fatalf("%+v, %v", l, err)
		}
		if diff := cmp.Diff(want, l.Messages); diff != "" {
			t.Error(diff)
		}
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
