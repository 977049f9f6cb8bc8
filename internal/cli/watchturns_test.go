package cli

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"isync/internal/channel"
	"isync/internal/config"
)

// parsed returns a run with a configuration file.
func parsed(t *testing.T, dir, file, rc string) *run {
	t.Helper()
	env := testEnv(dir)
	cfg, _, err := config.Parse(file, []byte(rc), env.Config)
	if err != nil {
		t.Fatal(err)
	}
	return &run{env: env, c: &commandLine{watch: true}, cfg: cfg}
}

// TestWatchPath: only one watcher can run for a configuration file, by any path.
func TestWatchPath(t *testing.T) {
	top := t.TempDir()
	a, b := filepath.Join(top, "a"), filepath.Join(top, "b")
	for _, dir := range []string{a, b, filepath.Join(a, "home"), filepath.Join(b, "home")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a", filepath.Join(top, "link")); err != nil {
		t.Skip(err)
	}
	path := func(dir, file string) string { return parsed(t, dir, file, "SyncState st/\n").configPath() }
	want := path(a, filepath.Join(a, "rc"))
	for _, same := range []string{"rc", "./rc", "../a/rc", filepath.Join(top, "link", "rc")} {
		if got := path(a, same); got != want {
			t.Errorf("%s: %s, not %s", same, got, want)
		}
	}
	if got := path(b, "rc"); got == want {
		t.Errorf("another file has the same path: %s", got)
	}
}

// TestTakeTurns: a watcher waits while another one synchronizes the same stores, up to a
// limit. It does not wait for watchers with other stores.
func TestTakeTurns(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "home", ".local", "state", "isync"), 0o700); err != nil {
		t.Fatal(err)
	}
	rc := func(user, path, state string) string {
		return "SyncState " + state + "\nIMAPStore f\nHost h\nUser " + user + "\n\nMaildirStore n\nPath " + path + "\nInbox " + path + "i\n\nChannel c\nFar :f:\nNear :n:\n"
	}
	synctest.Test(t, func(t *testing.T) {
		watcher := func(rc string) func(context.Context) (func(), time.Duration) {
			r := parsed(t, dir, filepath.Join(dir, "rc"), rc)
			return func(ctx context.Context) (func(), time.Duration) {
				begin := time.Now()
				release := r.takeTurns(ctx, []channel.Selection{{Channel: r.cfg.Channels[0]}})
				return release, time.Since(begin)
			}
		}
		one, two := watcher(rc("u", "m/", "s/")), watcher(rc("u", "x/../m/", "t/"))
		release, _ := one(t.Context())
		for _, other := range []string{rc("v", "m/", "s/"), rc("u", "k/", "s/")} {
			if release, took := watcher(other)(t.Context()); took != 0 {
				t.Errorf("other stores: it has waited for %v", took)
			} else {
				release()
			}
		}
		time.AfterFunc(5*time.Second, release)
		release, took := two(t.Context())
		if took < 5*time.Second || took > 6*time.Second {
			t.Errorf("it has waited for %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, took := one(ctx); took != time.Second {
			t.Errorf("it is to end, and has waited for %v", took)
		}
		if _, took := one(t.Context()); took < turnPatience || took > turnPatience+time.Second {
			t.Errorf("the other one is suspended: it has waited for %v", took)
		}
		release()
		if release, took := one(t.Context()); took != 0 {
			t.Errorf("it has waited for %v", took)
		} else {
			release()
		}
	})
}
