package channel_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPairs lists the pairs of a channel and then synchronizes them: both must
// come to the same ones.
func TestPairs(t *testing.T) {
	for _, c := range []struct {
		name, rc  string
		args      []string
		far, near string // mailboxes, as the stores call them
		holder    string // stores whose inbox is among the others
		want      []string
		errs      []string // names of pairs that fail
		warnings  []string // parts of them
	}{
		{
			name: "wildcard, from both sides, in order",
			rc:   "Patterns *", far: "b a/x INBOX INBOX/s", near: "c a INBOX",
			want: []string{"a: a = a", "a/x: a/x = a/x", "b: b = b", "c: c = c"},
		},
		{
			name: "one level",
			rc:   "Patterns %", far: "b a/x", near: "c",
			want: []string{"b: b = b", "c: c = c"},
		},
		{
			name: "inbox first, with its children",
			rc:   "Patterns * INBOX*", far: "ABC INBOX INBOX/s", near: "INBOX/t zz",
			want: []string{"INBOX: INBOX = INBOX", "INBOX/s: INBOX/s = INBOX/s", "INBOX/t: INBOX/t = INBOX/t", "ABC: ABC = ABC", "zz: zz = zz"},
		},
		{
			name: "inbox without its children",
			rc:   "Patterns * INBOX", far: "INBOX INBOX/s", near: "",
			// What "*" matches is selected, once it is listed.
			want: []string{"INBOX: INBOX = INBOX", "INBOX/s: INBOX/s = INBOX/s"},
		},
		{
			name: "inbox among the others of one store",
			rc:   "Patterns *", far: "INBOX a", near: "INBOX", holder: "far",
			want: []string{"INBOX: INBOX = INBOX", "a: a = a"},
		},
		{
			name: "only the inbox",
			rc:   "Patterns INBOX", far: "INBOX a INBOX/s", near: "b",
			want: []string{"INBOX: INBOX = INBOX"},
		},
		{
			name: "exclusions, the last match wins",
			rc:   "Patterns * !a* ab !x", far: "a ab abc x y", near: "aa",
			want: []string{"ab: ab = ab", "y: y = y"},
		},
		{
			name: "an exclusion before what it excludes",
			rc:   "Patterns !x *", far: "x", near: "",
			want: []string{"x: x = x"},
		},
		{
			name: "nothing found",
			rc:   "Patterns *",
		},
		{
			name: "prefixes on both sides",
			rc:   "Far :far:lists/\nNear :near:l-\nPatterns *", far: "lists/a lists lists/b/c other INBOX", near: "l-d l- e",
			// What is named like the prefix has no name of its own. Nothing can be
			// made of that where the prefix ends in a delimiter.
			want: []string{": lists/ = l-", "a: lists/a = l-a", "b/c: lists/b/c = l-b/c", "d: lists/d = l-d"},
			errs: []string{""},
		},
		{
			name: "a mailbox as a prefix",
			rc:   "Far :far:INBOX\nNear :near:in\nPatterns *", far: "INBOX INBOX/a", near: "in in/b inx",
			want: []string{": INBOX = in", "/a: INBOX/a = in/a", "/b: INBOX/b = in/b", "x: INBOXx = inx"},
		},
		{
			name: "a mailbox as a prefix of one side",
			rc:   "Far :far:a\nNear :near:\nPatterns *", far: "a ab", near: "INBOX",
			want: []string{": a = INBOX", "b: ab = b"},
			errs: []string{""}, // not the inbox, which nobody spoke of
		},
		{
			name: "patterns apply behind the prefix",
			rc:   "Far :far:x/\nPatterns * !x/*", far: "x/a x/x/b", near: "",
			want: []string{"a: x/a = a"},
		},
		{
			name: "the inbox as a prefix",
			rc:   "Far :far:INBOX/\nPatterns *", far: "INBOX INBOX/a b", near: "c",
			want: []string{"a: INBOX/a = a", "c: INBOX/c = c"},
		},
		{
			name: "named boxes, in the order given, patterns or not",
			rc:   "Far :far:x/\nPatterns * !a", args: []string{"c:b,a,b"}, far: "x/a x/b", near: "z",
			want: []string{"b: x/b = b", "a: x/a = a"},
		},
		{
			name: "named as before 1.5",
			rc:   "Patterns *", args: []string{"c:Entw&APw-rfe,R&-D,R&D,Entwürfe"}, far: "Entwürfe Entw&APw-rfe R&-D R&D", near: "",
			want:     []string{"Entw&APw-rfe: Entw&APw-rfe = Entw&APw-rfe", "R&-D: R&-D = R&-D", "R&D: R&D = R&D", "Entwürfe: Entwürfe = Entwürfe"},
			warnings: []string{"'Entw&APw-rfe' is not 'Entwürfe'", "'R&-D' is not 'R&D'"},
		},
		{
			name: "no patterns",
			far:  "INBOX a", near: "",
			want: []string{": INBOX = INBOX"},
		},
		{
			name: "no patterns, with mailboxes",
			rc:   "Far :far:a/b\nNear :near:c", far: "a/b", near: "",
			want: []string{": a/b = c"},
		},
		{
			name: "MapInbox",
			rc:   "Far :farmap:\nPatterns *", far: "INBOX INBOX/s a", near: "",
			want: []string{"a: a = a", "main: INBOX = main"},
		},
		{
			name: "MapInbox, behind a prefix",
			rc:   "Far :farmap:ma\nNear :near:x-\nPatterns *", far: "INBOX mad", near: "",
			want: []string{"d: mad = x-d", "in: INBOX = x-in"},
		},
		{
			name: "MapInbox, excluded",
			rc:   "Far :farmap:\nPatterns * !main", far: "INBOX a", near: "",
			want: []string{"a: a = a"},
		},
		{
			name: "MapInbox, without patterns, and named",
			rc:   "Far :farmap:main", far: "INBOX", near: "",
			want: []string{": INBOX = INBOX"},
		},
		{
			name: "MapInbox on both sides: the same pair twice",
			rc:   "Far :farmap:\nNear :nearmap:\nPatterns * INBOX", far: "INBOX a", near: "INBOX",
			want: []string{"a: a = a", "main: INBOX = INBOX"},
		},
		{
			name: "MapInbox and INBOX: what was asked for expressly",
			rc:   "Far :farmap:\nPatterns * INBOX", far: "INBOX", near: "",
			want:     []string{"main: INBOX = main"},
			warnings: []string{`mailbox 'INBOX' of MaildirStore "farmap" is already synchronized as 'main', and not again as 'INBOX'`},
		},
		{
			name: "MapInbox and INBOX: what has been there before",
			rc:   "Near :nearmap:\nPatterns * INBOX", far: "INBOX a", near: "INBOX",
			want:     []string{"INBOX: INBOX = INBOX", "a: a = a"},
			warnings: []string{`mailbox 'INBOX' of MaildirStore "nearmap" is already synchronized as 'INBOX', and not again as 'main'`},
		},
		{
			name: "MapInbox and INBOX: something is left unsynchronized",
			rc:   "Near :nearmap:\nPatterns * INBOX", far: "INBOX main", near: "INBOX",
			want: []string{"INBOX: INBOX = INBOX", "main: main = INBOX"},
			errs: []string{"INBOX"},
		},
		{
			name: "MapInbox and INBOX, named",
			rc:   "Far :farmap:\nPatterns *", args: []string{"c:INBOX,main"}, far: "INBOX", near: "",
			want: []string{"INBOX: INBOX = INBOX", "main: INBOX = main"},
			errs: []string{"main"},
		},
		{
			name: "MapInbox with different names on both sides",
			rc:   "Far :farmap:\nNear :nearhome:\nPatterns * INBOX", far: "INBOX", near: "INBOX",
			want: []string{"INBOX: INBOX = INBOX"},
			// Both would need another mailbox that is not there.
			warnings: []string{"and not again as 'home'", "and not again as 'main'"},
		},
		{
			name: "a mailbox behind MapInbox",
			rc:   "Far :farmap:\nPatterns *", far: "INBOX main", near: "",
			want:     []string{"main: INBOX = main"},
			warnings: []string{`mailbox 'main' of MaildirStore "farmap" is ignored: MapInbox`},
		},
		{
			name: "Flatten, both ways",
			rc:   "Near :nearflat:\nPatterns * INBOX*", far: "a/b/c d INBOX INBOX/s", near: "e_f INBOX_t g",
			want: []string{
				"INBOX: INBOX = INBOX", "INBOX/s: INBOX/s = INBOX_s", "INBOX/t: INBOX/t = INBOX_t",
				"a/b/c: a/b/c = a_b_c", "d: d = d", "e/f: e/f = e_f", "g: g = g",
			},
		},
		{
			name: "Flatten and a name that it cannot express",
			rc:   "Near :nearflat:\nPatterns *", far: "a_b a/b c", near: "",
			want: []string{"a/b: a/b = a_b", "a_b: a_b = a_b", "c: c = c"},
			errs: []string{"a_b"},
		},
		{
			name: "Flatten and a mailbox within another",
			rc:   "Near :nearflat:\nPatterns * !x* INBOX*", far: "", near: "a r/s x/y INBOX/u INBOX",
			want:     []string{"INBOX: INBOX = INBOX", "a: a = a"},
			warnings: []string{`'INBOX/u' of MaildirStore "nearflat" is ignored`, `'r/s' of MaildirStore "nearflat" is ignored`},
		},
		{
			name: "Flatten, with prefixes",
			rc:   "Far :far:x/\nNear :nearflat:p/q/\nPatterns *", far: "x/a/b", near: "p_q_c_d p_e",
			want: []string{"a/b: x/a/b = p_q_a_b", "c/d: x/c/d = p_q_c_d"},
		},
		{
			name: "Flatten by several characters",
			rc:   "Near :nearlong:\nPatterns *", far: "a_/b a/_c d_e", near: "",
			// "a_/b" would read as "a/_b".
			want: []string{"a/_c: a/_c = a___c", "a_/b: a_/b = a_/b", "d_e: d_e = d_e"},
			errs: []string{"a_/b"},
		},
		{
			name: "Flatten and MapInbox",
			rc:   "Near :nearboth:\nPatterns *", far: "in/box a/b", near: "INBOX",
			want: []string{"a/b: a/b = a_b", "in/box: in/box = INBOX"},
		},
		{
			name: "the same mailbox on both sides",
			rc:   "Near :far:\nPatterns *", far: "a",
			want: []string{"a: a = a"},
			errs: []string{"a"},
		},
		{
			name: "INBOX is what it is on a server, however it is written",
			rc:   "Far :imap:\nPatterns *", args: []string{"c:INBOX,inbox"}, far: "INBOX inbox", near: "",
			want: []string{"INBOX: INBOX = INBOX", "inbox: inbox = inbox"},
			errs: []string{"inbox"},
		},
		{
			name: "a blank in a name, without quotes",
			rc:   "Patterns INBOX Sent Mail", far: "INBOX Sent", near: "INBOX",
			want:     []string{"INBOX: INBOX = INBOX", "Sent: Sent = Sent"},
			warnings: []string{"Patterns lists 'Mail', but neither side has a mailbox of that name"},
		},
		{
			name: "names of mailboxes that are there, excluded, or the inbox",
			rc:   "Far :far:x/\nPatterns a b !b INBOX inbox/ \"\"", far: "x/a x/b", near: "INBOX a b",
			want:     []string{"INBOX: x/INBOX = INBOX", "a: x/a = a"},
			warnings: []string{"Patterns lists 'inbox/', but neither side has a mailbox of that name"},
		},
		{
			name: "a name that only exclusions know",
			rc:   "Patterns * !spam", far: "a", near: "a",
			want: []string{"a: a = a"},
		},
		{
			name: "the inbox by another name, which is not there yet",
			rc:   "Near :nearhome:\nPatterns home a", far: "a", near: "",
			want: []string{"a: a = a"},
		},
		{
			name: "copies of copies",
			rc:   "Near :far:copy/\nPatterns *", far: "a copy/a",
			want:     []string{"a: a = copy/a"},
			warnings: []string{`mailbox 'copy/a' of MaildirStore "far" is already synchronized as 'a'`},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, pairsConfig(c.rc))
			farName, nearName := w.cfg.Channels[0].Far.Store.Name, w.cfg.Channels[0].Near.Store.Name
			w.boxes(farName, strings.Fields(c.far)...)
			w.boxes(nearName, strings.Fields(c.near)...)
			w.holder[c.holder] = true

			var works []string
			for _, p := range c.want {
				name, _, _ := strings.Cut(p, ":")
				if !slices.Contains(c.errs, name) {
					works = append(works, p)
				}
			}
			if d := cmp.Diff(works, w.list(c.args...)); d != "" {
				t.Errorf("listed (-want +got):\n%s", d)
			}
			// A warning for each of what does not work, and what is ignored.
			if got := len(w.obs.warnings); got != len(c.errs)+len(c.warnings) {
				t.Errorf("warnings of the listing: %q", w.obs.warnings)
			}

			sum := w.run(t.Context(), c.args...)
			if d := cmp.Diff(c.want, w.obs.done); d != "" {
				t.Errorf("synchronized (-want +got):\n%s", d)
			}
			for name, err := range w.obs.errs {
				if !slices.Contains(c.errs, name) {
					t.Errorf("%s: %v", name, err)
				}
			}
			if len(w.obs.errs) != len(c.errs) || sum.Failed != (len(c.errs) > 0) || sum.Channels != 1 {
				t.Errorf("errors of %q wanted, got %v; %+v", c.errs, w.obs.errs, sum)
			}
			if len(w.obs.warnings) != len(c.warnings) {
				t.Fatalf("warnings: %q", w.obs.warnings)
			}
			for i, warning := range c.warnings {
				if !strings.Contains(w.obs.warnings[i], warning) {
					t.Errorf("warning %q does not say %q", w.obs.warnings[i], warning)
				}
			}
			if len(w.obs.failed) > 0 {
				t.Errorf("channels failed: %v", w.obs.failed)
			}
			if t.Failed() {
				return
			}

			// Now there is everything on both sides, and a second run finds it
			// so. That must not change who wins.
			sum = w.run(t.Context(), c.args...)
			if d := cmp.Diff(c.want, w.obs.done); d != "" {
				t.Errorf("synchronized again (-want +got):\n%s", d)
			}
			if sum.Counts[0].New+sum.Counts[1].New != 0 {
				t.Errorf("the second run copied: %+v", sum)
			}
		})
	}
}

// pairsConfig returns a configuration with one channel c from far to near, if
// it does not say otherwise.
func pairsConfig(lines string) string {
	rc := stores + `
MaildirStore farmap
Path /far/
Inbox /farbox
MapInbox main

MaildirStore nearmap
Path /near/
Inbox /nearbox
MapInbox main

MaildirStore nearhome
Path /near/
Inbox /nearbox
MapInbox home

MaildirStore nearflat
Path /near/
Inbox /nearbox
Flatten _

MaildirStore nearlong
Path /near/
Inbox /nearbox
Flatten __

MaildirStore nearboth
Path /near/
Inbox /nearbox
Flatten _
MapInbox in/box

IMAPStore imap
Host localhost
User me
Pass secret

Channel c
Create Both
`
	for keyword, line := range map[string]string{"Far ": "Far :far:\n", "Near ": "Near :near:\n"} {
		if !strings.Contains("\n"+lines, "\n"+keyword) {
			rc += line
		}
	}
	return rc + lines + "\n"
}
