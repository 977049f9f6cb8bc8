package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"isync/internal/event"
	"isync/internal/vfs"
)

// fs returns the file system. With debug output, its operations are traced.
func (r *run) fs() vfs.FS {
	if !r.debugs(event.DebugMaildir) {
		return r.env.FS
	}
	return tracedFS{r.env.FS, &r.reporter}
}

// tracedFS traces the operations that change something or open files.
type tracedFS struct {
	vfs.FS
	p *reporter
}

func (t tracedFS) trace(err error, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if err != nil {
		why := err
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			why = pe.Err // the path is printed already
		} else if le, ok := errors.AsType[*os.LinkError](err); ok {
			why = le.Err
		}
		text += ": " + why.Error()
	}
	t.p.debugf(event.DebugMaildir, "%s", text)
	return err
}

func (t tracedFS) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	f, err := t.FS.OpenFile(name, flag, perm)
	op := "open"
	if flag&os.O_CREATE != 0 {
		op = "create"
	}
	return f, t.trace(err, "%s %s", op, name)
}

func (t tracedFS) Mkdir(name string, perm fs.FileMode) error {
	return t.trace(t.FS.Mkdir(name, perm), "mkdir %s", name)
}

func (t tracedFS) Remove(name string) error { return t.trace(t.FS.Remove(name), "remove %s", name) }

func (t tracedFS) Rename(oldname, newname string) error {
	return t.trace(t.FS.Rename(oldname, newname), "rename %s -> %s", oldname, newname)
}

func (t tracedFS) Chtimes(name string, atime, mtime time.Time) error {
	return t.trace(t.FS.Chtimes(name, atime, mtime), "set times of %s to %s", name, mtime.Format(time.RFC3339))
}

func (t tracedFS) ReadNames(dir string) ([]string, error) {
	names, err := t.FS.ReadNames(dir)
	return names, t.trace(err, "read directory %s (%d)", dir, len(names))
}

func (t tracedFS) SyncDir(dir string) error {
	return t.trace(t.FS.SyncDir(dir), "flush directory %s", dir)
}

func (t tracedFS) Lock(f vfs.File, wait bool) error {
	return t.trace(t.FS.Lock(f, wait), "lock %s", f.Name())
}
