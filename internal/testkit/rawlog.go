package testkit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Commands returns the commands that clients sent as a logged-in user since the start of the
// server or since ForgetCommands, session by session. Tags are removed, and literals are replaced
// by "{}". It waits for the end of all sessions. The server must be configured with Rawlog.
func (d *Dovecot) Commands(tb testing.TB, name string) []string {
	tb.Helper()
	return slices.Concat(d.Sessions(tb, name)...)
}

// Sessions is like Commands, but returns a list for each session.
func (d *Dovecot) Sessions(tb testing.TB, name string) [][]string {
	tb.Helper()
	return d.rawlogs(tb, filepath.Join(d.path("rawlog"), name))
}

// LoginSessions returns what clients sent before login, one list per connection.
func (d *Dovecot) LoginSessions(tb testing.TB) [][]string {
	tb.Helper()
	return d.rawlogs(tb, d.path("login"))
}

// ForgetCommands discards the commands so far.
func (d *Dovecot) ForgetCommands(tb testing.TB) {
	tb.Helper()
	if err := d.waitGone(); err != nil {
		tb.Fatalf("dovecot: %v", err)
	}
	err := filepath.WalkDir(d.dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".in" && filepath.Ext(path) != ".out" {
			return err
		}
		return os.Remove(path)
	})
	if err != nil {
		tb.Fatalf("dovecot: %v", err)
	}
}

func (d *Dovecot) rawlogs(tb testing.TB, dir string) [][]string {
	tb.Helper()
	if !d.cfg.Rawlog {
		tb.Fatal("dovecot: Rawlog was not asked for")
	}
	if err := d.waitGone(); err != nil {
		tb.Fatalf("dovecot: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.in"))
	if err != nil {
		tb.Fatal(err)
	}
	var out [][]string
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		if cmds := parseCommands(stripTimes(data)); len(cmds) > 0 {
			out = append(out, cmds)
		}
	}
	return out
}

var mailProcess = regexp.MustCompile(`Login: user=<.*, mpid=(\d+),`)

// sessions returns the processes of logged-in users. The process group distinguishes them from
// later processes with the same number.
func (d *Dovecot) sessions() []int {
	if d.proc == nil {
		return nil
	}
	group := d.proc.cmd.Process.Pid
	var pids []int
	for _, m := range mailProcess.FindAllStringSubmatch(d.Log(), -1) {
		if pid, err := strconv.Atoi(m[1]); err == nil && processGroup(pid) == group {
			pids = append(pids, pid)
		}
	}
	return append(pids, unloggedSessions(group, pids)...)
}

// unloggedSessions returns the session processes of the group that are not in known: a process
// may write to the log after the client has received the response. On systems without /proc it
// returns none.
func unloggedSessions(group int, known []int) (pids []int) {
	names, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, name := range names {
		comm, err := os.ReadFile(name)
		if err != nil || string(comm) != "imap\n" {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err == nil && processGroup(pid) == group && !slices.Contains(known, pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// WaitSessions waits until a user has at most n sessions. After the end of a client, its session
// may still execute commands.
func (d *Dovecot) WaitSessions(user string, n int) error {
	login := regexp.MustCompile(`Login: user=<` + regexp.QuoteMeta(user) + `>.* mpid=(\d+)`)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		alive := 0
		for _, m := range login.FindAllStringSubmatch(d.Log(), -1) {
			if pid, err := strconv.Atoi(m[1]); err == nil && processGroup(pid) == d.proc.cmd.Process.Pid {
				alive++
			}
		}
		if alive <= n {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s still has %d sessions", user, alive)
		}
	}
}

// waitGone waits until there are no sessions. That takes long if a client reads slowly.
func (d *Dovecot) waitGone() error { return d.await(func(int) {}) }

// endSessions ends all sessions, including new ones.
func (d *Dovecot) endSessions() error {
	told := map[int]bool{}
	return d.await(func(pid int) {
		if !told[pid] {
			told[pid] = true
			terminate(pid)
		}
	})
}

// await waits until there are no sessions. each is called repeatedly for each session.
func (d *Dovecot) await(each func(pid int)) error {
	deadline := time.Now().Add(time.Minute)
	for {
		pids := d.sessions()
		if len(pids) == 0 {
			return nil
		}
		for _, pid := range pids {
			each(pid)
		}
		if time.Now().After(deadline) {
			return errors.New("sessions do not end")
		}
		time.Sleep(2 * time.Millisecond)
	}
}

var lineTime = regexp.MustCompile(`(?m)^\d{9,}\.\d{6} `)

// stripTimes removes the time stamps at the beginning of Dovecot's lines.
func stripTimes(data []byte) []byte { return lineTime.ReplaceAll(data, nil) }

var literalMark = regexp.MustCompile(`~?\{(\d+)[+-]?\}$`)

// parseCommands splits the data of a client into commands without tags. Other lines, such as SASL
// responses and DONE, are kept.
func parseCommands(data []byte) []string {
	var out []string
	cur, inLiteral := "", false
	for len(data) > 0 {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		text := strings.TrimSuffix(string(line), "\r")
		data = rest
		if m := literalMark.FindStringSubmatch(text); m != nil {
			n, _ := strconv.Atoi(m[1])
			data = data[min(n, len(data)):]
			cur += strings.TrimSuffix(text, m[0]) + "{}"
			inLiteral = true
			continue
		}
		cur += text
		if !inLiteral && cur == "" {
			continue
		}
		if _, cmd, ok := strings.Cut(cur, " "); ok {
			cur = cmd
		}
		out = append(out, cur)
		cur, inLiteral = "", false
	}
	if cur != "" {
		out = append(out, cur+" (cut off)")
	}
	return out
}
