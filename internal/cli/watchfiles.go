package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"isync/internal/event"
	"isync/internal/ui"
	"isync/internal/vfs"
	"isync/internal/watch"
)

// watchFiles are the lock and the status file of a watcher. There is one for each configuration
// file.
type watchFiles struct {
	fs   vfs.FS
	path string // of the status file
	lock vfs.File

	latest chan watch.Status // holds a status that is not yet written
	saving sync.WaitGroup
}

// statusFile is the content of the status file.
type statusFile struct {
	Pid    int    `json:"pid"`
	Config string `json:"config"`
	watch.Status
}

// lockPatience is how long a watcher waits for its lock, because --status also takes the lock
// briefly.
const lockPatience = time.Second

// watchPath returns the path of a watcher's files without the suffix.
func (r *run) watchPath() (string, error) {
	dir, err := r.env.Config.StateDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(r.configPath()))
	return filepath.Join(dir, "watch-"+hex.EncodeToString(sum[:8])), nil
}

// configPath returns the absolute path of the configuration file. Symbolic links to the file are
// not resolved, because some systems change their target with each change of the file.
func (r *run) configPath() string {
	dir := r.cfg.Dir
	if resolved, err := filepath.EvalSymlinks(dir); err == nil {
		dir = resolved
	}
	return filepath.Join(dir, filepath.Base(r.cfg.File))
}

// lockWatch takes the lock of the configuration file's watcher. It reports an error if that
// fails.
func (r *run) lockWatch() (*watchFiles, bool) {
	f, err := r.openWatch()
	// --status takes the lock briefly to find out whether another process holds it.
	for begin := time.Now(); errors.Is(err, vfs.ErrLocked) && time.Since(begin) < lockPatience; f, err = r.openWatch() {
		time.Sleep(lockPatience / 20)
	}
	switch {
	case errors.Is(err, vfs.ErrLocked):
		st, _ := r.readStatus()
		r.tellOfFile(event.Error, r.cfg.File, event.AlreadyWatched{Pid: st.Pid, Status: r.command("--status")})
		return nil, false
	case err != nil:
		r.fail(fmt.Errorf("cannot lock the status of 'mbsync --watch': %w", err))
		return nil, false
	}
	f.saving.Go(func() { f.write(r.cfg.File) })
	return f, true
}

func (r *run) openWatch() (*watchFiles, error) {
	path, err := r.watchPath()
	if err != nil {
		return nil, err
	}
	if err := vfs.MkdirAll(r.env.FS, filepath.Dir(path), 0o700, false); err != nil {
		return nil, err
	}
	lock, err := r.env.FS.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := r.env.FS.Lock(lock, false); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return &watchFiles{fs: r.env.FS, path: path + ".json", lock: lock, latest: make(chan watch.Status, 1)}, nil
}

// save passes the status to write. It does not wait for the disk.
func (f *watchFiles) save(st watch.Status) {
	for {
		select {
		case f.latest <- st:
			return
		case <-f.latest: // discard an older status
		}
	}
}

// write writes the latest status until close is called. After a failure the file is outdated, as
// its time shows.
func (f *watchFiles) write(config string) {
	for st := range f.latest {
		data, err := json.MarshalIndent(statusFile{Pid: os.Getpid(), Config: config, Status: st}, "", "\t")
		if err == nil {
			_ = vfs.Replace(f.fs, f.path, append(data, '\n'), 0o600)
		}
	}
}

// close removes the status file and releases the lock. It does not remove the lock file, because
// another process may have opened it.
func (f *watchFiles) close() {
	close(f.latest)
	f.saving.Wait()
	_ = f.fs.Remove(f.path)
	_ = f.lock.Close()
}

// readStatus reads the status file of the configuration file's watcher.
func (r *run) readStatus() (statusFile, error) {
	var st statusFile
	path, err := r.watchPath()
	if err != nil {
		return st, err
	}
	in, err := r.env.FS.OpenFile(path+".json", os.O_RDONLY, 0)
	if err != nil {
		return st, err
	}
	defer in.Close()
	const most = 64 << 20
	data, err := io.ReadAll(io.LimitReader(in, most))
	if err != nil {
		return st, err
	}
	return st, json.Unmarshal(data, &st)
}

// isWatched reports whether a process holds the lock of the configuration file's watcher.
func (r *run) isWatched() (bool, error) {
	path, err := r.watchPath()
	if err != nil {
		return false, err
	}
	lock, err := r.env.FS.OpenFile(path+".lock", os.O_RDWR, 0)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	}
	defer lock.Close()
	err = r.env.FS.Lock(lock, false)
	if errors.Is(err, vfs.ErrLocked) {
		return true, nil
	}
	return false, err
}

// watchStatus shows the status of the watcher.
func (r *run) watchStatus() int {
	watched, err := r.isWatched()
	if err != nil {
		r.fail(err)
		return exitFailure
	}
	if !watched {
		r.tellOfFile(event.Error, r.cfg.File, event.NotWatched{Watch: r.command("--watch")})
		return exitFailure
	}
	st, err := r.readStatus()
	if err != nil {
		r.fail(fmt.Errorf("cannot read the status of 'mbsync --watch': %w", err))
		return exitFailure
	}
	r.begin(event.CommandStatus, nil)
	for _, line := range statusLines(st, r.env.Now()) {
		r.println(line)
	}
	for _, e := range statusEvents(st) {
		r.events.Take(e)
	}
	return exitOK
}

// statusEvents describes the status for a program.
func statusEvents(st statusFile) (out []event.Event) {
	for _, s := range st.Stores {
		e := event.WatchChanged{Store: s.Store, Mode: s.Mode, Connected: s.Connected, Since: s.Since, Next: s.Next}
		if s.Error != "" {
			e.Err = errors.New(s.Error)
		}
		out = append(out, e)
	}
	for _, c := range st.Channels {
		e := event.ChannelState{
			Channel: c.Channel, Boxes: c.Boxes, Running: c.Running, Success: c.Success, Next: c.Next,
			Problem: c.Error, Waiting: c.Waiting,
		}
		for _, b := range c.Failed {
			e.Failed = append(e.Failed, event.BoxState{Box: b.Box, Problem: b.Error, Next: b.Next})
		}
		out = append(out, e)
	}
	return out
}

// statusLine describes the status in one line.
func statusLine(st watch.Status) string {
	boxes, failed := 0, 0
	for _, c := range st.Channels {
		boxes += c.Boxes
		failed += len(c.Failed)
		if c.Error != "" {
			failed++
		}
	}
	line := fmt.Sprintf("%d channel(s), %d mailbox(es)", len(st.Channels), boxes)
	var down []string
	for _, s := range st.Stores {
		if !s.Connected {
			down = append(down, s.Store)
		}
	}
	if len(down) > 0 {
		line += "; not connected: " + strings.Join(down, ", ")
	}
	if failed > 0 {
		line += fmt.Sprintf("; %d error(s)", failed)
	}
	return line
}

// statusLines describes the status for a person.
func statusLines(st statusFile, now time.Time) []string {
	lines := []string{fmt.Sprintf("mbsync --watch, process %d, status written %s: %s", st.Pid, ago(st.Time, now), statusLine(st.Status))}
	for _, s := range st.Stores {
		lines = append(lines, storeLine(s, now))
	}
	for _, c := range st.Channels {
		lines = append(lines, channelLines(c, now)...)
	}
	return lines
}

// storeLine describes a store.
func storeLine(s watch.StoreStatus, now time.Time) string {
	how := ui.WatchMode(s.Mode, s.Error != "")
	line := "store " + s.Store + ": "
	switch {
	case !s.Connected:
		line += "not connected for " + lasting(s.Since, now)
		if !s.Next.IsZero() {
			line += ", next attempt " + in(s.Next, now)
		}
	case s.Since.IsZero() || s.Mode == "files":
		line += how
	default:
		line += how + ", connected for " + lasting(s.Since, now)
	}
	if s.Error != "" {
		line += ": " + s.Error
	}
	return line
}

// channelLines describes a channel.
func channelLines(c watch.ChannelStatus, now time.Time) []string {
	line := fmt.Sprintf("channel %s: %d mailbox(es), ", c.Channel, c.Boxes)
	switch {
	case c.Success.IsZero():
		line += "not completely synchronized yet"
	default:
		line += "last synchronized " + ago(c.Success, now)
	}
	switch {
	case c.Running:
		line += ", running now"
	case !c.Next.IsZero():
		line += ", next " + in(c.Next, now)
	}
	if c.Error != "" {
		line += ": " + c.Error
	}
	lines := []string{line}
	if len(c.Waiting) > 0 {
		lines = append(lines, "  waiting: "+strings.Join(firstFew(c.Waiting), ", "))
	}
	for _, b := range c.Failed {
		name := b.Box
		if name == "" {
			name = "mailbox"
		}
		line := "  failed: " + name + ": " + b.Error
		if !b.Next.IsZero() {
			line += "; next attempt " + in(b.Next, now)
		}
		lines = append(lines, line)
	}
	return lines
}

// firstFew returns the first few of many names.
func firstFew(names []string) []string {
	const most = 10
	if len(names) <= most {
		return names
	}
	return append(slices.Clone(names[:most]), fmt.Sprintf("and %d more", len(names)-most))
}

// ago describes a time in the past.
func ago(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case d < time.Second:
		return "just now"
	case d < 24*time.Hour:
		return d.Truncate(time.Second).String() + " ago"
	}
	return t.Local().Format("2006-01-02 15:04")
}

// lasting formats the time since a state began.
func lasting(since, now time.Time) string {
	return max(now.Sub(since), 0).Truncate(time.Second).String()
}

// in describes a time in the future.
func in(t, now time.Time) string {
	d := t.Sub(now)
	if d < time.Second {
		return "now"
	}
	return "in " + d.Truncate(time.Second).String()
}
