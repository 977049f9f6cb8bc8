package config

import (
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"isync/internal/event"
)

// fix fixes a text that must have no errors, and checks what holds for all of
// them: it means the same, there are no deprecated words left, and fixing again
// changes nothing.
func fix(t interface {
	Helper()
	Fatalf(string, ...any)
}, text string,
) (fixed string, words int) {
	t.Helper()
	before, _, err := Parse("/etc/rc", []byte(text), testEnv(nil))
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	f, _, err := Fix("/etc/rc", []byte(text), testEnv(nil))
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	after, notices, err := Parse("/etc/rc", f.Files[0].New, testEnv(nil))
	if err != nil {
		t.Fatalf("%q becomes %q: %v", text, f.Files[0].New, err)
	}
	if d := cmp.Diff(before, after, noPlaces); d != "" {
		t.Fatalf("%q becomes %q, which means something else (-before +after):\n%s", text, f.Files[0].New, d)
	}
	for _, n := range notices {
		if n.Severity == event.Notice || n.Outdated > 0 {
			t.Fatalf("%q becomes %q: %v", text, f.Files[0].New, n)
		}
	}
	again, _, err := Fix("/etc/rc", f.Files[0].New, testEnv(nil))
	if err != nil || again.Files[0].Words != 0 || string(again.Files[0].New) != string(f.Files[0].New) {
		t.Fatalf("%q becomes %q, and that %+v, %v", text, f.Files[0].New, again, err)
	}
	return string(f.Files[0].New), f.Files[0].Words
}

// noPlaces ignores where values were given.
var noPlaces = cmp.FilterPath(func(p cmp.Path) bool {
	typ := p.Last().Type()
	return typ == reflect.TypeFor[Pos]() || typ == reflect.TypeFor[Given]()
}, cmp.Ignore())

// Each case is a part of a configuration; the first line of the text tells of
// what: a for an account, c for a channel.
func TestFix(t *testing.T) {
	tests := []struct{ old, want string }{
		// Renamed words: white space, quotes and comments stay.
		{"a\n\t SSLType\t\"imaps\"  # why\n", "a\n\t TLSType\t\"imaps\"  # why\n"},
		{"a\nsslTYPE IMAPS#no comment?", ""},
		{"c\nSync  PullReNew \"pushdelete\"   Delete#1 # Delete\n", ""},
		{"c\nSync  PullReNew \"pushdelete\"   # Delete\n", "c\nSync  PullUpgrade \"PushGone\"   # Delete\n"},
		{"c\nCreate \u201cSlave\u201d # \u201cSlave\u201d\n", "c\nCreate \u201cNear\u201d # \u201cSlave\u201d\n"},
		{"c\n\"Create\" Sl\"ave\"\n", "c\n\"Create\" Near\n"},
		{"c\n\"Create\" \\Slave\n", "c\n\"Create\" \\Near\n"},
		{"c\nExpunge Master Slave\nRemove \"Slave\"", "c\nExpunge Far Near\nRemove \"Near\""},
		{"c\n# Master :f:\nExpireSide master\r\n", "c\n# Master :f:\nExpireSide Far\r\n"},

		// Lines that become others.
		{"a\n  UseIMAPS    yes # c", "a\n  TLSType    IMAPS # c"},
		{"a\nRequireSSL\tyes\r\n", "a\nTLSType\tSTARTTLS\r\n"},
		{"a\n\"RequireCRAM\" \"1\"\n", "a\nAuthMechs CRAM-MD5\n"},
		{"a\nSSLVersions  TLSv1.1   TLSv1.2 # c\n", "a\nTLSVersions  +1.1 # c\n"},
		{"a\nUseTLSv1.1 yes\nUseTLSv1.1 no\n", "a\nTLSVersions +1.1\nTLSVersions -1.1\n"},
		{"a\n  Host \"imaps://g h\" # c\r\n# d\r\n", "a\n  Host \"g h\" # c\r\n  TLSType IMAPS\r\n# d\r\n"},
		{"a\r\nHost imaps:g", "a\r\nHost g\r\nTLSType IMAPS"},
		{"a\nHost imaps:g # c\r", "a\nHost g # c\nTLSType IMAPS\r"},
		{"a\nHost imap:#g", "a\nHost \"#g\""},
		{"a\nHost imaps:\u201cx # \u201d", "a\nHost \"\u201cx\" # \u201d\nTLSType IMAPS"},
		{"a\nHost imaps:a\nHost imaps:b\nUseIMAPS yes\n", "a\nHost a\nHost b\nTLSType IMAPS\n"},

		// Lines that go; a comment behind them does not.
		{"a\nUseTLSv1 no\nUser u\n", "a\nUser u\n"},
		{"a\n UseTLSv1 no\t # c\nUser u\n", "a\n # c\nUser u\n"},
		{"a\nUser u\nUseTLSv1 no", "a\nUser u"},
		{"a\r\nUser u\r\nUseTLSv1 no \f", "a\r\nUser u"},
		{"a\nUser u\nUseTLSv1 no\nUseTLSv1.1 no#c", ""},
		{"a\nUser u\nUseTLSv1 no\nUseTLSv1.1 no #c", "a\nUser u\n#c"},
		{"a\nSSLVersions SSLv3 TLSv1.2\nUseSSLv2 no\nUseSSLv3 yes\n", "a\n"},
		{"a\nUseIMAPS no\nRequireSSL no\nRequireCRAM no\n\n# end\n\n", "a\n\n# end\n\n"},

		// Nothing to do.
		{"c\nPatterns Master \"Slave\" ReNew\nCreate Both", "c\nPatterns Master \"Slave\" ReNew\nCreate Both"},
		{"a\nPass SSLType\nUser \"Master\"\n", "a\nPass SSLType\nUser \"Master\"\n"},
	}
	for _, tt := range tests {
		kind, old, _ := strings.Cut(tt.old, "\n")
		_, want, _ := strings.Cut(tt.want, "\n")
		before := withAccount("")
		if strings.TrimSpace(kind) == "c" {
			before = withChannel("")
		}
		before = "\ufeff" + strings.TrimSuffix(before, "\n\n") + kind[1:] + "\n"
		if tt.want == "" {
			if _, _, err := Fix("/etc/rc", []byte(before+old), testEnv(nil)); err == nil || errors.Is(err, errFix) {
				t.Errorf("%q: %v, want the errors of the file", tt.old, err)
			}
			continue
		}
		if got, _ := fix(t, before+old); got != before+want {
			t.Errorf("%q becomes\n%q, want\n%q", tt.old, got, before+want)
		}
	}
}

// The line that each notice shows is what Fix writes.
func TestFixAgreesWithNotices(t *testing.T) {
	text := withAccount(" Host imaps:g # c", "SSLVersions TLSv1 # x") + "\n" + withChannel("Create Slave # c", "Sync ReNew Delete")
	_, notices, _ := Parse("/etc/rc", []byte(text), testEnv(nil))
	fixed, words := fix(t, text)
	if words != 5 || len(notices) != 4 {
		t.Errorf("%d words, %v", words, notices)
	}
	lines := strings.Split(fixed, "\n")
	for _, n := range notices {
		f, _ := n.Fact.(event.OutdatedLine)
		for _, r := range f.Replacement {
			if !slices.ContainsFunc(lines, func(l string) bool {
				l, _, _ = strings.Cut(l, " #")
				return strings.TrimSpace(l) == r
			}) {
				t.Errorf("%s is not in\n%s", r, fixed)
			}
		}
	}
}

func TestFixOldStyleFile(t *testing.T) {
	data, err := os.ReadFile("testdata/oldstyle.mbsyncrc")
	if err != nil {
		t.Fatal(err)
	}
	fixed, words := fix(t, string(data))
	want := strings.NewReplacer("UseIMAPS yes", "TLSType IMAPS", "\nMaster ", "\nFar ", "\nSlave ", "\nNear ").Replace(string(data))
	if d := cmp.Diff(want, fixed); d != "" || words != 3 {
		t.Errorf("%d words (-want +got):\n%s", words, d)
	}
}

// oldLines are lines for sections, by kind.
var oldLines = map[string][]string{
	"account": {
		"Host imaps:x", "Host imap://x", "Host \"imaps:y z\"", "Host h", "SSLType IMAPS", "SSLType \"none\"", "UseIMAPS yes", "UseIMAPS no",
		"RequireSSL yes", "RequireSSL no", "RequireCRAM yes", "RequireCRAM off", "UseSSLv2 yes", "UseSSLv3 no", "UseTLSv1 yes", "UseTLSv1 no",
		"UseTLSv1.1 yes", "UseTLSv1.1 no", "UseTLSv1.2 yes", "UseTLSv1.2 no", "SSLVersion TLSv1", "SSLVersions TLSv1.1 TLSv1.3", "SSLVersions TLSv1.2",
		"SSLVersion SSLv3", "TLSType IMAPS", "AuthMechs PLAIN", "TLSVersions +1.1", "Tunnel t", "Port 7", "# Host imaps:x",
	},
	"channel": {
		"Master :f:", "Slave :n:", "Far :f:x", "Near :n:x", "Sync ReNew", "Sync Delete Pull", "Sync PullDelete PushReNew", "Create Slave",
		"Create Master Slave", "Remove Slave", "Expunge \"Slave\"", "ExpungeSolo master", "ExpireSide Master", "ExpireSide slave", "Create Both", "SyncState *", "# Create Slave",
	},
}

// Whatever lines are combined: what has no errors can be fixed.
func TestFixProperty(t *testing.T) {
	fixes, errs := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		eol := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "eol")
		section := func(kind string) string {
			var b strings.Builder
			for _, l := range rapid.SliceOfN(rapid.SampledFrom(oldLines[kind]), 1, 5).Draw(t, kind) {
				b.WriteString(rapid.SampledFrom([]string{"", "  ", "\t"}).Draw(t, "indent") + l + rapid.SampledFrom([]string{"", " ", " # c"}).Draw(t, "end") + eol)
			}
			return b.String()
		}
		text := "Create Slave" + eol + "IMAPAccount a" + eol + "Host h" + eol + section("account") +
			eol + "IMAPStore s" + eol + "Host h" + eol + section("account") +
			eol + strings.ReplaceAll(twoStores, "\n", eol) +
			"Channel c" + eol + "Master :f:" + eol + "Near :n:" + eol + section("channel")
		if rapid.Bool().Draw(t, "cut") {
			text = strings.TrimSuffix(text, eol)
		}
		if _, _, err := Parse("/etc/rc", []byte(text), testEnv(nil)); err != nil {
			errs++
			return
		}
		fixes++
		fix(t, text)
	})
	if fixes*20 < errs {
		t.Errorf("only %d texts without errors, %d with", fixes, errs)
	}
}

// What differs in its meaning is seen.
func TestSameMeaning(t *testing.T) {
	base := withAccount("User u", "Pass p") + "\n" + withChannel("Create Near", "Patterns *")
	same, _ := mustParse(t, base)
	moved, _ := mustParse(t, "\n\n"+base)
	if !sameMeaning(same, moved) {
		t.Error("places count")
	}
	for _, change := range [][2]string{{"Pass p", "Pass q"}, {"Pass p", ""}, {"Create Near", "Create Far"}, {"Patterns *", "Patterns * x"}, {"Near :n:", "Near :f:"}, {"User u", "TLSType IMAPS"}} {
		other, _ := mustParse(t, strings.Replace(base, change[0]+"\n", change[1]+"\n", 1))
		if change[1] == "" {
			other, _ = mustParse(t, strings.Replace(base, change[0]+"\n", "", 1))
		}
		if sameMeaning(same, other) {
			t.Errorf("%q is the same", change)
		}
	}
}

// FuzzFixConfig checks that nothing makes the fixer panic, and that what has no
// errors means the same afterwards.
func FuzzFixConfig(f *testing.F) {
	old, err := os.ReadFile("testdata/oldstyle.mbsyncrc")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(old))
	f.Add("\ufeff" + strings.ReplaceAll(withAccount("Host imaps:x # c", "SSLVersions TLSv1", "UseTLSv1.2 no", "UseSSLv3 yes #", "RequireCRAM yes", "UseSSLv2 no"), "\n", "\r\n"))
	f.Add(withChannel("Sync \u201cReNew\u201d \"Delete\"", "Create Sl\"ave\"", "ExpireSide \\Master"))
	f.Add(withAccount("Host imaps:\u201cx \u201d", "Host \"imap:#\"", "SSLType IMAPS"))
	f.Fuzz(func(t *testing.T, text string) {
		if _, _, err := Parse("/etc/rc", []byte(text), testEnv(nil)); err != nil {
			fixed, _, again := Fix("/etc/rc", []byte(text), testEnv(nil))
			if fixed != nil || again == nil || again.Error() != err.Error() {
				t.Fatalf("%v and %v", fixed, again)
			}
			return
		}
		fix(t, text)
	})
}
