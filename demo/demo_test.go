package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// buildMbsync builds the program under test.
func buildMbsync(t *testing.T) string {
	t.Helper()
	source := filepath.Join("..", "cmd", "mbsync")
	if _, err := os.Stat(filepath.Join(source, "main.go")); errors.Is(err, fs.ErrNotExist) {
		t.Skip("there is no cmd/mbsync to show")
	}
	// Look at the sources: go test notes what a test looks at, but not what
	// its children do, and would answer from its cache after a change.
	for _, dir := range []string{"cmd", "internal"} {
		err := filepath.WalkDir(filepath.Join("..", dir), func(_ string, _ fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	bin := filepath.Join(t.TempDir(), "mbsync")
	out, err := exec.Command("go", "build", "-o", bin, "./"+filepath.ToSlash(source)).CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

func TestDemo(t *testing.T) {
	mbsync := buildMbsync(t)
	var out bytes.Buffer
	err := perform(t.Context(), &stage{w: &out}, options{mbsync: mbsync, dir: t.TempDir()})
	t.Logf("%s", &out)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("colors where there is no terminal")
	}
	for _, want := range []string{
		"Photo of the cat", "日本語", "Café ☕", "- " + subjectRaffle, "✓ both sides have the same 16 messages in 9 mailboxes",
		"✓ nothing changed", "SyncState *",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demo does not show %q", want)
		}
	}
}

// A program that does nothing, or claims to have failed, is found out.
func TestDemoNoticesFailure(t *testing.T) {
	for _, c := range []struct{ program, want string }{
		{"true", "do not agree"},
		{"false", "exit status 1"},
	} {
		program, err := exec.LookPath(c.program)
		if err != nil {
			t.Skip(err)
		}
		var out bytes.Buffer
		err = perform(t.Context(), &stage{w: &out}, options{mbsync: program, dir: t.TempDir()})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("with %s for mbsync: got error %v, want one with %q", c.program, err, c.want)
		}
	}
}

func TestDemoWantsAnEmptyDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := workDir(dir); err == nil {
		t.Error("accepted a directory that holds a thesis")
	}
}

func TestDisagreements(t *testing.T) {
	msg := func(subject, tuid, flags string) message {
		return newMessage([]byte("Subject: "+subject+"\r\n"+tuid+"\r\nbody\r\n"), flags)
	}
	a, b := msg("a", "", "S"), msg("b", "", "")
	far := snapshot{"INBOX": {a, b}, "x": nil}
	for _, c := range []struct {
		name string
		near snapshot
		want string // part of the only disagreement; "" if there is none
	}{
		{"same", snapshot{"INBOX": {a, b}, "x": nil}, ""},
		{"order", snapshot{"INBOX": {b, a}, "x": nil}, ""},
		{"TUID", snapshot{"INBOX": {a, msg("b", "X-TUID: 123456789012\r\n", "")}, "x": nil}, ""},
		{"missing", snapshot{"INBOX": {a}, "x": nil}, `"b" is only on the server`},
		{"extra", snapshot{"INBOX": {a, b, msg("c", "", "")}, "x": nil}, `"c" is only in the Maildir`},
		{"doubled", snapshot{"INBOX": {a, b, b}, "x": nil}, `"b" is only in the Maildir`},
		{"flags", snapshot{"INBOX": {a, msg("b", "", "F")}, "x": nil}, `"b" has flags [] on the server and [F] in the Maildir`},
		{"box gone", snapshot{"INBOX": {a, b}}, "mailbox x is not in the Maildir"},
		{"box new", snapshot{"INBOX": {a, b}, "x": nil, "y": nil}, "mailbox y is not on the server"},
	} {
		got := disagreements(far, c.near)
		switch {
		case c.want == "" && len(got) > 0:
			t.Errorf("%s: %q", c.name, got)
		case c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)):
			t.Errorf("%s: got %q, want one with %q", c.name, got, c.want)
		}
	}
}

func TestBodyCounts(t *testing.T) {
	a := newMessage([]byte("Subject: a\n\nX-TUID: in the body\n"), "")
	b := newMessage([]byte("Subject: a\n\n"), "")
	if a.digest == b.digest {
		t.Error("a line of the body was taken for the header")
	}
	if c := newMessage([]byte("Subject: a\r\n\r\nX-TUID: in the body\r\n"), ""); a.digest != c.digest {
		t.Error("line ends count")
	}
}
