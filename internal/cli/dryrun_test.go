package cli

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/testkit"
)

// TestDryRunWritesNothing: whatever a dry run, a listing or a check finds, it changes
// no file: neither mailboxes, nor states, nor what is remembered of servers.
func TestDryRunWritesNothing(t *testing.T) {
	for _, account := range []bool{false, true} {
		for _, altMap := range []string{"", "AltMap yes\n"} {
			t.Run(fmt.Sprintf("account %v, %s", account, altMap), func(t *testing.T) {
				srv := testkit.StartDovecot(t, testkit.DovecotConfig{})
				head := "IMAPStore far\n"
				if account {
					head = "IMAPAccount acc\n"
				}
				tail := ""
				if account {
					tail = "\nIMAPStore far\nAccount acc\n"
				}
				w := newWorld(t, fmt.Sprintf("%sHost %s\nPort %d\nUser user\nPassCmd \"cat '$DIR/secret'\"\nTLSType None\nAuthMechs PLAIN\n%s\n", head, srv.Host, srv.Port, tail)+
					"MaildirStore near2\nPath near2/\nInbox near2/INBOX\nSubFolders Verbatim\n"+altMap+"\nChannel d\nFar :far:\nNear :near2:\nPatterns *\nCreate Near\nExpunge Both\nSyncState *\n\n"+
					"Channel e\nFar :far:INBOX\nNear :near2:INBOX\nCreate Near\nSyncState state2/\n")
				w.write("secret", testkit.Password+"\n")
				if err := os.Mkdir(filepath.Join(w.dir, "near2"), 0o700); err != nil {
					t.Fatal(err)
				}
				cache := filepath.Join(w.dir, "cache")
				w.env.Config.Getenv = func(name string) string {
					if name == "XDG_CACHE_HOME" {
						return cache
					}
					return ""
				}
				const held = "near2/INBOX/.mbsyncstate.isync"
				dry := func() {
					t.Helper()
					for _, args := range [][]string{
						{"-y", "d"},
						{"--dry-run", "e"},
						{"-y", "-V", "d", "e"},
						{"-y", "-D", "d"},
						{"-y", "-a"},
						{"-l", "d", "e"},
						{"--list-stores", "far", "near2"},
						{"-ls"},
						{"--check", "d", "e"},
						{"--check", "--online", "d"},
					} {
						before := w.tree()
						w.run(0, args...)
						if d := cmp.Diff(before, w.tree()); d != "" {
							t.Errorf("%v changed files:\n%s", args, d)
						}
					}
				}
				srv.Seed(t, "user", "INBOX", testkit.Mail{Body: "Subject: s1\r\n\r\nHello\r\n"})
				dry()
				w.run(0, "d")
				dry()
				srv.Seed(t, "user", "INBOX", testkit.Mail{Body: "Subject: s2\r\n\r\nHello\r\n"})
				w.write("near2/INBOX/new/1700000000.1.user", "Subject: s3\n\nHello\n")
				dry()
				w.run(0, "-y", "d")
				w.says(&w.out, "would pull 1 new message(s)", "would push 1 new message(s)")

				// Notes about a message that was refused, and copies that were not found.
				state := w.read("near2/INBOX/.mbsyncstate")
				far := regexp.MustCompile(`(?m)^FarUidValidity (\d+)$`).FindStringSubmatch(state)
				near := regexp.MustCompile(`(?m)^NearUidValidity (\d+)$`).FindStringSubmatch(state)
				if far == nil || near == nil {
					t.Fatalf("no UIDVALIDITY in the state:\n%s", state)
				}
				now := time.Now().Unix()
				notes := fmt.Sprintf("isync notes 1\nvalidity %s %s\nheld far 2 1 %d \"refused\"\nheld far 99 1 %d \"gone\"\nlate far AAAAAAAAAAAA 9 2 %d\nlate near BBBBBBBBBBBB 9 2 %d\n",
					far[1], near[1], now, now, now, now)
				w.write(held, notes)
				dry()
				w.run(0, "--check", "d")
				w.says(&w.out, "2 messages were not copied so far")

				// What a run leaves that is killed, wherever.
				for n := 1; w.kill(n, "d"); n++ {
					if _, err := os.Stat(filepath.Join(w.dir, "near2/INBOX/.mbsyncstate.journal")); err == nil {
						w.run(0, "--check", "d")
						w.says(&w.out, "1 run was interrupted")
					}
					w.write(held, notes)
					before := w.tree()
					w.run(0, "-y", "d")
					w.sameTree(before)
					if n == 5 {
						dry()
					}
				}
				w.run(0, "d")
				w.run(0, "-y", "d")
				if strings.Contains(w.out.String(), "would") {
					t.Errorf("there is something left to do:\n%s", &w.out)
				}
			})
		}
	}
}

// kill runs the program as a process that ends at a step, or at the end if there are
// fewer. It returns whether that was so.
func (w *world) kill(step int, args ...string) bool {
	w.tb.Helper()
	args = append([]string{"mbsync", fmt.Sprintf("-TzAs%d", step), "-c", filepath.Join(w.dir, "rc")}, args...)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ISYNC_TEST_ARGS="+strings.Join(args, "\n"), "XDG_CACHE_HOME="+filepath.Join(w.dir, "cache"))
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code == exitSteps || code == 0 {
		return code == exitSteps
	}
	w.tb.Fatalf("%v\n%s", err, out)
	return false
}

// tree describes all files below the directory.
func (w *world) tree() map[string]string {
	w.tb.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(w.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil || e.IsDir() {
			out[path] = "directory"
			return err
		}
		data, err := os.ReadFile(path)
		out[path] = fmt.Sprintf("%v %v %x", info.Mode(), info.ModTime().UnixNano(), sha256.Sum256(data))
		return err
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	return out
}

// sameTree checks that no file has changed since.
func (w *world) sameTree(before map[string]string) {
	w.tb.Helper()
	if d := cmp.Diff(before, w.tree()); d != "" {
		w.tb.Errorf("files have changed:\n%s", d)
	}
}

// read returns the contents of a file.
func (w *world) read(name string) string {
	w.tb.Helper()
	data, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		w.tb.Fatal(err)
	}
	return string(data)
}

// TestDryRunCountsOnce: what two channels with the same mailboxes foresee counts once,
// also if one has them the other way round.
func TestDryRunCountsOnce(t *testing.T) {
	for _, again := range []string{
		"Far :far:INBOX\nNear :near:INBOX\nCreate Near\n",
		"Far :near:INBOX\nNear :far:INBOX\nCreate Far\n",
	} {
		s := startNoisy(t, "IMAP4rev1 UIDPLUS LITERAL+")
		s.add("")
		s.add("")
		w := noisyWorld(t, s)
		w.write("rc", w.read("rc")+"\nChannel again\n"+again+"SyncState state/\n")
		for _, channels := range [][]string{{"c", "again"}, {"again", "c"}} {
			w.run(0, append([]string{"-y"}, channels...)...)
			past := "pull"
			if channels[0] == "again" && strings.HasPrefix(again, "Far :near") {
				past = "push" // as the first one has it
			}
			w.says(&w.out, "would "+past+" 2 new message(s)")
			if n := strings.Count(w.out.String(), "message(s)"); n != 1 {
				t.Errorf("%q: counted %d times:\n%s", again, n, &w.out)
			}
		}
		// What is to be done in the other mailbox adds to that.
		w.write("near/cur/1700000000.1.user:2,", "Subject: 3\n\nHello\n")
		for _, dir := range []string{"new", "tmp"} {
			w.write("near/"+dir+"/x", "")
			if err := os.Remove(filepath.Join(w.dir, "near", dir, "x")); err != nil {
				t.Fatal(err)
			}
		}
		w.run(0, "-y", "c", "again")
		w.says(&w.out, "would pull 2 new message(s)", "would push 1 new message(s)")
	}
}
