package vfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// owned has methods of a file of the operating system that File lacks.
type owned interface {
	Chmod(mode fs.FileMode) error
	Chown(uid, gid int) error
}

// Create opens a file, and creates it if it is missing. A new file is accessible only for the
// user. If the group may write to the directory, the group gets the same rights to the new file,
// independently of the umask. The flags are those of OpenFile.
func Create(fsys FS, name string, flag int) (File, error) {
	f, isNew, err := create(fsys, name, flag)
	if err == nil && isNew {
		share(fsys, f, filepath.Dir(name))
	}
	return f, err
}

// CreateLike is Create for a file that replaces or accompanies another file. The new file gets
// the mode of the other file, if that exists.
func CreateLike(fsys FS, name, like string, flag int) (File, error) {
	f, isNew, err := create(fsys, name, flag)
	if err != nil || !isNew {
		return f, err
	}
	o, ok := f.(owned)
	if !ok {
		return f, nil
	}
	old, err := fsys.Stat(like)
	if err != nil || !old.Mode().IsRegular() {
		share(fsys, f, filepath.Dir(name))
		return f, nil
	}
	mode := old.Mode().Perm()
	if !takeGroup(f, o, old) {
		mode &^= 0o070 // the bits were for another group
	}
	_ = o.Chmod(mode | 0o600) // if this fails, the file stays private
	return f, nil
}

// TakeOwner completes CreateLike. It gives a newly written file the owner of the other file, if
// the process has that privilege. It also removes owner permissions that the mode of the other
// file does not have.
func TakeOwner(f File, like fs.FileInfo) {
	o, ok := f.(owned)
	if !ok {
		return
	}
	fi, err := f.Stat()
	if err != nil {
		return
	}
	have, ok1 := userOf(fi)
	want, ok2 := userOf(like)
	if ok1 && ok2 && have != want && o.Chown(want, -1) != nil {
		return // the present owner must be able to use the file
	}
	_ = o.Chmod(fi.Mode().Perm() &^ (0o600 &^ like.Mode().Perm()))
}

// create opens a file and reports whether it was created.
func create(fsys FS, name string, flag int) (f File, isNew bool, err error) {
	if flag&os.O_EXCL == 0 {
		f, err = fsys.OpenFile(name, flag&^os.O_CREATE, 0)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return f, false, err
		}
		f, err = fsys.OpenFile(name, flag|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) { // created in the meantime, or a dangling link
			f, err = fsys.OpenFile(name, flag|os.O_CREATE, 0o600)
			return f, false, err
		}
		return f, err == nil, err
	}
	f, err = fsys.OpenFile(name, flag|os.O_CREATE, 0o600)
	return f, err == nil, err
}

// MkdirAllShared is MkdirAll with the group permissions of Create.
func MkdirAllShared(fsys FS, dir string, sync bool) error {
	return mkdirAll(fsys, dir, 0o700, sync, func(dir, parent string) {
		f, err := fsys.OpenFile(dir, os.O_RDONLY, 0)
		if err != nil {
			return
		}
		defer f.Close()
		share(fsys, f, parent)
	})
}

// share gives a new file or directory to the group of its parent directory, if that
// group may write there. If this fails, the entry stays private.
func share(fsys FS, f File, dir string) {
	o, ok := f.(owned)
	if !ok {
		return
	}
	d, err := fsys.Stat(dir)
	if err != nil || d.Mode().Perm()&0o020 == 0 || !takeGroup(f, o, d) {
		return
	}
	fi, err := f.Stat()
	if err != nil {
		return
	}
	mode := fs.FileMode(0o600) | d.Mode().Perm()&0o060
	if fi.IsDir() {
		mode = 0o700 | d.Mode().Perm()&0o070 | d.Mode()&fs.ModeSetgid
	}
	_ = o.Chmod(mode)
}

// takeGroup gives a file the group of another file, and reports whether it succeeded.
func takeGroup(f File, o owned, like fs.FileInfo) bool {
	fi, err := f.Stat()
	if err != nil {
		return false
	}
	have, ok1 := groupOf(fi)
	want, ok2 := groupOf(like)
	return ok1 && ok2 && (have == want || o.Chown(-1, want) == nil)
}

// Owner returns the user who owns a file. ok is false if that is not known.
func Owner(fi fs.FileInfo) (uid int, ok bool) { return userOf(fi) }
