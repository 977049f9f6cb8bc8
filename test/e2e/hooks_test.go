//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"isync/internal/testkit"
)

// hooked is a world with commands that are run after a synchronization. Their output is in
// the files calls and input.
func hooked(t *testing.T, lines string) *homeWorld {
	t.Helper()
	w := newWorld(t, setup{modern: true, account: "PollInterval 2s", channel: "Patterns * INBOX\nCreate Near\nExpunge Both"})
	for i, line := range strings.Split(lines, "\n") {
		if keyword, command, ok := strings.Cut(line, " "); ok {
			w.write(fmt.Sprintf("hook%d", i), "#!/bin/sh\nexport NOTMUCH_CONFIG="+w.path("notmuch-config")+"\n"+command+"\n")
			lines = strings.Replace(lines, line, keyword+" \"sh "+w.path(fmt.Sprintf("hook%d", i))+"\"", 1)
		}
	}
	w.configure(strings.TrimRight(w.config(), "\n") + "\n" + lines + "\n")
	return w
}

// lines returns the lines of a file in the home directory.
func (w *homeWorld) lines(name string) []string {
	data, _ := os.ReadFile(w.path(name))
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

// TestHooks: commands are run after a run that has changed something, and learn what. Runs
// without changes call nothing.
func TestHooks(t *testing.T) {
	t.Parallel()
	w := hooked(t, `OnChange echo "change $MBSYNC_CHANNEL $MBSYNC_NEW" $MBSYNC_BOXES >>"$HOME/calls"; cat >>"$HOME/input"
OnNew echo "new $MBSYNC_NEW" >>"$HOME/calls"
OnError echo "error" >>"$HOME/calls"; cat >>"$HOME/errors"`)
	l := notes(1, 4)
	w.sendAll(map[string][]letter{"INBOX": l[:2]})
	w.sync(ours())
	if got := strings.Join(w.lines("calls"), "\n"); got != "change c 2 INBOX\nnew 2" {
		t.Errorf("calls: %s", got)
	}
	files := map[string]bool{}
	for _, f := range w.near("INBOX") {
		files[f.file] = true
	}
	for _, line := range w.lines("input") {
		var o struct{ Type, Event, Side, Box, Path string }
		if err := json.Unmarshal([]byte(line), &o); err != nil || o.Type != "message" || o.Event != "new" || o.Side != "near" || o.Box != "INBOX" || !files[o.Path] {
			t.Errorf("%+v %v: %s", o, err, line)
		}
		delete(files, o.Path)
	}
	if len(files) > 0 {
		t.Errorf("not told of %v", files)
	}
	w.sync(ours())
	w.deliver("INBOX", l[2])
	w.sync(ours())
	if got := strings.Join(w.lines("calls"), "\n"); got != "change c 2 INBOX\nnew 2\nchange c 0 INBOX" {
		t.Errorf("calls: %s", got)
	}
	// A dry run calls nothing.
	w.sendAll(map[string][]letter{"INBOX": l[3:]})
	w.run(ours(), "-ay")
	if n := len(w.lines("calls")); n != 3 {
		t.Errorf("%d calls", n)
	}
	if err := w.at.Stop(); err != nil {
		t.Fatal(err)
	}
	w.configure(strings.Replace(strings.Join(w.lines("rc"), "\n")+"\n", "PollInterval", "Retries 0\nPollInterval", 1))
	if r := w.run(ours(), "-a"); r.code != 1 {
		t.Errorf("exit code %d", r.code)
	}
	if calls := w.lines("calls"); calls[len(calls)-1] != "error" || !strings.Contains(w.lines("errors")[0], `"type":"error"`) {
		t.Errorf("calls: %v, errors %v", calls, w.lines("errors"))
	}
}

// TestHookFails: a command that fails, or does not end, has no effect on the run but a
// warning.
func TestHookFails(t *testing.T) {
	t.Parallel()
	w := hooked(t, "OnChange exit 3")
	l := notes(1, 2)
	w.sendAll(map[string][]letter{"INBOX": l})
	r := w.run(ours(), "-a")
	if r.code != 0 || !strings.Contains(r.stderr, "exit status 3") {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
	w.agree("INBOX", l)

	// Warnings about that come before the summary, which is the last object; wait checks it.
	w.configure("MetricsFile " + w.path("none", "m") + "\n" + strings.Join(w.lines("rc"), "\n") + "\n")
	w.write("hook2", "#!/bin/sh\nsleep 1\nexit 4\n")
	w.configure(strings.Replace(strings.Join(w.lines("rc"), "\n")+"\n", "/hook0", "/hook2", 1))
	w.send("INBOX", note(3, 100))
	r = w.run(ours(), "-a", "--json")
	for _, code := range []string{"hook-failed", "metrics-not-written"} {
		if !strings.Contains(r.stdout, `"code":"`+code+`"`) {
			t.Errorf("no %s\n%s", code, r.stdout)
		}
	}
}

// TestReloadDuringHook: with --watch, a command that hangs neither delays that the
// configuration is read again, nor synchronizing after that.
func TestReloadDuringHook(t *testing.T) {
	t.Parallel()
	w := hooked(t, `OnChange echo begin >>"$HOME/calls"; sleep 50`)
	l := notes(1, 2)
	w.sendAll(map[string][]letter{"INBOX": l[:1]})
	x := w.startWatch()
	x.until("the command runs", func() bool { return w.lines("calls")[0] == "begin" })
	if err := x.p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	x.send("INBOX", l[1])
	x.equal("INBOX", l...)
	if n := len(w.lines("calls")); n != 1 {
		t.Errorf("%d commands run at the same time", n)
	}
	if r := x.p.signal(syscall.SIGTERM); r.code != 0 {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
}

// TestRecipes: the commands of docs/hooks.md keep the databases of notmuch and mu up to date,
// with and without --watch.
func TestRecipes(t *testing.T) {
	t.Parallel()
	notmuch := testkit.FindProgram(t, "notmuch", "notmuch")
	mu := testkit.FindProgram(t, "mu", "maildir-utils")
	doc, err := os.ReadFile("../../docs/hooks.md")
	if err != nil {
		t.Fatal(err)
	}
	recipes := []string{`OnChange "notmuch new --quiet"`, `OnChange "mu index --quiet"`}
	for _, r := range recipes {
		if !strings.Contains(string(doc), "\n"+r+"\n") {
			t.Errorf("docs/hooks.md does not have %s", r)
		}
	}
	w := newWorld(t, setup{modern: true, account: "PollInterval 2s", channel: "Patterns * INBOX\nCreate Near\nExpunge Both"})
	l := notes(1, 4)
	w.sendAll(map[string][]letter{"INBOX": l[:1]})
	w.sync(ours())
	w.write(".notmuch-config", fmt.Sprintf("[database]\npath=%s\n[new]\ntags=inbox\nignore=rc;ca.pem;state;.notmuch-config;.cache;.local;.uidvalidity;.isyncuidmap.names;.mbsyncstate\n[maildir]\nsynchronize_flags=true\n", w.dir))
	command := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.Env = w.dir, w.env()
		out, err := cmd.CombinedOutput()
		if err != nil && !strings.Contains(string(out), "no matches") {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	command(notmuch, "new", "--quiet")
	command(mu, "init", "--maildir="+w.path("inbox"), "--quiet")
	count := func(what, want string) bool {
		t.Helper()
		var got string
		if what == "notmuch" {
			got = command(notmuch, "count", "*")
		} else if got = command(mu, "find", "letter", "--fields=p"); got == "" || strings.Contains(got, "no matches") {
			got = "0"
		} else {
			got = fmt.Sprint(strings.Count(got, "\n") + 1)
		}
		return got == want
	}
	rc := w.config()
	for i, what := range []string{"notmuch", "mu"} {
		// In a configuration, each recipe is a line of its own.
		w.configure(strings.TrimRight(rc, "\n") + "\n" + recipes[i] + "\n")
		w.send("INBOX", l[1+i])
		w.sync(ours())
		if want := fmt.Sprint(2 + i); !count(what, want) {
			t.Errorf("%s does not have %s messages after a run", what, want)
		}
	}
	// mu is the last one.
	x := w.startWatch()
	x.send("INBOX", l[3])
	x.until("mu has the new message", func() bool { return count("mu", "4") })
	x.end(syscall.SIGTERM)
}
