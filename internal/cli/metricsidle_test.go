package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/ui"
	"isync/internal/vfs"
)

// TestMetricsWhileIdle: a watcher writes the file every minute, though nothing happens, and
// once more at its end. If another process has the lock, it does not wait for it, and the
// counts are not lost.
func TestMetricsWhileIdle(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.prom")
	synctest.Test(t, func(t *testing.T) {
		env := testEnv(dir)
		cfg, _, err := config.Parse(filepath.Join(dir, "rc"), []byte("MetricsFile "+path+"\nSyncState st/\n"), env.Config)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		r := &run{env: env, c: &commandLine{watch: true}, cfg: cfg, printer: ui.New(ui.Options{Out: &out, Err: &out})}
		r.events = r.printer
		r.countMetrics()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.saveMetricsOften(ctx, cfg)
		}()
		written := func() bool {
			t.Helper()
			_, err := os.Stat(path)
			_ = os.Remove(path)
			return err == nil
		}
		time.Sleep(metricsEvery / 2)
		if written() {
			t.Error("it is written after half a minute")
		}
		for i := range 3 {
			time.Sleep(metricsEvery)
			if !written() {
				t.Errorf("it is not written in minute %d", i)
			}
		}

		r.events.Take(event.ChannelFailed{Channel: "c", Err: os.ErrPermission})
		locks, err := filepath.Glob(filepath.Join(dir, "home", "*", "*", "*", "metrics-*.lock"))
		if err != nil || len(locks) != 1 {
			t.Fatal(locks, err)
		}
		lock, err := vfs.OS{}.OpenFile(locks[0], os.O_RDWR, 0)
		if err == nil {
			err = vfs.OS{}.Lock(lock, false)
		}
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(metricsEvery)
		if written() || !strings.Contains(out.String(), "another process has locked it") {
			t.Errorf("with a lock: %s", &out)
		}
		begin := time.Now()
		cancel()
		<-done
		if took := time.Since(begin); took > time.Second {
			t.Errorf("the end took %v", took)
		}
		_ = lock.Close()
		r.saveMetrics(cfg)
		text, _ := os.ReadFile(path)
		if !strings.Contains(string(text), "isync_errors_total{code=") {
			t.Errorf("the error is not counted:\n%s", text)
		}
	})
}
