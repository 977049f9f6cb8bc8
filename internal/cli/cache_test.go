package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/testkit"
)

// TestListingCache: after a complete run the far mailbox is not listed again,
// unless what was remembered is gone, or cannot be kept.
func TestListingCache(t *testing.T) {
	srv := testkit.StartDovecot(t, testkit.DovecotConfig{Rawlog: true})
	srv.Seed(t, "user", "INBOX", testkit.Mail{Body: "Subject: one\r\n\r\nHello\r\n"}, testkit.Mail{Body: "Subject: two\r\n\r\nHello\r\n"})
	w := newWorld(t, fmt.Sprintf("IMAPStore far\nHost %s\nPort %d\nUser user\nPassCmd \"cat '$DIR/secret'\"\nTLSType None\nAuthMechs PLAIN\n", srv.Host, srv.Port))
	w.write("secret", testkit.Password+"\n")
	cache := filepath.Join(w.dir, "cache")
	w.env.Config.Getenv = func(name string) string {
		if name == "XDG_CACHE_HOME" {
			return cache
		}
		return ""
	}
	const (
		first  = `SELECT "INBOX" (CONDSTORE)`
		resync = `SELECT "INBOX" (QRESYNC (`
		list   = "UID FETCH 1:2 (UID FLAGS)"
	)
	// asked tells how the mailbox was looked at.
	asked := func() (out []string) {
		t.Helper()
		for _, cmd := range srv.Commands(t, "user") {
			if i := strings.Index(cmd, "(QRESYNC ("); i >= 0 {
				cmd = cmd[:i+len("(QRESYNC (")]
			}
			switch {
			case strings.HasPrefix(cmd, "SELECT"), strings.HasPrefix(cmd, "EXAMINE"), strings.HasPrefix(cmd, "UID FETCH"), strings.HasPrefix(cmd, "UID SEARCH"):
				out = append(out, cmd)
			}
		}
		srv.ForgetCommands(t)
		return out
	}
	remembered := func(what string) []string {
		t.Helper()
		names, err := filepath.Glob(filepath.Join(cache, "isync", what))
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	files := func() []string { return remembered("*.listing") }
	expect := func(what string, want ...string) {
		t.Helper()
		got := slices.DeleteFunc(asked(), func(s string) bool { return strings.Contains(s, "BODY") })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	srv.ForgetCommands(t)

	w.run(0, "-a", "-y")
	asked()
	if got := remembered("*"); len(got) != 0 {
		t.Errorf("a dry run has remembered %q", got)
	}
	w.run(0, "-a")
	expect("first run", first, list)
	if got := files(); len(got) != 1 {
		t.Errorf("remembered: %q", got)
	}
	w.run(0, "-a")
	expect("second run", resync)
	w.run(0, "-a", "-y")
	expect("dry run", `EXAMINE "INBOX" (QRESYNC (`)

	// Torn: as after a power cut.
	if err := os.Truncate(files()[0], 100); err != nil {
		t.Fatal(err)
	}
	w.run(0, "-a", "-Dd")
	w.says(&w.out, "its checksum is wrong")
	expect("torn", first, list)
	w.run(0, "-a")
	expect("after that", resync)

	if err := os.RemoveAll(cache); err != nil {
		t.Fatal(err)
	}
	w.run(0, "-a")
	expect("deleted", first, list)

	// No place for it.
	if err := os.RemoveAll(cache); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cache, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.run(0, "-a")
	if strings.Contains(w.err.String(), "listing") || strings.Contains(w.err.String(), cache) {
		t.Errorf("it is not worth mentioning:\n%s", &w.err)
	}
	expect("no place", first, list)
}

// TestSharedListing: two channels that have the same far mailbox, at work at the
// same time, and two runs besides, do not get into each other's way.
func TestSharedListing(t *testing.T) {
	srv := testkit.StartDovecot(t, testkit.DovecotConfig{})
	w := newWorld(t, fmt.Sprintf("IMAPStore far\nHost %s\nPort %d\nUser user\nPassCmd \"cat '$DIR/secret'\"\nTLSType None\nAuthMechs PLAIN\n\n", srv.Host, srv.Port)+
		"MaildirStore near2\nInbox near2\n\nChannel d\nFar :far:\nNear :near2:\nCreate Near\nSync Pull\nSyncState state2/\n")
	w.write("secret", testkit.Password+"\n")
	total := 0
	for round := range 4 {
		for range round {
			srv.Seed(t, "user", "INBOX", testkit.Mail{Body: fmt.Sprintf("Subject: %d\r\n\r\nHello\r\n", round)})
			total++
		}
		var wg sync.WaitGroup
		for _, channel := range []string{"-a", "d", "c"}[:1+2*(round%2)] {
			// Runs of the same channel exclude each other; that is not what this
			// is about.
			one := *w
			one.out, one.err = bytes.Buffer{}, bytes.Buffer{}
			one.env.Stdout, one.env.Stderr = &one.out, &one.err
			wg.Go(func() {
				code := Main(one.env, []string{"mbsync", "-c", "rc", channel})
				if code != 0 && !strings.Contains(one.err.String(), "is locked") {
					t.Errorf("exit code %d: %s", code, &one.err)
				}
			})
		}
		wg.Wait()
		w.run(0, "-a")
		for _, near := range []string{"near", "near2"} {
			files, err := filepath.Glob(filepath.Join(w.dir, near, "*", "*"))
			if err != nil || len(files) != total {
				t.Errorf("round %d: %s has %d of %d messages, %v", round, near, len(files), total, err)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(w.dir, "home", ".cache", "isync", "*.listing"))
	if err != nil || len(files) != 1 {
		t.Errorf("remembered: %q, %v", files, err)
	}
}
