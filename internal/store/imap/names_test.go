package imap

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"isync/internal/mail"
)

func TestCanonical(t *testing.T) {
	for _, c := range []struct {
		prefix, delim, listed, name string
		want                        string // "" with err: a warning
		err                         error  // errSkip, errAttack, or any other
	}{
		{"", "", "/", "a/b", "a/b", nil},
		{"", "", "/", " a  b ", " a  b ", nil},
		{"", "", "/", strings.Repeat("a/", 2048), "", errors.New("")},
		{"", "", "/", strings.Repeat("a", 4097), "", errors.New("")},
		{"", "", "/", "a/b.lock/c", "a/b.lock/c", nil},
		{"", "", "/", "a.LOCK", "a.LOCK", nil},
		{"", "", "/", "a\x7fb", "", errors.New("")},
		{"", "", ".", "a.b", "a/b", nil},
		{"", ".", "/", "a.b", "a/b", nil}, // the configured one wins
		{"", "", "", "a.b", "a.b", nil},
		{"", "", "/", "inbox", "INBOX", nil},
		{"", "", "/", "Inbox/sub", "INBOX/sub", nil},
		{"", "", ".", "Inbox.sub", "INBOX/sub", nil},
		{"", "", ".", "Inboxes", "Inboxes", nil},
		{"INBOX.", ".", ".", "INBOX", "INBOX", nil},
		{"INBOX.", ".", ".", "INBOX.sub.a", "sub/a", nil},
		{"INBOX.", ".", ".", "INBOX.", "", errSkip},
		{"INBOX.", ".", ".", "other.sub", "", errSkip},
		{"INBOX.", ".", ".", "INBOX.INBOX", "", errors.New("")},
		{"Mail/", "/", "/", "Mail/a", "a", nil},
		{"Mail/", "/", "/", "inbox/x", "INBOX/x", nil},
		{"Mail/", "/", "/", "Mailbox", "", errSkip},
		{"Mail/", "/", "/", "Mail/inbox", "inbox", nil},
		{"", "", "/", "a.lock", "", errSkip},
		{"", "", "/", "a//b", "", errors.New("")},
		{"", "", "/", "/b", "", errors.New("")},
		{"", "", "/", "b/", "", errors.New("")},
		{"", "", "/", "a/./b", "", errors.New("")},
		{"", "", "/", "a/../b", "", errAttack},
		{"", "", ".", "a/b.c", "", errors.New("")},
		{"", "", "/", "a\x00b", "", errors.New("")},
		{"", "", "/", "a\nb", "", errors.New("")},
		{"", "", `\\`, `a\\b`, "a/b", nil}, // Domino
		{"", "", "/", "...", "...", nil},
		{"", "", "/", "Entwürfe", "Entwürfe", nil},
	} {
		l := layout{prefix: c.prefix, delim: c.delim}
		got, err := l.canonical(c.name, c.listed)
		special := errors.Is(c.err, errSkip) || errors.Is(c.err, errAttack)
		if got != c.want || (err == nil) != (c.err == nil) || special && !errors.Is(err, c.err) || !special && errors.Is(err, errSkip) {
			t.Errorf("prefix %q, delimiter %q/%q: %q is %q, %v; want %q, %v", c.prefix, c.delim, c.listed, c.name, got, err, c.want, c.err)
		}
	}
}

func TestServerName(t *testing.T) {
	for _, c := range []struct{ prefix, delim, box, want string }{
		{"", "/", "a/b", "a/b"},
		{"", ".", "a/b", "a.b"},
		{"INBOX.", ".", "a/b", "INBOX.a.b"},
		{"INBOX.", ".", "INBOX", "INBOX"},
		{"Mail/", "/", "INBOX/sub", "INBOX/sub"},
		{"Mail/", "/", "inbox", "Mail/inbox"},
		{"", "", "a", "a"},
		// Not possible:
		{"", ".", "a.b", ""},
		{"", "", "a/b", ""},
		{"", "/", "inbox", ""},
		{"", "/", "inBox/x", ""},
		{"", "/", "a/../b", ""},
		{"", "/", "a//b", ""},
		{"", "/", "", ""},
		{"", "/", "a\rb", ""},
	} {
		l := layout{prefix: c.prefix, delim: c.delim}
		got, err := l.server(c.box)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("prefix %q, delimiter %q: %q is %q, %v; want %q", c.prefix, c.delim, c.box, got, err, c.want)
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		prefix        string
		inbox, others bool
		want          []string
	}{
		{"", true, true, []string{"*"}},
		{"", false, true, []string{"*"}},
		{"", true, false, []string{"INBOX*"}},
		{"INBOX.", true, true, []string{"INBOX*"}},
		{"Inbox.", false, true, []string{"Inbox.*"}},
		{"Mail/", true, true, []string{"INBOX*", "Mail/*"}},
		{"Mail/", false, true, []string{"Mail/*"}},
		{"", false, false, nil},
	} {
		l := layout{prefix: c.prefix}
		if got := l.patterns(c.inbox, c.others); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// FuzzNames: whatever a server lists is left out, or comes back as the same
// name, and never leads out of the store.
func FuzzNames(f *testing.F) {
	f.Add("INBOX.", ".", "INBOX.a.b")
	f.Add("", "/", "inbox/x")
	f.Add("Mail/", "/", "Mail/../x")
	f.Add("x", `\\`, `xa\\b`)
	f.Fuzz(func(t *testing.T, prefix, delim, name string) {
		l := layout{prefix: prefix, delim: delim}
		got, err := l.canonical(name, delim)
		if err != nil {
			return
		}
		for part := range strings.SplitSeq(got, "/") {
			if part == "" || part == "." || part == ".." || strings.ContainsAny(part, "\x00\r\n") {
				t.Fatalf("canonical name %q", got)
			}
		}
		back, err := l.server(got)
		switch {
		case mail.IsInbox(got):
			// The server may spell it in another way.
			if err != nil || !strings.EqualFold(back, name) {
				t.Fatalf("%q became %q and %q, %v", name, got, back, err)
			}
		case err != nil || back != name:
			t.Fatalf("%q became %q and %q, %v", name, got, back, err)
		}
	})
}
