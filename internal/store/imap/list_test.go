package imap_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/store"
	"isync/internal/store/imap"
)

// TestListOddities: what servers list is taken for a mailbox, or left out with
// or without a word, but the rest is there.
func TestListOddities(t *testing.T) {
	ask := func(o *imap.Options) { o.HasPath, o.UseNamespace, o.Delimiter = false, true, "" }
	all := store.ListRequest{Inbox: true, Others: true}
	const list = "C~ (?P<a>\\S+) LIST \"\" \"?\\*\"?\n"
	for _, c := range []struct {
		name, script string
		change       func(*imap.Options)
		req          store.ListRequest
		want         []string
		warnings     []string // parts of them, in order
	}{
		{
			name: "hostile names", req: all,
			script: list + "S: * LIST () \"/\" {1048576}\nS: " + strings.Repeat("x", 1<<20) + "\n" +
				"S: * LIST () \"/\" {3}\nS: a\tb\nS: * LIST () \"/\" \"a\x7fb\"\nS: * LIST () \"/\" /etc/passwd\nS: * LIST () \"/\" a/./b\n" +
				"S: * LIST () \"/\" \"\"\nS: * LIST () \"/\" ok\nS: $a OK\n",
			want: []string{"INBOX", "ok"},
			warnings: []string{
				// The longest one is too long to be read at all.
				"not valid modified UTF-7", "not valid modified UTF-7", "empty component", `component "."`, "empty component",
			},
		},
		{
			name: "attacks", req: all,
			script: list + "S: * LIST () \"/\" ../x\nS: * LIST () \"/\" good\nS: * LIST () \"/\" a/../../b\nS: * LIST () \"/\" ../x\nS: * LIST () \"/\" ..\n" +
				"S: * LIST () \"/\" ...\nS: $a OK\n",
			want: []string{"...", "INBOX", "good"},
			warnings: []string{
				`refusing mailbox "../x": a name with a component ".." may be an attack`, `refusing mailbox "a/../../b"`, `refusing mailbox ".."`,
			},
		},
		{
			name: "very many attacks", req: all,
			script:   list + strings.Join(evilLists(200), "") + "S: * LIST () \"/\" good\nS: $a OK\n",
			want:     []string{"INBOX", "good"},
			warnings: slices.Concat(slices.Repeat([]string{"may be an attack"}, 20), []string{"more than 20 mailbox names"}),
		},
		{
			name: "spaces", req: all,
			script: list + "S: * LIST () \"/\" \"a  b \"\nS: * LIST () \"/\" \" c/ d\"\nS: * LIST () \"/\" INBOX\nS: $a OK\n",
			want:   []string{" c/ d", "INBOX", "a  b "},
		},
		{
			name: "no delimiter", req: all, change: ask,
			script: "C: $d LIST \"\" \"\"\nS: * LIST (\\Noselect) NIL \"\"\nS: $d OK\n" +
				list + "S: * LIST () NIL a.b\nS: * LIST () NIL c/d\nS: * LIST () NIL inbox\nS: $a OK\n",
			want:     []string{"INBOX", "a.b"},
			warnings: []string{`mailbox "c/d": reserved character "/"`},
		},
		{
			name: "a delimiter of several characters", req: all, change: ask,
			script: "C: $d LIST \"\" \"\"\nS: * LIST (\\Noselect) \"\\\\\\\\\" \"\"\nS: $d OK\n" +
				list + "S: * LIST () \"\\\\\\\\\" \"a\\\\\\\\b\"\nS: * LIST () \"\\\\\\\\\" \"Inbox\\\\\\\\c\"\nS: $a OK\n",
			want: []string{"INBOX", "INBOX/c", "a/b"},
		},
		{
			name: "names that differ only by case", req: all,
			script: list + "S: * LIST () \"/\" inbox\nS: * LIST () \"/\" INBOX\nS: * LIST () \"/\" inBox/x\nS: * LIST () \"/\" INBOX/x\n" +
				"S: * LIST () \"/\" Foo\nS: * LIST () \"/\" foo\nS: $a OK\n",
			want:     []string{"Foo", "INBOX", "INBOX/x", "foo"},
			warnings: []string{`"INBOX": it has the same name as "inbox"`, `"INBOX/x": it has the same name as "inBox/x"`},
		},
		{
			name: "not selectable", req: all,
			script: list + "S: * LIST (\\NoSelect \\HasChildren) \"/\" \"[Gmail]\"\nS: * LIST (\\All \\HasNoChildren) \"/\" \"[Gmail]/All Mail\"\n" +
				"S: * LIST (\\NOSELECT) \"/\" Public\nS: * LIST (\\nonexistent) \"/\" ghost\nS: * LIST () \"/\" mbox.lock\nS: $a OK\n",
			want: []string{"INBOX", "[Gmail]/All Mail"},
		},
		{
			name: "subscriptions the old way", req: all, change: func(o *imap.Options) { o.SubscribedOnly = true },
			script: "C~ (?P<a>\\S+) LSUB \"\" \"?\\*\"?\nS: * LSUB () \"/\" a/b\nS: * LSUB (\\Noselect) \"/\" a\n" +
				"S: $a OK\n",
			want: []string{"INBOX", "a/b"},
		},
		{
			name: "subscriptions, and the inbox only if it is listed", change: func(o *imap.Options) { o.SubscribedOnly = true },
			req:    store.ListRequest{InboxAmong: true, Others: true},
			script: "C~ (?P<a>\\S+) LSUB \"\" \"?\\*\"?\nS: * LSUB () \"/\" b\nS: $a OK\n",
			want:   []string{"b"},
		},
		{
			name: "a prefix that begins with INBOX", change: func(o *imap.Options) { o.Path, o.Delimiter = "INBOX.mail.", "." },
			req:    store.ListRequest{InboxAmong: true, Others: true},
			script: "C~ (?P<a>\\S+) LIST \"\" \"?INBOX\\*\"?\nS: * LIST () \".\" INBOX\nS: * LIST () \".\" INBOX.mail\nS: * LIST () \".\" INBOX.mail.a.b\nS: $a OK\n",
			want:   []string{"INBOX", "INBOX/mail", "a/b"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, warnings := scripted(t, c.change, hello+c.script+goodby)
			found, err := s.List(t.Context(), c.req)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, b := range found {
				got = append(got, b.Name)
			}
			slices.Sort(got)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			if len(*warnings) != len(c.warnings) {
				t.Fatalf("warnings %q", *warnings)
			}
			for i, w := range c.warnings {
				if got := (*warnings)[i]; !strings.Contains(got, w) || len(got) > 400 {
					t.Errorf("warning %.500q does not say %q", got, w)
				}
			}
		})
	}
}

// TestRawNames: names that are not in modified UTF-7 are mailboxes, and are sent back
// as they came, unless another mailbox has that name in modified UTF-7.
func TestRawNames(t *testing.T) {
	const list = "C~ (?P<a>\\S+) LIST \"\" \"?\\*\"?\n"
	const sel = "S: * 0 EXISTS\nS: * OK [UIDVALIDITY 7] ok\nS: * OK [UIDNEXT 1] ok\nS: $s OK done\n"
	for _, c := range []struct{ name, listed, sent string }{
		{"A&B", `"A&B"`, "C: $s SELECT \"A&B\"\n"},
		{"R&D/x&-y", `"R&D/x&-y"`, "C: $s SELECT \"R&D/x&-y\"\n"},
		{"Entwürfe", "{9}\nS: Entwürfe", "C: $s SELECT {9+}\nC: Entwürfe\n"},
		{"Entw\xfcrfe", "{8}\nS: Entw\xfcrfe", "C: $s SELECT {8+}\nC~ Entw.rfe\n"},
		{"X & Y", `"X &- Y"`, "C: $s SELECT \"X &- Y\"\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, warnings := scripted(t, nil, hello+list+"S: * LIST () \"/\" "+c.listed+"\nS: $a OK\n"+c.sent+sel+goodby)
			found, err := s.List(t.Context(), store.ListRequest{Others: true})
			if err != nil || len(found) != 1 || found[0].Name != c.name || len(*warnings) != 0 {
				t.Fatalf("found %q, %v; warnings %q", found, err, *warnings)
			}
			m, err := s.Open(t.Context(), c.name, store.OpenRequest{})
			if err != nil {
				t.Fatal(err)
			}
			_ = m.Close(t.Context())
		})
	}
	// The order in which they are listed does not matter.
	for _, order := range []string{
		"S: * LIST () \"/\" \"X&Y\"\nS: * LIST () \"/\" \"X&-Y\"\n",
		"S: * LIST () \"/\" \"X&-Y\"\nS: * LIST () \"/\" \"X&Y\"\n",
	} {
		s, warnings := scripted(t, nil, hello+list+order+"S: $a OK\nC: $s SELECT \"X&-Y\"\n"+sel+goodby)
		found, err := s.List(t.Context(), store.ListRequest{Others: true})
		if err != nil || len(found) != 1 || found[0].Name != "X&Y" || len(*warnings) != 1 || !strings.Contains((*warnings)[0], `"X&Y"`) {
			t.Fatalf("found %q, %v; warnings %q", found, err, *warnings)
		}
		m, err := s.Open(t.Context(), "X&Y", store.OpenRequest{})
		if err != nil {
			t.Fatal(err)
		}
		_ = m.Close(t.Context())
	}
}

// evilLists are answers to a LIST with names that are refused.
func evilLists(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("S: * LIST () \"/\" ../%d\n", i))
	}
	return out
}

// What is no mailbox is explained to who asks, and is no reason to warn.
func TestListContainers(t *testing.T) {
	var explained []string
	s, warnings := scripted(t, func(o *imap.Options) {
		o.Explain = func(text string) { explained = append(explained, text) }
	}, hello+"C~ (?P<a>\\S+) LIST \"\" \"?\\*\"?\nS: * LIST (\\NoSelect) \"/\" a\nS: * LIST () \"/\" a/b\nS: * LIST (\\NonExistent) \"/\" c\nS: $a OK\n"+goodby)
	found, err := s.List(t.Context(), store.ListRequest{Others: true})
	if err != nil || len(found) != 1 || found[0].Name != "a/b" {
		t.Errorf("found %v, %v", found, err)
	}
	if len(explained) != 2 || !strings.HasPrefix(explained[0], `"a" is no mailbox`) || !strings.HasPrefix(explained[1], `"c" is no mailbox`) {
		t.Errorf("explained %q", explained)
	}
	if len(*warnings) != 0 {
		t.Errorf("warnings %q", *warnings)
	}
}
