package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"isync/internal/testkit"
)

// TestSkippedByTheirs: to the C program, a message that was given up is one that was passed
// over earlier. It does not copy it, except with Old. Then the message counts as copied.
func TestSkippedByTheirs(t *testing.T) {
	theirs := testkit.FindMbsync15(t)
	w := newWorld(t, "")
	rc := "FSync no\n\nMaildirStore far\nInbox $DIR/far\n\nMaildirStore near\nInbox $DIR/near\n\nChannel c\nFar :far:\nNear :near:\nCreate Near\nSyncState $DIR/st/x\n"
	w.write("rc", strings.ReplaceAll(rc, "$DIR", w.dir))
	for _, n := range []string{"1", "2", "3"} {
		w.write("far/cur/"+n+".x:2,S", "Subject: "+n+"\n\nx\n")
	}
	for _, d := range []string{"far/new", "far/tmp", "st"} {
		if err := os.MkdirAll(filepath.Join(w.dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.run(0, "c")
	// As if the last message could not be copied.
	state, _ := filepath.Glob(filepath.Join(w.dir, "st", "*"))
	if len(state) != 1 {
		t.Fatalf("states: %q", state)
	}
	name := strings.TrimPrefix(state[0], w.dir+"/")
	text := w.read(name)
	validity := regexp.MustCompile(`(?s)FarUidValidity (\d+)\nNearUidValidity (\d+)`).FindStringSubmatch(text)
	w.write(name, regexp.MustCompile(`(?m)^3 3.*\n`).ReplaceAllString(text, ""))
	w.write(name+".isync", "isync notes 1\nvalidity "+validity[1]+" "+validity[2]+"\nheld far 3 2 1700000000 \"no\"\n")
	copies, _ := filepath.Glob(filepath.Join(w.dir, "near", "cur", "*,U=3:*"))
	if len(copies) != 1 || strings.Contains(w.read(name), "3 3") {
		t.Fatalf("near: %q, %s", copies, w.read(name))
	}
	if err := os.Remove(copies[0]); err != nil {
		t.Fatal(err)
	}
	w.run(0, "--skip-failed", "c:3")

	their := func(args ...string) {
		t.Helper()
		if r := theirs.Run(t, w.dir, w.read("rc"), append(args, "c")...); r.ExitCode != 0 {
			t.Fatalf("the other program: %d\n%s%s", r.ExitCode, r.Stdout, r.Stderr)
		}
	}
	for range 2 {
		their()
		w.run(0, "c")
		w.run(0, "--pull-old", "c")
		if got := strings.Join(w.mails(), " "); got != "1S 2S" {
			t.Fatalf("near: %s", got)
		}
	}
	w.run(0, "--list-failed")
	w.says(&w.out, "skipped")
	their("--pull-old")
	for range 2 {
		w.run(0, "c")
		their()
		if got := strings.Join(w.mails(), " "); got != "1S 2S 3S" {
			t.Fatalf("near, with Old: %s", got)
		}
	}
	w.run(0, "--list-failed")
	w.says(&w.out, "No message has failed")
}
