package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// mailRoots are the usual directories of mail. The first existing one is used.
var mailRoots = []string{"~/Mail", "~/.mail", "~/mail"}

// Directory implements setup.World.
func (w *setupWorld) Directory(name string) string {
	root := mailRoots[0]
	for _, r := range mailRoots {
		if path, err := w.resolve(r); err == nil && w.env.Config.Exists != nil && w.env.Config.Exists(path) {
			root = r
			break
		}
	}
	free := func(dir string) bool {
		used, err := w.CheckDirectory(dir)
		return err == nil && !used
	}
	// A store in the file may already use everything below the usual directory.
	for _, format := range []string{root + "/%s", root + "-%s", "~/.mail/%s", "~/.mail-%s"} {
		if dir := fmt.Sprintf(format, name); free(dir) {
			return dir
		}
	}
	for n := 2; n < 1000; n++ {
		if dir := fmt.Sprintf("%s-%s-%d", root, name, n); free(dir) {
			return dir
		}
	}
	return root + "/" + name
}

func (w *setupWorld) resolve(path string) (string, error) {
	return w.env.Config.Resolve(w.target.cfg.Dir, path)
}

// CheckDirectory implements setup.World.
func (w *setupWorld) CheckDirectory(text string) (used bool, err error) {
	if strings.ContainsAny(text, "\x00\r\n") {
		return false, errors.New("this is not the name of a directory")
	}
	if !filepath.IsAbs(text) && !strings.HasPrefix(text, "~") {
		// A relative path would be relative to the directory of the configuration file.
		return false, errors.New("write an absolute path, or one that begins with ~/")
	}
	dir, err := w.resolve(text)
	if err != nil {
		return false, err
	}
	if err := w.overlap(dir); err != nil {
		return false, err
	}
	fi, err := w.env.FS.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !fi.IsDir():
		return false, errors.New("this is not a directory")
	}
	names, err := w.env.FS.ReadNames(dir)
	return len(names) > 0, err
}

// overlap returns an error if a store of the file uses a directory, or one below or above it.
// Otherwise the mail of one account would be copied to the other.
func (w *setupWorld) overlap(dir string) error {
	dir = realPath(dir)
	slash := string(filepath.Separator)
	for _, s := range w.target.cfg.Stores {
		if s.Maildir == nil {
			continue
		}
		inbox := realPath(s.Maildir.Inbox)
		taken := dir == inbox || strings.HasPrefix(dir, inbox+slash) || strings.HasPrefix(inbox, dir+slash)
		if s.HasPath {
			// Path may end in a part of a name.
			parent, part := filepath.Split(s.Path)
			path := realPath(filepath.Clean(parent)) + slash + part
			taken = taken || strings.HasPrefix(dir+slash, path) || strings.HasPrefix(path, dir+slash)
		}
		if taken {
			return fmt.Errorf("this directory has mail of the MaildirStore '%s', or is in its Path (%s)", s.Name, s.At.String())
		}
	}
	return nil
}

// realPath resolves the symbolic links in the existing part of a path.
func realPath(path string) string {
	path = filepath.Clean(path)
	rest := ""
	for dir := path; ; {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			return filepath.Join(real, rest)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return path
		}
		rest = filepath.Join(filepath.Base(dir), rest)
		dir = parent
	}
}
