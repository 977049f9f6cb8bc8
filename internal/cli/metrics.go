package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/ui"
	"isync/internal/vfs"
)

// metricsEvery is the interval at which a watcher writes the file of MetricsFile.
const metricsEvery = time.Minute

// countMetrics counts metrics if MetricsFile is set.
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
	err := r.writeMetrics(cfg, path)
	if err == nil {
		return
	}
	f := event.MetricsNotWritten{Path: path, Err: err}
	if locked, ok := errors.AsType[*lockedError](err); ok {
		f.Lock = locked.path
	}
	r.tell(event.Warning, cfg.Global.Pos("MetricsFile"), f)
}

// writeMetrics adds the counts to the file. Other processes may do so at the same time, so it
// takes a lock. The lock file is in the directory of the sync states.
func (r *run) writeMetrics(cfg *config.Config, path string) error {
	unlock, err := r.lockMetrics(path)
	if err != nil {
		return err
	}
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

// metricsPatience is how long a run waits for the lock, which is held only briefly. A watcher
// waits less: it must end soon after a signal, and tries again after a minute.
const (
	metricsPatience      = 10 * time.Second
	metricsPatienceWatch = 300 * time.Millisecond
)

// lockMetrics takes the lock of the file. It fails if another process keeps the lock. If there
// can be no lock, it succeeds without one, and counts may get lost.
func (r *run) lockMetrics(path string) (unlock func(), err error) {
	none := func() {}
	dir, err := r.env.Config.StateDir()
	if err != nil {
		return none, nil //nolint:nilerr // see above
	}
	sum := sha256.Sum256([]byte(path))
	if err := vfs.MkdirAll(r.env.FS, dir, 0o700, false); err != nil {
		return none, nil //nolint:nilerr // see above
	}
	lock, err := r.env.FS.OpenFile(filepath.Join(dir, "metrics-"+hex.EncodeToString(sum[:8])+".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return none, nil //nolint:nilerr // see above
	}
	patience := metricsPatience
	if r.c.watch {
		patience = metricsPatienceWatch
	}
	err = r.env.FS.Lock(lock, false)
	for begin := time.Now(); errors.Is(err, vfs.ErrLocked) && time.Since(begin) < patience; err = r.env.FS.Lock(lock, false) {
		time.Sleep(10 * time.Millisecond)
	}
	if errors.Is(err, vfs.ErrLocked) {
		_ = lock.Close()
		return nil, &lockedError{lock.Name()}
	}
	return func() { _ = lock.Close() }, nil
}

// lockedError reports that another process has locked a file.
type lockedError struct{ path string }

func (e *lockedError) Error() string { return "another process has locked " + e.path }

// readShort reads a file, at most 4 MiB of it.
func readShort(fsys vfs.FS, path string) ([]byte, error) {
	f, err := fsys.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const most = 4 << 20
	return io.ReadAll(io.LimitReader(f, most))
}

// saveMetricsOften writes the file every metricsEvery until ctx ends, and then once more.
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
