package maildir

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"isync/internal/store"
)

// DefaultLocalPoll is the usual Options.LocalPoll.
const DefaultLocalPoll = 30 * time.Second

var _ store.Watcher = (*Store)(nil)

// watch is a watch of a store. It watches cur and new of each mailbox, and the directories in
// which new mailboxes may appear. A directory that the system cannot watch is polled: its
// time of modification is compared every Options.LocalPoll.
type watch struct {
	s      *Store
	report func(store.WatchReport)
	fsn    *fsnotify.Watcher // nil: all directories are polled
	// add and remove are those of fsn. remote reports whether fsn cannot watch a directory.
	add, remove func(dir string) error
	remote      func(dir string) bool
	selected    chan []string // of Select
	probe       chan struct{}
	cancel      context.CancelFunc
	done        chan struct{} // closed when the goroutine has ended

	// Of the goroutine:
	dirs map[string]*watchedDir
	// want are the directories that should be watched, with their mailbox; "": none.
	want map[string]string
	// limited is why the system does not watch all directories; nil: it does.
	limited error
	// told: the state was reported; toldLimited: with a limit.
	told, toldLimited bool
}

// watchedDir is a directory that is watched.
type watchedDir struct {
	// box is the mailbox of this cur or new; "": mailboxes may appear in the directory.
	box string
	// polled: the system does not watch it. stamp is its time of modification then.
	polled bool
	stamp  string
	// info describes a base when its watch began.
	info fs.FileInfo
}

// Watch implements store.Watcher.
func (s *Store) Watch(ctx context.Context, o store.WatchOptions, report func(store.WatchReport)) (store.Watch, error) {
	boxes := o.Boxes
	if boxes == nil {
		// If that fails, a run reports it, and selects the mailboxes later.
		listed, _ := s.List(ctx, store.ListRequest{Inbox: true, OthersIfAny: true})
		for _, b := range listed {
			boxes = append(boxes, b.Name)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	w := newWatch(s, report)
	w.cancel = cancel
	if systemWatches {
		if fsn, err := fsnotify.NewWatcher(); err != nil {
			w.unsupported(err)
		} else {
			w.fsn, w.add, w.remove = fsn, fsn.Add, fsn.Remove
		}
	}
	w.choose(boxes)
	go w.run(ctx)
	return w, nil
}

// newWatch returns a watch that polls everything.
func newWatch(s *Store, report func(store.WatchReport)) *watch {
	w := &watch{
		s: s, report: report, remote: onRemote,
		selected: make(chan []string, 1), probe: make(chan struct{}, 1), done: make(chan struct{}),
		dirs: make(map[string]*watchedDir),
	}
	w.unsupported(errors.ErrUnsupported)
	return w
}

// unsupported makes err the reason why the system watches no directory.
func (w *watch) unsupported(err error) {
	w.add = func(string) error { return err }
	w.remove = w.add
}

// Select implements store.Watch.
func (w *watch) Select(boxes []string) {
	for {
		select {
		case w.selected <- slices.Clone(boxes):
			return
		case <-w.selected: // an older selection
		case <-w.done:
			return
		}
	}
}

// Probe implements store.Watch.
func (w *watch) Probe() {
	select {
	case w.probe <- struct{}{}:
	default:
	}
}

// Close implements store.Watch.
func (w *watch) Close() {
	w.cancel()
	<-w.done
}

// run reports changes until ctx ends.
func (w *watch) run(ctx context.Context) {
	defer close(w.done)
	defer w.end()
	var events <-chan fsnotify.Event
	var errs <-chan error
	if w.fsn != nil {
		events, errs = w.fsn.Events, w.fsn.Errors
	}
	w.tellState()
	tick := time.NewTicker(w.interval())
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-events:
			w.event(e)
		case err := <-errs:
			w.lost(err)
		case boxes := <-w.selected:
			w.reportAdded(w.choose(boxes))
			w.tellState()
		case <-w.probe:
			w.poll()
			w.checkBases()
		case <-tick.C:
			w.poll()
			w.checkBases()
		}
	}
}

// maxAdded is the maximum number of mailboxes that are reported singly.
const maxAdded = 10

// reportAdded reports mailboxes that are watched from now on: they may have changed before.
func (w *watch) reportAdded(boxes []string) {
	if len(boxes) > maxAdded {
		w.report(store.WatchReport{All: true})
		return
	}
	for _, box := range boxes {
		w.report(store.WatchReport{Box: box})
	}
}

// end ends the watches of the system.
func (w *watch) end() {
	for dir := range w.dirs {
		w.s.own.unwatch(dir)
	}
	if w.fsn != nil {
		_ = w.fsn.Close()
	}
}

// choose watches the directories of these mailboxes, and no others. It returns the
// mailboxes that were not watched before.
func (w *watch) choose(boxes []string) (added []string) {
	want := make(map[string]string)
	w.want = want
	for _, box := range boxes {
		dir, err := w.s.boxPath(box)
		if err != nil {
			continue
		}
		for _, holder := range w.holders(box, dir) {
			if _, ok := want[holder]; !ok {
				want[holder] = ""
			}
		}
		for _, sub := range []string{"cur", "new"} {
			want[filepath.Join(dir, sub)] = box
		}
	}
	for _, base := range w.bases() {
		if _, ok := want[base]; !ok {
			want[base] = ""
		}
	}
	for dir, d := range w.dirs {
		if box, ok := want[dir]; !ok || box != d.box {
			w.drop(dir)
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(want)) {
		box := want[dir]
		if w.dirs[dir] == nil && w.watch(dir, box) && box != "" && !slices.Contains(added, box) {
			added = append(added, box)
		}
	}
	return added
}

// bases are the directories that contain the outermost mailboxes.
func (w *watch) bases() []string {
	o := &w.s.opts
	bases := []string{filepath.Dir(o.Inbox)}
	if o.SubFolders == SubFoldersMaildirPP {
		bases = append(bases, o.Inbox)
	}
	if o.Path != "" {
		dir, _ := filepath.Split(o.Path)
		bases = append(bases, filepath.Clean(dir))
	}
	return bases
}

// holders returns the directories in which a mailbox, or one within it, may appear: that of
// the mailbox, and those above up to the base.
func (w *watch) holders(box, dir string) []string {
	base := w.s.base(strings.Split(box, "/"))
	out := []string{dir}
	for up := filepath.Dir(dir); len(up) >= len(base) && strings.HasPrefix(dir, base); up = filepath.Dir(up) {
		out = append(out, up)
		if up == base || up == filepath.Dir(up) {
			break
		}
	}
	return out
}

// watch watches a directory, and reports whether it exists.
func (w *watch) watch(dir, box string) bool {
	d := &watchedDir{box: box}
	if slices.Contains(w.bases(), dir) {
		d.info, _ = w.s.fs.Stat(dir)
	}
	// The notes begin first: a note without a report does no harm.
	w.s.own.watch(dir)
	var err error
	if w.remote(dir) {
		err = errRemote
	} else {
		err = w.add(dir)
	}
	if err != nil {
		// Own changes are reported like any other, so they need no notes.
		w.s.own.unwatch(dir)
		var ok bool
		if d.stamp, ok = w.stamp(dir); !ok {
			return false
		}
		d.polled = true
		w.limit(err)
	}
	w.dirs[dir] = d
	return true
}

// drop ends the watch of a directory.
func (w *watch) drop(dir string) {
	d := w.dirs[dir]
	delete(w.dirs, dir)
	if !d.polled {
		_ = w.remove(dir) // it fails if the directory is gone
	}
	w.s.own.unwatch(dir)
}

// event handles an event of the operating system.
func (w *watch) event(e fsnotify.Event) {
	gone := e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename)
	if !gone && !e.Has(fsnotify.Create) {
		return // contents and times of files do not matter
	}
	if d := w.dirs[e.Name]; d != nil && gone {
		// The directory itself: a run will find out what has become of it.
		if e.Has(fsnotify.Rename) {
			w.dropTree(e.Name)
		} else {
			w.drop(e.Name)
			w.report(store.WatchReport{Box: d.box, Boxes: true})
		}
		return
	}
	own := w.s.own.take(ownChange{path: e.Name, gone: gone})
	if !gone {
		w.watchTree(e.Name)
	}
	d := w.dirs[filepath.Dir(e.Name)]
	switch {
	case d == nil || own && d.box != "":
	case d.box != "":
		w.report(store.WatchReport{Box: d.box})
	case !w.mayBeBox(e.Name, gone):
	default:
		if !gone && w.dirs[e.Name] == nil && !isReserved(filepath.Base(e.Name)) {
			// The parts of a new mailbox are made after it.
			w.watch(e.Name, "")
		}
		if !own {
			w.report(store.WatchReport{Boxes: true})
		}
	}
}

// mayBeBox reports whether a name in a directory that contains mailboxes may be that of a
// mailbox, or of a part that makes a directory a mailbox.
func (w *watch) mayBeBox(path string, gone bool) bool {
	name := filepath.Base(path)
	if name == "cur" {
		return true
	}
	if isReserved(name) {
		return false
	}
	if gone {
		return true
	}
	fi, err := w.s.fs.Stat(path)
	return err == nil && fi.IsDir()
}

// lost handles an error of the operating system's watches.
func (w *watch) lost(err error) {
	w.s.own.forget()
	if !errors.Is(err, fsnotify.ErrEventOverflow) {
		w.limit(err)
		w.tellState()
	}
	w.report(store.WatchReport{All: true, Boxes: true})
}

// poll reports the polled directories that have changed.
func (w *watch) poll() {
	for _, dir := range slices.Sorted(maps.Keys(w.dirs)) {
		d := w.dirs[dir]
		if d == nil || !d.polled {
			continue
		}
		now, ok := w.stamp(dir)
		switch {
		case !ok:
			delete(w.dirs, dir)
			w.report(store.WatchReport{Box: d.box, Boxes: true})
		case now != d.stamp:
			d.stamp = now
			w.report(store.WatchReport{Box: d.box, Boxes: d.box == ""})
		}
	}
}
