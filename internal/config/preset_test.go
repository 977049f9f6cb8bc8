package config

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"isync/internal/provider"
)

// server describes what an account says about its server.
func server(a *Account) string {
	return strings.Join([]string{a.Host, itoa(a.Port), a.TLS.String(), itoa(a.Connections), itoa(a.PipelineDepth), "preset:" + strings.Join(a.Preset, ",")}, " ")
}

func TestPreset(t *testing.T) {
	for _, c := range []struct{ lines, want string }{
		{"Provider gmail", "imap.gmail.com 993 IMAPS 5 0 preset:Host,Port,TLSType,Connections"},
		{"Provider GMAIL\nConnections 2", "imap.gmail.com 993 IMAPS 2 0 preset:Host,Port,TLSType"},
		{"Provider microsoft", "outlook.office365.com 993 IMAPS 3 50 preset:Host,Port,TLSType,PipelineDepth"},
		{"Provider proton-bridge", "127.0.0.1 1143 STARTTLS 3 0 preset:Host,Port,TLSType"},
		{"Provider posteo\nHost other", "other 993 IMAPS 3 0 preset:Port,TLSType"},
		// Port and TLSType go together.
		{"Provider posteo\nTLSType STARTTLS", "posteo.de 143 STARTTLS 3 0 preset:Host"},
		{"Provider posteo\nTLSType IMAPS", "posteo.de 993 IMAPS 3 0 preset:Host,Port"},
		{"Provider posteo\nPort 143", "posteo.de 143 STARTTLS 3 0 preset:Host,TLSType"},
		{"Provider posteo\nPort 1993", "posteo.de 1993 IMAPS 3 0 preset:Host,TLSType"},
		{"Provider proton-bridge\nPort 993", "127.0.0.1 993 IMAPS 3 0 preset:Host,TLSType"},
		{"Provider proton-bridge\nTLSType IMAPS", "127.0.0.1 993 IMAPS 3 0 preset:Host"},
		// The user decides about the host.
		{"Provider gmx\nUser a@gmx.com", "imap.gmx.com 993 IMAPS 3 0 preset:Host,Port,TLSType"},
		{"Provider gmx\nUser a@gmx.de", "imap.gmx.net 993 IMAPS 3 0 preset:Host,Port,TLSType"},
		{"Provider gmx\nUserCmd u", "imap.gmx.net 993 IMAPS 3 0 preset:Host,Port,TLSType"},
		// The command knows the server.
		{"Provider microsoft\nTunnel t", " 143 None 1 50 preset:PipelineDepth"},
		// Former keywords count as given.
		{"Provider posteo\nRequireSSL yes", "posteo.de 143 STARTTLS 3 0 preset:Host"},
		{"Provider posteo\nHost imaps:h", "h 993 IMAPS 3 0 preset:Port"},
		// Of several the last counts, as of any keyword.
		{"Provider aol\nProvider gmail", "imap.gmail.com 993 IMAPS 5 0 preset:Host,Port,TLSType,Connections"},
	} {
		lines := strings.Split(c.lines, "\n")
		for range 2 { // the order does not matter
			for _, head := range []string{"IMAPAccount a\n", "IMAPStore a\n"} {
				cfg, _ := mustParse(t, head+strings.Join(lines, "\n")+"\n")
				if got := server(cfg.Accounts[0]); got != c.want {
					t.Errorf("%q: %s, want %s", lines, got, c.want)
				}
			}
			if !strings.HasPrefix(lines[1%len(lines)], "Provider") {
				slices.Reverse(lines)
			}
		}
	}
}

// OAuth comes from the preset only if there is an OAuthClientId and no password.
func TestPresetOAuth(t *testing.T) {
	for lines, want := range map[string]string{
		"OAuthClientId x":                    "google",
		"OAuthClientId x\nUseKeychain no":    "google",
		"AuthMechs xoauth2\nOAuthClientId x": "google",
		"Tunnel t\nOAuthClientId x":          "google",
		"OAuthClientId x\nOAuth fastmail":    "fastmail",
		"PassCmd p":                          "",
		"Pass p\nAuthMechs XOAUTH2":          "",
		"User a":                             "",
	} {
		for _, text := range []string{lines + "\nProvider gmail", "Provider gmail\n" + lines} {
			cfg, _ := mustParse(t, "IMAPAccount a\n"+text+"\n")
			a := cfg.Accounts[0]
			if a.OAuth.Provider != want || slices.Contains(a.Preset, "OAuth") != (want == "google") {
				t.Errorf("%q: OAuth %q, preset %q; want %q", text, a.OAuth.Provider, a.Preset, want)
			}
		}
	}
}

// The preset never overrides what is given, in any order of the lines; and no preset leaves
// an account without encryption.
func TestPresetProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(provider.Names()).Draw(t, "provider")
		given := map[string]string{}
		for keyword, values := range map[string][]string{
			"Host": {"h", "i"}, "Port": {"1", "143", "993", "1143"}, "TLSType": {"None", "STARTTLS", "IMAPS"},
			"Connections": {"1", "7"}, "PipelineDepth": {"1", "9"}, "User": {"a", "a@gmx.com"},
		} {
			if rapid.Bool().Draw(t, keyword) {
				given[keyword] = rapid.SampledFrom(values).Draw(t, keyword+" value")
			}
		}
		lines := []string{"Provider " + name}
		for k, v := range given {
			lines = append(lines, k+" "+v)
		}
		slices.Sort(lines)
		parse := func(lines []string) *Account {
			cfg, _, err := Parse("/etc/rc", []byte("IMAPAccount a\n"+strings.Join(lines, "\n")+"\n"), testEnv(nil))
			if err != nil {
				t.Fatal(err)
			}
			return cfg.Accounts[0]
		}
		a := parse(lines)
		if b := parse(rapid.Permutation(lines).Draw(t, "order")); server(a) != server(b) {
			t.Errorf("the order matters: %s and %s", server(a), server(b))
		}
		for k, v := range given {
			if k != "User" && a.PresetArg(k) != v {
				t.Errorf("%s %s became %s", k, v, a.PresetArg(k))
			}
			if slices.Contains(a.Preset, k) {
				t.Errorf("%s is said to be from the preset", k)
			}
		}
		if given["TLSType"] != "None" && a.TLS == TLSNone {
			t.Error("the preset turns off encryption")
		}
		if a.Host == "" || a.Port == 0 {
			t.Errorf("incomplete: %s", server(a))
		}
	})
}

func TestPresetErrors(t *testing.T) {
	const known = "gmail, microsoft, fastmail, icloud, yahoo, aol, gmx, webde, mailbox.org, posteo, proton-bridge, zoho, yandex, mailru, migadu, purelymail"
	for text, want := range map[string][]string{
		// Nothing is said about the missing Host as well.
		"IMAPAccount a\nProvider gmial\n":            {`2: unknown provider "gmial" (did you mean gmail?)`},
		"IMAPStore s\nUser u\nProvider \"web.de\"\n": {`3: unknown provider "web.de" (did you mean webde?)`},
		"IMAPAccount a\nProvider example.org\n":      {`2: unknown provider "example.org" (write Host, Port and TLSType instead; known providers are: ` + known + ")"},
		"IMAPAccount a\nProvider\n":                  {`2: missing argument after "Provider"`},
		"IMAPAccount a\nProvider gmail yahoo\n":      {`2: excess token "yahoo" after the argument of Provider (an argument that contains spaces needs double quotes around it)`},
		"Provider gmail\n":                           {`1: keyword "Provider" before any section (move it into a section: IMAPAccount, IMAPStore)`},
		"IMAPAccount a\nProvder gmail\nHost h\n":     {`2: unknown keyword "Provder" in IMAPAccount "a" (did you mean Provider?)`},
		// An account and a preset in the store are too much.
		"IMAPAccount a\nHost h\n\nIMAPStore s\nAccount a\nProvider gmail\n": {`6: IMAPStore "s" has an Account, but also Provider, which belongs to the account`},
	} {
		if got := errorTexts(t, text); !slices.Equal(got, want) {
			t.Errorf("%q:\n got %q\nwant %q", text, got, want)
		}
	}
}

// Fix leaves presets alone.
func TestFixPreset(t *testing.T) {
	f, _, err := Fix("/etc/rc", []byte("IMAPAccount a\nRequireSSL yes\nProvider posteo\n"), testEnv(nil))
	if err != nil {
		t.Fatal(err)
	}
	if want := "IMAPAccount a\nTLSType STARTTLS\nProvider posteo\n"; string(f.Files[0].New) != want {
		t.Errorf("got %q, want %q", f.Files[0].New, want)
	}
}
