package imap_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/mail"
	"isync/internal/memo"
	"isync/internal/store"
	"isync/internal/store/imap"
)

// begun is when the listings in these tests were begun.
var begun = time.Unix(time.Now().Unix()-3600, 0)

// brokenOff is a listing that was broken off in an earlier run: of the inbox as it is in
// remembered(), without the last message.
func brokenOff() *memo.Part {
	return &memo.Part{UIDValidity: 7, ModSeq: 50, Begun: begun, Messages: metas(2, "S", 5, "")}
}

// continuing returns a store that remembers brokenOff(), and where it does.
func continuing(t *testing.T, change func(*imap.Options), scripts ...string) (*imap.Store, *memo.Dir) {
	t.Helper()
	return withListing(t, brokenOff().Encode(inboxKey), change, scripts...)
}

const (
	changedPart = "C: $c UID FETCH 1:5 (UID FLAGS) (CHANGEDSINCE 50)\n"
	changedOK   = "S: $c OK\n"
	// placeOf2 asks which message is the second.
	placeOf2 = "C: $p UID SEARCH 2\n"
	inPlace  = placeOf2 + "S: * SEARCH 5\nS: $p OK\n"
	theRest  = "C: $r UID FETCH 6:* (UID FLAGS)\nS: * 3 FETCH (UID 9 FLAGS (\\Flagged))\nS: $r OK\n"
	whichOf5 = "C: $w UID SEARCH UID 1:5\n"
	noopOK   = "C: $n NOOP\nS: $n OK\n"
	fetchAll = "C: $f UID FETCH 1:* (UID FLAGS)\n"
)

// TestContinue: a listing that was broken off is continued where it was, or made anew if
// anything is wrong with it.
func TestContinue(t *testing.T) {
	three := metas(2, "S", 5, "", 9, "F")
	full := "C: $f UID FETCH 1:9 (UID FLAGS)\n" + threeMessages
	again := noopOK + fetchAll + threeMessages
	cond := func(exists, next, modseq string) string { return selected(condParam, exists, next, modseq, "") }
	for _, c := range []struct {
		name, script string
		want         []mail.Meta
		modseq       mail.ModSeq // of what is remembered afterwards; 0: nothing
		anew         bool        // the whole mailbox was listed
	}{
		{"nothing has changed", cond("3", "10", "50") + inPlace + theRest, three, 50, false},
		{
			"flags have changed",
			cond("3", "10", "60") + changedPart + "S: * 1 FETCH (UID 2 FLAGS (\\Answered) MODSEQ (55))\n" + changedOK + inPlace + theRest,
			metas(2, "R", 5, "", 9, "F"), 60, false,
		},
		{
			"there is nothing more",
			cond("2", "10", "60") + changedPart + changedOK + inPlace + "C: $r UID FETCH 6:* (UID FLAGS)\nS: * 2 FETCH (UID 5 FLAGS ())\nS: $r OK\n",
			metas(2, "S", 5, ""), 60, false,
		},
		{
			"one is gone",
			cond("2", "10", "60") + changedPart + changedOK + placeOf2 + "S: * SEARCH 9\nS: $p OK\n" + whichOf5 + "S: * SEARCH 5\nS: $w OK\n" +
				"C: $q UID SEARCH 1\nS: * SEARCH 5\nS: $q OK\n" +
				"C: $r UID FETCH 6:* (UID FLAGS)\nS: * 2 FETCH (UID 9 FLAGS (\\Flagged))\nS: $r OK\n",
			metas(5, "", 9, "F"), 60, false,
		},
		{
			"the last one that was listed is gone, and another has changed",
			cond("2", "10", "60") + changedPart + "S: * 1 FETCH (UID 2 FLAGS () MODSEQ (59))\n" + changedOK +
				placeOf2 + "S: * SEARCH 9\nS: $p OK\n" + whichOf5 + "S: * SEARCH 2\nS: $w OK\n" +
				"C: $q UID SEARCH 1\nS: * SEARCH 2\nS: $q OK\n" +
				"C: $r UID FETCH 3:* (UID FLAGS)\nS: * 2 FETCH (UID 9 FLAGS (\\Flagged))\nS: $r OK\n",
			metas(2, "", 9, "F"), 60, false,
		},
		{
			"all that were listed are gone",
			cond("1", "10", "60") + changedPart + changedOK + whichOf5 + "S: * SEARCH\nS: $w OK\n" +
				noopOK + fetchAll + "S: * 1 FETCH (UID 9 FLAGS (\\Flagged))\nS: $f OK\n",
			metas(9, "F"), 60, true,
		},
		{
			"everything is gone",
			cond("0", "10", "60") + changedPart + changedOK + whichOf5 + "S: * SEARCH\nS: $w OK\n" + noopOK,
			nil, 60, true,
		},
		{
			"one vanishes while the rest is listed",
			cond("3", "10", "50") + inPlace + "C: $r UID FETCH 6:* (UID FLAGS)\nS: * 1 EXPUNGE\nS: * 2 FETCH (UID 9 FLAGS ())\nS: $r OK\n",
			metas(2, "S", 5, "", 9, ""), 50, false, // it is told the next time
		},
		{
			"one vanishes while the place is asked for",
			cond("3", "10", "50") + placeOf2 + "S: * 1 EXPUNGE\nS: * SEARCH 9\nS: $p OK\n" + whichOf5 + "S: * SEARCH 5\nS: $w OK\n" +
				"C: $q UID SEARCH 1\nS: * SEARCH 5\nS: $q OK\n" +
				// Once more.
				"C: $a UID SEARCH 2\nS: * SEARCH 9\nS: $a OK\nC: $b UID SEARCH UID 1:5\nS: * SEARCH 5\nS: $b OK\n" +
				"C: $d UID SEARCH 1\nS: * SEARCH 5\nS: $d OK\n" +
				"C: $r UID FETCH 6:* (UID FLAGS)\nS: * 2 FETCH (UID 9 FLAGS ())\nS: $r OK\n",
			metas(5, "", 9, ""), 50, false,
		},
		{"UIDVALIDITY has changed", strings.Replace(cond("3", "10", "50"), "UIDVALIDITY 7", "UIDVALIDITY 8", 1) + full, three, 50, true},
		{"HIGHESTMODSEQ has gone back", cond("3", "10", "49") + full, three, 49, true},
		{"HIGHESTMODSEQ is missing", cond("3", "10", "") + full, three, 0, true},
		{
			"UIDNEXT has gone back",
			cond("1", "5", "60") + "C: $f UID FETCH 1:4 (UID FLAGS)\nS: * 1 FETCH (UID 2 FLAGS ())\nS: $f OK\n",
			metas(2, ""), 60, true,
		},
		{
			"a message was not listed",
			cond("4", "10", "50") + placeOf2 + "S: * SEARCH 4\nS: $p OK\n" + whichOf5 + "S: * SEARCH 2 4 5\nS: $w OK\n" + noopOK +
				fetchAll + "S: * 1 FETCH (UID 2 FLAGS ())\nS: * 2 FETCH (UID 4 FLAGS ())\nS: * 3 FETCH (UID 5 FLAGS ())\nS: * 4 FETCH (UID 9 FLAGS ())\nS: $f OK\n",
			metas(2, "", 4, "", 5, "", 9, ""), 50, true,
		},
		{
			"a message that was not listed has changed",
			cond("4", "10", "60") + changedPart + "S: * 2 FETCH (UID 4 FLAGS () MODSEQ (60))\n" + changedOK + noopOK +
				fetchAll + "S: * 1 FETCH (UID 2 FLAGS ())\nS: * 2 FETCH (UID 4 FLAGS ())\nS: * 3 FETCH (UID 5 FLAGS ())\nS: * 4 FETCH (UID 9 FLAGS ())\nS: $f OK\n",
			metas(2, "", 4, "", 5, "", 9, ""), 60, true,
		},
		{
			"a change is at another place",
			cond("3", "10", "60") + changedPart + "S: * 1 FETCH (UID 5 FLAGS () MODSEQ (55))\n" + changedOK + inPlace + again,
			three, 60, true,
		},
		{
			"a change without flags",
			cond("3", "10", "60") + changedPart + "S: * 2 FETCH (UID 5 MODSEQ (55))\n" + changedOK + again,
			three, 60, true,
		},
		{"CHANGEDSINCE is refused", cond("3", "10", "60") + changedPart + "S: $c BAD what\n" + again, three, 60, true},
		{"SEARCH is refused", cond("3", "10", "50") + placeOf2 + "S: $p NO what\n" + again, three, 50, true},
		{"SEARCH finds several", cond("3", "10", "50") + placeOf2 + "S: * SEARCH 5 9\nS: $p OK\n" + whichOf5 + "S: * SEARCH 2 5\nS: $w OK\n" +
			"C: $q UID SEARCH 2\nS: * SEARCH 5 9\nS: $q OK\n" + again, three, 50, true},
		{
			"the rest is not complete",
			cond("4", "10", "50") + inPlace + "C: $r UID FETCH 6:* (UID FLAGS)\nS: * 4 FETCH (UID 9 FLAGS (\\Flagged))\nS: $r OK\n" + noopOK +
				fetchAll + "S: * 1 FETCH (UID 2 FLAGS ())\nS: * 2 FETCH (UID 5 FLAGS ())\nS: * 3 FETCH (UID 7 FLAGS ())\nS: * 4 FETCH (UID 9 FLAGS ())\nS: $f OK\n",
			metas(2, "", 5, "", 7, "", 9, ""), 50, true,
		},
		{
			"the rest has other sequence numbers",
			cond("3", "10", "50") + inPlace + "C: $r UID FETCH 6:* (UID FLAGS)\nS: * 2 FETCH (UID 9 FLAGS (\\Flagged))\nS: $r OK\n" + again,
			three, 50, true,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, dir := continuing(t, nil, helloCondStore+c.script+goodby)
			m := open(t, s)
			got := scan(t, m, everything)
			switch c.name {
			case "one vanishes while the rest is listed":
				got, c.want = got[len(got)-1:], c.want[2:]
			}
			if diff := cmp.Diff(c.want, got); diff != "" && len(c.want)+len(got) > 0 {
				t.Error(diff)
			}
			if err := m.Close(t.Context()); err != nil {
				t.Error(err)
			}
			l, _, err := dir.Load(inboxKey)
			switch {
			case err != nil:
				t.Error(err)
			case l == nil:
				if c.modseq != 0 {
					t.Error("nothing is remembered")
				}
			case l.ModSeq != c.modseq || l.Complete.Equal(begun) == c.anew:
				t.Errorf("remembered: MODSEQ %d, complete %v", l.ModSeq, l.Complete)
			}
		})
	}
}

// TestPartIsNoBase: with QRESYNC a part is not what the mailbox is compared with. A scan
// of a few messages does not use it, and leaves it as it is; so does a dry run.
func TestPartIsNoBase(t *testing.T) {
	left := func(t *testing.T, dir *memo.Dir, want *memo.Part) {
		t.Helper()
		p, _, err := dir.LoadPart(inboxKey)
		if diff := cmp.Diff(want, p); diff != "" || err != nil {
			t.Error(diff, err)
		}
	}
	t.Run("QRESYNC", func(t *testing.T) {
		s, dir := continuing(t, nil, helloQResync+enableQResync+selected(condParam, "3", "10", "50", "")+inPlace+theRest+goodby)
		m := open(t, s)
		if diff := cmp.Diff(metas(2, "S", 5, "", 9, "F"), scan(t, m, everything)); diff != "" {
			t.Error(diff)
		}
		// It is saved at once.
		if l, _, err := dir.Load(inboxKey); err != nil || l == nil || !l.Complete.Equal(begun) {
			t.Errorf("%+v, %v", l, err)
		}
		m.Close(t.Context())
	})
	t.Run("narrow", func(t *testing.T) {
		s, dir := continuing(t, nil, helloCondStore+selected(condParam, "3", "10", "50", "")+
			"C: $f UID FETCH 8:9 (UID FLAGS)\nS: * 3 FETCH (UID 9 FLAGS ())\nS: $f OK\n"+
			"C: $x UID SEARCH 2\nS: * SEARCH 5\nS: $x OK\n"+goodby)
		m := open(t, s)
		if diff := cmp.Diff(metas(9, ""), scan(t, m, store.Need{UIDs: mail.UIDsFrom(8), Flags: true})); diff != "" {
			t.Error(diff)
		}
		m.Close(t.Context())
		left(t, dir, brokenOff())
	})
	t.Run("dry run", func(t *testing.T) {
		s, dir := continuing(t, nil, helloCondStore+strings.Replace(selected(condParam, "3", "10", "50", ""), "SELECT", "EXAMINE", 1)+inPlace+theRest+goodby)
		m, err := s.Open(t.Context(), "INBOX", store.OpenRequest{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]mail.UID{2, 5, 9}, uids(t, m, everything)); diff != "" {
			t.Error(diff)
		}
		m.Close(t.Context())
		left(t, dir, brokenOff())
	})
	t.Run("too old", func(t *testing.T) {
		s, dir := continuing(t, func(o *imap.Options) { o.Now = func() time.Time { return begun.Add(8 * 24 * time.Hour) } },
			helloCondStore+selected(condParam, "3", "10", "50", "")+"C: $f UID FETCH 1:9 (UID FLAGS)\n"+threeMessages+goodby)
		m := open(t, s)
		scan(t, m, everything)
		m.Close(t.Context())
		if l, _, err := dir.Load(inboxKey); err != nil || l == nil || l.Complete.Before(begun.Add(7*24*time.Hour)) {
			t.Errorf("%+v, %v", l, err)
		}
	})
	t.Run("sizes", func(t *testing.T) {
		s, dir := continuing(t, nil, helloCondStore+selected(condParam, "3", "10", "50", "")+inPlace+
			"C: $r UID FETCH 6:* (UID FLAGS RFC822.SIZE)\nS: * 3 FETCH (UID 9 FLAGS (\\Flagged) RFC822.SIZE 900)\nS: $r OK\n"+
			"C: $z UID FETCH 5 (UID RFC822.SIZE)\nS: * 2 FETCH (UID 5 RFC822.SIZE 500)\nS: $z OK\n"+strings.ReplaceAll(goodby, "$z", "$y"))
		m := open(t, s)
		want := metas(2, "S", 5, "", 9, "F")
		want[1].Size, want[2].Size = 500, 900
		if diff := cmp.Diff(want, scan(t, m, store.Need{UIDs: mail.UIDsFrom(1), Flags: true, SizesFrom: 5})); diff != "" {
			t.Error(diff)
		}
		m.Close(t.Context())
		l, _, err := dir.Load(inboxKey)
		if err != nil || l == nil {
			t.Fatalf("%+v, %v", l, err)
		}
		if diff := cmp.Diff(want, l.Messages); diff != "" {
			t.Error(diff)
		}
	})
}

// TestBrokenOff: of a listing that is broken off that is kept which is certainly the
// beginning of the mailbox.
func TestBrokenOff(t *testing.T) {
	const ask = "C: $f UID FETCH 1:9 (UID FLAGS)\n"
	line := func(seq, u int) string { return fmt.Sprintf("S: * %d FETCH (UID %d FLAGS (\\Seen))\n", seq, u) }
	for _, c := range []struct {
		name, lines string
		want        []mail.Meta
	}{
		{"in order", line(1, 2) + line(2, 5), metas(2, "S", 5, "S")},
		{"all but the end", line(1, 2) + line(2, 5) + line(3, 9), metas(2, "S", 5, "S", 9, "S")},
		{"nothing", "", nil},
		{"refused", line(1, 2) + "S: $f NO that is enough\n", metas(2, "S")},
		{"a gap", line(1, 2) + line(3, 9), metas(2, "S")},
		{"not from the beginning", line(2, 5) + line(3, 9), nil},
		{"in disorder", line(2, 5) + line(1, 2), metas(2, "S", 5, "S")},
		{"UIDs in disorder", line(1, 5) + line(2, 2), nil},
		{"the same sequence number twice", line(1, 2) + line(1, 5), nil},
		{"twice, with other flags", line(1, 2) + line(2, 5) + "S: * 1 FETCH (UID 2 FLAGS ())\n", metas(2, "", 5, "S")},
		{"twice, with another sequence number", line(1, 2) + line(2, 5) + line(3, 2), nil},
		{"without flags", line(1, 2) + "S: * 2 FETCH (UID 5)\n" + line(3, 9), metas(2, "S")},
		{"a change of one that is to come", "S: * 3 FETCH (UID 9 FLAGS ())\n" + line(1, 2), metas(2, "S")},
		{"one that was not asked for", line(1, 2) + line(2, 11), metas(2, "S")},
		{"no UID", line(1, 2) + "S: * 2 FETCH (FLAGS (\\Seen))\n" + line(3, 9), metas(2, "S")},
		{"one is expunged", line(1, 2) + line(2, 5) + "S: * 1 EXPUNGE\n" + line(2, 9), metas(5, "S", 9, "S")},
		{"one that was not listed is expunged", line(1, 2) + "S: * 2 EXPUNGE\n" + line(2, 9), metas(2, "S", 9, "S")},
		{"vanished", line(1, 2) + line(2, 5) + "S: * VANISHED 2\n", metas(5, "S")},
		{"an unreadable number", line(1, 2) + "S: * x EXPUNGE\n" + line(2, 9), nil},
		{"an impossible number", line(1, 2) + "S: * 99 EXPUNGE\n" + line(2, 9), nil},
		{"fewer messages", line(1, 2) + "S: * 2 EXISTS\n" + line(2, 9), nil},
		{"an arrival", line(1, 2) + "S: * 4 EXISTS\n" + line(2, 5), metas(2, "S", 5, "S")},
		{"more than there were", line(1, 2) + line(2, 5) + line(3, 8) + line(4, 9), metas(2, "S", 5, "S", 8, "S")},
	} {
		t.Run(c.name, func(t *testing.T) {
			end := "close\n"
			if c.name == "refused" {
				end = goodby
			}
			s, dir := continuing(t, nil, helloCondStore+selected(condParam, "3", "10", "50", "")+ask+c.lines+end)
			if err := dir.Remove(inboxKey); err != nil {
				t.Fatal(err)
			}
			m := open(t, s)
			if l, err := m.Scan(t.Context(), everything); err == nil {
				t.Errorf("%+v", l)
			}
			m.Close(t.Context())
			p, _, err := dir.LoadPart(inboxKey)
			if err != nil {
				t.Fatal(err)
			}
			if p == nil {
				p = new(memo.Part)
			} else if p.UIDValidity != 7 || p.ModSeq != 50 {
				t.Errorf("%+v", p)
			}
			if diff := cmp.Diff(c.want, p.Messages); diff != "" && len(c.want)+len(p.Messages) > 0 {
				t.Error(diff)
			}
		})
	}
}

// TestBrokenOffAgain: the rest is broken off, too. What was listed before is not lost,
// and a listing that is complete is not replaced by a part.
func TestBrokenOffAgain(t *testing.T) {
	begin := helloCondStore + selected(condParam, "4", "12", "60", "")
	more := &memo.Part{UIDValidity: 7, ModSeq: 60, Begun: begun, Messages: metas(2, "R", 5, "", 9, "F")}
	change := changedPart + "S: * 1 FETCH (UID 2 FLAGS (\\Answered) MODSEQ (55))\n"
	for _, c := range []struct {
		name, script string
		want         *memo.Part
	}{
		{"in the rest", begin + change + changedOK + inPlace + "C: $r UID FETCH 6:* (UID FLAGS)\nS: * 3 FETCH (UID 9 FLAGS (\\Flagged))\nclose\n", more},
		{"before the rest", begin + change + changedOK + inPlace + "C: $r UID FETCH 6:* (UID FLAGS)\nclose\n", brokenOff()},
		{"before the place is known", begin + changedPart + changedOK + placeOf2 + "close\n", brokenOff()},
		{"in few changes", begin + changedPart + "close\n", brokenOff()},
		{"in many changes", begin + change + "close\n", nil},
		{"the rest is not at its place", begin + change + changedOK + inPlace + "C: $r UID FETCH 6:* (UID FLAGS)\nS: * 4 FETCH (UID 11 FLAGS ())\nclose\n", brokenOff()},
		{
			"one vanishes meanwhile", begin + changedPart + changedOK + inPlace +
				"C: $r UID FETCH 6:* (UID FLAGS)\nS: * 2 EXPUNGE\nS: * 2 FETCH (UID 9 FLAGS ())\nS: * 3 FETCH (UID 11 FLAGS ())\nclose\n",
			&memo.Part{UIDValidity: 7, ModSeq: 60, Begun: begun, Messages: metas(2, "S", 9, "", 11, "")},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, dir := continuing(t, nil, c.script)
			m := open(t, s)
			if l, err := m.Scan(t.Context(), everything); err == nil {
				t.Errorf("%+v", l)
			}
			m.Close(t.Context())
			p, _, err := dir.LoadPart(inboxKey)
			if diff := cmp.Diff(c.want, p); diff != "" || err != nil {
				t.Error(diff, err)
			}
		})
	}
	t.Run("interrupted", func(t *testing.T) {
		s, dir := continuing(t, nil, begin+change+changedOK+inPlace+"C: $r UID FETCH 6:* (UID FLAGS)\nS: * 3 FETCH (UID 9 FLAGS (\\Flagged))\nstall\n")
		m := open(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if l, err := m.Scan(ctx, everything); err == nil {
			t.Errorf("%+v", l)
		}
		m.Close(ctx)
		p, _, err := dir.LoadPart(inboxKey)
		if diff := cmp.Diff(more, p); diff != "" || err != nil {
			t.Error(diff, err)
		}
	})
	t.Run("a complete listing", func(t *testing.T) {
		s, dir := recalling(t, nil, helloCondStore+selected(condParam, "3", "10", "60", "")+
			"C: $c UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 50)\nS: $c BAD what\n"+noopOK+fetchAll+"S: * 1 FETCH (UID 2 FLAGS ())\nclose\n")
		m := open(t, s)
		if l, err := m.Scan(t.Context(), everything); err == nil {
			t.Errorf("%+v", l)
		}
		m.Close(t.Context())
		if l, _, err := dir.Load(inboxKey); err != nil || l == nil || l.ModSeq != 50 {
			t.Errorf("%+v, %v", l, err)
		}
	})
	for name, script := range map[string]string{
		"CONDSTORE": helloCondStore + selected(condParam, "3", "10", "60", "") +
			"C: $c UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 50)\nS: * 1 FETCH (UID 2 FLAGS () MODSEQ (60))\nclose\n",
		"QRESYNC": helloQResync + enableQResync + "C: $s SELECT \"INBOX\"" + resyncParam + "\nS: * 3 EXISTS\nS: * 1 FETCH (UID 2 FLAGS () MODSEQ (60))\nclose\n",
	} {
		t.Run("many changes since a complete listing, "+name, func(t *testing.T) {
			s, dir := recalling(t, nil, script)
			if m, err := s.Open(t.Context(), "INBOX", store.OpenRequest{}); err == nil {
				if l, err := m.Scan(t.Context(), everything); err == nil {
					t.Errorf("%+v", l)
				}
				m.Close(t.Context())
			}
			if l, _, err := dir.Load(inboxKey); err != nil || l != nil {
				t.Errorf("%+v, %v", l, err)
			}
		})
	}
}
