package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/testkit"
)

// A verbose dry run shows size and subject of at most a hundred messages. It asks for
// them with one command, marks nothing as seen, and writes nothing. A dry run that is
// not verbose does not ask.
func TestPreview(t *testing.T) {
	srv := testkit.StartDovecot(t, testkit.DovecotConfig{Rawlog: true})
	var mails []testkit.Mail
	for i := range 150 {
		mails = append(mails, testkit.Mail{Body: fmt.Sprintf("From: x\r\nSUBJECT:\r\n =?UTF-8?Q?Gr=C3=BC=C3=9Fe_=1B[31m?=\r\n no. %d\r\n\r\n%s\r\n", i+1, strings.Repeat("Subject: no\r\n", i))})
	}
	srv.Seed(t, "user", "INBOX", mails...)
	w := newWorld(t, fmt.Sprintf("Adopt no\n\nIMAPStore far\nHost %s\nPort %d\nUser user\nPassCmd \"cat '$DIR/secret'\"\nTLSType None\nAuthMechs PLAIN", srv.Host, srv.Port))
	w.write("secret", testkit.Password+"\n")
	for _, sub := range []string{"new", "tmp"} {
		w.write("near/"+sub+"/.keep", "")
	}
	w.write("near/cur/1700000000.1.user:2,S", "Subject: mine\n\nHello\n")
	w.write("near/cur/1700000000.2.user:2,S", "From: no subject, and no body")
	before := w.tree()
	srv.ForgetCommands(t)
	bodies := func() (n int) {
		for _, c := range srv.Commands(t, "user") {
			if strings.Contains(c, "BODY[") || strings.Contains(c, "UID STORE") {
				t.Errorf("it sends %s", c)
			}
			if strings.Contains(c, "BODY") {
				n++
			}
		}
		srv.ForgetCommands(t)
		return n
	}

	w.run(0, "-yVa")
	w.says(&w.out,
		"\nc: would pull far UID 1 (69 B): Grüße [31m no. 1\n",
		"\nc: would pull far UID 100 (1.4 kB): Grüße [31m no. 100\n",
		"\nc: and 52 more message(s)\n", "would pull 150 new message(s), would push 2 new message(s)\n")
	if n := strings.Count(w.out.String(), " UID "); n != 100 {
		t.Errorf("%d messages shown", n)
	}
	if n := bodies(); n != 1 {
		t.Errorf("%d commands ask for headers", n)
	}
	w.run(0, "-ya")
	if n := bodies(); n != 0 {
		t.Errorf("%d commands ask for headers without -V", n)
	}
	if d := cmp.Diff(before, w.tree()); d != "" {
		t.Errorf("changed:\n%s", d)
	}
	for _, m := range srv.Contents(t, "user", "INBOX") {
		if len(m.Flags) > 0 && strings.Contains(strings.Join(m.Flags, " "), "Seen") {
			t.Fatalf("marked as seen: %v", m.Flags)
		}
	}

	// The subjects of the near side, and the width of a terminal.
	w.run(0, "-a")
	w.write("near/cur/1700000000.3.user:2,S", "Subject: mine "+strings.Repeat("long ", 100)+"\n\nHello\n")
	w.env.Columns = func() int { return 60 }
	w.run(0, "-yVa")
	w.says(&w.out, "c: would push near UID 153 (522 B): mine long long long long")
}

// If a server does not send headers, only the subjects are missing.
func TestPreviewRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		out    []string
		status string
		want   string
	}{
		"refused":            {nil, "NO [SERVERBUG] Internal error occurred", "UID 1 (29 B)\n"},
		"not understood":     {nil, "BAD what?", "UID 1 (29 B)\n"},
		"left out":           {nil, "OK done", "UID 1 (29 B)\n"},
		"hangs up":           {nil, "", "UID 1 (29 B)\n"},
		"size only":          {[]string{"* 1 FETCH (UID 1 RFC822.SIZE 321)"}, "OK done", "UID 1 (29 B)\n"},
		"NIL":                {[]string{"* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 321 BODY[HEADER] NIL)"}, "OK done", "UID 1 (29 B)\n"},
		"one of them":        {[]string{"* 1 FETCH (UID 1 FLAGS () INTERNALDATE \"01-Jan-2024 00:00:00 +0000\" RFC822.SIZE 321 BODY[HEADER] {14}\r\nSubject: one\r\n)"}, "OK done", "UID 1 (321 B): one\n"},
		"one, then an error": {[]string{"* 1 FETCH (UID 1 FLAGS () INTERNALDATE \"01-Jan-2024 00:00:00 +0000\" RFC822.SIZE 321 BODY[HEADER] {14}\r\nSubject: one\r\n)"}, "NO some failed", "UID 1 (321 B): one\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startNoisy(t, "IMAP4rev1 UIDPLUS LITERAL+")
			for range 6 {
				s.add("")
			}
			s.decide = func(cmd string, out []string) ([]string, string) {
				if strings.Contains(cmd, "BODY.PEEK[HEADER]") {
					return tt.out, tt.status
				}
				return out, "OK done"
			}
			w := noisyWorld(t, s)
			w.run(0, "-yV", "c")
			w.says(&w.out, "c:INBOX: would pull far "+tt.want, "c:INBOX: would pull far UID 6 (29 B)\n", "would pull 6 new message(s).\n")
			if w.err.Len() > 0 && strings.Contains(w.err.String(), "error") {
				t.Errorf("%s", &w.err)
			}
			if n := s.commands["UID FETCH"]; n > 20 {
				t.Errorf("%d commands", n)
			}
		})
	}
}
