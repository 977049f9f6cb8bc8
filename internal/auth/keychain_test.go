package auth

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var errStop = errors.New("stop")

// cancelled returns a context that has ended.
func cancelled(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStop)
	return ctx, func() {}
}

func TestKeychainValue(t *testing.T) {
	for in, want := range map[string]string{"secret": "secret", "secret\n": "secret", "secret\r\n": "secret", " a b ": " a b ", "": "", "\n": "", "a\nb": "", "a\x00b": ""} {
		if got, err := keychainValue(in); got != want || (err != nil) != (want == "") || err != nil && strings.Contains(err.Error(), "a") && strings.ContainsAny(err.Error(), "\n\x00") {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

func TestNarrow(t *testing.T) {
	for in, want := range map[string]string{"secret": "secret", "even": "even", "a\x00\xe9\x00": "a\u00e9", "a\x00=\xd8\x11\xdd": "a\U0001f511", "": ""} {
		if got := narrow(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestKeychainWithoutHost(t *testing.T) {
	_, err := Keychain(t.Context(), "", "me")
	var e *KeychainError
	if !errors.As(err, &e) || e.User != "me" {
		t.Error(err)
	}
}

func TestParseSecurity(t *testing.T) {
	const attributes = "keychain: \"/Users/me/Library/Keychains/login.keychain-db\"\nversion: 512\nclass: \"inet\"\nattributes:\n    \"acct\"<blob>=\"me\"\n"
	for _, tt := range []struct{ text, want string }{
		{"password: \"secret\"\n" + attributes, "secret"},
		{"password: \"with \"quotes\" in it\"\n", `with "quotes" in it`},
		{"password: 0x73C3A963726574  \"s\\303\\251cret\"\n", "s\u00e9cret"},
		{"password: \"0x41\"\n", "0x41"},
		{"password: \n", ""},
		{"password: \"\"\n", ""},
		{attributes, "error"},
		{"password: 0x7 secret\n", "error"},
	} {
		got, err := parseSecurity(tt.text)
		if tt.want == "error" {
			if err == nil || strings.Contains(err.Error(), "secret") {
				t.Errorf("%q: %q, %v", tt.text, got, err)
			}
			continue
		}
		if got != tt.want || err != nil {
			t.Errorf("%q: %q, %v", tt.text, got, err)
		}
	}
}

func FuzzParseSecurity(f *testing.F) {
	f.Add("password: \"x\"\n")
	f.Add("password: 0x41 \"A\"")
	f.Fuzz(func(t *testing.T, text string) { _, _ = parseSecurity(text) })
}

// A program that behaves like security.
func TestInternetPassword(t *testing.T) {
	program := filepath.Join(t.TempDir(), "security")
	const script = `#!/bin/sh
case "$*" in
"find-internet-password -r imap -s imap.example -a me -g") echo 'keychain: "x"'; echo 'password: "secret"' >&2;;
*"-a locked"*) echo "security: SecKeychainItemCopyContent: User interaction is not allowed." >&2; exit 36;;
*) echo "security: SecKeychainSearchCopyNext: The specified item could not be found in the keychain." >&2; exit 44;;
esac
`
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if p, err := internetPassword(t.Context(), program, "imap", "imap.example", "me"); p != "secret" || err != nil {
		t.Errorf("%q, %v", p, err)
	}
	if _, err := internetPassword(t.Context(), program, "imps", "imap.example", "me"); !errors.Is(err, ErrNotInKeychain) {
		t.Error(err)
	}
	if _, err := internetPassword(t.Context(), program, "imap", "imap.example", "locked"); err == nil || errors.Is(err, ErrNotInKeychain) {
		t.Error(err)
	}
	if _, err := internetPassword(t.Context(), program+"-not", "imap", "imap.example", "me"); err == nil || errors.Is(err, ErrNotInKeychain) {
		t.Error(err)
	}
}
