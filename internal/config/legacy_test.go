package config

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestOldStyleFile loads a whole file in the spelling of former versions.
func TestOldStyleFile(t *testing.T) {
	data, err := os.ReadFile("testdata/oldstyle.mbsyncrc")
	if err != nil {
		t.Fatal(err)
	}
	const one, two = "/home/me/.certs/one.pem", "/home/me/.certs/two.pem"
	cfg, notices, err := Parse("/etc/rc", data, testEnv(map[string]string{one: "1", two: "2"}))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"8: notice: \"UseIMAPS\" is deprecated: write `TLSType IMAPS`",
		"22: notice: \"Master\" is deprecated: write `Far :work-remote:`",
		"23: notice: \"Slave\" is deprecated: write `Near :work-local:`",
	}
	if diff := cmp.Diff(want, noticeTexts(notices)); diff != "" {
		t.Errorf("notices (-want +got):\n%s", diff)
	}
	a := cfg.Account("work")
	if a.TLS != TLSIMAPS || a.Port != 993 || a.Pos("TLSType").Line != 8 || a.Pass.Reveal() != "open sesame" || len(a.Certificates) != 2 || a.Certificates[1].Path != two {
		t.Errorf("account: %+v", a)
	}
	c := cfg.Channel("work")
	if c.Far.Store.IMAP.Account != a || c.Near.Store.Path != "/home/me/mail/work/" || c.Near.Store.Maildir.Inbox != "/home/me/mail/work/Inbox" {
		t.Errorf("channel: %+v", c)
	}
	if c.SyncState.Kind != StateInBox || !c.Ops.On[Far].Has(OpCreate) || !c.Ops.On[Near].Has(OpCreate) {
		t.Errorf("channel: %+v", c)
	}
	for box, want := range map[string]bool{"INBOX": true, "[Special]": false, "[Special]/Spam": false, "[Special]/Sent Mail": true, "[Special]/All": true, "a/b": true} {
		if got := c.Patterns.Match(box); got != want {
			t.Errorf("%s: %v", box, got)
		}
	}
	// A missing certificate file is a warning, as long as others are trusted.
	cfg, notices, err = Parse("/etc/rc", data, testEnv(map[string]string{one: "1"}))
	if err != nil || len(cfg.Account("work").Certificates) != 1 || len(cfg.Account("work").LostCertificates) != 1 {
		t.Errorf("got %+v, %v", cfg, err)
	}
	if got := noticeTexts(notices); !slices.Contains(got, "11: warning: CertificateFile '"+two+"' cannot be read and is ignored: file does not exist") {
		t.Errorf("got %q", got)
	}
}

// TestDeprecated checks every old spelling of an account: the notice with the
// line to write, and that the old line and the new one mean the same.
func TestDeprecated(t *testing.T) {
	type M = []string
	tests := []struct {
		lines   string
		notices []string
		instead string // what the lines mean, in present spelling
	}{
		{"SSLType imaps", M{"3: notice: \"SSLType\" is deprecated: write `TLSType imaps`"}, "TLSType IMAPS"},
		{"  ssltype \"None\" # x", M{"3: notice: \"ssltype\" is deprecated: write `TLSType \"None\"`"}, "TLSType None"},
		{"UseIMAPS yes", M{"3: notice: \"UseIMAPS\" is deprecated: write `TLSType IMAPS`"}, "TLSType IMAPS"},
		{"UseIMAPS no", M{"3: notice: \"UseIMAPS\" is deprecated and has no effect here: delete the line"}, ""},
		{"RequireSSL yes", M{"3: notice: \"RequireSSL\" is deprecated: write `TLSType STARTTLS`"}, "TLSType STARTTLS"},
		{"Tunnel t\nRequireSSL yes", M{"4: notice: \"RequireSSL\" is deprecated: write `TLSType STARTTLS`"}, "Tunnel t\nTLSType STARTTLS"},
		{"RequireSSL no", M{"3: notice: \"RequireSSL\" is deprecated and has no effect here: delete the line"}, ""},
		{"RequireSSL yes\nUseIMAPS yes", M{
			"3: notice: \"RequireSSL\" is deprecated and has no effect here: delete the line",
			"4: notice: \"UseIMAPS\" is deprecated: write `TLSType IMAPS`",
		}, "TLSType IMAPS"},
		{"Host imaps:g", M{"3: notice: \"Host imaps:\" is deprecated: write `Host g` and `TLSType IMAPS`"}, "Host g\nTLSType IMAPS"},
		{"Host imaps://g", M{"3: notice: \"Host imaps:\" is deprecated: write `Host g` and `TLSType IMAPS`"}, "Host g\nTLSType IMAPS"},
		{"UseIMAPS yes\nHost IMAPS:g", M{
			"3: notice: \"UseIMAPS\" is deprecated: write `TLSType IMAPS`",
			"4: notice: \"Host IMAPS:\" is deprecated: write `Host g`",
		}, "Host g\nTLSType IMAPS"},
		{"Host imap:g", M{"3: notice: \"Host imap:\" is deprecated: write `Host g`"}, "Host g"},
		{"RequireCRAM yes", M{"3: notice: \"RequireCRAM\" is deprecated: write `AuthMechs CRAM-MD5`"}, "AuthMechs CRAM-MD5"},
		{"RequireCRAM no", M{"3: notice: \"RequireCRAM\" is deprecated and has no effect here: delete the line"}, ""},
		{"UseSSLv2 yes\nUseSSLv3 no", M{
			"3: warning: UseSSLv2 is ignored: SSL 2 and 3 are insecure and not supported; delete the line",
			"4: notice: \"UseSSLv3\" is deprecated and has no effect here: delete the line",
		}, ""},
		{"UseTLSv1 yes\nUseTLSv1.1 yes\nUseTLSv1.2 no", M{
			"3: notice: \"UseTLSv1\" is deprecated: write `TLSVersions +1.0 +1.1`",
			"4: notice: \"UseTLSv1.1\" is deprecated and has no effect here: delete the line",
			"5: notice: \"UseTLSv1.2\" is deprecated: write `TLSVersions -1.2`",
		}, "TLSVersions +1.0 +1.1 -1.2"},
		{"UseTLSv1.1 no\nUseTLSv1 yes", M{
			"3: notice: \"UseTLSv1.1\" is deprecated and has no effect here: delete the line",
			"4: notice: \"UseTLSv1\" is deprecated: write `TLSVersions +1.0`",
		}, "TLSVersions +1.0"},
		{"UseTLSv1 no", M{"3: notice: \"UseTLSv1\" is deprecated and has no effect here: delete the line"}, ""},
		{"SSLVersions TLSv1.2 tlsv1.3", M{"3: notice: \"SSLVersions\" is deprecated and has no effect here: delete the line"}, ""},
		// Nothing newer is forbidden.
		{"SSLVersions TLSv1.2", M{"3: notice: \"SSLVersions\" is deprecated and has no effect here: delete the line"}, ""},
		{"SSLVersions TLSv1.3", M{"3: notice: \"SSLVersions\" is deprecated: write `TLSVersions -1.2`"}, "TLSVersions -1.2"},
		{"SSLVersions TLSv1.1", M{"3: notice: \"SSLVersions\" is deprecated: write `TLSVersions +1.1`"}, "TLSVersions +1.1"},
		{"SSLVersions TLSv1 TLSv1.2", M{"3: notice: \"SSLVersions\" is deprecated: write `TLSVersions +1.0 +1.1`"}, "TLSVersions +1.0 +1.1"},
		{"SSLVersions TLSv1\nSSLVersions TLSv1.3\nUseTLSv1.1 yes", M{
			"3: notice: \"SSLVersions\" is deprecated: write `TLSVersions +1.0 +1.1`",
			"4: notice: \"SSLVersions\" is deprecated: write `TLSVersions -1.0 -1.1 -1.2`",
			"5: notice: \"UseTLSv1.1\" is deprecated: write `TLSVersions +1.1 +1.2`",
		}, "TLSVersions +1.1"},
		{"SSLVersion TLSv1 TLSv1.1 SSLv3", M{
			"3: warning: \"SSLv3\" is ignored: it is insecure and not supported",
			"3: notice: \"SSLVersion\" is deprecated: write `TLSVersions +1.0 +1.1`",
		}, "TLSVersions +1.0 +1.1"},
		{"SSLVersion SSLv3", M{
			"3: warning: \"SSLv3\" is ignored: it is insecure and not supported",
			"3: notice: \"SSLVersion\" is deprecated and has no effect here: delete the line",
		}, ""},
		// The last of several lines counts.
		{"UseIMAPS no\nUseIMAPS yes", M{
			"3: notice: \"UseIMAPS\" is deprecated and has no effect here: delete the line",
			"4: notice: \"UseIMAPS\" is deprecated: write `TLSType IMAPS`",
		}, "TLSType IMAPS"},
		{"RequireCRAM yes\nRequireCRAM no", M{"3: notice: \"RequireCRAM\" is deprecated and has no effect here: delete the line (also line 4)"}, ""},
		{"Host imaps:x\nHost imaps:g", M{
			"3: notice: \"Host imaps:\" is deprecated: write `Host x`",
			"4: notice: \"Host imaps:\" is deprecated: write `Host g` and `TLSType IMAPS`",
		}, "Host g\nTLSType IMAPS"},
		{"Host imaps:g\nTLSType IMAPS", M{"3: notice: \"Host imaps:\" is deprecated: write `Host g`"}, "Host g\nTLSType IMAPS"},
		{"Host imaps:g\nUseIMAPS yes\nRequireSSL yes", M{
			"3: notice: \"Host imaps:\" is deprecated: write `Host g`",
			"4: notice: \"UseIMAPS\" is deprecated: write `TLSType IMAPS`",
			"5: notice: \"RequireSSL\" is deprecated and has no effect here: delete the line",
		}, "Host g\nTLSType IMAPS"},
	}
	for _, tt := range tests {
		cfg, notices, err := parse(t, withAccount(tt.lines))
		if err != nil {
			t.Errorf("%s: %v", tt.lines, err)
			continue
		}
		if diff := cmp.Diff(tt.notices, noticeTexts(notices)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.lines, diff)
		}
		want, more := mustParse(t, withAccount(tt.instead))
		if len(more) > 0 {
			t.Errorf("%s: notices again: %v", tt.instead, more)
		}
		noGiven := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().Type().Name() == "Given" }, cmp.Ignore())
		if diff := cmp.Diff(want, cfg, noGiven); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.lines, diff)
		}
	}
}

func TestDeprecatedWords(t *testing.T) {
	text := twoStores + `Channel c
Master :f:
 SLAVE  ":n:" # near
Sync PullReNew PushDelete
Create Slave
Expunge slave # again
ExpireSide Master

Channel d
Master :f:d
Slave :n:d
Sync Delete ReNew
Remove Master Slave

Channel e
Master :f: # far
Slave :n:
Create Slave

Channel f
Master :f:
Near :n:
`
	cfg, notices := mustParse(t, text)
	if got := outdated(notices); got != 17 {
		t.Errorf("%d deprecated words", got)
	}
	want := []string{
		"10: notice: \"Master\" is deprecated: write `Far :f:` (also lines 24, 29)",
		"11: notice: \"SLAVE\" is deprecated: write `Near  \":n:\"`",
		"12: notice: \"PullReNew\" and \"PushDelete\" are deprecated: write `Sync PullUpgrade PushGone`",
		"13: notice: \"Slave\" is deprecated: write `Create Near` (also line 26)",
		"14: notice: \"slave\" is deprecated: write `Expunge Near`",
		"15: notice: \"Master\" is deprecated: write `ExpireSide Far`",
		"18: notice: \"Master\" is deprecated: write `Far :f:d`",
		"19: notice: \"Slave\" is deprecated: write `Near :n:d`",
		"20: notice: \"Delete\" and \"ReNew\" are deprecated: write `Sync Gone Upgrade`",
		"21: notice: \"Master\" and \"Slave\" are deprecated: write `Remove Far Near`",
		"25: notice: \"Slave\" is deprecated: write `Near :n:`",
	}
	if diff := cmp.Diff(want, noticeTexts(notices)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	c, d := cfg.Channel("c"), cfg.Channel("d")
	if got := onText(c.Ops); got != "Gone / Upgrade Create Expunge" || c.ExpireSide != Far || c.Near.Store.Name != "n" || c.Pos("Near").Line != 11 {
		t.Errorf("c: %s, %+v", got, c)
	}
	if got := onText(d.Ops); got != "Upgrade Gone Remove / Upgrade Gone Remove" {
		t.Errorf("d: %s", got)
	}
}

// TestKeywordTables looks for holes in what Sections tells, and runs every
// keyword once without an argument: none may be forgotten by the parser.
func TestKeywordTables(t *testing.T) {
	sections := Sections()
	if sections[0].Name != "" || len(sections) != 6 {
		t.Fatalf("sections: %v", sections)
	}
	for _, s := range sections {
		seen := make(map[string]bool)
		for _, kw := range s.Keywords {
			for _, name := range []string{kw.Name, kw.Alias} {
				if name == "" {
					continue
				}
				if lower := strings.ToLower(name); seen[lower] {
					t.Errorf("%s: %s stands twice", s.Name, name)
				} else {
					seen[lower] = true
				}
				text, line := name+"\n", 1
				if s.Name != "" {
					text, line = s.Name+" x\n"+text, 2
				}
				_, _, err := parse(t, text)
				if err == nil || !strings.Contains(err.Error(), Pos{"/etc/rc", line}.String()+": missing argument after \""+name+"\"") {
					t.Errorf("%s %s: %v", s.Name, name, err)
				}
			}
			if kw.Args == "" {
				t.Errorf("%s %s: no Args", s.Name, kw.Name)
			}
			if kw.Use != "" && !kw.Deprecated {
				t.Errorf("%s %s: Use without Deprecated", s.Name, kw.Name)
			}
			if word, _, _ := strings.Cut(kw.Use, " "); word != "" && !seen[strings.ToLower(word)] {
				t.Errorf("%s %s: %s does not stand before it", s.Name, kw.Name, word)
			}
		}
	}
	for _, k := range sectionKinds() {
		for _, kw := range k.keywords {
			if (kw.apply == nil) != (kw.rename || kw.Name == includeKeyword) {
				t.Errorf("%s %s: neither renamed nor applied, or both", k.name, kw.Name)
			}
		}
	}
}

func TestCurlyWarning(t *testing.T) {
	cfg, notices := mustParse(t, withChannel("Patterns * \u201c[Gmail]/Sent Mail\u201d", "Patterns !\u201cTrash\u201d", "Patterns \u201cDrafts \"\u201cJunk\u201d\""))
	want := []string{
		"12: warning: curly quotes are read as straight quotes: write `Patterns * \"[Gmail]/Sent Mail\"`",
		"13: warning: curly quotes are read as straight quotes: write `Patterns !\"Trash\"`",
		"14: warning: a curly quote without a matching one at the other end of the word is part of the word: \"\u201cDrafts\"",
	}
	if diff := cmp.Diff(want, noticeTexts(notices)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var words []string
	for _, p := range cfg.Channels[0].Patterns {
		words = append(words, p.String())
	}
	if diff := cmp.Diff([]string{"*", "[Gmail]/Sent Mail", "!Trash", "\u201cDrafts", "\u201cJunk\u201d"}, words); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if cfg, _ := mustParse(t, "\u201cFSync\u201d \u201cno\u201d\n"); cfg.Global.FSync {
		t.Error("curly quotes have no effect")
	}
}

func TestOtherWarnings(t *testing.T) {
	_, notices := mustParse(t, withAccount("DisableExtension MOVE COMPRES FROBNICATE")+"# caf\xe9\n")
	want := []string{
		`3: warning: unknown IMAP extension "COMPRES", did you mean COMPRESS?`,
		`3: warning: unknown IMAP extension "FROBNICATE"`,
		`4: warning: the file is not valid UTF-8; non-ASCII mailbox names will not match`,
	}
	if diff := cmp.Diff(want, noticeTexts(notices)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
