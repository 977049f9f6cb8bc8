package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"isync/internal/testkit"
)

// checkWorld is a world with a near store that has a Path, and a channel with
// patterns.
func checkWorld(t *testing.T, rc string) *world {
	t.Helper()
	w := newWorld(t, rc+"\n\nMaildirStore tree\nPath tree/\nInbox tree/INBOX\nSubFolders Verbatim\n\nChannel all\nFar :far:\nNear :tree:\nPatterns *\nSyncState *\n")
	for _, box := range []string{"near", "tree/INBOX", "tree/mine"} {
		for _, sub := range []string{"cur", "new", "tmp"} {
			if err := os.MkdirAll(filepath.Join(w.dir, box, sub), 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	return w
}

// A real server is asked for everything, and nothing is changed or told that is
// secret.
func TestCheckOnline(t *testing.T) {
	srv := testkit.StartDovecot(t, testkit.DovecotConfig{Users: []string{"u"}})
	srv.Seed(t, "u", "INBOX", testkit.Mail{Body: "Subject: x\r\n\r\nHello\r\n"})
	srv.Seed(t, "u", "theirs", testkit.Mail{Body: "Subject: x\r\n\r\nHello\r\n"})
	w := checkWorld(t, fmt.Sprintf("IMAPStore far\nHost %s\nPort %d\nUser u\nPassCmd \"cat '$DIR/secret'\"\nTLSType IMAPS\nCertificateFile ca.pem\n", srv.Host, srv.TLSPort))
	w.write("ca.pem", string(srv.CA.PEM()))
	w.write("secret", testkit.Password+"\n")
	w.run(1, "--check", "-V", "--online", "all")
	w.says(&w.out,
		"TLS 1.3, certificate for localhost, ", "  ok    connected and logged in within ",
		"  offers     ", "  used       QRESYNC        the server reports only changes", "             UIDPLUS        the server reports the UID", "  ok    2 mailboxes on the server: INBOX, theirs\n",
		"  ok    3 mailboxes: 1 on both sides\n",
		"  FAIL  mailbox 'theirs' does not exist on the near side, and there is no Create",
		"        hint: to create it, add the line Create Near (or Both), or use -Cn;",
		"  FAIL  mailbox 'mine' does not exist on the far side, ",
		"\n2 problems found")
	w.run(0, "--check", "-V", "--online", "-C", "all")
	w.says(&w.out, "  ok    to be created on the near side: theirs\n")
	if strings.Contains(w.out.String()+w.err.String(), testkit.Password) {
		t.Error("the password shows")
	}
	if _, err := os.Stat(filepath.Join(w.dir, "tree/theirs")); err == nil {
		t.Error("a mailbox was created")
	}
	if _, err := os.Stat(filepath.Join(w.dir, "tree/INBOX/.uidvalidity")); err == nil {
		t.Error(".uidvalidity was created")
	}

	// Not online, the command for the password is not run.
	w.write("secret", "")
	w.run(0, "--check", "-V", "-C", "all")
	w.run(1, "--check", "-V", "--online", "all")
	w.says(&w.out, "  FAIL  ", "        hint: ", "PassCmd")
	w.write("secret", "wrong\n")
	w.run(1, "--check", "-V", "--online", "all")
	w.says(&w.out, "TLS 1.3, certificate for ", "AUTHENTICATIONFAILED", "hint: check User (rc:4) and PassCmd (rc:5)")

	// A certificate that is not trusted is shown all the same.
	w.write("ca.pem", string(testkit.NewCA(t).PEM()))
	w.run(1, "--check", "-V", "--online", "far")
	w.says(&w.out, "certificate for ", "unknown authority", "        hint: ")
}

// What a server cannot do is told, with what that costs.
func TestCheckPoorServer(t *testing.T) {
	srv := testkit.NewScriptServer(t, nil, `
S: * OK [CAPABILITY IMAP4rev1] hi
C~ (?P<a>\S+) LOGIN .*
S: $a OK in
C: $b CAPABILITY
S: * CAPABILITY IMAP4rev1
S: $b OK
C: $c LOGOUT
S: * BYE
S: $c OK
`, `
S: * OK [CAPABILITY IMAP4rev1] hi
C~ (?P<a>\S+) LOGIN .*
S: $a OK [CAPABILITY IMAP4rev1] in
C: $d LIST "" ""
S: * LIST (\NoSelect) "/" ""
S: $d OK
C: $b LIST "" "*"
S: * LIST () "/" INBOX
S: $b OK
C: $c LOGOUT
S: * BYE
S: $c OK
`)
	w := checkWorld(t, far(srv.Port, "TLSType None\nAuthMechs LOGIN\nCompress yes\nConnections 1"))
	w.run(0, "--check", "-V", "--online", "far")
	w.says(&w.out, "  note  the server lacks UIDPLUS: ", "  offers     IMAP4REV1\n", "             LITERAL+       storing a message takes another round trip", "  ok    1 mailbox on the server: INBOX\n",
		"  at once    up to 1 connection (rc:", "  compress   if the server supports it (rc:", "  note  Compress yes (rc:8) has no effect: the server does not support\n        compression\n")
	if strings.Contains(w.out.String(), "  used  ") {
		t.Errorf("it offers nothing like that:\n%s", &w.out)
	}
}

// --check shows the values of a preset.
func TestCheckPreset(t *testing.T) {
	t.Parallel()
	for lines, want := range map[string][]string{
		"Provider gmail\nPort 1993": {
			"  preset     Provider gmail (rc:2) sets Host imap.gmail.com, TLSType IMAPS,\n             Connections 5\n",
			"  server     imap.gmail.com:1993\n",
		},
		"TLSType STARTTLS\nHost h\nPort 1\nProvider posteo": {
			"  preset     Provider posteo (rc:5) sets nothing: the section sets all keywords\n",
			"  server     h:1\n",
		},
		"Tunnel t\nProvider microsoft": {
			"  preset     Provider microsoft (rc:3) sets PipelineDepth 50\n",
			"  server     reached through the command of Tunnel (rc:2)\n",
		},
	} {
		w := checkWorld(t, "IMAPStore far\n"+lines+"\nUser u\nPassCmd false\n")
		w.run(0, "--check", "-V", "far")
		w.says(&w.out, want...)
		w.run(0, "--check", "far")
		if shown := strings.Contains(w.out.String(), "(Provider "); shown == strings.Contains(want[0], "nothing") {
			t.Errorf("%q: the summary is\n%s", lines, &w.out)
		}
	}
	w := checkWorld(t, "IMAPStore far\nProvider gmial\n")
	w.run(1, "--check", "far")
	w.says(&w.err, `rc:2: error: unknown provider "gmial"`, "hint: did you mean gmail?")
}
