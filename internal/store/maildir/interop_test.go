//go:build unix

package maildir_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/maildir"
	"isync/internal/vfs"
)

// rival is the C program of the same purpose, which shares our mailboxes. It
// synchronizes the INBOXes of two Maildir stores, "far" and "near".
type rival struct {
	t    *testing.T
	path string
	dir  string
}

func newRival(t *testing.T) *rival {
	t.Helper()
	path, err := exec.LookPath("mbsync")
	if err == nil {
		var out []byte
		if out, err = exec.Command(path, "--version").Output(); err == nil && !bytes.HasPrefix(out, []byte("isync 1.4")) {
			err = fmt.Errorf("%s is %q, not isync 1.4", path, out)
		}
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	r := &rival{t: t, path: path, dir: t.TempDir()}
	for _, side := range []string{"far", "near"} {
		for _, sub := range []string{"cur", "new", "tmp"} {
			check(t, os.MkdirAll(filepath.Join(r.dir, side, sub), 0o700))
		}
	}
	check(t, os.Mkdir(filepath.Join(r.dir, "state"), 0o700))
	rc := "FSync no\nSyncState DIR/state/\n\n" +
		"MaildirStore far\nInbox DIR/far\nTrash trash\nPath DIR/\nSubFolders Verbatim\n\n" +
		"MaildirStore near\nInbox DIR/near\nPath DIR/\nSubFolders Verbatim\n\n" +
		"Channel c\nFar :far:\nNear :near:\nSync All\nExpunge Both\nCopyArrivalDate yes\n"
	check(t, os.WriteFile(filepath.Join(r.dir, "rc"), []byte(strings.ReplaceAll(rc, "DIR", r.dir)), 0o600))
	return r
}

// command prepares a run.
func (r *rival) command() *exec.Cmd {
	cmd := exec.Command(r.path, "-c", filepath.Join(r.dir, "rc"), "-Tz", "-a")
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	return cmd
}

// sync runs it and returns what it says, without notices of new UIDVALIDITYs.
func (r *rival) sync() string {
	r.t.Helper()
	out, err := r.command().CombinedOutput()
	if err != nil {
		r.t.Fatalf("mbsync: %v\n%s", err, out)
	}
	return strings.ReplaceAll(string(out), "Maildir notice: no UIDVALIDITY, creating new.\n", "")
}

// open opens one of its mailboxes with our store.
func (r *rival) open(side string) store.Mailbox {
	r.t.Helper()
	s, err := maildir.New(maildir.Options{Name: side, Inbox: filepath.Join(r.dir, side), Host: "ours"})
	check(r.t, err)
	m, err := s.Open(context.Background(), mail.Inbox, store.OpenRequest{})
	check(r.t, err)
	return m
}

// deliver places files in one of its mailboxes.
func (r *rival) deliver(side string, names ...string) {
	r.t.Helper()
	for _, n := range names {
		check(r.t, os.WriteFile(filepath.Join(r.dir, side, n), []byte("Subject: "+n+"\n\n"+n+"\n"), 0o600))
	}
}

// state describes a mailbox: subjects and flags by UID, and .uidvalidity.
func (r *rival) state(side string) map[string]string {
	r.t.Helper()
	out := make(map[string]string)
	b, err := os.ReadFile(filepath.Join(r.dir, side, ".uidvalidity"))
	check(r.t, err)
	_, highest, _ := strings.Cut(string(b), "\n")
	out["highest"] = highest
	for _, sub := range []string{"cur", "new"} {
		entries, err := os.ReadDir(filepath.Join(r.dir, side, sub))
		check(r.t, err)
		for _, e := range entries {
			text, err := os.ReadFile(filepath.Join(r.dir, side, sub, e.Name()))
			check(r.t, err)
			subject, _, _ := strings.Cut(string(text), "\n")
			_, uid, _ := strings.Cut(e.Name(), ",U=")
			out[strings.TrimSuffix(uid, ":2,")] = sub + " " + subject
		}
	}
	return out
}

// TestRivalReadsOurs: the other program finds nothing to do, and nothing wrong,
// in mailboxes that we have numbered and added to; and it goes on with them.
func TestRivalReadsOurs(t *testing.T) {
	r := newRival(t)
	ctx := context.Background()
	r.deliver("far", "new/10.1_1.h", "new/9.1_1.h", "cur/10.1_10.h:2,Sa", "cur/10.1_2.h:2,FR")
	w := newWorld(t, nil)
	far := r.open("far")
	w.scan(far)
	w.append(far, 12, mail.FlagSeen)
	w.append(far, 1, 0)
	w.setFlags(far, mail.FlagAnswered, 0, 1, 4)
	if len(w.failures) > 0 {
		t.Fatal(w.failures)
	}
	before := r.state("far")
	if out := r.sync(); out != "" {
		t.Errorf("mbsync says %s", out)
	}
	if d := cmp.Diff(before, r.state("far")); d != "" {
		t.Errorf("mbsync has changed our mailbox: %s", d)
	}
	near := r.open("near")
	texts, flags, err := contents(ctx, near)
	check(t, err)
	if len(texts) != 17 || flags[1] != "R" || flags[3] != "FR" || flags[4] != "RS" || flags[17] != "" {
		t.Errorf("near: %d messages, flags %v", len(texts), flags)
	}
	// Both go on, on both sides.
	w.append(far, 2, 0)
	w.append(near, 3, mail.FlagFlagged)
	w.setFlags(near, mail.FlagSeen, 0, 1)
	w.setFlags(far, mail.FlagDeleted, 0, 2)
	if out := r.sync(); out != "" {
		t.Errorf("mbsync says %s", out)
	}
	for side, m := range map[string]store.Mailbox{"far": far, "near": near} {
		l, err := m.Scan(ctx, store.Need{UIDs: mail.UIDsFrom(1), Flags: true})
		check(t, err)
		if n := len(l.Messages); n != 21 || l.Messages[0].Flags.String() != "RS" || mail.FindMeta(l.Messages, 2) >= 0 {
			t.Errorf("%s: %d messages: %v", side, n, l.Messages)
		}
		if next := m.Info().UIDNext; next != 23 {
			t.Errorf("%s: UIDNEXT %d", side, next)
		}
	}
	if len(w.failures) > 0 {
		t.Error(w.failures)
	}
	near.Close(ctx)
	far.Close(ctx)
	after := []map[string]string{r.state("far"), r.state("near")}
	if out := r.sync(); out != "" {
		t.Errorf("mbsync says %s", out)
	}
	if d := cmp.Diff(after, []map[string]string{r.state("far"), r.state("near")}); d != "" {
		t.Errorf("it was not in sync: %s", d)
	}
}

// TestSameNumbers: both programs give the same UIDs to the same files.
func TestSameNumbers(t *testing.T) {
	r := newRival(t)
	for _, c := range []struct {
		what        string
		uidvalidity string
		names       []string
	}{
		{"pids and counters", "", []string{"new/20.3_1.h", "new/20.2_9.h", "new/20.2_10.h", "cur/9.7_1.h:2,S", "new/100.1_1.h", "cur/21.12_5.h", "new/21.9_5.h"}},
		{"microseconds", "", []string{"new/100.M40P1.h", "new/100.M5P6.h", "new/99.M999999P1.h", "cur/100.M41P1.h:2,RS", "new/101.M0P2.h"}},
		{"pids and Q", "", []string{"new/100.P7Q3.h", "new/100.P7Q12.h", "new/100.P6Q4.h", "new/100.P10Q1.h"}},
		{"sequence", "", []string{"new/100.#5M1P2.h", "new/100.#4M9P2.h", "new/99.#9M9P2.h"}},
		{"bytes", "", []string{"new/abc", "new/abd", "new/ABC", "cur/x.y:2,S"}},
		{"others have UIDs", "123\n50\n", []string{"new/1.1_1.h,U=50", "cur/2.1_1.h,U=7:2,S", "new/3.1_1.h", "cur/0.1_1.h:2,D", "cur/1.1_1.h,U=0:2,", "cur/5.1_1.h,U=:2,", "new/6.1_1.h,U=x"}},
		{"odd names", "123\n50\n", []string{"cur/1.a,S=9,U=8:2,", "cur/2.c,U=9x:2,", "cur/3.g,U=1,U=2:2,S", "cur/4.i,U=11:1,foo", "cur/5.k;2,S", "cur/6.l:2,S,foo", "new/7.p:2,S", "cur/8.w:x:2,S", "cur/9.r:2,S,U=15"}},
		{"no final newline", "123\n50", []string{"new/1.1_1.h"}},
		{"carriage returns", "123\r\n50\r\n", []string{"new/1.1_1.h"}},
		{"ninety-nine", "123\n99\n", []string{"new/1.1_1.h", "new/1.1_2.h"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			r := *r
			r.t = t
			var got [2][]string
			for i := range got {
				for _, side := range []string{"far", "near"} {
					check(t, os.RemoveAll(filepath.Join(r.dir, side)))
					for _, sub := range []string{"cur", "new", "tmp"} {
						check(t, os.MkdirAll(filepath.Join(r.dir, side, sub), 0o700))
					}
				}
				check(t, os.RemoveAll(filepath.Join(r.dir, "state")))
				check(t, os.Mkdir(filepath.Join(r.dir, "state"), 0o700))
				r.deliver("far", c.names...)
				if c.uidvalidity != "" {
					check(t, os.WriteFile(filepath.Join(r.dir, "far/.uidvalidity"), []byte(c.uidvalidity), 0o600))
				}
				if i == 0 {
					r.sync()
				} else {
					m := r.open("far")
					_, err := m.Scan(context.Background(), store.Need{UIDs: mail.UIDsFrom(1)})
					check(t, err)
				}
				for _, sub := range []string{"cur", "new"} {
					entries, err := os.ReadDir(filepath.Join(r.dir, "far", sub))
					check(t, err)
					for _, e := range entries {
						got[i] = append(got[i], sub+"/"+e.Name())
					}
				}
				b, err := os.ReadFile(filepath.Join(r.dir, "far/.uidvalidity"))
				check(t, err)
				_, highest, _ := strings.Cut(string(b), "\n")
				got[i] = append(got[i], strings.TrimSpace(highest))
			}
			if d := cmp.Diff(got[0], got[1]); d != "" {
				t.Errorf("-mbsync +ours: %s", d)
			}
		})
	}
}

// TestLocksInterlock: neither program assigns UIDs while the other does.
func TestLocksInterlock(t *testing.T) {
	r := newRival(t)
	ctx := context.Background()
	r.deliver("far", "new/1.1_1.h")
	r.sync()

	t.Run("it waits for us", func(t *testing.T) {
		r := *r
		r.t = t
		r.deliver("far", "new/2.1_1.h")
		unlock := holdLock(t, filepath.Join(r.dir, "far/.uidvalidity"))
		cmd := r.command()
		check(t, cmd.Start())
		exited := make(chan error, 1)
		go func() { exited <- cmd.Wait() }()
		select {
		case err := <-exited:
			t.Errorf("mbsync did not wait: %v", err)
		case <-time.After(300 * time.Millisecond):
		}
		unlock()
		check(t, <-exited)
		if s := r.state("far"); s["highest"] != "2\n" {
			t.Errorf("highest UID %q", s["highest"])
		}
	})
	t.Run("we wait for it", func(t *testing.T) {
		r := *r
		r.t = t
		far := r.open("far")
		defer far.Close(ctx)
		// It locks the far mailbox, and then hangs on the near one.
		unlock := holdLock(t, filepath.Join(r.dir, "near/.uidvalidity"))
		cmd := r.command()
		check(t, cmd.Start())
		exited := make(chan error, 1)
		go func() { exited <- cmd.Wait() }()
		defer func() { <-exited }()
		defer unlock()
		deadline := time.Now().Add(10 * time.Second)
		for {
			short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			_, err := far.Scan(short, store.Need{UIDs: mail.UIDsFrom(1)})
			cancel()
			if errors.Is(err, context.DeadlineExceeded) {
				break // we are kept out
			}
			check(t, err)
			if time.Now().After(deadline) {
				t.Fatal("its lock does not keep us out")
			}
		}
		done := make(chan error, 1)
		go func() {
			w := newWorld(t, nil)
			w.append(far, 1, 0)
			done <- errors.Join(w.failures...)
		}()
		select {
		case err := <-done:
			t.Errorf("we did not wait: %v", err)
		case <-time.After(100 * time.Millisecond):
		}
		unlock()
		check(t, <-done)
	})
	if out := r.sync(); out != "" {
		t.Errorf("mbsync says %s", out)
	}
	far := r.open("far")
	l, err := far.Scan(ctx, store.Need{UIDs: mail.UIDsFrom(1)})
	check(t, err)
	uids := slices.Collect(func(yield func(mail.UID) bool) {
		for _, m := range l.Messages {
			if !yield(m.UID) {
				return
			}
		}
	})
	if d := cmp.Diff([]mail.UID{1, 2, 3}, uids); d != "" {
		t.Error(d)
	}
}

// holdLock holds the lock of our file system until the returned function is
// called (which may be done twice).
func holdLock(t *testing.T, path string) func() {
	t.Helper()
	f, err := vfs.OS{}.OpenFile(path, os.O_RDWR, 0)
	check(t, err)
	check(t, vfs.OS{}.Lock(f, true))
	return func() { f.Close() }
}
