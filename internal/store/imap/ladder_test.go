package imap_test

import (
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

// metas makes messages of UIDs and flags.
func metas(list ...any) (out []mail.Meta) {
	for i := 0; i < len(list); i += 2 {
		f, _ := mail.ParseFlags(list[i+1].(string))
		out = append(out, mail.Meta{UID: mail.UID(list[i].(int)), Flags: f})
	}
	return out
}

// remembered is a listing that was saved in an earlier run.
func remembered() *memo.Listing {
	return &memo.Listing{
		UIDValidity: 7, UIDNext: 10, ModSeq: 50, Complete: time.Now(),
		Messages: metas(2, "S", 5, "", 9, "F"),
	}
}

// selected answers the selection of the inbox. The first %s in it is for what
// comes with it, before the end.
func selected(param, exists, next, modseq, changes string) string {
	s := "C: $s SELECT \"INBOX\"" + param + "\n" +
		"S: * " + exists + " EXISTS\n" +
		"S: * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\n" +
		"S: * OK [UIDVALIDITY 7] ok\n"
	if next != "" {
		s += "S: * OK [UIDNEXT " + next + "] ok\n"
	}
	if modseq != "" {
		s += "S: * OK [HIGHESTMODSEQ " + modseq + "]\n"
	}
	return s + changes + "S: $s OK [READ-WRITE] done\n"
}

// TestLadder: servers that tell changes well, badly, and not at all.
func TestLadder(t *testing.T) {
	const (
		enable    = "C: $e ENABLE QRESYNC\nS: * ENABLED QRESYNC\nS: $e OK\n"
		param     = " (QRESYNC (7 50 1:4294967295))"
		cond      = " (CONDSTORE)"
		condstore = "CONDSTORE"
		changed   = "C: $c UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 50)\n"
		noop      = "C: $n NOOP\nS: $n OK\n"
		list      = "C: $l UID SEARCH ALL\n"
		fullEnd   = "S: $f OK\n"
	)
	three := metas(2, "S", 5, "", 9, "F")
	// full is a listing of the whole mailbox: three messages.
	full := func(set string) string {
		return "C: $f UID FETCH " + set + " (UID FLAGS)\n" +
			"S: * 1 FETCH (UID 2 FLAGS (\\Seen))\nS: * 2 FETCH (UID 5 FLAGS ())\nS: * 3 FETCH (UID 9 FLAGS (\\Flagged))\n" + fullEnd
	}
	for _, c := range []struct {
		name   string
		caps   string // QRESYNC if empty
		script string
		want   []mail.Meta
		modseq mail.ModSeq // of what is remembered afterwards; 0: nothing
	}{
		{
			"nothing has changed", "",
			enable + selected(param, "3", "10", "50", ""),
			three, 50,
		},
		{
			"changes", "",
			enable + selected(param, "3", "12", "60", "S: * VANISHED (EARLIER) 5,11\n"+
				"S: * 1 FETCH (UID 2 FLAGS () MODSEQ (55))\nS: * 3 FETCH (MODSEQ (60) FLAGS (\\Seen other) UID 10)\n"),
			metas(2, "", 9, "F", 10, "S"), 60,
		},
		{
			"all is gone", "",
			enable + selected(param, "0", "12", "60", "S: * VANISHED (EARLIER) 1:11\n"),
			nil, 60,
		},
		{
			"an empty confirmation, and one that comes late", "",
			"C: $e ENABLE QRESYNC\nC: $s SELECT \"INBOX\"" + param + "\nS: * ENABLED\nS: $e OK\n" +
				strings.TrimPrefix(selected(param, "3", "10", "50", ""), "C: $s SELECT \"INBOX\""+param+"\n"),
			three, 50,
		},
		{
			"messages that nobody knew have vanished", "",
			enable + selected(param, "3", "10", "51", "S: * VANISHED (EARLIER) 1,3:4,6:8,100:4294967295\n"),
			three, 51,
		},
		{
			"the same twice, in disorder", "",
			enable + selected(param, "2", "10", "51", "S: * VANISHED (EARLIER) 5\nS: * VANISHED (EARLIER) 3:5\n"+
				"S: * 2 FETCH (UID 9 FLAGS ())\nS: * 1 FETCH (UID 2 FLAGS ())\nS: * 2 FETCH (UID 9 FLAGS (\\Seen))\n"),
			metas(2, "", 9, "S"), 51,
		},
		{
			"too few: a message that has vanished was left out", "",
			enable + selected(param, "2", "10", "51", "") +
				"C: $f UID FETCH 1:9 (UID FLAGS)\nS: * 1 FETCH (UID 2 FLAGS (\\Seen))\nS: * 2 FETCH (UID 9 FLAGS (\\Flagged))\n" + fullEnd,
			metas(2, "S", 9, "F"), 51,
		},
		{
			"too many: a new message was left out", "",
			enable + selected(param, "4", "11", "51", "") +
				"C: $f UID FETCH 1:10 (UID FLAGS)\nS: * 1 FETCH (UID 2 FLAGS (\\Seen))\nS: * 2 FETCH (UID 5 FLAGS ())\n" +
				"S: * 3 FETCH (UID 9 FLAGS (\\Flagged))\nS: * 4 FETCH (UID 10 FLAGS ())\n" + fullEnd,
			metas(2, "S", 5, "", 9, "F", 10, ""), 51,
		},
		{
			"one of each was left out, so that the number is right", "",
			enable + selected(param, "3", "11", "51", "") +
				list + "S: * SEARCH 2 9 10\nS: $l OK\n" + noop +
				"C: $f UID FETCH 1:* (UID FLAGS)\nS: * 1 FETCH (UID 2 FLAGS (\\Seen))\nS: * 2 FETCH (UID 9 FLAGS (\\Flagged))\nS: * 3 FETCH (UID 10 FLAGS ())\n" + fullEnd,
			metas(2, "S", 9, "F", 10, ""), 51,
		},
		{
			"a message has come and gone without a word", "",
			enable + selected(param, "3", "11", "51", "") + list + "S: * SEARCH 2 5 9\nS: $l OK\n",
			three, 51,
		},
		{
			"the wrong one has vanished", "",
			enable + selected(param, "2", "10", "51", "S: * VANISHED (EARLIER) 5\nS: * 1 FETCH (UID 9 FLAGS (\\Flagged))\n") +
				"C: $f UID FETCH 1:9 (UID FLAGS)\nS: * 1 FETCH (UID 5 FLAGS (\\Seen))\nS: * 2 FETCH (UID 9 FLAGS (\\Flagged))\n" + fullEnd,
			metas(5, "S", 9, "F"), 51,
		},
		{
			"an old message is new", "",
			enable + selected(param, "4", "10", "51", "S: * 2 FETCH (UID 4 FLAGS ())\n") +
				"C: $f UID FETCH 1:9 (UID FLAGS)\nS: * 1 FETCH (UID 2 FLAGS (\\Seen))\nS: * 2 FETCH (UID 4 FLAGS ())\n" +
				"S: * 3 FETCH (UID 5 FLAGS ())\nS: * 4 FETCH (UID 9 FLAGS (\\Flagged))\n" + fullEnd,
			metas(2, "S", 4, "", 5, "", 9, "F"), 51,
		},
		{
			"gone and changed at once", "",
			enable + selected(param, "3", "10", "51", "S: * VANISHED (EARLIER) 5\nS: * 2 FETCH (UID 5 FLAGS (\\Seen))\n") + full("1:9"),
			three, 51,
		},
		{
			"a change without flags", "",
			enable + selected(param, "3", "10", "51", "S: * 2 FETCH (UID 5 MODSEQ (51))\n") + full("1:9"),
			three, 51,
		},
		{
			"a change without a UID", "",
			enable + selected(param, "3", "10", "51", "S: * 2 FETCH (FLAGS (\\Seen) MODSEQ (51))\n") + full("1:9"),
			three, 51,
		},
		{
			"a message beyond UIDNEXT", "",
			enable + selected(param, "4", "10", "51", "S: * 4 FETCH (UID 12 FLAGS ())\n") +
				"C: $f UID FETCH 1:9 (UID FLAGS)\nS: * 1 FETCH (UID 2 FLAGS (\\Seen))\nS: * 2 FETCH (UID 5 FLAGS ())\n" +
				"S: * 3 FETCH (UID 9 FLAGS (\\Flagged))\n" + fullEnd + noop +
				"C: $g UID FETCH 1:* (UID FLAGS)\nS: * 1 FETCH (UID 2 FLAGS (\\Seen))\nS: * 2 FETCH (UID 5 FLAGS ())\n" +
				"S: * 3 FETCH (UID 9 FLAGS (\\Flagged))\nS: * 4 FETCH (UID 12 FLAGS ())\nS: $g OK\n",
			metas(2, "S", 5, "", 9, "F", 12, ""), 51,
		},
		{
			"HIGHESTMODSEQ has gone back", "",
			enable + selected(param, "3", "10", "49", "") + full("1:9"),
			three, 49,
		},
		{
			"HIGHESTMODSEQ is missing", "",
			enable + selected(param, "3", "10", "", "") + full("1:9"),
			three, 0,
		},
		{
			"HIGHESTMODSEQ is 0", "",
			enable + selected(param, "3", "10", "0", "") + full("1:9"),
			three, 0,
		},
		{
			"NOMODSEQ", "",
			enable + selected(param, "3", "10", "50", "S: * OK [NOMODSEQ] none\n") + full("1:9"),
			three, 0,
		},
		{
			"UIDNEXT has gone back", "",
			enable + selected(param, "3", "9", "51", "") + full("1:8") + noop + strings.ReplaceAll(full("1:*"), "$f", "$g"),
			three, 51,
		},
		{
			"UIDNEXT has gone back to what has vanished", "",
			enable + selected(param, "2", "9", "51", "S: * VANISHED (EARLIER) 9\n") +
				"C: $f UID FETCH 1:8 (UID FLAGS)\nS: * 1 FETCH (UID 2 FLAGS (\\Seen))\nS: * 2 FETCH (UID 5 FLAGS (\\Draft))\n" + fullEnd,
			metas(2, "S", 5, "D"), 51,
		},
		{
			"UIDVALIDITY has changed", "",
			enable + strings.Replace(selected(param, "3", "10", "60", ""), "UIDVALIDITY 7", "UIDVALIDITY 8", 1) + full("1:9"),
			three, 60,
		},
		{
			"QRESYNC is refused", "",
			enable + "C: $r SELECT \"INBOX\"" + param + "\nS: $r BAD what\n" + selected("", "3", "11", "51", "") +
				changed + "S: * 1 FETCH (UID 2 FLAGS () MODSEQ (51))\nS: * 3 FETCH (UID 10 FLAGS () MODSEQ (51))\nS: $c OK\n" +
				list + "S: * SEARCH 2 9 10\nS: $l OK\n",
			metas(2, "", 9, "F", 10, ""), 51,
		},
		{
			"ENABLE is refused", "",
			"C: $e ENABLE QRESYNC\nS: $e BAD what\nC: $r SELECT \"INBOX\"" + param + "\nS: $r BAD what\n" + selected("", "3", "10", "50", ""),
			three, 50,
		},
		{
			"no mod-sequences without parameters", condstore,
			"C: $r SELECT \"INBOX\"" + cond + "\nS: $r NO not so\n" + selected("", "3", "10", "", "") + full("1:9"),
			three, 0,
		},
		{
			"CONDSTORE, nothing has changed", condstore,
			selected(cond, "3", "10", "50", ""),
			three, 50,
		},
		{
			"CONDSTORE, only UIDNEXT has changed", condstore,
			selected(cond, "3", "11", "50", "") + changed + "S: * 3 FETCH (UID 10 MODSEQ (51) FLAGS ())\nS: $c OK\n" +
				list + "S: * SEARCH 2 9 10\nS: $l OK\n",
			metas(2, "S", 9, "F", 10, ""), 50,
		},
		{
			"CONDSTORE, flags have changed", condstore,
			selected(cond, "3", "10", "51", "") + changed + "S: * 3 FETCH (UID 9 MODSEQ (51) FLAGS ())\nS: $c OK\n",
			metas(2, "S", 5, "", 9, ""), 51,
		},
		{
			"CONDSTORE, a message has come", condstore,
			selected(cond, "4", "11", "51", "") + changed + "S: * 4 FETCH (UID 10 MODSEQ (51) FLAGS ())\nS: $c OK\n",
			metas(2, "S", 5, "", 9, "F", 10, ""), 51,
		},
		{
			"CONDSTORE, messages have vanished", condstore,
			selected(cond, "1", "10", "50", "") + changed + "S: $c OK\n" + list + "S: * SEARCH 5\nS: $l OK\n",
			metas(5, ""), 50,
		},
		{
			"CONDSTORE, nothing is left", condstore,
			selected(cond, "0", "10", "51", ""),
			nil, 51,
		},
		{
			"CONDSTORE, a message has come and gone", condstore,
			selected(cond, "3", "11", "51", "") + changed + "S: $c OK\n" + list + "S: * SEARCH 2 5 9\nS: $l OK\n",
			three, 51,
		},
		{
			"CONDSTORE, a new message was left out", condstore,
			selected(cond, "3", "11", "51", "") + changed + "S: $c OK\n" + list + "S: * SEARCH 2 9 10\nS: $l OK\n" + noop +
				"C: $f UID FETCH 1:* (UID FLAGS)\nS: * 1 FETCH (UID 2 FLAGS (\\Seen))\nS: * 2 FETCH (UID 9 FLAGS (\\Flagged))\nS: * 3 FETCH (UID 10 FLAGS ())\n" + fullEnd,
			metas(2, "S", 9, "F", 10, ""), 51,
		},
		{
			"CONDSTORE, the UIDs are not all listed", condstore,
			selected(cond, "2", "10", "51", "") + changed + "S: $c OK\n" + list + "S: * SEARCH 2\nS: $l OK\n" + noop +
				"C: $f UID FETCH 1:* (UID FLAGS)\nS: * 1 FETCH (UID 2 FLAGS (\\Seen))\nS: * 2 FETCH (UID 9 FLAGS (\\Flagged))\n" + fullEnd,
			metas(2, "S", 9, "F"), 51,
		},
		{
			"CONDSTORE, changes are not told", condstore,
			selected(cond, "3", "10", "51", "") + "C: $c UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 50)\nS: $c NO cannot\n" + noop + full("1:*"),
			three, 51,
		},
		{
			"CONDSTORE, the places are wrong", condstore,
			selected(cond, "3", "10", "51", "") + changed + "S: * 2 FETCH (UID 9 MODSEQ (51) FLAGS ())\nS: $c OK\n" + noop + full("1:*"),
			three, 51,
		},
		{
			"CONDSTORE, things happen meanwhile", condstore,
			selected(cond, "3", "10", "51", "") +
				changed + "S: * 3 FETCH (UID 9 MODSEQ (51) FLAGS ())\nS: * 2 EXPUNGE\nS: * 3 EXISTS\nS: $c OK\n" +
				"C: $d UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 50)\nS: * 2 FETCH (UID 9 MODSEQ (51) FLAGS ())\nS: * 3 FETCH (UID 10 MODSEQ (52) FLAGS ())\nS: $d OK\n" +
				list + "S: * SEARCH 2 9 10\nS: $l OK\n",
			metas(2, "S", 9, "", 10, ""), 51,
		},
		{
			"CONDSTORE, things happen all the time", condstore,
			selected(cond, "3", "10", "51", "") +
				changed + "S: * 3 FETCH (UID 9 MODSEQ (51) FLAGS ())\nS: * 4 EXISTS\nS: $c OK\n" +
				"C: $d UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 50)\nS: * 4 EXPUNGE\nS: $d OK\n" + noop + full("1:*"),
			three, 51,
		},
		{"neither", "IDLE", selected("", "3", "10", "51", "") + full("1:9"), three, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := memo.NewDir(vfs.OS{}, t.TempDir())
			key := memo.Key{Account: "me", Box: "INBOX"}
			before := remembered()
			if err := dir.Save(key, before.Encode(key)); err != nil {
				t.Fatal(err)
			}
			caps := c.caps
			if caps == "" {
				caps = "ENABLE CONDSTORE QRESYNC"
			}
			s, _ := scripted(t, func(o *imap.Options) {
				remembering(o, "", "me")
				o.Listings = dir
				o.Debug = func(text string) { t.Log(text) }
			}, strings.Replace(hello, "UIDPLUS", caps, 1)+c.script+goodby)
			m := open(t, s)
			defer m.Close(t.Context())
			l, err := m.Scan(t.Context(), everything)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, l.Messages); diff != "" && len(c.want)+len(l.Messages) > 0 {
				t.Error(diff)
			}
			m.(store.Rememberer).Remember(t.Context())
			after, _, err := dir.Load(key)
			if err != nil {
				t.Fatal(err)
			}
			if caps == "IDLE" {
				return // it is not looked at
			}
			if after == nil {
				if c.modseq != 0 {
					t.Error("nothing is remembered")
				}
				return
			}
			if after.ModSeq != c.modseq || after.UIDValidity != m.Info().UIDValidity || after.UIDNext != m.Info().UIDNext {
				t.Errorf("remembered: %+v", after)
			}
			if diff := cmp.Diff(c.want, after.Messages); diff != "" && len(c.want)+len(after.Messages) > 0 {
				t.Error("remembered:", diff)
			}
		})
	}
}

// TestVanishedMeanwhile: once QRESYNC is enabled messages vanish by their UIDs,
// also while they are listed.
func TestVanishedMeanwhile(t *testing.T) {
	const (
		begin = "C: $e ENABLE QRESYNC\nS: * ENABLED QRESYNC\nS: $e OK\n"
		fetch = "C: $f UID FETCH 1:9 (UID FLAGS)\n"
		one   = "S: * 1 FETCH (UID 2 FLAGS ())\n"
		two   = "S: * 2 FETCH (UID 5 FLAGS ())\n"
		three = "S: * 3 FETCH (UID 9 FLAGS ())\n"
		end   = "S: $f OK\n"
		more  = "C: $g UID FETCH 10:* (UID FLAGS)\n"
		again = "C: $n NOOP\nS: $n OK\nC: $h UID FETCH 1:* (UID FLAGS)\n"
	)
	for _, c := range []struct {
		name, script string
		want         []mail.UID
	}{
		{"after they were listed", fetch + one + two + three + "S: * VANISHED 5\n" + end, []mail.UID{2, 5, 9}},
		{"before they could be", fetch + one + "S: * VANISHED 5\nS: * 2 FETCH (UID 9 FLAGS ())\n" + end, []mail.UID{2, 9}},
		{"all at once", fetch + "S: * VANISHED 2,5,9\n" + end, nil},
		{"the first", fetch + one + "S: * VANISHED 2\nS: * 1 FETCH (UID 5 FLAGS ())\nS: * 2 FETCH (UID 9 FLAGS ())\n" + end, []mail.UID{2, 5, 9}},
		{
			"after others have come", fetch + one + two + three + "S: * 4 EXISTS\nS: * VANISHED 5\n" + end +
				more + "S: * 3 FETCH (UID 11 FLAGS ())\nS: $g OK\n", []mail.UID{2, 5, 9, 11},
		},
		{
			"one that has just come", fetch + one + two + three + "S: * 5 EXISTS\nS: * VANISHED 11\n" + end +
				more + "S: * 4 FETCH (UID 12 FLAGS ())\nS: $g OK\n" +
				again + one + two + three + "S: * 4 FETCH (UID 12 FLAGS ())\nS: $h OK\n", []mail.UID{2, 5, 9, 12},
		},
		{
			"more than there are", fetch + one + two + three + "S: * VANISHED 1:400\n" + end +
				"C: $n NOOP\nS: * 3 EXISTS\nS: $n OK\nC: $h UID FETCH 1:* (UID FLAGS)\n" + one + two + three + "S: $h OK\n", []mail.UID{2, 5, 9},
		},
		{
			"one that was left out does not pass for vanished", fetch + one + three + "S: * VANISHED 2\n" + end +
				again + "S: * 1 FETCH (UID 5 FLAGS ())\nS: * 2 FETCH (UID 9 FLAGS ())\nS: $h OK\n", []mail.UID{5, 9},
		},
		{"what did so earlier does not count", fetch + one + "S: * VANISHED (EARLIER) 5\n" + two + three + end, []mail.UID{2, 5, 9}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := scripted(t, func(o *imap.Options) {
				remembering(o, t.TempDir(), "me")
			}, strings.Replace(hello, "UIDPLUS", "QRESYNC", 1)+begin+selected(" (CONDSTORE)", "3", "10", "50", "")+c.script+goodby)
			m := open(t, s)
			defer m.Close(t.Context())
			l, err := m.Scan(t.Context(), everything)
			if err != nil {
				t.Fatal(err)
			}
			var got []mail.UID
			for _, x := range l.Messages {
				got = append(got, x.UID)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
