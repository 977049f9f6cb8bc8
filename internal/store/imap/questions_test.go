package imap_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"isync/internal/imapclient"
	"isync/internal/memo"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/testkit"
	"isync/internal/vfs"
)

// TestQuestionsAhead: which questions a run sends ahead, and what becomes of it if the server
// does not answer them as usual.
func TestQuestionsAhead(t *testing.T) {
	const (
		caps  = "IMAP4rev1 CONDSTORE"
		hello = "S: * OK [CAPABILITY IMAP4rev1 SASL-IR] hello\n"
		login = "C: $a LOGIN \"me\" \"pw\"\n"
		in    = "S: $a OK [CAPABILITY " + caps + "] in\n"
		items = " (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)\n"
		list  = "C: $l LIST \"\" \"*\"\n"
		ask1  = "C: $s STATUS \"one\"" + items
		ask2  = "C: $t STATUS \"two\"" + items
		boxes = "S: * LIST () \"/\" one\nS: * LIST () \"/\" two\nS: $l OK\n"
		is1   = "S: * STATUS one (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 7 HIGHESTMODSEQ 9)\nS: $s OK\n"
		is2   = "S: * STATUS two (MESSAGES 2 UIDNEXT 3 UIDVALIDITY 7 HIGHESTMODSEQ 9)\nS: $t OK\n"
		bye   = "C~ .* LOGOUT\n"
		slow  = hello + login + in + list + boxes + ask1 + ask2 + is1 + is2 + bye
		sent  = hello + login + list + ask1 + ask2
		fast  = sent + in + boxes + is1 + is2 + bye
	)
	want := []string{"7 2 1 9", "7 3 2 9"}
	again := func(tag string) string { return strings.ReplaceAll(ask1+is1, "$s", "$"+tag) }
	refuse := func(tag string) string { return strings.ReplaceAll(ask1+"S: $s BAD what\n", "$s", "$"+tag) }
	type visit struct {
		purpose string
		conn    []string // scripts
		marks   []string // nil: those of want
	}
	// behind is a connection over which only the first question is sent behind the login.
	behind := hello + login + list + in + boxes + ask1 + ask2 + is1 + is2 + bye
	for _, tt := range []struct {
		name   string
		visits []visit
		damage func(t *testing.T, file string)
	}{
		{"remembered", []visit{{"p", []string{slow}, nil}, {"p", []string{fast}, nil}, {"p", []string{fast}, nil}}, nil},
		{"for another purpose", []visit{{"p", []string{slow}, nil}, {"q", []string{behind}, nil}, {"q", []string{fast}, nil}, {"p", []string{fast}, nil}}, nil},
		{"without a purpose", []visit{{"", []string{slow}, nil}, {"", []string{behind}, nil}}, nil},
		{"refused, and asked again", []visit{
			{"p", []string{slow}, nil},
			{"p", []string{sent + in + boxes + "S: $s NO not now\n" + is2 + again("x") + again("y") + bye}, nil},
			{"p", []string{fast}, nil},
		}, nil},
		{"refused for good", []visit{
			{"p", []string{slow}, nil},
			{"p", []string{sent + in + boxes + "S: $s BAD what\n" + is2 + refuse("x") + refuse("y") + bye}, []string{"", "7 3 2 9"}},
		}, nil},
		{"not answered completely", []visit{
			{"p", []string{slow}, nil},
			{"p", []string{sent + in + boxes + "S: $s OK\n" + is2 + bye}, []string{"", "7 3 2 9"}},
		}, nil},
		{"hangs up", []visit{
			{"p", []string{slow}, nil},
			{"p", []string{sent + "S: * BYE enough\nclose\n", slow}, nil},
			{"p", []string{slow}, nil}, // nothing is sent ahead for a day
		}, nil},
		{"hangs up after the login", []visit{
			{"p", []string{slow}, nil},
			{"p", []string{sent + in + "S: * BYE enough\nclose\n", slow}, nil},
		}, nil},
		{"a lie", []visit{
			{"p", []string{slow}, nil},
			{"p", []string{sent + in + boxes + "S: * STATUS other (MESSAGES 8 UIDNEXT 9 UIDVALIDITY 7 HIGHESTMODSEQ 9)\n" + is1 + is2 + bye}, nil},
		}, nil},
		{"damaged", []visit{{"p", []string{slow}, nil}, {"p", []string{slow}, nil}, {"p", []string{fast}, nil}}, func(t *testing.T, file string) {
			t.Helper()
			if err := os.WriteFile(file, []byte("isync server 1\n{}"), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "cache")
			cache := memo.NewDir(vfs.OS{}, dir)
			var scripts []string
			for _, v := range tt.visits {
				scripts = append(scripts, v.conn...)
			}
			srv := testkit.NewScriptServer(t, nil, scripts...)
			for i, v := range tt.visits {
				if i == 1 && tt.damage != nil {
					files, err := filepath.Glob(filepath.Join(dir, "*.server"))
					if err != nil || len(files) != 1 {
						t.Fatal(files, err)
					}
					tt.damage(t, files[0])
				}
				s := imap.New(imap.Options{
					Name: "far", Client: imapclient.Options{Host: srv.Host, Port: srv.Port, Timeout: 5 * time.Second},
					Login: loginWith("me", "pw"), Listings: cache, Server: "the server", HasPath: true, Delimiter: "/",
				})
				if v.purpose != "" {
					s.Anticipate(v.purpose)
				}
				if got, err := s.MarksAhead(t.Context(), []string{"one"}); err != nil || len(got) != 1 {
					t.Errorf("visit %d: %q %v", i+1, got, err)
				}
				found, err := s.List(t.Context(), store.ListRequest{Others: true, OthersIfAny: true})
				if err != nil || len(found) != 2 {
					t.Errorf("visit %d: %v %v", i+1, found, err)
				}
				if v.marks == nil {
					v.marks = want
				}
				got, err := s.Marks(t.Context(), []string{"one", "two"})
				if err != nil || strings.Join(got, ",") != strings.Join(v.marks, ",") {
					t.Errorf("visit %d: marks %q %v", i+1, got, err)
				}
				_ = s.Close()
			}
		})
	}
}

// TestQuestionsAfterChange: after the run has changed something, or may have, the answers
// that were requested before do not count.
func TestQuestionsAfterChange(t *testing.T) {
	const (
		hello = "S: * OK [CAPABILITY IMAP4rev1 SASL-IR] hello\nC: $a LOGIN \"me\" \"pw\"\n"
		in    = "S: $a OK [CAPABILITY IMAP4rev1 CONDSTORE] in\n"
		items = " (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)\n"
		asks  = "C: $s STATUS \"one\"" + items + "C: $t STATUS \"two\"" + items
		is    = "S: * STATUS one (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 7 HIGHESTMODSEQ 9)\nS: $s OK\nS: * STATUS two (MESSAGES 2 UIDNEXT 3 UIDVALIDITY 7 HIGHESTMODSEQ 9)\nS: $t OK\n"
		bye   = "C~ .* LOGOUT\n"
		again = "C: $x STATUS \"one\"" + items + "S: * STATUS one (MESSAGES 2 UIDNEXT 3 UIDVALIDITY 7 HIGHESTMODSEQ 10)\nS: $x OK\n"
	)
	for name, tt := range map[string]struct {
		script string
		change func(*testing.T, *imap.Store)
	}{
		"a mailbox is created": {"C: $c CREATE \"three\"\nS: $c OK\n", func(t *testing.T, s *imap.Store) {
			t.Helper()
			if err := s.Create(t.Context(), "three"); err != nil {
				t.Error(err)
			}
		}},
		"another channel": {"", func(_ *testing.T, s *imap.Store) { s.Outdate() }},
	} {
		t.Run(name, func(t *testing.T) {
			cache := memo.NewDir(vfs.OS{}, filepath.Join(t.TempDir(), "cache"))
			srv := testkit.NewScriptServer(t, nil, hello+in+asks+is+bye, hello+asks+in+is+tt.script+again+bye)
			for i := range 2 {
				s := imap.New(imap.Options{
					Name: "far", Client: imapclient.Options{Host: srv.Host, Port: srv.Port, Timeout: 5 * time.Second},
					Login: loginWith("me", "pw"), Listings: cache, Server: "the server", HasPath: true, Delimiter: "/",
				})
				s.Anticipate("p")
				if got, err := s.Marks(t.Context(), []string{"one", "two"}); err != nil || got[0] != "7 2 1 9" {
					t.Errorf("%q %v", got, err)
				}
				if i == 1 {
					tt.change(t, s)
					if got, err := s.MarksAhead(t.Context(), []string{"one"}); err != nil || got[0] != "" {
						t.Errorf("%q %v", got, err)
					}
					if got, err := s.Marks(t.Context(), []string{"one"}); err != nil || got[0] != "7 3 2 10" {
						t.Errorf("%q %v", got, err)
					}
				}
				_ = s.Close()
			}
		})
	}
}
