package check

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"isync/internal/vfs"
)

// PathPrefix warns of a Path of a MaildirStore that has no slash at its end, so that
// names of mailboxes begin with its last part. It warns if there is a directory of
// that name, or if no mailbox has such a name and the last part does not look like a
// prefix. Otherwise the text is "".
func PathPrefix(fsys vfs.FS, path string) (text, hint string) {
	dir, prefix := filepath.Split(path)
	if prefix == "" || strings.Trim(prefix, ".") == "" {
		return "", ""
	}
	hint = fmt.Sprintf("if that is not intended, write: Path %s/", path)
	if fi, err := fsys.Stat(path); err == nil && fi.IsDir() {
		return fmt.Sprintf("Path %s has no slash at the end: mailboxes are not in this directory, but beside it: %sArchive, %sDrafts", path, path, path), hint
	}
	if last, _ := utf8.DecodeLastRuneInString(prefix); !unicode.IsLetter(last) && !unicode.IsDigit(last) {
		return "", "" // it looks like a prefix
	}
	names, err := fsys.ReadNames(dir)
	if err == nil && slices.ContainsFunc(names, func(n string) bool {
		if !strings.HasPrefix(n, prefix) || n == prefix {
			return false
		}
		_, err := fsys.Stat(filepath.Join(dir, n, "cur"))
		return err == nil
	}) {
		return "", "" // it is in use
	}
	return fmt.Sprintf("Path %s has no slash at the end: mailboxes are created as %sArchive, %sDrafts", path, path, path), hint
}
