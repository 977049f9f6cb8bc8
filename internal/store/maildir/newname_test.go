package maildir

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestNewNameAgain: a process that has the id of an earlier one, at the time when
// that one ran as far as the clock tells, makes other names. In trash, and where
// the UIDs are in a database, nothing else keeps messages from replacing others.
func TestNewNameAgain(t *testing.T) {
	const child = "ISYNC_TEST_NEW_NAME"
	if os.Getenv(child) != "" {
		s, err := New(Options{Name: "s", Inbox: t.TempDir(), Pid: 1, Clock: func() time.Time { return time.Unix(1, 0) }})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(s.newName(0, 0))
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for range 3 {
		cmd := exec.Command(exe, "-test.run=^TestNewNameAgain$")
		cmd.Env = append(os.Environ(), child+"=1")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if seen[string(out)] {
			t.Errorf("the same name again: %s", out)
		}
		seen[string(out)] = true
	}
}
