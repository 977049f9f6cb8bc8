package setup

import (
	"context"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"isync/internal/config"
	"isync/internal/discover"
	"isync/internal/provider"
)

func TestParseServer(t *testing.T) {
	for text, want := range map[string]string{
		"imap.example.org": "imap.example.org:993", "imap.example.org:143": "imap.example.org:143", "IMAP.Example.org.:1993": "imap.example.org:1993",
		"imap://imap.example.org": "imap.example.org:143", "imap://h:993": "imap://h:993", "imaps://h:143/": "imaps://h:143", "imaps://h": "h:993",
		"127.0.0.1:1143": "127.0.0.1:1143", "[::1]:99": "[::1]:99", "::1": "[::1]:993", "bücher.example": "xn--bcher-kva.example:993",
		"http://h": "", "h:": "", "h:0": "", "h:x": "", "h:99999": "", "": "", "a b": "", "h\nTunnel x": "", "-h": "", "[::1]x": "", "h/x": "",
	} {
		s, err := parseServer(text)
		if got := serverText(s); (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
		if err == nil {
			if again, err := parseServer(serverText(s)); err != nil || again != s {
				t.Errorf("%q is read as %+v, %v", serverText(s), again, err)
			}
		}
	}
}

// Whatever the answers are, the sections mean what was answered, and nothing else.
func TestText(t *testing.T) {
	word := rapid.StringMatching(`[ -~äß "\\#!*%]{1,20}`)
	env := config.Env{Home: func(string) (string, error) { return "/home/me", nil }, ReadFile: func(string) ([]byte, error) { return nil, nil }}
	rapid.Check(t, func(t *rapid.T) {
		p := Plan{
			Address: discover.Address{Local: "me", Domain: "example.org", Shown: "example.org"},
			Server:  discover.Server{Host: "imap.example.org", Port: rapid.SampledFrom([]int{143, 993, 1}).Draw(t, "port"), TLS: rapid.SampledFrom([]provider.Encryption{provider.IMAPS, provider.STARTTLS}).Draw(t, "tls")},
			User:    word.Draw(t, "user"), Name: "name", Directory: "~/" + word.Draw(t, "directory"),
			Patterns:  rapid.SliceOfN(word, 1, 4).Draw(t, "patterns"),
			Most:      rapid.IntRange(0, 9).Draw(t, "most"),
			Deletions: rapid.SampledFrom([]Deletions{KeepAll, DeleteMessages, DeleteMailboxes}).Draw(t, "deletions"),
			Explicit:  rapid.Bool().Draw(t, "explicit"),
			Keeper:    rapid.SampledFrom([]Keeper{InKeyring, ByCommand, Nowhere}).Draw(t, "keeper"),
		}
		if p.Keeper == ByCommand {
			p.PassCmd = "x" + word.Draw(t, "command")
		}
		cfg, _, err := config.Parse("rc", []byte(p.Text()), env)
		if err != nil {
			t.Fatalf("%v\n%s", err, p.Text())
		}
		if len(cfg.Accounts) != 1 || len(cfg.Stores) != 2 || len(cfg.Channels) != 1 || len(cfg.Groups) != 0 {
			t.Fatalf("other sections:\n%s", p.Text())
		}
		a, c := cfg.Account("name"), cfg.Channel("name")
		if a.Host != p.Server.Host || a.Port != p.Server.Port || (a.TLS == config.TLSStartTLS) != (p.Server.TLS == provider.STARTTLS) || a.TLS == config.TLSNone {
			t.Fatalf("another server:\n%s", p.Text())
		}
		if a.User != p.User || a.PassCmd != p.PassCmd || a.UseKeychain != (p.Keeper == InKeyring) || a.Tunnel != "" {
			t.Fatalf("another login:\n%s", p.Text())
		}
		does := func(op config.OpSet) bool { return c.Ops.On[config.Far]&op != 0 && c.Ops.On[config.Near]&op != 0 }
		var patterns []string
		for _, x := range c.Patterns {
			patterns = append(patterns, x.String())
		}
		if strings.Join(patterns, "\x00") != strings.Join(p.Patterns, "\x00") || c.MaxMessages != p.Most {
			t.Fatalf("another selection:\n%s", p.Text())
		}
		if does(config.OpExpunge) != (p.Deletions != KeepAll) || does(config.OpRemove) != (p.Deletions == DeleteMailboxes) {
			t.Fatalf("other deletions:\n%s", p.Text())
		}
	})
}

// Words can be shortened while it is clear which one is meant.
func TestOneOf(t *testing.T) {
	check := oneOf("password", "pass", "no")
	for text, want := range map[string]string{"no": "no", "N": "no", "pass": "pass", "passw": "password", "p": "", "": "", "nope": ""} {
		if got, err := check(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func TestAnswers(t *testing.T) {
	a := make(Answers)
	if err := a.Add("password-command=a=b"); err != nil || a["password-command"] != "a=b" {
		t.Error(a, err)
	}
	for _, bad := range []string{"", "write", "password=s3cr3t"} {
		if err := a.Add(bad); err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	d := &dialogue{used: make(map[string]bool), answers: Answers{"write": "maybe"}}
	if _, err := d.yes(context.Background(), query{name: askWrite}); !errors.As(err, new(*AnswerError)) {
		t.Error(err)
	}
}
