//go:build linux

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"isync/internal/testkit"
)

// calamity is something that keeps a run from succeeding.
type calamity struct {
	name string
	// strike makes it happen, and returns what ends it. args are for the run.
	strike func(t *testing.T, w *homeWorld) (relief func(), args []string)
	// What the error says, and the advice.
	says, hint string
}

// rewrite strikes by a change of the configuration.
func rewrite(old, replacement string) func(t *testing.T, w *homeWorld) (func(), []string) {
	return func(t *testing.T, w *homeWorld) (func(), []string) {
		t.Helper()
		good := w.config()
		bad := regexp.MustCompile("(?m)"+old).ReplaceAllString(good, replacement)
		if bad == good {
			t.Fatalf("%s is not in:\n%s", old, good)
		}
		w.configure(bad)
		return func() { w.configure(good) }, nil
	}
}

// present strikes by a bad certificate of the server.
func present(issue func(tb testing.TB, ca *testkit.CA) *testkit.Certificate) func(t *testing.T, w *homeWorld) (func(), []string) {
	return func(t *testing.T, w *homeWorld) (func(), []string) {
		t.Helper()
		use := func(c *testkit.Certificate) {
			for name, data := range map[string][]byte{"cert.pem": c.PEM(), "key.pem": c.KeyPEM(t)} {
				if err := os.WriteFile(filepath.Join(w.server.Dir(), name), data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			w.server.Restart(t)
		}
		use(issue(t, w.server.CA))
		return func() { use(w.server.CA.Issue(t, testkit.CertConfig{})) }, nil
	}
}

var calamities = []calamity{
	{
		"wrong password", rewrite(`^Pass .*`, "Pass S3cr3t-guess"),
		`^mbsync: error: channel 'c': store 'far': login failed: .*AUTHENTICATIONFAILED`, `^check User \(.*rc:\d+\) and Pass \(.*rc:\d+\)`,
	},
	{
		"unknown host", rewrite(`^Host .*`, "Host imap.nowhere.invalid"),
		`^mbsync: error: channel 'c': store 'far': .*imap\.nowhere\.invalid`, `^(check the spelling of Host \(.*rc:\d+\)|host names cannot be resolved)`,
	},
	{
		"refused connection", func(t *testing.T, w *homeWorld) (func(), []string) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			return rewrite(`^Host .*\nPort .*`, fmt.Sprintf("Host 127.0.0.1\nPort %d", l.Addr().(*net.TCPAddr).Port))(t, w)
		},
		`^mbsync: error: channel 'c': store 'far': .*connection refused`, `^no server accepts connections on 127\.0\.0\.1:\d+: check Host \(.*rc:\d+\) and Port \(.*rc:\d+\)`,
	},
	{
		"certificate of another name", present(func(tb testing.TB, ca *testkit.CA) *testkit.Certificate { return ca.WrongName(tb) }),
		`^mbsync: error: channel 'c': store 'far': .*certificate`, `^the certificate is for other\.example\.org: use one of these names in Host`,
	},
	{
		"expired certificate", present(func(tb testing.TB, ca *testkit.CA) *testkit.Certificate { return ca.Expired(tb) }),
		`^mbsync: error: channel 'c': store 'far': .*certificate has expired`, `^the certificate is valid from .* to .*; check the clock of this machine \(date\); if it is right, the administrator of the server must renew the certificate`,
	},
	{
		"certificate of an unknown authority", func(t *testing.T, w *homeWorld) (func(), []string) {
			w.write("other.pem", string(testkit.NewCA(t).PEM()))
			return rewrite(`^CertificateFile .*`, "CertificateFile "+w.path("other.pem"))(t, w)
		},
		`^mbsync: error: channel 'c': store 'far': .*certificate signed by unknown authority`, `^the certificate is not signed by a trusted CA`,
	},
	{
		"configuration file not where it is said to be", func(_ *testing.T, w *homeWorld) (func(), []string) {
			return func() {}, []string{"-c", w.path("mbsyncrc")}
		},
		`^mbsync: error: cannot read configuration file: .*mbsyncrc: no such file`, `^check the name after -c`,
	},
	{
		"typing error in the configuration", rewrite(`^Channel c`, "Chanel c"),
		`rc:\d+: error: unknown keyword "Chanel"`, `^did you mean Channel\?`,
	},
	{
		"typing error in a value", rewrite(`^TLSType .*`, "TLSType IMAPSS"),
		`rc:\d+: error: .*"IMAPSS"`, `IMAPS`,
	},
	{
		"unreadable certificates", rewrite(`^CertificateFile .*`, "CertificateFile nowhere.pem"),
		`rc:\d+: error: .*nowhere\.pem`, ``,
	},
}

// TestCalamities lets things go wrong: that is one error with a hint, exit code
// 1, and nothing lost. Once the cause is gone, the next run completes.
func TestCalamities(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{security: "IMAPS", modern: true, account: "Retries 0", channel: "Create Near\nExpunge Both"})
	var letters []letter
	for i, c := range calamities {
		// Something to be done, in both directions.
		pulled, pushed := note(2*i, 500), note(2*i+1, 500)
		w.send("INBOX", pulled)
		w.deliver("INBOX", pushed)
		letters = append(letters, pulled, pushed)
		ok := t.Run(c.name, func(t *testing.T) {
			relief, args := c.strike(t, w)
			w.suffer(t, nil, c, args...)
			relief()
			w.sync(ours())
			w.agree("INBOX", letters)
		})
		if !ok {
			t.FailNow()
		}
	}
	w.idle(ours(), "INBOX")
}

// suffer runs the program while the calamity lasts.
func (w *homeWorld) suffer(t *testing.T, who *syscall.Credential, c calamity, args ...string) {
	t.Helper()
	w.judge(t, w.startAs(who, ours(), append(args, "-a")...).wait(), c)
}

// messageTrouble matches an error of a message, and the hint that belongs to it.
var messageTrouble = regexp.MustCompile(`^mbsync: error: channel 'c', (far|near) side message \d+: |^hint: to skip this message: `)

// judge checks what the program said about a calamity.
func (w *homeWorld) judge(t *testing.T, r result, c calamity) {
	t.Helper()
	if r.code != 1 {
		t.Errorf("exit code %d", r.code)
	}
	var errs, hints, rest []string
	for _, line := range complaints(r.stderr) {
		// Several connections that are cut one after the other may send the same message.
		if w.s.variant.Connections > 1 && messageTrouble.MatchString(line) {
			continue
		}
		if h, ok := strings.CutPrefix(line, "hint: "); ok {
			hints = append(hints, h)
		} else if strings.Contains(line, "error: ") {
			errs = append(errs, line)
		} else {
			rest = append(rest, line)
		}
	}
	if len(errs) != 1 || !regexp.MustCompile(c.says).MatchString(errs[0]) {
		t.Errorf("want one error with %s", c.says)
	}
	if c.hint == "" && len(hints) == 0 {
		// The error says it all.
	} else if len(hints) != 1 || !regexp.MustCompile(c.hint).MatchString(hints[0]) {
		t.Errorf("want one hint with %s", c.hint)
	}
	if len(rest) > 0 {
		t.Errorf("it also says %q", rest)
	}
	if strings.Contains(r.stdout+r.stderr, "S3cr3t") || strings.Contains(r.stdout+r.stderr, testkit.Password) {
		t.Error("the password shows")
	}
	if t.Failed() {
		t.Logf("%s%s", r.stdout, r.stderr)
	}
}

// TestNoConfiguration: no -c, and no file where one usually is.
func TestNoConfiguration(t *testing.T) {
	t.Parallel()
	guard(t, testLimit)
	w := &homeWorld{tb: t, dir: t.TempDir()}
	p := w.startBare(nil, ours(), "-a").wait()
	want := "mbsync: error: no configuration file found: neither " + w.path(".config", "isyncrc") + " nor " + w.path(".mbsyncrc") + " exists\nhint: "
	if p.code != 1 || !strings.HasPrefix(p.stderr, want) || strings.Count(p.stderr, "\n") != 2 {
		t.Errorf("exit code %d, %s", p.code, p.stderr)
	}
}

// nobody is who runs the program where permissions are to matter, which they do
// not for root: a user without rights, or nil if the test is run by one.
func nobody(tb testing.TB) *syscall.Credential {
	tb.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		tb.Skipf("nobody to run the program as: %v", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		tb.Fatal(err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		tb.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), NoSetGroups: true}
}

// TestUnwritable: the program may not write where it has to.
func TestUnwritable(t *testing.T) {
	t.Parallel()
	who := nobody(t)
	w := newWorld(t, setup{modern: true, channel: "Create Near\nExpunge Both"})
	letters := []letter{note(1, 1), note(2, 2)}
	w.send("INBOX", letters[0])
	w.deliver("INBOX", letters[1])
	w.handOver(who)
	if r := w.startAs(who, ours(), "-a").wait(); r.code != 0 {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	for i, c := range []struct {
		dirs string
		push bool // there also are messages to be numbered
	}{{"inbox/tmp", true}, {"inbox/cur inbox/new inbox/tmp", true}, {"inbox", true}, {"state", true}} {
		t.Run(c.dirs, func(t *testing.T) {
			dirs := strings.Fields(c.dirs)
			pulled, pushed := note(10+2*i, 500), note(11+2*i, 500)
			w.send("INBOX", pulled)
			letters = append(letters, pulled)
			if c.push {
				w.deliver("INBOX", pushed)
				letters = append(letters, pushed)
			}
			w.handOver(who)
			for _, d := range dirs {
				files := []string{w.path(d)}
				if d == "inbox" {
					files = append(files, w.path(d, ".uidvalidity"))
				}
				for _, f := range files {
					if err := os.Chmod(f, 0o500); err != nil {
						t.Fatal(err)
					}
				}
			}
			w.suffer(t, who, calamity{
				says: `^mbsync: error: channel 'c'.*: .*` + regexp.QuoteMeta(w.path(dirs[0][:5])) + `.*permission denied`,
				hint: `^check the permissions: ls -ld '` + regexp.QuoteMeta(w.path(dirs[0][:5])),
			})
			w.handOver(who)
			if r := w.startAs(who, ours(), "-a").wait(); r.code != 0 {
				t.Fatalf("exit code %d\n%s", r.code, r.stderr)
			}
			w.agree("INBOX", letters)
		})
	}
	w.idle(ours(), "INBOX")
}

// handOver makes everything in the home directory writable by who it shall
// belong to.
func (w *homeWorld) handOver(who *syscall.Credential) {
	w.tb.Helper()
	// Of the directories of a test only the innermost are open to others.
	if err := os.Chmod(filepath.Dir(w.dir), 0o755); err != nil {
		w.tb.Fatal(err)
	}
	err := filepath.WalkDir(w.dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := os.FileMode(0o600)
		if e.IsDir() {
			mode = 0o700
		}
		if who != nil {
			if err := os.Lchown(path, int(who.Uid), int(who.Gid)); err != nil {
				return err
			}
		}
		return os.Chmod(path, mode)
	})
	if err != nil {
		w.tb.Fatal(err)
	}
}

// TestFullDisk: there is not enough space for the mail, or for the journal.
func TestFullDisk(t *testing.T) {
	for _, c := range []struct {
		dir         string
		size, later string
		letters     int
		body        int
	}{
		{"inbox", "256k", "32m", 20, 40_000},
		{"inbox", "256k", "32m", 1, 2_000_000},
		{"inbox", "64k", "32m", 600, 100},
		{"state", "8k", "1m", 400, 100},
	} {
		for _, fsync := range []string{"yes", "no"} {
			t.Run(fmt.Sprintf("%s of %s, %d letters, FSync %s", c.dir, c.size, c.letters, fsync), func(t *testing.T) {
				t.Parallel()
				s := setup{global: "FSync " + fsync, modern: true, channel: "Create Near\nExpunge Both"}
				s.server.Storage = fileStorage
				w := newWorld(t, s)
				dir := w.path(c.dir)
				w.mount(dir, c.size)
				var letters []letter
				for i := range c.letters {
					letters = append(letters, note(i, c.body))
				}
				w.fill(len(letters), func(i int) letter { return letters[i] })
				w.suffer(t, nil, calamity{
					says: `^mbsync: error: channel 'c'.*no space left on device$`,
					hint: `^the disk is full\. No message is lost`,
				})
				if t.Failed() {
					return
				}
				if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size="+c.later); err != nil {
					t.Fatal(err)
				}
				w.resume(ours())
				far, near := w.far("INBOX"), w.near("INBOX")
				w.compare("INBOX", letters, far, near)
				w.sync(ours())
				w.agree("INBOX", letters)
				w.idle(ours(), "INBOX")
			})
		}
	}
}

// mount puts a file system of the given size in a place.
func (w *homeWorld) mount(dir, size string) {
	w.tb.Helper()
	if os.Geteuid() != 0 {
		w.tb.Skip("only root can mount a small file system")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		w.tb.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		w.tb.Skipf("cannot mount a small file system: %v", err)
	}
	w.tb.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			w.tb.Errorf("unmount %s: %v", dir, err)
		}
	})
}

// TestOneOfSeveral: of several channels one fails, at each place in the order.
// The others are synchronized, and the exit code tells.
func TestOneOfSeveral(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{modern: true})
	var stores, channels strings.Builder
	for _, n := range []string{"one", "two", "three"} {
		w.server.AddUser(t, n)
		fmt.Fprintf(&stores, "IMAPStore far-%s\nHost localhost\nPort %d\nUser %s\nPass \"test \\\"pass\\\\word\"\nTLSType None\nAuthMechs LOGIN\nRetries 0\n\n"+
			"MaildirStore near-%s\nInbox %s\n\n", n, w.server.Port, n, n, w.path("inbox-"+n))
		fmt.Fprintf(&channels, "Channel %s\nFar :far-%s:\nNear :near-%s:\nCreate Near\nSyncState %s-\n\n", n, n, n, w.path("state", n))
	}
	good := stores.String() + channels.String()
	for round, bad := range []string{"one", "two", "three"} {
		for _, n := range []string{"one", "two", "three"} {
			w.as(n).send("INBOX", note(round, 100))
		}
		w.configure(strings.Replace(good, "User "+bad+"\nPass ", "User "+bad+"\nPass wrong", 1))
		w.suffer(t, nil, calamity{
			says: "^mbsync: error: channel '" + bad + "': store 'far-" + bad + "': login failed",
			hint: "^check User .* and Pass ",
		})
		for _, n := range []string{"one", "two", "three"} {
			want := round + 1
			if n == bad {
				want--
			}
			got := 0
			if _, err := os.Stat(w.path("inbox-" + n)); err == nil {
				got = len(readMaildir(t, w.path("inbox-"+n)))
			}
			if got != want {
				t.Errorf("channel %s with %s failing: %d messages, want %d", n, bad, got, want)
			}
		}
		w.configure(good)
		w.sync(ours())
		for _, n := range []string{"one", "two", "three"} {
			if got := len(readMaildir(t, w.path("inbox-"+n))); got != round+1 {
				t.Errorf("channel %s afterwards: %d messages, want %d", n, got, round+1)
			}
		}
	}
}
