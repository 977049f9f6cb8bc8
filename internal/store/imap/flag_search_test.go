package imap_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/imapclient"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/testkit"
)

// The mailbox of these tests has 5,000 messages with the UIDs 1001 to 6000. Up to UID 5000,
// they are seen, and the last one is flagged.
const (
	manyHello  = "S: * PREAUTH [CAPABILITY IMAP4rev1 LITERAL+ UIDPLUS ESEARCH] hi\n"
	manySelect = `C: $s SELECT "INBOX"
		S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft)
		S: * 5000 EXISTS
		S: * OK [UIDVALIDITY 7] ok
		S: * OK [UIDNEXT 6001] ok
		S: $s OK [READ-WRITE] done
	`
)

func manyFlags(u int) string {
	switch {
	case u <= 5000:
		return `\Seen`
	case u == 6000:
		return `\Flagged`
	}
	return ""
}

// manyFetched are the lines of FETCH for the UIDs first to last, without those that drop names.
func manyFetched(first, last int, drop ...int) string {
	var b strings.Builder
	seq := first - 1001
	for u := first; u <= last; u++ {
		if slices.Contains(drop, u) {
			continue
		}
		seq++
		fmt.Fprintf(&b, "S: * %d FETCH (UID %d FLAGS (%s))\n", seq, u, manyFlags(u))
	}
	return b.String()
}

// manyMeta are the messages.
func manyMeta(drop ...mail.UID) (list []mail.Meta) {
	for u := mail.UID(1001); u <= 6000; u++ {
		m := mail.Meta{UID: u}
		switch {
		case u <= 5000:
			m.Flags = mail.FlagSeen
		case u == 6000:
			m.Flags = mail.FlagFlagged
		}
		if !slices.Contains(drop, u) {
			list = append(list, m)
		}
	}
	return list
}

// recorded is a need of everything, if the sync state has recorded these messages.
func recorded(list []mail.Meta) store.Need {
	need := everything
	need.Recorded = func(yield func(mail.UID, mail.Flags) bool) {
		for _, m := range slices.Backward(list) {
			if !yield(m.UID, m.Flags) {
				return
			}
		}
	}
	return need
}

// with returns messages of which some have other flags.
func with(list []mail.Meta, flags map[mail.UID]mail.Flags) []mail.Meta {
	for i, m := range list {
		if f, ok := flags[m.UID]; ok {
			list[i].Flags = f
		}
	}
	return list
}

// manySample are the UIDs that are compared; sampleFetched are the lines of FETCH for them.
const manySample = "1:10,600:609,1200:1209,1800:1809,2400:2409,3000:3009,3600:3609,4200:4209,4800:4809,5400:5409,5981:6000"

func sampleFetched() string {
	var b strings.Builder
	for first := 1200; first <= 5400; first += 600 {
		b.WriteString(manyFetched(first, first+9))
	}
	return b.String() + manyFetched(5981, 6000)
}

var manyKeys = []string{"ALL", "SEEN", "ANSWERED", "FLAGGED", "DELETED", "DRAFT", "KEYWORD $$Forwarded"}

// manySearches are the searches and the FETCH of the sample, with the answers of a
// correct server, of which replace has others. An answer replaces the line of its search;
// that of "FETCH" replaces the lines of the FETCH; "OK SEEN" and so on the tagged line.
func manySearches(tags string, replace map[string]string) string {
	found := map[string]string{"ALL": "ALL 1001:6000 COUNT 5000", "SEEN": "COUNT 4000 ALL 1001:5000", "FLAGGED": "ALL 6000 COUNT 1"}
	var b strings.Builder
	for i, key := range manyKeys {
		fmt.Fprintf(&b, "C: $%s%c UID SEARCH RETURN (ALL COUNT) %s\n", tags, 'a'+i, key)
	}
	b.WriteString("C: $" + tags + " UID FETCH " + manySample + " (UID FLAGS)\n")
	for i, key := range manyKeys {
		tag := fmt.Sprintf("$%s%c", tags, 'a'+i)
		answer, ok := replace[key]
		if !ok {
			what := found[key]
			if what == "" {
				what = "COUNT 0"
			}
			answer = "S: * ESEARCH (TAG \"TAG_\") UID " + what + "\n"
		}
		b.WriteString(strings.ReplaceAll(answer, "TAG_", tag))
		ended, ok := replace["OK "+key]
		if !ok {
			ended = "S: TAG_ OK done\n"
		}
		b.WriteString(strings.ReplaceAll(ended, "TAG_", tag))
	}
	fetched, ok := replace["FETCH"]
	if !ok {
		fetched = sampleFetched()
	}
	b.WriteString(fetched + "S: $" + tags + " OK done\n")
	return b.String()
}

// TestFlagSearch: the flags of a large mailbox on a server with ESEARCH, but without CONDSTORE,
// are searched for. If an answer is wrong or missing, or the mailbox has changed meanwhile,
// the messages are listed by FETCH.
func TestFlagSearch(t *testing.T) {
	t.Parallel()
	all := "C: $x UID FETCH 1:6000 (UID FLAGS)\n" + manyFetched(1001, 6000) + "S: $x OK\n"
	for _, c := range []struct {
		name    string
		replace map[string]string
		then    string // after the searches
		want    []mail.Meta
		// again: the next scan searches, too.
		again bool
	}{
		{"correct", nil, "", manyMeta(), true},
		{"no answer", map[string]string{"SEEN": ""}, all, manyMeta(), false},
		{"no answer to the first", map[string]string{"ALL": ""}, all, manyMeta(), false},
		{"no count", map[string]string{"SEEN": "S: * ESEARCH (TAG \"TAG_\") UID ALL 1001:5000\n"}, all, manyMeta(), false},
		{"neither a count nor UIDs", map[string]string{"SEEN": "S: * ESEARCH (TAG \"TAG_\") UID\n"}, all, manyMeta(), false},
		{"another count", map[string]string{"SEEN": "S: * ESEARCH (TAG \"TAG_\") UID ALL 1001:4999 COUNT 4000\n"}, all, manyMeta(), false},
		{"a count without UIDs", map[string]string{"SEEN": "S: * ESEARCH (TAG \"TAG_\") UID COUNT 4000\n"}, all, manyMeta(), false},
		{"sequence numbers", map[string]string{"SEEN": "S: * ESEARCH (TAG \"TAG_\") ALL 1:4000 COUNT 4000\n"}, all, manyMeta(), false},
		{"no tag", map[string]string{"SEEN": "S: * ESEARCH UID ALL 1001:5000 COUNT 4000\n"}, all, manyMeta(), false},
		{"another tag", map[string]string{"SEEN": "S: * ESEARCH (TAG \"$ac\") UID ALL 1001:5000 COUNT 4000\n"}, all, manyMeta(), false},
		{"twice", map[string]string{"SEEN": strings.Repeat("S: * ESEARCH (TAG \"TAG_\") UID ALL 1001:5000 COUNT 4000\n", 2)}, all, manyMeta(), false},
		{"garbled", map[string]string{"SEEN": "S: * ESEARCH (TAG \"TAG_\") UID ALL many COUNT 4000\n"}, all, manyMeta(), false},
		{"SEARCH", map[string]string{"SEEN": "S: * SEARCH 1001 1002\n"}, all, manyMeta(), false},
		{"NO", map[string]string{"KEYWORD $$Forwarded": "", "OK KEYWORD $$Forwarded": "S: TAG_ NO cannot\n"}, all, manyMeta(), false},
		{"BAD", map[string]string{"KEYWORD $$Forwarded": "", "OK KEYWORD $$Forwarded": "S: TAG_ BAD what\n"}, all, manyMeta(), false},
		{"messages are left out", map[string]string{"ALL": "S: * ESEARCH (TAG \"TAG_\") UID ALL 1002:6000 COUNT 4999\n"}, all, manyMeta(), false},
		{"too many messages", map[string]string{"ALL": "S: * ESEARCH (TAG \"TAG_\") UID ALL 1:4294967295 COUNT 4294967295\n"}, all, manyMeta(), false},
		{"another message has the flag", map[string]string{"SEEN": "S: * ESEARCH (TAG \"TAG_\") UID ALL 999,1001:5000 COUNT 4001\n"}, all, manyMeta(), false},
		{"other flags than those of FETCH", map[string]string{"FLAGGED": "S: * ESEARCH (TAG \"TAG_\") UID COUNT 0\n"}, all, manyMeta(), false},
		{"no message has the flag", map[string]string{"SEEN": "S: * ESEARCH (TAG \"TAG_\") UID COUNT 0\n"}, all, manyMeta(), false},
		{"the flag of old messages is missing", map[string]string{"SEEN": "S: * ESEARCH (TAG \"TAG_\") UID COUNT 1000 ALL 4001:5000\n"}, all, manyMeta(), false},
		{"all messages have the flag", map[string]string{"DELETED": "S: * ESEARCH (TAG \"TAG_\") UID COUNT 5000 ALL 1001:6000\n"}, all, manyMeta(), false},
		{"other sequence numbers than those of FETCH", map[string]string{"FETCH": strings.ReplaceAll(sampleFetched(), "S: * 5000 ", "S: * 4999 ")}, all, manyMeta(), false},
		{"messages that FETCH does not report", map[string]string{"FETCH": strings.ReplaceAll(sampleFetched(), manyFetched(6000, 6000), "")}, all, manyMeta(), false},
		{
			"a message is expunged",
			map[string]string{"OK DELETED": "S: * 4 EXPUNGE\nS: TAG_ OK\n"},
			"C: $x UID FETCH 1:6000 (UID FLAGS)\n" + manyFetched(1001, 6000, 1004) + "S: $x OK\n", manyMeta(1004), false,
		},
		{"a flag changes", map[string]string{"OK DELETED": "S: * 4 FETCH (UID 1004 FLAGS (\\Seen))\nS: TAG_ OK\n"}, all, manyMeta(), true},
		{
			"a message arrives",
			map[string]string{"OK DELETED": "S: * 5001 EXISTS\nS: TAG_ OK\n"},
			all + "C: $y UID FETCH 6001:* (UID FLAGS)\nS: * 5001 FETCH (UID 6001 FLAGS ())\nS: $y OK\n", append(manyMeta(), mail.Meta{UID: 6001}), false,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			script := manyHello + manySelect + manySearches("a", c.replace) + c.then
			scans := 1
			if c.again {
				scans++
				script += "C: $n NOOP\nS: $n OK\n" + manySearches("b", nil)
			} else if c.then == all {
				scans++
				script += "C: $n NOOP\nS: $n OK\nC: $w UID FETCH 1:* (UID FLAGS)\n" + manyFetched(1001, 6000) + "S: $w OK\n"
			}
			s, warnings := scripted(t, nil, script+goodby)
			m := open(t, s)
			for range scans {
				l, err := m.Scan(t.Context(), recorded(manyMeta()))
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(c.want, l.Messages); d != "" {
					t.Error(d)
				}
			}
			if len(*warnings) > 0 {
				t.Error(*warnings)
			}
			if err := m.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFlagSearchChanged: flags that differ from the recorded ones are read by FETCH, also
// outside of the sample. So a search that finds too few or too many messages changes no flag.
func TestFlagSearchChanged(t *testing.T) {
	t.Parallel()
	const both = mail.FlagSeen | mail.FlagFlagged
	type flags = map[mail.UID]mail.Flags
	fetched := func(is flags, first, last int) string {
		lines := manyFetched(first, last)
		for u, f := range is {
			old := fmt.Sprintf("(UID %d FLAGS (%s))", u, manyFlags(int(u)))
			var words []string
			for _, k := range []struct {
				flag mail.Flags
				word string
			}{{mail.FlagSeen, `\Seen`}, {mail.FlagFlagged, `\Flagged`}} {
				if f&k.flag != 0 {
					words = append(words, k.word)
				}
			}
			lines = strings.ReplaceAll(lines, old, fmt.Sprintf("(UID %d FLAGS (%s))", u, strings.Join(words, " ")))
		}
		return lines
	}
	for _, c := range []struct {
		name    string
		was, is flags  // where they differ from manyMeta
		search  string // for FLAGGED, if not correct
		ask     []int  // UIDs whose flags are read
		answer  string // after the answer to them
		all     bool   // then everything is listed by FETCH
	}{
		{name: "flags have changed", was: flags{2000: both, 5100: mail.FlagSeen}, ask: []int{2000, 5100}},
		{name: "one of the sample has changed", was: flags{1205: both}},
		{name: "a flag is not found", was: flags{2000: both}, is: flags{2000: both}, ask: []int{2000}, all: true},
		{name: "a flag is not found, and another is removed", was: flags{2000: both, 2100: both}, is: flags{2000: both}, ask: []int{2000, 2100}, all: true},
		{name: "another message is found", search: "2000,6000 COUNT 2", ask: []int{2000}, all: true},
		{name: "another flag changes meanwhile", was: flags{2000: both}, ask: []int{2000}, answer: "S: * 7 FETCH (UID 1007 FLAGS ())\n", is: flags{1007: 0}, all: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			replace := map[string]string{}
			if c.search != "" {
				replace["FLAGGED"] = "S: * ESEARCH (TAG \"TAG_\") UID ALL " + c.search + "\n"
			}
			script := manyHello + manySelect + manySearches("a", replace)
			if len(c.ask) > 0 {
				var set, lines []string
				for _, u := range c.ask {
					set = append(set, fmt.Sprint(u))
					lines = append(lines, fetched(c.is, u, u))
				}
				script += "C: $q UID FETCH " + strings.Join(set, ",") + " (UID FLAGS)\n" + strings.Join(lines, "") + c.answer + "S: $q OK\n"
			}
			if c.all {
				script += "C: $x UID FETCH 1:6000 (UID FLAGS)\n" + fetched(c.is, 1001, 6000) + "S: $x OK\n"
			}
			s, _ := scripted(t, nil, script+goodby)
			m := open(t, s)
			l, err := m.Scan(t.Context(), recorded(with(manyMeta(), c.was)))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(with(manyMeta(), c.is), l.Messages); d != "" {
				t.Error(d)
			}
			if err := m.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFlagSearchNothingCompared: if no message of the sample exists, the answers are not
// verified, and the messages are listed by FETCH.
func TestFlagSearchNothingCompared(t *testing.T) {
	t.Parallel()
	searches := manySearches("a", map[string]string{"FETCH": ""})
	searches = strings.Replace(searches, manySample, "1:10,100000:100009,200000:200009,300000:300009,400000:400009,500000:500009,"+
		"600000:600009,700000:700009,800000:800009,900000:900009,999981:1000000", 1)
	script := manyHello + strings.Replace(manySelect, "UIDNEXT 6001", "UIDNEXT 1000001", 1) + searches +
		"C: $x UID FETCH 1:1000000 (UID FLAGS)\n" + manyFetched(1001, 6000) + "S: $x OK\n"
	s, _ := scripted(t, nil, script+goodby)
	m := open(t, s)
	l, err := m.Scan(t.Context(), recorded(manyMeta()))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(manyMeta(), l.Messages); d != "" {
		t.Error(d)
	}
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestFlagSearchCut: if the connection is lost during the searches, the scan fails.
func TestFlagSearchCut(t *testing.T) {
	t.Parallel()
	whole := manyHello + manySelect + manySearches("a", nil)
	for i, line := range strings.SplitAfter(whole, "\n") {
		if !strings.HasPrefix(line, "S: * ESEARCH") {
			continue
		}
		before := strings.Join(strings.SplitAfter(whole, "\n")[:i], "")
		s, _ := scripted(t, nil, before+"close\n")
		m := open(t, s)
		l, err := m.Scan(t.Context(), recorded(manyMeta()))
		if _, lost := errors.AsType[*imapclient.ConnectionError](err); !lost || l != nil {
			t.Errorf("%v, %v", l, err)
		}
	}
}

// TestFlagSearchServers: on real servers without CONDSTORE, searches list what FETCH lists.
func TestFlagSearchServers(t *testing.T) {
	kinds := append(testkit.Kinds(), testkit.Kind{Name: "dovecot", Start: func(tb testing.TB) testkit.Server {
		tb.Helper()
		return testkit.StartDovecot(tb, testkit.DovecotConfig{})
	}})
	for _, k := range kinds {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			server := k.Start(t)
			server.AddUser(t, "reader")
			rng := rand.New(rand.NewPCG(rand.Uint64(), 1))
			var msgs []testkit.Mail
			for i := range 60 {
				m := testkit.Mail{Body: fmt.Sprintf("Subject: %d\r\n\r\nx\r\n", i)}
				for _, f := range []string{`\Seen`, `\Answered`, `\Flagged`, `\Deleted`, `\Draft`, `$Forwarded`} {
					if rng.IntN(3) == 0 {
						m.Flags = append(m.Flags, f)
					}
				}
				msgs = append(msgs, m)
			}
			uids := server.At().Seed(t, "reader", "INBOX", msgs...)
			var gone []mail.UID // so that the UIDs have gaps
			for i, u := range uids {
				if i%2 == 0 && slices.Contains(msgs[i].Flags, `\Deleted`) {
					gone = append(gone, mail.UID(u))
				}
			}
			var was []mail.Meta
			scan := func(disable ...string) (searches int, list []mail.Meta) {
				opts := options(t, server, "reader")
				opts.Client.DisableExtensions = append(disable, "CONDSTORE", "QRESYNC")
				opts.Client.Hooks.Trace = func(dir imapclient.Direction, line string) {
					if dir == imapclient.Sent && strings.Contains(line, "UID SEARCH RETURN (ALL COUNT)") {
						searches++
					}
				}
				opts.Debug = func(text string) {
					if strings.Contains(text, "searches") {
						t.Error(text)
					}
				}
				s := imap.New(opts)
				imap.SearchFrom(s, 10)
				m := open(t, s)
				if len(gone) > 0 && k.Name != "courier" {
					if err := m.Remove(t.Context(), store.RemoveRequest{UIDs: mail.NewUIDSet(gone...)}); err != nil {
						t.Fatal(err)
					}
				}
				gone = nil
				l, err := m.Scan(t.Context(), recorded(was))
				if err != nil {
					t.Fatal(err)
				}
				if err := errors.Join(m.Close(t.Context()), s.Close()); err != nil {
					t.Fatal(err)
				}
				return searches, l.Messages
			}
			scan("ESEARCH") // it expunges
			none, want := scan("ESEARCH")
			if len(want) == 0 || len(want) >= len(msgs) && k.Name != "courier" {
				t.Errorf("%d messages", len(want))
			}
			for _, seen := range []mail.Flags{0, mail.FlagSeen} {
				was = slices.Clone(want)
				for i := range was {
					was[i].Flags ^= seen // all seem to have changed
				}
				n, got := scan()
				if none != 0 || n != 7 && k.Name != "courier" {
					t.Errorf("%d and %d searches", none, n)
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Error(d)
				}
			}
		})
	}
}

// TestNoFlagSearch: in these cases, FETCH lists a large mailbox.
func TestNoFlagSearch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		change  func(*imap.Options)
		need    store.Need
		request string
		items   string // beside UID and FLAGS
	}{
		{"ESEARCH is switched off", func(o *imap.Options) { o.Client.DisableExtensions = []string{"ESEARCH"} }, recorded(manyMeta()), "1:6000 (UID FLAGS)", ""},
		{"one command at a time", func(o *imap.Options) { o.Client.PipelineDepth = 1 }, recorded(manyMeta()), "1:6000 (UID FLAGS)", ""},
		{"nothing is known about records", nil, everything, "1:6000 (UID FLAGS)", ""},
		{"sizes", nil, store.Need{UIDs: mail.UIDsFrom(1), Flags: true, SizesFrom: 1}, "1:6000 (UID FLAGS RFC822.SIZE)", " RFC822.SIZE 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			lines := strings.ReplaceAll(manyFetched(1001, 6000), "))\n", ")"+c.items+")\n")
			s, _ := scripted(t, c.change, manyHello+manySelect+"C: $x UID FETCH "+c.request+"\n"+lines+"S: $x OK\n"+goodby)
			m := open(t, s)
			l, err := m.Scan(t.Context(), c.need)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(manyMeta(), l.Messages); d != "" {
				t.Error(d)
			}
			if err := m.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
