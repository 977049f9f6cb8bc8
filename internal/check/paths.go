package check

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode"

	"isync/internal/vfs"
)

// place is what was found where a directory is or would be.
type place struct {
	// exists: it is there, and a directory.
	exists bool
	// at is the directory itself or the nearest one above that exists.
	at string
	// err says why it cannot be used: why it, or the way to it, is no
	// directory, or one that nothing can be put into.
	err error
}

// examine looks at a directory that need not be there.
func examine(f vfs.FS, dir string) place {
	p := place{at: filepath.Clean(dir), exists: true}
	for {
		fi, err := f.Stat(p.at)
		switch {
		case err == nil && !fi.IsDir():
			p.err = &fs.PathError{Op: "use", Path: p.at, Err: errors.New("not a directory")}
			return p
		case err == nil:
			p.err = writable(f, p.at, fi)
			return p
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
			p.err = err
			return p
		}
		p.exists = false
		up := filepath.Dir(p.at)
		if up == p.at {
			p.err = err
			return p
		}
		p.at = up
	}
}

// openToOthers reports whether somebody but the owner can read a file.
func openToOthers(fi fs.FileInfo) bool { return fi.Mode().Perm()&0o044 != 0 }

// foldsCase reports whether the file system takes a name in other case for the
// same, as far as an existing directory can tell.
func foldsCase(f vfs.FS, dir string) bool {
	base := filepath.Base(dir)
	other := strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, base)
	if other == base {
		return false
	}
	a, err := f.Stat(dir)
	if err != nil {
		return false
	}
	b, err := f.Stat(filepath.Join(filepath.Dir(dir), other))
	return err == nil && os.SameFile(a, b)
}

// tryLock locks a file for a moment, if it exists: that changes nothing. held
// means that another process has locked it.
func tryLock(f vfs.FS, path string) (tried, held bool, err error) {
	file, err := f.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, false, nil
	}
	if err != nil {
		return true, false, err
	}
	defer file.Close()
	err = f.Lock(file, false)
	if errors.Is(err, vfs.ErrLocked) {
		return true, true, nil
	}
	return true, false, err
}
