package check

import (
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"isync/internal/event"
	"isync/internal/vfs"
)

// PathPrefix checks for a Path of a MaildirStore without a slash at its end: then the
// last part of Path is the beginning of the names of mailboxes. It warns if there is a
// directory of that name, or if no mailbox has such a name and the last part does not
// look like a prefix.
func PathPrefix(fsys vfs.FS, path string) (f event.PathWithoutSlash, warn bool) {
	dir, prefix := filepath.Split(path)
	if prefix == "" || strings.Trim(prefix, ".") == "" {
		return f, false
	}
	f.Path = path
	if fi, err := fsys.Stat(path); err == nil && fi.IsDir() {
		f.Directory = true
		return f, true
	}
	if last, _ := utf8.DecodeLastRuneInString(prefix); !unicode.IsLetter(last) && !unicode.IsDigit(last) {
		return f, false // it looks like a prefix
	}
	names, err := fsys.ReadNames(dir)
	if err == nil && slices.ContainsFunc(names, func(n string) bool {
		if !strings.HasPrefix(n, prefix) || n == prefix {
			return false
		}
		_, err := fsys.Stat(filepath.Join(dir, n, "cur"))
		return err == nil
	}) {
		return f, false // it is in use
	}
	return f, true
}
