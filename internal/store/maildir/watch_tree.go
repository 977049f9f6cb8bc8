package maildir

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"isync/internal/store"
)

// The system watches directories, not paths: after a rename it goes on to report changes of
// the directory that is elsewhere now, and none of the one that has taken its place. So the
// watches of a directory that was renamed end, with all those in it, and begin anew when
// there is a directory of that name again. The directories above the bases are not watched,
// therefore it is checked from time to time whether the bases still are the same.

// dropTree ends the watch of a directory and those in it, and reports their mailboxes.
func (w *watch) dropTree(dir string) {
	inside := dir + string(filepath.Separator)
	var gone []string
	for _, path := range slices.Sorted(maps.Keys(w.dirs)) {
		if path != dir && !strings.HasPrefix(path, inside) {
			continue
		}
		if box := w.dirs[path].box; box != "" && !slices.Contains(gone, box) {
			gone = append(gone, box)
		}
		w.drop(path)
	}
	for _, box := range gone {
		w.report(store.WatchReport{Box: box})
	}
	w.report(store.WatchReport{Boxes: true})
}

// watchTree watches a directory that has appeared, and those in it, as far as they should
// be watched. It reports their mailboxes.
func (w *watch) watchTree(dir string) {
	box, wanted := w.want[dir]
	if !wanted || w.dirs[dir] != nil || !w.watch(dir, box) {
		return
	}
	if box != "" {
		// It may have changed before it was watched.
		w.report(store.WatchReport{Box: box})
		return
	}
	names, err := w.s.fs.ReadNames(dir)
	if err != nil {
		return // it is gone again
	}
	for _, name := range names {
		w.watchTree(filepath.Join(dir, name))
	}
}

// checkBases finds bases that are missing, have appeared, or were replaced.
func (w *watch) checkBases() {
	for _, base := range w.bases() {
		now, err := w.s.fs.Stat(base)
		d := w.dirs[base]
		if d != nil && (err != nil && isMissing(err) || err == nil && d.info != nil && !os.SameFile(d.info, now)) {
			w.dropTree(base)
			d = nil
		}
		if d == nil && err == nil && now.IsDir() {
			w.watchTree(base)
			w.report(store.WatchReport{All: true, Boxes: true})
		}
	}
}
