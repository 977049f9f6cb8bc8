package maildir

import (
	"errors"
	"runtime"
	"syscall"
	"time"

	"isync/internal/event"
	"isync/internal/store"
	"isync/internal/vfs"
)

// systemWatches: the system reports changes in a directory without opening each file in it.
// kqueue of macOS and the BSDs cannot.
const systemWatches = runtime.GOOS == "linux" || runtime.GOOS == "windows"

// errRemote: other machines may change the directory, which the system does not report.
var errRemote = errors.New("they are on a network file system")

// limit notes that the system does not watch all directories, and warns once.
func (w *watch) limit(err error) {
	if w.limited != nil {
		return
	}
	w.limited = err
	if w.s.opts.Warn == nil {
		return
	}
	f := event.LocalPolling{Interval: w.interval(), Err: err}
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		f.Err = errors.New("the operating system cannot report changes of large directories")
	case runtime.GOOS != "linux":
	case errors.Is(err, syscall.ENOSPC):
		f.Sysctl = "fs.inotify.max_user_watches"
	case errors.Is(err, syscall.EMFILE):
		f.Sysctl = "fs.inotify.max_user_instances"
	}
	w.s.opts.Warn(f)
}

// interval is how often directories are polled.
func (w *watch) interval() time.Duration {
	if w.s.opts.LocalPoll > 0 {
		return w.s.opts.LocalPoll
	}
	return DefaultLocalPoll
}

// tellState reports the state of the watch if it has changed.
func (w *watch) tellState() {
	limited := w.limited != nil
	if w.told && w.toldLimited == limited {
		return
	}
	w.told, w.toldLimited = true, limited
	w.report(store.WatchReport{State: &store.WatchState{Mode: store.WatchFiles, Connected: true, Since: w.s.opts.Clock(), Err: w.limited}})
}

// stamp returns a text that changes when names in the directory do; ok is false if the
// directory does not exist. If the time of the last change is so recent that another change
// may not be visible, the text changes once more later.
func (w *watch) stamp(dir string) (stamp string, ok bool) {
	now := w.s.opts.Clock()
	fi, err := w.s.fs.Stat(dir)
	switch {
	case isMissing(err) || err == nil && !fi.IsDir():
		return "", false
	case err != nil:
		return "unreadable: " + err.Error(), true
	case !vfs.Settled(fi, now):
		return "recent: " + vfs.Stamp(fi), true
	}
	return vfs.Stamp(fi), true
}
