package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"time"

	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/ui"
	"isync/internal/vfs"
)

// metricsEvery is how often a watcher writes the file of MetricsFile.
const metricsEvery = time.Minute

// countMetrics makes the run count metrics, if MetricsFile is set.
func (r *run) countMetrics() {
	if r.cfg.Global.MetricsFile == "" || r.c.dryRun || r.c.list {
		return
	}
	r.metrics = &ui.Metrics{Now: r.env.Now, Explain: r.explain, Account: r.accountOf}
	r.events = event.Join(r.events, r.metrics)
}

// accountOf returns the name of the account of a store; "": it has none.
func (r *run) accountOf(store string) string {
	if s := r.cfg.Store(store); s != nil && s.IMAP != nil {
		return s.IMAP.Account.Name
	}
	return ""
}

// saveMetrics writes the file of MetricsFile, if it is set.
func (r *run) saveMetrics(cfg *config.Config) {
	path := cfg.Global.MetricsFile
	if r.metrics == nil || path == "" {
		return
	}
	if err := r.writeMetrics(cfg, path); err != nil {
		pos := cfg.Global.Pos("MetricsFile")
		r.tell(event.Warning, pos, event.MetricsNotWritten{Path: path, Err: err})
	}
}

// writeMetrics adds the counts to the file. Other processes may do so at the same time, so
// it takes a lock, whose file is in the directory of the states.
func (r *run) writeMetrics(cfg *config.Config, path string) error {
	unlock := r.lockMetrics(path)
	defer unlock()
	old, err := readShort(r.env.FS, path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	keep := func(label, value string) bool {
		if label == "channel" {
			return cfg.Channel(value) != nil
		}
		for _, s := range cfg.Stores {
			if s.IMAP != nil && s.IMAP.Account.Name == value {
				return true
			}
		}
		return false
	}
	return r.metrics.Update(old, keep, func(text []byte) error { return vfs.Replace(r.env.FS, path, text, 0o644) })
}

// lockMetrics takes the lock of the file. If that is not possible, counts may get lost.
func (r *run) lockMetrics(path string) (unlock func()) {
	dir, err := r.env.Config.StateDir()
	if err != nil {
		return func() {}
	}
	sum := sha256.Sum256([]byte(path))
	if err := vfs.MkdirAll(r.env.FS, dir, 0o700, false); err != nil {
		return func() {}
	}
	lock, err := r.env.FS.OpenFile(filepath.Join(dir, "metrics-"+hex.EncodeToString(sum[:8])+".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return func() {}
	}
	_ = r.env.FS.Lock(lock, true)
	return func() { _ = lock.Close() }
}

// readShort reads a file of the size that is to be expected.
func readShort(fsys vfs.FS, path string) ([]byte, error) {
	f, err := fsys.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const most = 4 << 20
	return io.ReadAll(io.LimitReader(f, most))
}

// saveMetricsOften writes the file every minute until ctx ends, and then once more.
func (r *run) saveMetricsOften(ctx context.Context, cfg *config.Config) {
	tick := time.NewTicker(metricsEvery)
	defer tick.Stop()
	defer r.saveMetrics(cfg)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.saveMetrics(cfg)
		}
	}
}
