//go:build linux

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"isync/internal/testkit"
)

// pair is two Maildirs that take turns with the C program and ours.
type pair struct {
	t      *testing.T
	theirs *testkit.Mbsync
	dir    string
	config string
	n      int // messages delivered so far
}

func newPair(t *testing.T, altMap string) *pair {
	t.Helper()
	guard(t, testLimit)
	if err := lookAtSources(); err != nil {
		t.Fatal(err)
	}
	p := &pair{t: t, theirs: testkit.FindMbsync(t), dir: t.TempDir()}
	for _, side := range []string{"far", "near"} {
		for _, sub := range []string{"cur", "new", "tmp"} {
			p.check(os.MkdirAll(filepath.Join(p.dir, side, sub), 0o700))
		}
	}
	p.check(os.Mkdir(filepath.Join(p.dir, "state"), 0o700))
	p.config = "SyncState " + p.dir + "/state/\n\n" +
		"MaildirStore far\nInbox " + p.dir + "/far\nAltMap " + altMap + "\n\n" +
		"MaildirStore near\nInbox " + p.dir + "/near\nAltMap " + altMap + "\n\n" +
		"Channel c\nFar :far:\nNear :near:\nSync All\nExpunge Both\n"
	p.check(os.WriteFile(filepath.Join(p.dir, "rc"), []byte(p.config), 0o600))
	return p
}

func (p *pair) check(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// deliver delivers messages on both sides, of which some have been seen.
func (p *pair) deliver(n int) {
	p.t.Helper()
	for range n {
		p.n++
		side := []string{"far", "near"}[p.n%2]
		name := []string{"new/%d.7_1.h", "cur/%d.7_1.h,S=12:2,S", "cur/%d.7_1.h:2,F"}[p.n%3]
		path := filepath.Join(p.dir, side, fmt.Sprintf(name, 1_700_000_000+p.n))
		p.check(os.WriteFile(path, fmt.Appendf(nil, "Subject: message %d\nMessage-ID: <%d@h>\n\ntext\n", p.n, p.n), 0o600))
	}
}

// run runs one of our programs.
func (p *pair) run(program string, args ...string) (out string, code int) {
	p.t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = p.dir
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		p.t.Fatal(err)
	}
	return b.String(), cmd.ProcessState.ExitCode()
}

// ours runs our mbsync, which must succeed.
func (p *pair) ours() {
	p.t.Helper()
	if out, code := p.run(binary, "-c", "rc", "-a"); code != 0 {
		p.t.Fatalf("exit code %d: %s", code, out)
	}
	p.allThere("ours")
}

// theirs runs the C program, which must succeed.
func (p *pair) runTheirs() {
	p.t.Helper()
	if r := p.theirs.Run(p.t, p.dir, p.config, "-a"); r.ExitCode != 0 {
		p.t.Fatalf("exit code %d: %s", r.ExitCode, r.Stderr)
	}
	p.allThere("theirs")
}

func (p *pair) convert(args ...string) {
	p.t.Helper()
	if out, code := p.run(converter, args...); code != 0 || out != "" {
		p.t.Fatalf("mdconvert %q: exit code %d: %s", args, code, out)
	}
}

// allThere checks that each message is there once on either side.
func (p *pair) allThere(who string) {
	p.t.Helper()
	for _, side := range []string{"far", "near"} {
		count := make(map[string]int)
		for _, n := range p.names(side) {
			b, err := os.ReadFile(filepath.Join(p.dir, side, n))
			p.check(err)
			subject, _, _ := strings.Cut(string(b), "\n")
			count[subject]++
		}
		for i := range p.n {
			subject := fmt.Sprintf("Subject: message %d", i+1)
			if count[subject] != 1 {
				p.t.Errorf("after a run of %s, %s: %s is there %d times", who, side, subject, count[subject])
			}
		}
		if len(count) != p.n {
			p.t.Errorf("after a run of %s, %s: %d messages, want %d", who, side, len(count), p.n)
		}
	}
	if p.t.Failed() {
		p.t.FailNow()
	}
}

// names returns the names of messages, with their directory.
func (p *pair) names(side string) []string {
	p.t.Helper()
	var out []string
	for _, sub := range []string{"cur", "new"} {
		entries, err := os.ReadDir(filepath.Join(p.dir, side, sub))
		p.check(err)
		for _, e := range entries {
			out = append(out, sub+"/"+e.Name())
		}
	}
	return out
}

// state returns the state file.
func (p *pair) state() string {
	p.t.Helper()
	files, err := filepath.Glob(filepath.Join(p.dir, "state", "*"))
	if err != nil || len(files) != 1 {
		p.t.Fatal(files, err)
	}
	b, err := os.ReadFile(files[0])
	p.check(err)
	return string(b)
}

// unchanged runs something that must find nothing to do.
func (p *pair) unchanged(what string, run func()) {
	p.t.Helper()
	state := p.state()
	before := [][]string{p.names("far"), p.names("near")}
	run()
	if p.state() != state {
		p.t.Errorf("%s: the state was\n%s\nand is\n%s", what, state, p.state())
	}
	for i, side := range []string{"far", "near"} {
		if now := p.names(side); !slices.Equal(now, before[i]) {
			p.t.Errorf("%s: %s was %q, and is %q", what, side, before[i], now)
		}
	}
}

// The database of the C program is taken over; either program can be used until
// ours has given out UIDs; and mdconvert leads back.
func TestAltMapOfTheirs(t *testing.T) {
	t.Parallel()
	p := newPair(t, "yes")
	p.deliver(300)
	p.runTheirs()
	before, err := os.ReadFile(filepath.Join(p.dir, "near/.isyncuidmap.db"))
	p.check(err)
	p.unchanged("ours, dry", func() {
		if out, code := p.run(binary, "-y", "-c", "rc", "-a"); code != 0 || strings.Contains(out, "would") {
			t.Errorf("exit code %d: %s", code, out)
		}
	})
	p.unchanged("ours", p.ours)
	p.unchanged("theirs", p.runTheirs)
	if b, err := os.ReadFile(filepath.Join(p.dir, "near/.isyncuidmap.db")); err != nil || !bytes.Equal(b, before) {
		t.Errorf("their database has been changed: %v", err)
	}
	p.deliver(20)
	p.runTheirs()
	p.unchanged("ours after theirs", p.ours)
	p.deliver(20)
	p.ours()
	p.unchanged("ours again", p.ours)
	// Their database would be wrong now, and they must not get at it.
	state := p.state()
	if r := p.theirs.Run(t, p.dir, p.config, "-a"); r.ExitCode == 0 || p.state() != state {
		t.Errorf("exit code %d: %s", r.ExitCode, r.Stderr)
	}
	p.allThere("theirs, refusing")
	out, code := p.run(binary, "-c", "rc", "-a")
	if code != 1 || !strings.Contains(out, "claim to have the UIDs") || !strings.Contains(out, "hint: another mbsync was run") {
		t.Errorf("exit code %d: %s", code, out)
	}
	p.allThere("ours, refusing")
	for _, side := range []string{"far", "near"} {
		p.check(os.Remove(filepath.Join(p.dir, side, ".isyncuidmap.db")))
	}
	p.unchanged("ours, without that", p.ours)
	p.convert("far", "near")
	state = p.state()
	p.runTheirs()
	if p.state() != state {
		t.Error("converted: the state has changed")
	}
	p.unchanged("ours, converted", p.ours)
	p.deliver(5)
	p.runTheirs()
	p.unchanged("ours, at the end", p.ours)
}

// A mailbox of the C program that has its UIDs in names can be converted, used,
// and converted back.
func TestConvertedThereAndBack(t *testing.T) {
	t.Parallel()
	p := newPair(t, "no")
	p.deliver(100)
	p.runTheirs()
	state := p.state()
	p.convert("-a", "far", "near")
	for _, n := range slices.Concat(p.names("far"), p.names("near")) {
		if strings.Contains(n, ",U=") {
			t.Errorf("%s", n)
		}
	}
	p.ours()
	if p.state() != state {
		t.Error("converted: the state has changed")
	}
	p.deliver(10)
	p.ours()
	state = p.state()
	p.convert("-n", "far", "near")
	p.unchanged("theirs", p.runTheirs)
	if p.state() != state {
		t.Error("converted back: the state has changed")
	}
	p.deliver(10)
	p.runTheirs()
	p.unchanged("ours", p.ours)
	// Their mdconvert makes a database, which ours understands.
	theirs := exec.Command(filepath.Join(filepath.Dir(p.theirs.Path), "mdconvert"), "-a", "near")
	theirs.Dir = p.dir
	if out, err := theirs.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	state = p.state()
	p.ours()
	if p.state() != state {
		t.Error("converted by theirs: the state has changed")
	}
}

// TestConvertKilled kills mdconvert at any moment. It completes what it has begun
// when run again, and no UID is another one.
func TestConvertKilled(t *testing.T) {
	t.Parallel()
	guard(t, testLimit)
	if err := lookAtSources(); err != nil {
		t.Fatal(err)
	}
	const messages = 1500
	dir := t.TempDir()
	p := &pair{t: t, dir: dir}
	for _, sub := range []string{"cur", "new", "tmp"} {
		p.check(os.MkdirAll(filepath.Join(dir, "box", sub), 0o700))
	}
	for i := range messages {
		name := fmt.Sprintf("box/cur/%d.7_1.h,U=%d:2,S", 1_700_000_000+i*7919%messages, i+1)
		p.check(os.WriteFile(filepath.Join(dir, name), []byte("x\n"), 0o600))
	}
	p.check(os.WriteFile(filepath.Join(dir, "box/.uidvalidity"), []byte("1700000000\n1502\n"), 0o600))
	want := p.names("box")
	var took time.Duration
	killed := 0
	const rounds = 24
	for i := range rounds {
		to := []string{"-a", "-n"}[i/2%2]
		cmd := exec.Command(converter, to, "box")
		cmd.Dir = dir
		start := time.Now()
		p.check(cmd.Start())
		if i%2 == 1 || took == 0 {
			// To the end: what the one before has begun, or to see how long it takes.
			err := cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 0 && (code != 1 || took == 0) {
				t.Fatalf("mdconvert %s: %v", to, err)
			}
			took = max(took, time.Since(start))
		} else {
			time.Sleep(took * time.Duration(i+1) / rounds)
			p.check(cmd.Process.Kill())
			if cmd.Wait() != nil {
				killed++
			}
			continue
		}
		names := p.names("box")
		_, err := os.Stat(filepath.Join(dir, "box/.uidvalidity"))
		_, merr := os.Stat(filepath.Join(dir, "box/.isyncuidmap.bolt"))
		if named := to == "-n"; named != (err == nil) || named == (merr == nil) || named && !slices.Equal(names, want) ||
			!named && slices.ContainsFunc(names, func(n string) bool { return strings.Contains(n, ",U=") }) || len(names) != messages {
			t.Fatalf("round %d: %v, %v, %.200q", i, err, merr, names)
		}
	}
	if killed < 3 {
		t.Errorf("killed %d times only", killed)
	}
	left, err := os.ReadDir(filepath.Join(dir, "box"))
	p.check(err)
	present := make(map[string]bool)
	for _, e := range left {
		present[e.Name()] = true
	}
	if !maps.Equal(present, map[string]bool{"cur": true, "new": true, "tmp": true, ".uidvalidity": true}) {
		t.Errorf("left: %v", present)
	}
	b, err := os.ReadFile(filepath.Join(dir, "box/.uidvalidity"))
	if string(b) != "1700000000\n1502\n" {
		t.Errorf("%q, %v", b, err)
	}
}
