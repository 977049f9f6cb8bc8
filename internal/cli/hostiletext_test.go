package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"isync/internal/testkit"
)

// evil is what a server or a file name may contain to take over a terminal: commands in
// 7 and 8 bits, a carriage return where that is possible, and a change of the direction
// of writing.
const evil = "\x1b]0;evil\x07\x1b[31m\x9b31m\u009b31m\x08\x7f\u202e"

// displayCommands move to the lines of the progress display, and clear them.
var displayCommands = regexp.MustCompile(`\x1b\[\d*[AJK]`)

// harmless reports what a stream has that must not reach a terminal. The progress display may
// have its own commands.
func harmless(stream string) error {
	stream = displayCommands.ReplaceAllString(stream, "")
	stream = strings.ReplaceAll(stream, "\r", "")
	for i, r := range stream {
		if r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r == utf8.RuneError {
			return fmt.Errorf("%q at %d in %q", r, i, stream[max(0, i-60):min(len(stream), i+20)])
		}
	}
	return nil
}

// TestTerminalIsSafe: whatever servers say, and whatever files and mailboxes are called, no
// control character of theirs reaches a terminal, with any option.
func TestTerminalIsSafe(t *testing.T) {
	silent := map[string]bool{}
	for _, stage := range []string{"", "greeting", "LOGIN", "CAPABILITY", "NAMESPACE", "LIST", "SELECT", "UID FETCH", "body", "APPEND", "BYE"} {
		t.Run("at "+stage, func(t *testing.T) {
			s := startNoisy(t, "IMAP4rev1 UIDPLUS LITERAL+ NAMESPACE ID X-"+strings.ReplaceAll(evil, "]", ""))
			for range 3 {
				s.add("")
			}
			s.msgs[0].body = "Subject: " + evil + "\r\nMessage-ID: <" + evil + "@x>\r\n\r\n" + evil
			s.msgs[1].flags = evilAtom
			s.decide = func(cmd string, out []string) ([]string, string) {
				word := strings.Fields(cmd)[0]
				if word == "UID" {
					word += " " + strings.Fields(cmd)[1]
				}
				if word == "LIST" {
					out = append(out, `* LIST () "/" "box`+evil+`"`, `* LIST () "/" "`+evil+`/.."`, `* LIST (\`+evilAtom+`) "/" "x"`)
				}
				out = append(out, "* OK [ALERT] "+evil, "* NO "+evil, "* "+evil, "* OK ["+evilAtom+"] x")
				switch {
				case stage == "body" && strings.Contains(cmd, "BODY.PEEK[]"), stage == word:
					return out, "NO [" + evilAtom + "] no " + evil
				case stage == "BYE" && strings.Contains(cmd, "BODY.PEEK[]"):
					return append(out, "* BYE "+evil), ""
				}
				return out, "OK " + evil
			}
			w := noisyWorld(t, s)
			w.write("rc", withoutRetries(w.read("rc")))
			if stage == "greeting" {
				s.caps = "X] no\r\n* BYE " + evil + "\r\n* OK [ALERT"
			}
			w.env.Columns = func() int { return 100 }
			for _, d := range []string{"near", "boxes/a" + evilFile, "boxes/" + evilFile + "/b"} {
				for _, f := range []string{"cur/1." + evilFile + ":2,S", "new/2." + evilFile, "tmp/x", "cur/3." + evilFile + ",U=3:2,", "cur/4." + evilFile + ",U=3:2,"} {
					w.write(filepath.Join(d, f), "Subject: "+evil+"\n\n"+evil+"\n")
				}
				if err := os.Mkdir(filepath.Join(w.dir, d, "cur", evilFile), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			for _, args := range []string{
				"-l c", "-ls", "-l -DM c", "--check c", "--check -V --online c", "--check --online", "-y -V c", "-yqq c", "-V c", "c", "-D c", "--json=messages -V c", "--json=messages -y c", "--json -ls", "--json --check --online", "--json --list-failed", "-DN c", "-DCDM c", "-Ds c",
				"-c:INBOX", "--list-failed", "--list-failed -V c", "--complete=word|-c|rc|c:", "--complete=channels", "--skip-failed c:INBOX:1", "--list-failed c:box" + evil,
				"c:box" + evil, evil, "--" + evil, "--skip-failed " + evil, "--skip-failed c:" + evil + ":1", "--check " + evil, "-c " + evil + " c", "--get-cert " + evil,
			} {
				w.out.Reset()
				w.err.Reset()
				words := strings.FieldsFunc(args, func(r rune) bool { return r == ' ' || r == '|' })
				Main(w.env, slices.Concat([]string{"mbsync", "-c", "rc"}, words))
				for name, stream := range map[string]string{"output": w.out.String(), "errors": w.err.String()} {
					if err := harmless(stream); err != nil {
						t.Errorf("%s: mbsync %s: %v", name, args, err)
					}
					if name == "output" && strings.Contains(args, "--json") {
						testkit.Events(t, []byte(stream))
					}
					if strings.Contains(stream, "evil") {
						silent[args] = true
					}
				}
			}
		})
	}
	for _, args := range []string{"-ls", "-V c", "c", "-D c", "--json=messages -V c", "--json -ls", "--list-failed", "--check --online", evil} {
		if !silent[args] {
			t.Errorf("mbsync %s has shown nothing of what it was told", args)
		}
	}
}

// evilAtom has no characters that end an atom.
var evilAtom = regexp.MustCompile(`[\[\]; ]`).ReplaceAllString(evil, "")

// evilFile is valid UTF-8.
var evilFile = strings.ToValidUTF8(evil, "")

// TestCompletionIsSafe: a shell shows what it is offered.
func TestCompletionIsSafe(t *testing.T) {
	w := pendingWorld(t, "SyncState st/\n", "Patterns *")
	for _, box := range []string{"a" + evilFile, "b\x1b[31m", "c d\u00e4", "e\u2066", "f\xff"} {
		w.write("boxes/"+box+"/cur/x", "")
	}
	w.run(0, "--complete=word", "-c", "rc", "c:")
	if got := w.out.String(); got != "c:c d\u00e4\n" {
		t.Errorf("%q", got)
	}
}

// TestConfigurationOnTerminal: nor do those of a configuration file.
func TestConfigurationOnTerminal(t *testing.T) {
	for _, rc := range []string{
		evil, "IMAPStore " + evil + "\nHost", "Channel " + evil + "\nFar :x:\nNear :y:\n", "IMAPStore x\nHost " + evil + "\nPassCmd \"echo; false\"\n\nChannel c\nFar :x:\nNear :x:" + evil + "\n",
		"MaildirStore x\nInbox /" + evil + "\nPath " + evil + "/\n\nMaildirStore y\nInbox y\n\nChannel c\nFar :x:\nNear :y:\n",
	} {
		w := newWorld(t, "")
		w.write("rc", rc)
		for _, args := range []string{"-a", "--check", "--check -V", "-l -a", "--list-failed"} {
			w.out.Reset()
			w.err.Reset()
			Main(w.env, slices.Concat([]string{"mbsync", "-c", "rc"}, strings.Fields(args)))
			if err := harmless(w.out.String() + w.err.String()); err != nil {
				t.Errorf("%q: mbsync %s: %v", rc, args, err)
			}
		}
	}
}
