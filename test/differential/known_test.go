package differential

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// example is a short history whose last round shows a known difference.
type example struct {
	name    string
	in      string // the version of the C program that shows it; "": each
	history string
	// want is how the worlds differ then: lines of theirs with "-", of ours
	// with "+".
	want string
}

var examples = []example{
	{
		"deleted on the side that is expunged", "1.4",
		"f+M1:ST | sync expunge-far",
		`-near highest UID 1
		-near 1 M1:ST cur
		-state MaxPushedUid 1
		-state record 0: "1 1 ST"
		+near highest UID 0
		+state MaxPushedUid 0
		+state record 0: ""`,
	},
	{
		"seen placeholders", "1.4",
		`n+M1*:S | sync maxsize-far
		 | pull-flags`,
		`-near 1 M1*: cur
		-state record 0: "1 1 <"
		+near 1 M1*:S cur
		+state record 0: "1 1 <S"`,
	},
	{
		"expirations are forgotten without MaxMessages", "1.4",
		`f+M1:S f+M2:S | sync
		 | sync max=1
		 | sync`,
		`-state record 0: "1 1 S"
		+state record 0: "1 1 ~S"`,
	},
	{
		"expired orphans come back", "1.4",
		`n+M1:S f+M2:S | sync
		 | sync max=1
		f-M2 | sync max=1
		 | sync max=4`,
		`-near 2 M2:S cur
		-state record 1: "0 2 S"
		+near 2 M2:ST cur
		+state record 1: "0 2 ~S"`,
	},
	{
		"copying ends at a trashed message", "1.4",
		"f+M1:ST f+M2:F | sync expunge-far trash-far",
		`-near highest UID 0
		-far trash: 0 M1:ST cur
		-state MaxPushedUid 0
		-state record 0: "2 0 "
		+near highest UID 1
		+near 1 M2:F new
		+far trash: 0 M1:S cur
		+state MaxPushedUid 1
		+state record 0: "2 1 F"`,
	},
	{
		"copying ends at a message whose flags change", "1.4",
		`f+M1* | sync maxsize-near
		f+M2:S n:M1*+F | sync`,
		`-near highest UID 2
		-state MaxPushedUid 2
		-state record 1: "0 1 T"
		-state record 2: "2 0 "
		+near highest UID 3
		+near 3 M2:S cur
		+state MaxPushedUid 3
		+state record 1: "0 1 "
		+state record 2: "2 3 S"`,
	},
	{
		"placeholders are no copies to TrashNewOnly", "1.4",
		`f+M1*:S | sync maxsize-near
		n-M1* | sync
		 | sync expunge-far trashnew-far`,
		`+far trash: 0 M1*:S cur`,
	},
	{
		"MaxMessages and missing originals", "1.4",
		`n+M1:S n+M2 | push-new
		f+M3 | pull-new max=2`,
		`-near 1 M1:S cur
		-state record 0: "1 1 S"
		+near 1 M1:ST cur
		+state MaxExpiredFarUid 1
		+state record 0: "1 1 ~S"`,
	},
	{
		"expunged before the deletion was propagated", "1.4",
		`f+M1:S | pull-new
		f:M1+T | expunge-far`,
		`-state record 0: "0 1 S"
		+state record 0: "1 1 S"`,
	},
	{
		"records below the expired ones", "1.4",
		`f+M1:S | sync
		n-M1 | sync
		f+M2:S f+M3:F | sync max=1
		 | sync max=1`,
		`-state record 0: "3 2 F"
		+state record 0: "1 0 S"
		+state record 1: "3 2 F"`,
	},
	{
		"flagged originals of placeholders", "1.4",
		`n+M1* | sync maxsize-far
		n:M1*+F | sync`,
		`-far highest UID 2
		-far 1 M1*?:T cur
		-far 2 M1*:F new
		-state MaxPulledUid 2
		-state record 0: "2 1 F"
		-state record 1: "1 0 T"
		+far highest UID 1
		+far 1 M1*?: new
		+state MaxPulledUid 1
		+state record 0: "1 1 <"`,
	},
	{
		"expunging what has expired", "1.4",
		`f+M1:S f+M2:F | sync max=1
		f:M1+T | expunge-far expunge-near max=1`,
		`-far 1 M1:ST cur`,
	},
	{
		"records of what is gone on both sides", "1.4",
		`n+M1 | push-new
		f-M1 n-M1 | push-renew`,
		`-state record 0: ""
		+state record 0: "1 1 "`,
	},
	{
		"MaxSize and the remote trash", "1.4",
		"n+M1*:ST | sync expunge-far expunge-near remotetrash-far maxsize-far",
		`+far trash: 0 M1*:S cur`,
	},
	{
		"placeholders in the trash", "1.4",
		`n+M1* | sync maxsize-far
		n-M1* | sync expunge-far trash-far`,
		`-far trash: 0 M1*?:T cur`,
	},
	{
		"MaxMessages and placeholders", "",
		`n+M1* n+M2 | sync maxsize-far
		 | sync max=1 unread=yes`,
		`-near 1 M1*:T cur
		-state MaxExpiredFarUid 1
		-state record 0: "1 1 <~"
		+near 1 M1*: new
		+state record 0: "1 1 <"`,
	},
	{
		"undeleted beyond the limit", "",
		`f+M1:ST f+M2 | sync
		n:M1-T | sync max=1 unread=no`,
		`-near 1 M1:ST cur
		-state MaxExpiredFarUid 1
		-state record 0: "1 1 ~S"
		+near 1 M1:S cur
		+state record 0: "1 1 S"`,
	},
	{
		"undeleted beyond the limit", "",
		`f+M1:ST f+M2:S | sync
		f:M1-T | sync max=1`,
		`-near 1 M1:S cur
		+near 1 M1:ST cur`,
	},
	{
		"deleted after it expired", "1.4",
		`f+M1:S f+M2:S | sync
		 | sync max=1
		f:M1+T | sync max=1
		 | push-flags max=1`,
		`-far 1 M1:S cur
		-state record 0: "1 1 S"
		+far 1 M1:ST cur
		+state record 0: "1 1 ~ST"`,
	},
	{
		"gone, and marked as deleted", "",
		`n+M1:F | push-new
		n-M1 f:M1+T | pull-flags expunge-near`,
		`-state record 0: "1 1 F"
		+state record 0: "1 0 F"`,
	},
	{
		"headers that just stop", "1.4",
		"f+H1:S | sync",
		`-near highest UID 0
		-state MaxPushedUid 0
		-state record 0: ""
		+near highest UID 1
		+near 1 H1:S cur
		+state MaxPushedUid 1
		+state record 0: "1 1 S"`,
	},
	{
		"flagged messages above MaxSize", "1.4",
		"f+M1*:F | sync maxsize-near",
		`-near 1 M1*:F new
		-state record 0: "1 1 F"
		+near 1 M1*?: new
		+state record 0: "1 1 >"`,
	},
	{
		"new messages are numbered at another time", "",
		`f+M1 | sync
		n+M2 | pull-flags`,
		`-near highest UID 1
		-near 0 M2: new
		+near highest UID 2
		+near 2 M2: new`,
	},
	{
		"marks on outdated placeholders", "1.4",
		`f+M0* | pull-new maxsize-near
		n:M0*+F | sync`,
		`-state record 1: "0 1 T"
		+state record 1: "0 1 "`,
	},
	{
		"the last copy of an expired message", "1.5",
		`f+M1:S f+M2:S | sync
		| sync max=1
		f-M1 f+M3 | pull-delete pull-new
		| pull-old expunge-near trash-near`,
		`-state record 0: "0 1 ~S"
		-state record 1: "2 2 S"
		-state record 2: "3 3 "
		+near trash: 0 M1:S cur
		+state record 0: "2 2 S"
		+state record 1: "3 3 "`,
	},
	{
		"a state that is not written", "1.5",
		`n+M1:FS | sync
		n-M1 | sync`,
		`-state record 0: "1 1 FS"
		+state record 0: "1 0 FS"`,
	},
	{
		"Old with Flags", "1.5",
		`f+M1:S f+M2:F f+M3:F | sync max=2 expunge-near
		| sync pull-old`,
		`-near highest UID 2
		-state MaxPushedUid 2
		+near highest UID 3
		+near 3 M1:S cur
		+state MaxPushedUid 3
		+state record 2: "1 3 S"`,
	},
	{
		"a mailbox removed after an unfinished first run", "1.5",
		`f+M0 f+M1:S | sync max=1
		n! | create-near`,
		`-near highest UID 0
		+near is missing`,
	},
	{
		"a changed UIDVALIDITY on both sides", "1.5",
		`f+M1:DS | sync
		n% f% | `,
		`-failed: false
		-state FarUidValidity is the mailbox's
		-state NearUidValidity is the mailbox's
		+failed: true
		+state FarUidValidity 1000
		+state NearUidValidity 2000`,
	},
	{
		"a mailbox restored from a backup", "",
		`f+M0 | sync
		f! | sync
		f= | `,
		`-failed: false
		+failed: true`,
	},
	{
		"records of what is gone on both sides", "1.5",
		`f+M0:S | pull-new push-new
		n+M2:DS f-M0 n-M0 | pull-new push-new max=1`,
		`-state record 0: "1 1 S"
		-state record 1: "2 2 DS"
		+state record 0: "2 2 DS"`,
	},
	{
		"expired, and expunged at once", "1.5",
		`n+M0:R n+M1:D | pull-new pull-flags push-flags expunge-near max=2 unread=no expire-far
		n+M2:R f+M3:S | pull-new pull-flags push-flags expunge-near max=2 unread=no expire-far
		f+M5:S f+M6:F | pull-new pull-flags push-flags max=3 unread=no expire-far
		| pull-new pull-flags push-flags expunge-far max=2 unread=no expire-far`,
		`-state record 0: "1 4 ~S"
		+state record 0: "0 4 ~S"`,
	},
	{
		"flagged placeholders that are expunged", "1.5",
		`n+M1*:S | sync maxsize-far
		f:M1*+T f:M1*+F | push-renew expunge-far`,
		`-state record 0: "0 1 <S"
		+state record 0: "1 1 <S"`,
	},
	{
		"flagged placeholders whose original is gone", "1.5",
		`f+M1*:R | sync maxsize-near
		f-M1* n:M1*+F | pull-renew`,
		`-near 1 M1*?:FRT cur
		-state record 0: "1 0 R"
		-state record 1: "0 1 "
		+near 1 M1*?:FR cur
		+state record 0: "1 1 >R"`,
	},
	{
		"flagged placeholders whose original is gone", "1.5",
		`n+M1*:DS | sync maxsize-far
		n:M1*+T f:M1*+F | sync expunge-near`,
		`-state record 0: "1 0 "
		+state record 0: "1 0 <DST"`,
	},
	{
		"expired placeholders", "1.5",
		`f+M0* | pull-new maxsize-near
		n+M1:S f+M2:S | sync max=1 unread=yes
		f+M4:S | sync`,
		`-state record 0: "1 1 ~"
		+state record 0: "1 1 >~"`,
	},
	{
		"records below the expired ones", "1.5",
		`f+M1:S | sync
		n-M1 f+M2:S f+M3:F f+M4:F | sync max=2
		f+M5:F | sync max=2`,
		`-state record 0: "3 2 F"
		-state record 1: "4 3 F"
		-state record 2: "5 4 F"
		+state record 0: "1 0 S"
		+state record 1: "3 2 F"
		+state record 2: "4 3 F"
		+state record 3: "5 4 F"`,
	},
	{
		"MaxMessages and missing originals", "1.5",
		`n+M0:DS |
		n+M4:S |
		f+M5:R | pull-new push-new
		f+M6:F | pull-new max=1 unread=no
		f-M4 | sync max=3 unread=yes`,
		`-near 3 M5:RT cur
		-state record 2: "1 3 ~R"
		+near 3 M5:R new
		+state record 2: "1 3 R"`,
	},
	{
		"MaxMessages and missing originals", "1.5",
		`f+M1:S f+M2:F | sync
		n-M2 | push-new pull-flags max=1 expire-far`,
		`-far 1 M1:ST cur
		-state MaxExpiredNearUid 1
		-state record 0: "1 1 ~S"
		+far 1 M1:S cur
		+state record 0: "1 1 S"`,
	},
	{
		"a changed UIDVALIDITY without any paired message", "",
		`f+M0 | sync
		f-M0 n-M0 | sync
		n% | `,
		`-state MaxPulledUid 1
		-state MaxPushedUid 1
		+state MaxPulledUid 0
		+state MaxPushedUid 0`,
	},
	{
		"watermarks rise earlier", "",
		`n+M1 f+M2 |
		 | pull-new expunge-near
		n-M1 | push-delete`,
		`-state MaxPushedUid 0
		+state MaxPushedUid 2`,
	},
}

// TestKnownDifferences shows each of them as it is, so that the documentation
// of differences is true, and the comparison of histories overlooks nothing else
// under its name.
func TestKnownDifferences(t *testing.T) {
	withEach(t, func(t *testing.T, ref reference) {
		setUp(t, ref)
		dir := t.TempDir()
		for i, e := range examples {
			if e.in == "" || e.in == ref.version {
				t.Run(e.name, func(t *testing.T) { e.show(t, filepath.Join(dir, fmt.Sprint(i))) })
			}
		}
	})
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "differences.md"))
	if err != nil {
		t.Fatal(err)
	}
	have := make(map[string]bool)
	for _, e := range examples {
		have[e.name] = true
	}
	for _, k := range knownDifferences {
		if !have[k.name] {
			t.Errorf("no example of %q", k.name)
		}
		if !strings.Contains(string(doc), "**"+k.name+"**") {
			t.Errorf("docs/differences.md does not explain %q", k.name)
		}
	}
}

// show lives through the example in directories below dir.
func (e example) show(t *testing.T, dir string) {
	h, err := parseHistory(e.history)
	if err != nil {
		t.Fatal(err)
	}
	worlds, err := maildirs(dir)
	if err != nil {
		t.Fatal(err)
	}
	for j, r := range h {
		var before, after [2]*shot
		for k, p := range []mbsync{theirs, ours} {
			if before[k], after[k], _, err = turn(worlds[k], p, r); err != nil {
				t.Fatal(err)
			}
		}
		got := differences(after)
		if j < len(h)-1 {
			if got != "" {
				t.Fatalf("round %d: the worlds differ already:\n%s", j+1, got)
			}
			continue
		}
		if d := cmp.Diff(unindent(e.want), unindent(got)); d != "" {
			t.Errorf("the worlds differ in another way than thought (-want +got):\n%s\nthat is:\n%s\nfrom\n%s", d, got, before[0])
		}
		if len(concerned(e.name, r, before[1], after[0], after[1])) == 0 {
			t.Error("the comparison of histories does not know the difference")
		}
	}
}

var digests = regexp.MustCompile(` [0-9a-f]{8}$`)

// differences are the lines in which the worlds differ.
func differences(s [2]*shot) string {
	var lines [2][]string
	for k := range s {
		for _, l := range s[k].lines() {
			lines[k] = append(lines[k], strings.TrimSpace(digests.ReplaceAllString(l, "")))
		}
	}
	var out []string
	for k, sign := range []string{"-", "+"} {
		for _, l := range lines[k] {
			if !slices.Contains(lines[1-k], l) {
				out = append(out, sign+l)
			}
		}
	}
	return strings.Join(out, "\n")
}

// unindent makes lines of a text comparable.
func unindent(text string) []string {
	var out []string
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return out
}
