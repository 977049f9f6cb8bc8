package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"isync/internal/engine"
	"isync/internal/syncstate"
	"isync/internal/vfs"
)

// TestFailedMessages: messages that could not be copied are listed without a connection, can
// be given up, and can be tried again.
func TestFailedMessages(t *testing.T) {
	s := startNoisy(t, "IMAP4rev1 UIDPLUS LITERAL+")
	for range 4 {
		s.add("")
	}
	refuse := func(uids ...int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.decide = func(cmd string, out []string) ([]string, string) {
			for _, u := range uids {
				if f := strings.Fields(cmd); strings.Contains(cmd, "BODY.PEEK[]") && inSet(f[2], u, false) {
					return nil, "NO [PARSE] cannot read it"
				}
			}
			return out, "OK done"
		}
	}
	refuse(2, 3)
	w := noisyWorld(t, s)
	w.write("rc", withoutRetries(w.read("rc")))
	w.run(0, "--list-failed")
	w.says(&w.out, "No message has failed")
	w.run(1, "c")
	w.says(&w.err, "far side message 2", "far side message 3")

	logins := func() (n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, cmd := range s.transcript {
			if strings.HasPrefix(cmd, "LOGIN") {
				n++
			}
		}
		return n
	}
	before := logins()
	w.run(0, "--list-failed", "c")
	rows := strings.Split(strings.TrimSpace(w.out.String()), "\n")
	if len(rows) != 3 || !strings.HasPrefix(rows[0], "MAILBOX ") || !strings.HasPrefix(rows[1], "c:INBOX  far   2 ") || !strings.HasPrefix(rows[2], "c:INBOX  far   3 ") {
		t.Fatalf("%s", &w.out)
	}
	w.says(&w.out, "NO ")
	w.says(&w.err, "each run tries to copy these 2 messages again", "hint: to skip one: mbsync -c", "--skip-failed c:INBOX:2")
	tree := w.tree()
	for _, tt := range [][]string{ // words, and what is said
		{"c:INBOX:7", "channel 'c', mailbox 'INBOX': message 7 is not in the list of messages that could not be copied", "hint: to show the list: ", "--list-failed c:INBOX"},
		{"c:INBOX:near:2", "message 2 is not in the list of messages that could not be copied"},
		{"c:Other:2", "message 2 is not in the list of messages that could not be copied"},
		{"c:2", "'c:2' does not name a message", "hint: write CHANNEL:MAILBOX:UID"},
		{"c:INBOX", "does not name a message"},
		{"c:INBOX:0", "does not name a message"},
		{"c:INBOX:4294967296", "does not name a message"},
		{"c:INBOX:-2", "does not name a message"},
		{":INBOX:2", "does not name a message"},
		{"cc:INBOX:2", "there is no channel or group 'cc'", "did you mean 'c'?"},
	} {
		w.run(1, "--skip-failed", tt[0])
		w.says(&w.err, tt[1:]...)
		w.sameTree(tree)
	}

	complete := func(option, word, want string) {
		t.Helper()
		w.run(0, "--complete=word", "-c", "rc", option, word)
		var words []string
		for line := range strings.Lines(w.out.String()) {
			word, help, _ := strings.Cut(line, "\t")
			if !strings.Contains(help, "NO ") {
				t.Errorf("%q", line)
			}
			words = append(words, word)
		}
		if got := strings.Join(words, " "); got != want {
			t.Errorf("%s %s: %q, want %q", option, word, got, want)
		}
	}
	complete("--skip-failed", "", "c:INBOX:2 c:INBOX:3")
	complete("--skip-failed", "c:INBOX:3", "c:INBOX:3")
	complete("--skip-failed", "d:", "")
	complete("--retry-failed", "c", "")
	w.run(0, "--skip-failed", "c::2", "--skip-failed", "c:INBOX:far:3")
	w.says(&w.err, "channel 'c', mailbox 'INBOX', far side message 2: skipped: runs do not try to copy it any more", "far side message 3: skipped", "--retry-failed c:INBOX:2")
	w.run(0, "--skip-failed", "c:INBOX:2") // again
	complete("--skip-failed", "c", "")
	complete("--retry-failed", "c", "c:INBOX:2 c:INBOX:3")
	w.run(0, "--list-failed")
	w.says(&w.out, "skipped")
	w.says(&w.err, "2 messages are skipped: runs do not try to copy them", "--retry-failed c:INBOX:2")
	w.run(0, "--check", "-V", "c")
	w.says(&w.out, "2 messages were skipped")

	if logins() != before {
		t.Error("the server was asked")
	}
	for range 2 {
		w.run(0, "c")
		if strings.Contains(w.err.String(), "message") {
			t.Errorf("a run says: %s", &w.err)
		}
		w.run(0, "--pull-old", "c")
	}
	if got := strings.Join(w.mails(), " "); got != "1 4" {
		t.Errorf("near: %s", got)
	}
	w.run(0, "--retry-failed", "c:INBOX:2")
	w.says(&w.err, "far side message 2: the next run tries to copy it again")
	w.run(1, "c")
	w.says(&w.err, "far side message 2")
	refuse(3)
	w.run(0, "c")
	if got := strings.Join(w.mails(), " "); got != "1 2 4" {
		t.Errorf("near: %s", got)
	}
	w.run(0, "--retry-failed", "c:INBOX:3")
	refuse()
	w.run(0, "c")
	w.run(0, "c")
	if got := strings.Join(w.mails(), " "); got != "1 2 3 4" {
		t.Errorf("near: %s", got)
	}
	w.run(0, "--list-failed")
	w.says(&w.out, "No message has failed")
}

// TestFailedWhileLocked: while another process has the lock, no message can be given up, but
// the list can be shown.
func TestFailedWhileLocked(t *testing.T) {
	w := pendingWorld(t, "SyncState st/\n", "Patterns *")
	w.write("st/:far:a_:near:a.isync", heldFar)
	err := engine.EditNotes(vfs.OS{}, filepath.Join(w.dir, "st/:far:a_:near:a"), false, func(*syncstate.Notes) bool {
		w.run(1, "--skip-failed", "c:a:7")
		w.says(&w.err, "channel 'c', mailbox 'a': channel is locked", "hint: another mbsync is synchronizing this mailbox")
		w.run(0, "--list-failed")
		w.says(&w.out, "c:a      far   7    - ")
		return false
	})
	if err != nil {
		t.Error(err)
	}
	w.run(0, "--skip-failed", "c:a:7")
	if files, _ := os.ReadDir(filepath.Join(w.dir, "st")); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
}

const heldFar = "isync notes 1\nvalidity 0 0\nheld far 7 2 1700000000 \"no\"\n"

// pendingWorld is a world whose channel c has a server that cannot be reached.
func pendingWorld(t *testing.T, global string, lines ...string) *world {
	w := newWorld(t, far(1, "TLSType None", "AuthMechs LOGIN"))
	w.write("rc", global+"FSync no\n\n"+far(1, "TLSType None", "AuthMechs LOGIN")+
		"\n\nMaildirStore near\nInbox near\nPath boxes/\nSubFolders Verbatim\n\nChannel c\nFar :far:\nNear :near:\n"+strings.Join(lines, "\n")+"\n")
	return w
}

// TestFailedEverywhere: notes are found wherever the state may be, also before there is a
// state, and messages in them are given up by the words that the list shows.
func TestFailedEverywhere(t *testing.T) {
	const both = heldFar + "held near 7 1 1700000000 \"x\\x1b[31m\"\n"
	for _, tt := range []struct{ global, lines, file, word string }{
		{"SyncState st/\n", "Patterns *", "st/:far:a!b_:near:a!b.isync", "c:a/b:far:7"},
		{"", "SyncState st/x-\nPatterns *", "st/x-a.isync", "c:a:far:7"},
		{"", "SyncState *\nPatterns *", "boxes/a/b/.mbsyncstate.isync", "c:a/b:far:7"},
		{"", "SyncState *", "near/.mbsyncstate.isync", "c:far:7"},
		{"SyncState st/\n", "", "st/:far:INBOX_:near:INBOX.isync", "c:far:7"},
	} {
		w := pendingWorld(t, tt.global, strings.Split(tt.lines, "\n")...)
		w.write(tt.file, both)
		if strings.HasPrefix(tt.lines, "SyncState *") {
			w.write(filepath.Join(filepath.Dir(tt.file), "cur/x"), "")
		}
		w.run(0, "--list-failed")
		w.says(&w.err, "--skip-failed "+tt.word)
		w.says(&w.out, " near  7 ", " far   7 ")
		if strings.Contains(w.out.String(), "\x1b") {
			t.Errorf("%q", &w.out)
		}
		plain := strings.Replace(tt.word, ":far", "", 1)
		w.run(1, "--skip-failed", plain)
		w.says(&w.err, "messages on both sides have the UID 7", fmt.Sprintf("hint: write '%s' or '%s'", tt.word, strings.Replace(tt.word, "far", "near", 1)))
		w.run(0, "--skip-failed", tt.word)
		w.run(0, "--list-failed")
		w.says(&w.out, "skipped")
		w.run(0, "--skip-failed", plain) // the other one is left
		w.says(&w.err, "near side message 7: skipped")
	}
}

// TestFailedMessageHint: the error about a message that could not be copied has what is known
// of the message, and the command that gives it up.
func TestFailedMessageHint(t *testing.T) {
	s := startNoisy(t, "IMAP4rev1 UIDPLUS LITERAL+")
	s.mu.Lock()
	s.decide = func(cmd string, out []string) ([]string, string) {
		if strings.HasPrefix(cmd, "APPEND") {
			return nil, "NO [PARSE] I do not like it"
		}
		return out, "OK done"
	}
	s.mu.Unlock()
	w := noisyWorld(t, s)
	w.write("rc", withoutRetries(w.read("rc")))
	name := "near/cur/1700000000.x:2,"
	w.write(name, "Message-ID:\n <bad\x1b[31m@x>\nSubject: x\n\nhello\n")
	at := time.Date(2024, 5, 1, 10, 20, 30, 0, time.Local)
	if err := os.Chtimes(filepath.Join(w.dir, name), at, at); err != nil {
		t.Fatal(err)
	}
	var command string
	for i := range 3 {
		w.run(1, "c")
		tried := "the next run tries again"
		if i > 0 {
			tried = fmt.Sprintf("tried %d times since ", i+1)
		}
		w.says(&w.err, "channel 'c', mailbox 'INBOX', near side message 1: ", "NO [PARSE] I do not like it", "bytes, received 2024-05-01 10:20:30, Message-ID <bad", "@x>, "+tried,
			"hint: to skip this message: mbsync -c rc --skip-failed c:INBOX:near:1\n")
		if strings.Contains(w.err.String(), "\x1b") {
			t.Errorf("a control character: %q", &w.err)
		}
		_, command, _ = strings.Cut(w.err.String(), "hint: to skip this message: mbsync ")
	}
	w.run(0, "--list-failed", "-V")
	w.says(&w.out, "received 2024-05-01 10:20:30, Message-ID <bad")
	w.run(0, strings.Fields(command)...)
	w.run(0, "c")
}
