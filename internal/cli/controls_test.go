package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestMain lets the test binary stand in for the program, so that a run can
// really end in the middle.
func TestMain(m *testing.M) {
	if args := os.Getenv("ISYNC_TEST_ARGS"); args != "" {
		code := Main(OSEnv(), strings.Split(args, "\n"))
		if file := os.Getenv("ISYNC_TEST_STATUS"); file != "" { // see TestHostileMemory
			status, err := os.ReadFile("/proc/self/status")
			if err = errors.Join(err, os.WriteFile(file, status, 0o600)); err != nil {
				panic(err)
			}
		}
		os.Exit(code)
	}
	if os.Getenv(asMbsync) != "" {
		os.Exit(Main(OSEnv(), os.Args))
	}
	os.Exit(m.Run())
}

// runProcess runs the program as a process of its own.
func runProcess(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ISYNC_TEST_ARGS="+strings.Join(append([]string{"mbsync"}, args...), "\n"))
	b, err := cmd.CombinedOutput()
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		t.Fatal(err)
	}
	return string(b), cmd.ProcessState.ExitCode()
}

// controlsWorld makes two Maildirs with changes on both sides.
func controlsWorld(t *testing.T) (dir, rc string) {
	t.Helper()
	dir = t.TempDir()
	for _, box := range []string{"far", "near"} {
		for _, sub := range []string{"cur", "new", "tmp"} {
			if err := os.MkdirAll(filepath.Join(dir, box, sub), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 4 {
			name := fmt.Sprintf("%s/cur/160000000%d.1_%d.%s:2,%s", box, i, i, box, []string{"S", "", "F", "ST"}[i])
			body := fmt.Sprintf("Subject: %s %d\nMessage-Id: <%s.%d>\n\nbody\n", box, i, box, i)
			if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	rc = filepath.Join(dir, "rc")
	text := "MaildirStore far\nInbox far\n\nMaildirStore near\nInbox near\n\nChannel c\nFar :far:\nNear :near:\nSync Full\nExpunge Both\nSyncState st/\n"
	if err := os.WriteFile(rc, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, rc
}

// snapshot is what two worlds are compared by: subjects, UIDs and flags, and
// the state but for what depends on the time.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var out []string
	name := regexp.MustCompile(`,U=\d+:2,[A-Z]*$`)
	for _, box := range []string{"far", "near"} {
		files, _ := filepath.Glob(filepath.Join(dir, box, "[cn][ue][rw]", "*"))
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			subject, _, _ := strings.Cut(string(b), "\n")
			out = append(out, box+" "+subject+name.FindString(f))
		}
	}
	state, _ := os.ReadFile(filepath.Join(dir, "st", "INBOX"))
	out = append(out, regexp.MustCompile(`UidValidity \d+`).ReplaceAllString(string(state), "UidValidity"))
	slices.Sort(out)
	return strings.Join(out, "\n")
}

var reportLine = regexp.MustCompile(`(?m)^### (\d+) steps, (\d+) entries ###$`)

// TestSteps ends the program after every step and resumes it, as the test
// controls promise: the number of steps is the same in every run, and so is the
// end.
func TestSteps(t *testing.T) {
	for _, mode := range []string{"", "A"} {
		t.Run("-Tz"+mode, func(t *testing.T) {
			t.Parallel()
			dir, rc := controlsWorld(t)
			if out, code := runProcess(t, "-Tz"+mode, "-c", rc, "c"); code != 0 {
				t.Fatalf("exit code %d\n%s", code, out)
			}
			want := snapshot(t, dir)

			dir, rc = controlsWorld(t)
			out, code := runProcess(t, "-TzJj"+mode, "-c", rc, "c")
			m := reportLine.FindStringSubmatch(out)
			if code != 0 || m == nil {
				t.Fatalf("exit code %d, no report\n%s", code, out)
			}
			var steps, entries int
			_, _ = fmt.Sscan(m[1], &steps)
			_, _ = fmt.Sscan(m[2], &entries)
			if entries < 10 || steps < entries || (mode == "a" || mode == "A") != (steps > entries) {
				t.Errorf("%d steps, %d entries", steps, entries)
			}
			for _, f := range []string{"INBOX.new", "INBOX.journal"} {
				if _, err := os.Stat(filepath.Join(dir, "st", f)); err != nil {
					t.Error(err)
				}
			}
			if out, code := runProcess(t, "-Tz"+mode, "-c", rc, "c"); code != 0 {
				t.Fatalf("the run that replays: exit code %d\n%s", code, out)
			}
			if got := snapshot(t, dir); got != want {
				t.Errorf("replayed:\n%s\nwant:\n%s", got, want)
			}

			for n := 1; n <= steps; n++ {
				dir, rc := controlsWorld(t)
				if out, code := runProcess(t, fmt.Sprintf("-TzJs%d%s", n, mode), "-c", rc, "c"); code != exitSteps {
					t.Fatalf("step %d of %d: exit code %d\n%s", n, steps, code, out)
				}
				if out, code := runProcess(t, "-Tz"+mode, "-c", rc, "c"); code != 0 {
					t.Fatalf("resumed after step %d: exit code %d\n%s", n, code, out)
				}
				if got := snapshot(t, dir); got != want {
					t.Fatalf("resumed after step %d:\n%s\nwant:\n%s", n, got, want)
				}
			}
		})
	}
}

// TestNoExpunge: -Tx leaves what is marked deleted.
func TestNoExpunge(t *testing.T) {
	dir, rc := controlsWorld(t)
	if out, code := runProcess(t, "-Tzx", "-c", rc, "c"); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	if s := snapshot(t, dir); strings.Count(s, ":2,ST") != 2 {
		t.Errorf("messages marked deleted are gone:\n%s", s)
	}
}
